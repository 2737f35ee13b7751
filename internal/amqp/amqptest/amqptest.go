// Package amqptest states what every AMQP 0-9-1 broker must do for Leat, as tests over a real client. RabbitMQ is right by
// definition; the embedded broker has to pass the same tests.
//
// The law is written in terms of what a client sees: deliveries, confirms, returns, and errors with their codes and texts.
package amqptest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/rabbitmq"
)

// Target is a broker to be held against the law.
type Target struct {
	AMQP       string // amqp://USER:PASSWORD@HOST:PORT/ of an administrator
	Management string // http://USER:PASSWORD@HOST:PORT of the management API, the same user
	// Restart ends the broker, cleanly or as if by kill -9, and starts it on the same address and data. Nil: the broker can't.
	Restart func(t *testing.T, graceful bool)
	// Alarm makes the broker believe that its memory is short, or not any more. Nil: the broker can't.
	Alarm func(t *testing.T, on bool)
}

// Run runs the law. Its tests run in parallel in one virtual host that is removed afterwards, then those that concern
// the whole broker: an alarm, and restarts.
func Run(t *testing.T, target Target) {
	api, err := rabbitmq.New(rabbitmq.Options{URL: target.Management})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	vhost := "law-" + rand.Text()[:8]
	if err := api.PutVHost(t.Context(), vhost); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.DeleteVHost(context.Background(), vhost); err != nil {
			t.Error(err)
		}
	})

	tests := map[string]func(*bed){}
	for _, chapter := range []map[string]func(*bed){
		publishLaw, consumeLaw, prefetchLaw, queueLaw, exchangeLaw, ttlLaw, deadLetterLaw, lengthLaw, priorityLaw, replyLaw, errorLaw, accessLaw, connectionLaw, frameLaw, txLaw, oddLaw, policyLaw,
	} {
		maps.Copy(tests, chapter)
	}
	run := func(name string, law map[string]func(*bed), parallel bool) {
		t.Run(name, func(t *testing.T) {
			for name, test := range law {
				t.Run(name, func(t *testing.T) {
					if parallel {
						t.Parallel()
					}
					test(&bed{T: t, target: target, vhost: vhost, api: api})
				})
			}
		})
	}
	run("law", tests, true)
	if target.Alarm != nil {
		run("alarm", alarmLaw, false)
	}
	if target.Restart != nil {
		run("restart", restartLaw, false)
	}
}

// bed is what each test has.
type bed struct {
	*testing.T
	target Target
	vhost  string
	api    *rabbitmq.Client
}

// patience bounds every wait for something that must happen.
const patience = 20 * time.Second

// name makes a name that no other test has.
func (b *bed) name(what string) string { return what + "-" + rand.Text()[:12] }

func (b *bed) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// dial opens a connection to the law's virtual host. It's closed at the end of the test.
func (b *bed) dial() *amqp.Connection {
	b.Helper()
	return b.dialAs(amqp.Config{})
}

func (b *bed) dialAs(config amqp.Config) *amqp.Connection {
	b.Helper()
	if config.Vhost == "" {
		config.Vhost = b.vhost
	}
	conn, err := amqp.DialConfig(b.target.AMQP, config)
	b.must(err)
	b.Cleanup(func() { conn.Close() })
	return conn
}

// channel opens a channel on a connection of its own, in confirm mode.
func (b *bed) channel() *amqp.Channel {
	b.Helper()
	return b.channelOf(b.dial())
}

func (b *bed) channelOf(conn *amqp.Connection) *amqp.Channel {
	b.Helper()
	ch, err := conn.Channel()
	b.must(err)
	b.must(ch.Confirm(false))
	return ch
}

// queue declares a durable queue with a new name.
func (b *bed) queue(ch *amqp.Channel, args amqp.Table) string {
	b.Helper()
	q, err := ch.QueueDeclare(b.name("q"), true, false, false, false, args)
	b.must(err)
	return q.Name
}

// exchange declares a durable exchange with a new name.
func (b *bed) exchange(ch *amqp.Channel, kind string, args amqp.Table) string {
	b.Helper()
	name := b.name("x")
	b.must(ch.ExchangeDeclare(name, kind, true, false, false, false, args))
	return name
}

func (b *bed) bind(ch *amqp.Channel, queue, key, exchange string, args amqp.Table) {
	b.Helper()
	b.must(ch.QueueBind(queue, key, exchange, false, args))
}

// publish sends a message and returns whether the broker confirmed it (true) or refused it (false).
func (b *bed) publish(ch *amqp.Channel, exchange, key string, m amqp.Publishing) bool {
	b.Helper()
	c, err := ch.PublishWithDeferredConfirm(exchange, key, false, false, m)
	b.must(err)
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	acked, err := c.WaitContext(ctx)
	if err != nil {
		b.Fatalf("publish to %q by %q: no confirm: %v", exchange, key, err)
	}
	return acked
}

// send publishes persistent text messages, and fails the test when one isn't confirmed.
func (b *bed) send(ch *amqp.Channel, exchange, key string, bodies ...string) {
	b.Helper()
	for _, body := range bodies {
		if !b.publish(ch, exchange, key, amqp.Publishing{Body: []byte(body), DeliveryMode: amqp.Persistent}) {
			b.Fatalf("publish %q to %q by %q: refused", body, exchange, key)
		}
	}
}

// get takes the next message of a queue, waiting until there is one.
func (b *bed) get(ch *amqp.Channel, queue string) amqp.Delivery {
	b.Helper()
	var got amqp.Delivery
	b.eventually("a message in "+queue, func() bool {
		d, ok, err := ch.Get(queue, false)
		b.must(err)
		got = d
		return ok
	})
	return got
}

// drain takes all that's in the queue now, acknowledged, and returns the bodies.
func (b *bed) drain(ch *amqp.Channel, queue string) []string {
	b.Helper()
	bodies := []string{}
	for {
		d, ok, err := ch.Get(queue, true)
		b.must(err)
		if !ok {
			return bodies
		}
		bodies = append(bodies, string(d.Body))
	}
}

// ready is the number of messages that the queue could deliver now.
func (b *bed) ready(ch *amqp.Channel, queue string) int {
	b.Helper()
	q, err := ch.QueueDeclarePassive(queue, false, false, false, false, nil)
	b.must(err)
	return q.Messages
}

// consume starts a consumer that acknowledges by hand.
func (b *bed) consume(ch *amqp.Channel, queue string, args amqp.Table) (tag string, in <-chan amqp.Delivery) {
	b.Helper()
	tag = b.name("c")
	in, err := ch.Consume(queue, tag, false, false, false, false, args)
	b.must(err)
	return tag, in
}

// receive takes the next delivery of a consumer.
func (b *bed) receive(in <-chan amqp.Delivery) amqp.Delivery {
	b.Helper()
	select {
	case d, ok := <-in:
		if !ok {
			b.Fatal("the consumer ended, want a delivery")
		}
		return d
	case <-time.After(patience):
		b.Fatalf("no delivery within %v", patience)
	}
	panic("unreachable")
}

// quiet checks that nothing is delivered. Sync, if given, is a round trip after which a wrong delivery would have come.
func (b *bed) quiet(in <-chan amqp.Delivery, ch *amqp.Channel) {
	b.Helper()
	b.roundTrip(ch)
	select {
	case d, ok := <-in:
		if ok {
			b.Errorf("delivered %q, want nothing", d.Body)
		}
	case <-time.After(30 * time.Millisecond):
	}
}

// roundTrip waits until the broker has dealt with all that was sent on the channel before.
func (b *bed) roundTrip(ch *amqp.Channel) {
	b.Helper()
	b.must(ch.ExchangeDeclarePassive("amq.direct", "direct", true, false, false, false, nil))
}

// eventually polls until ok, or fails the test.
func (b *bed) eventually(what string, ok func() bool) {
	b.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			b.Fatalf("not within %v: %s", patience, what)
		case <-tick.C:
		}
	}
}

// refusal does something that the broker must answer by closing channel or connection, and returns the error.
func (b *bed) refusal(ch *amqp.Channel, do func() error) *amqp.Error {
	b.Helper()
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	err := do()
	if e, ok := errors.AsType[*amqp.Error](err); ok {
		return e
	}
	select {
	case e := <-closed:
		if e == nil {
			b.Fatal("closed without an error")
		}
		return e
	case <-time.After(patience):
		b.Fatalf("not refused within %v (the call returned %v)", patience, err)
	}
	panic("unreachable")
}

// wantRefusal checks code and text of an error that do must lead to.
func (b *bed) wantRefusal(ch *amqp.Channel, code int, text string, do func() error) {
	b.Helper()
	e := b.refusal(ch, do)
	if e.Code != code || e.Reason != text {
		b.Errorf("refused with %d %s\nwant         %d %s", e.Code, e.Reason, code, text)
	}
}

// equal compares two values by their printed form, which is enough for texts, numbers and lists of them.
func (b *bed) equal(what string, got, want any) {
	b.Helper()
	if g, w := fmt.Sprintf("%#v", got), fmt.Sprintf("%#v", want); g != w {
		b.Errorf("%s = %s\nwant %s", what, g, w)
	}
}
