package broker_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/rabbitmq"
	"github.com/openintegrationhub/leat/test/broker/process"
)

// Shape of the crash test's traffic.
const (
	crashQueues    = 6
	crashProducers = 3
	crashInFlight  = 100 // unconfirmed messages of each producer
	crashPrefetch  = 200
	crashExchange  = "crash"
)

func crashQueue(i int) string { return fmt.Sprintf("crash-%d", i) }

// crashes is how often the broker is killed: 10 times, 100 in `make test-kill`, or as often as LEAT_CRASHES says.
func crashes(t *testing.T) int {
	t.Helper()
	text := os.Getenv("LEAT_CRASHES")
	if text == "" && os.Getenv("LEAT_KILL") == "full" {
		return 100
	}
	if text == "" {
		return 10
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("LEAT_CRASHES = %q, want a number", text)
	}
	return n
}

// Producers with confirms, consumers with acks and someone who changes definitions run at full speed while the broker is killed over
// and over. Nothing that it said is done may be undone.
func TestNothingIsLostByKill9(t *testing.T) {
	b, err := process.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Kill() })
	declareCrashTopology(t, b.AMQP)
	books := newLedger()
	definitions := newDefinitions(t, b)

	var producers, consumers sync.WaitGroup
	stopProducing, stopConsuming := make(chan struct{}), make(chan struct{})
	for i := range crashProducers {
		producers.Go(func() { produce(b.AMQP, i, books, stopProducing) })
	}
	for i := range crashQueues {
		consumers.Go(func() { consume(b.AMQP, i, books, stopConsuming) })
	}
	producers.Go(func() { definitions.change(stopProducing) })

	n := crashes(t)
	start := time.Now()
	var down time.Duration
	for range n {
		books.awaitConfirms(t, 300)
		<-time.After(time.Duration(rand.IntN(300)) * time.Millisecond)
		if err := b.Kill(); err != nil {
			t.Fatal(err)
		}
		definitions.mu.Lock() // the change that was in flight has failed by then
		killed := time.Now()
		if err := b.Resume(); err != nil {
			t.Fatal(err)
		}
		down += time.Since(killed)
		definitions.check()
		definitions.mu.Unlock()
	}
	books.awaitConfirms(t, 300)
	close(stopProducing)
	producers.Wait()
	books.awaitDrained(t)
	close(stopConsuming)
	consumers.Wait()

	r := books.report()
	t.Logf("%d kills in %.1f s (mean restart %.0f ms): %d confirmed deliveries, %d lost; %d acked, %d of them redelivered after a durable ack, %d before; %d out of order; %d definitions checked",
		n, time.Since(start).Seconds(), float64(down.Milliseconds())/float64(n), r.confirmed, r.lost, r.acked, r.durableRedelivered, r.earlyRedelivered, r.disorder, definitions.checked)
	if r.lost+r.durableRedelivered+r.disorder > 0 {
		t.Errorf("lost %d, redelivered %d, out of order %d: want none\n%s", r.lost, r.durableRedelivered, r.disorder, r.examples)
	}
	if r.confirmed < 300*n || r.acked < 300*n {
		t.Errorf("too little traffic to prove anything: %d confirmed, %d acked", r.confirmed, r.acked)
	}
}

// declareCrashTopology makes a topic exchange that leads by key N to one queue, and by key "all" to all.
func declareCrashTopology(t *testing.T, url string) {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(ch.ExchangeDeclare(crashExchange, "topic", true, false, false, false, nil))
	for i := range crashQueues {
		_, err := ch.QueueDeclare(crashQueue(i), true, false, false, false, nil)
		must(err)
		must(ch.QueueBind(crashQueue(i), strconv.Itoa(i), crashExchange, false, nil))
		must(ch.QueueBind(crashQueue(i), "all", crashExchange, false, nil))
		_, err = ch.QueueDeclare(crashQueue(i)+"-marks", true, false, false, false, nil)
		must(err)
	}
}

// definitions are queues that come and go, and which of them must be there.
type definitions struct {
	t   *testing.T
	b   *process.Broker
	api *rabbitmq.Client

	mu      sync.Mutex // held while something is changed; guards what follows
	present map[string]bool
	unknown map[string]bool // being changed when the broker died: either outcome is right
	checked int
}

func newDefinitions(t *testing.T, b *process.Broker) *definitions {
	t.Helper()
	api, err := rabbitmq.New(rabbitmq.Options{URL: b.Management})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	return &definitions{t: t, b: b, api: api, present: map[string]bool{}, unknown: map[string]bool{}}
}

// change declares, binds and deletes until stopped.
func (d *definitions) change(stop <-chan struct{}) {
	var ch *amqp.Channel
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		if ch == nil || ch.IsClosed() {
			if ch = channel(d.b.AMQP, stop); ch == nil {
				return
			}
		}
		d.changeOne(ch, i)
	}
}

// changeOne makes a queue, or deletes it when it's there.
func (d *definitions) changeOne(ch *amqp.Channel, i int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := fmt.Sprintf("def-%d", rand.IntN(50))
	var err error
	if d.present[name] {
		_, err = ch.QueueDelete(name, false, false, false)
	} else {
		_, err = ch.QueueDeclare(name, true, false, false, false, amqp.Table{"x-max-length": int32(i)})
	}
	if err != nil {
		d.unknown[name] = true
		return
	}
	d.present[name] = !d.present[name]
}

// check compares with what is there after a crash; the lock is held. What was in flight is taken as it's found.
func (d *definitions) check() {
	d.t.Helper()
	queues, err := d.api.Queues(d.t.Context(), "/")
	if err != nil {
		d.t.Fatal(err)
	}
	there := map[string]bool{}
	for _, q := range queues {
		there[q.Name] = true
	}
	for i := range 50 {
		name := fmt.Sprintf("def-%d", i)
		if d.unknown[name] {
			d.present[name] = there[name]
			continue
		}
		d.checked++
		if there[name] != d.present[name] {
			d.t.Errorf("after the crash queue %s exists: %t, want %t", name, there[name], d.present[name])
		}
	}
	clear(d.unknown)
}

// channel connects until it works. It's nil when stopped.
func channel(url string, stop <-chan struct{}) *amqp.Channel {
	for {
		if conn, err := amqp.Dial(url); err == nil {
			if ch, err := conn.Channel(); err == nil {
				return ch
			}
			conn.Close()
		}
		select {
		case <-stop:
			return nil
		case <-time.After(5 * time.Millisecond):
		}
	}
}
