package broker_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/broker"
)

// start opens a broker in dir ("" is in memory) that listens on a port of its own, and gives its AMQP address.
func start(t testing.TB, dir string) (*broker.Broker, string) {
	t.Helper()
	o := broker.DefaultOptions()
	o.Dir = dir
	o.DiskFree = 0
	return startWith(t, o)
}

func startWith(t testing.TB, o broker.Options) (*broker.Broker, string) {
	t.Helper()
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- b.Serve(l) }()
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return b, "amqp://guest:guest@" + l.Addr().String() + "/"
}

func dial(t testing.TB, url string) *amqp.Connection {
	t.Helper()
	c, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func channel(t testing.TB, c *amqp.Connection) *amqp.Channel {
	t.Helper()
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func declare(t testing.TB, ch *amqp.Channel, name string, args amqp.Table) amqp.Queue {
	t.Helper()
	q, err := ch.QueueDeclare(name, true, false, false, false, args)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// publish sends one persistent message and waits for its confirm; the channel must be in confirm mode.
func publish(t testing.TB, ch *amqp.Channel, exchange, key, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	d, err := ch.PublishWithDeferredConfirmWithContext(ctx, exchange, key, false, false, amqp.Publishing{
		DeliveryMode: amqp.Persistent, Body: []byte(body),
	})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := d.WaitContext(ctx); err != nil || !ok {
		t.Fatalf("confirm of %q: %v, %v", body, ok, err)
	}
}

func confirmed(t testing.TB, ch *amqp.Channel) *amqp.Channel {
	t.Helper()
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	return ch
}

// receive takes one delivery.
func receive(t testing.TB, from <-chan amqp.Delivery) amqp.Delivery {
	t.Helper()
	select {
	case d, ok := <-from:
		if !ok {
			t.Fatal("deliveries ended")
		}
		return d
	case <-time.After(10 * time.Second):
		t.Fatal("no delivery")
	}
	panic("unreachable")
}

func consume(t testing.TB, ch *amqp.Channel, queue string) <-chan amqp.Delivery {
	t.Helper()
	d, err := ch.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestMessagesArriveInOrderOverTCPAndMemory(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		b, url := start(t, dir)
		inMemory, err := amqp.DialConfig("amqp://guest:guest@memory/", amqp.Config{
			Dial: func(string, string) (net.Conn, error) { return b.Dial() },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer inMemory.Close()
		for name, c := range map[string]*amqp.Connection{"tcp": dial(t, url), "memory": inMemory} {
			t.Run(fmt.Sprintf("%s durable=%v", name, dir != ""), func(t *testing.T) {
				ch := confirmed(t, channel(t, c))
				queue := declare(t, ch, "q."+name, nil).Name
				const n = 500
				for i := range n {
					publish(t, ch, "", queue, fmt.Sprint(i))
				}
				got := consume(t, ch, queue)
				for i := range n {
					d := receive(t, got)
					if string(d.Body) != fmt.Sprint(i) || d.Redelivered {
						t.Fatalf("delivery %d: body %q, redelivered %v", i, d.Body, d.Redelivered)
					}
					if err := d.Ack(false); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

func TestConfirmedMessagesSurviveRestartAndAckedOnesDoNot(t *testing.T) {
	dir := t.TempDir()
	first, url := start(t, dir)
	ch := confirmed(t, channel(t, dial(t, url)))
	if err := ch.ExchangeDeclare("x", "topic", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"a", "b"} {
		declare(t, ch, q, amqp.Table{"x-message-ttl": int32(600000)})
		if err := ch.QueueBind(q, "f.*.message", "x", false, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		publish(t, ch, "x", "f.s.message", fmt.Sprint(i))
	}
	got := consume(t, ch, "a")
	for range 4 {
		if err := receive(t, got).Ack(false); err != nil {
			t.Fatal(err)
		}
	}
	if err := ch.Close(); err != nil { // acks are on their way until the broker has answered something
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	_, url = start(t, dir)
	ch = channel(t, dial(t, url))
	for q, want := range map[string]int{"a": 4, "b": 0} {
		got := consume(t, ch, q)
		for i := want; i < 10; i++ {
			if d := receive(t, got); string(d.Body) != fmt.Sprint(i) {
				t.Fatalf("queue %s: got %q, want %d", q, d.Body, i)
			}
		}
	}
}

// Libraries that don't know of persistent messages lose none in quorum queues, as with RabbitMQ.
func TestTransientMessagesSurviveARestartInQuorumQueuesOnly(t *testing.T) {
	dir := t.TempDir()
	first, url := start(t, dir)
	ch := confirmed(t, channel(t, dial(t, url)))
	for q, arguments := range map[string]amqp.Table{"quorum": {"x-queue-type": "quorum"}, "another": {"x-queue-type": "quorum"}, "classic": nil} {
		declare(t, ch, q, arguments)
		if err := ch.QueueBind(q, "all", "amq.direct", false, nil); err != nil {
			t.Fatal(err)
		}
	}
	transient := amqp.Publishing{DeliveryMode: amqp.Transient, Body: []byte("transient")}
	for exchange, key := range map[string]string{"": "quorum", "amq.direct": "all"} {
		confirm, err := ch.PublishWithDeferredConfirm(exchange, key, true, false, transient)
		if err != nil {
			t.Fatal(err)
		}
		if !confirm.Wait() {
			t.Fatal("not confirmed")
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	_, url = start(t, dir)
	ch = channel(t, dial(t, url))
	for q, want := range map[string]int{"quorum": 2, "another": 1, "classic": 0} {
		state, err := ch.QueueDeclarePassive(q, true, false, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		if state.Messages != want {
			t.Errorf("queue %s has %d messages after the restart, want %d", q, state.Messages, want)
		}
	}
}

func TestWhatWasDeliveredBeforeARestartIsRedelivered(t *testing.T) {
	dir := t.TempDir()
	first, url := start(t, dir)
	ch := confirmed(t, channel(t, dial(t, url)))
	declare(t, ch, "q", nil)
	publish(t, ch, "", "q", "delivered")
	publish(t, ch, "", "q", "waiting")
	if d, ok, err := ch.Get("q", false); err != nil || !ok || d.Redelivered {
		t.Fatalf("get: %v, %v, redelivered %v", ok, err, d.Redelivered)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	_, url = start(t, dir)
	ch = channel(t, dial(t, url))
	for _, want := range []bool{true, false} {
		d, ok, err := ch.Get("q", false)
		if err != nil || !ok {
			t.Fatalf("get: %v, %v", ok, err)
		}
		if d.Redelivered != want {
			t.Errorf("%q: redelivered %v, want %v", d.Body, d.Redelivered, want)
		}
	}
}
