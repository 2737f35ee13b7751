package broker_test

import (
	"fmt"
	"net"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/broker"
)

// BenchmarkPublishConsume is one message of 1 KiB, durable, confirmed and acknowledged, with a number of them in flight.
func BenchmarkPublishConsume(b *testing.B) {
	for _, way := range []string{"tcp", "memory"} {
		for _, inFlight := range []int{1, 10, 100, 1000} {
			b.Run(fmt.Sprintf("%s/inflight=%d", way, inFlight), func(b *testing.B) {
				br, url := start(b, b.TempDir())
				publishConsume(b, dialBy(b, br, way, url), dialBy(b, br, way, url), inFlight, 1, 1)
			})
		}
	}
}

// BenchmarkFanOut is one message to ten queues, each with a consumer.
func BenchmarkFanOut(b *testing.B) {
	br, url := start(b, b.TempDir())
	publishConsume(b, dialBy(b, br, "tcp", url), dialBy(b, br, "tcp", url), 100, 10, 10)
}

// BenchmarkManyQueues is one message to one of a thousand queues, in turn.
func BenchmarkManyQueues(b *testing.B) {
	br, url := start(b, b.TempDir())
	publishConsume(b, dialBy(b, br, "tcp", url), dialBy(b, br, "tcp", url), 100, 1000, 1)
}

func dialBy(b *testing.B, br *broker.Broker, way, url string) *amqp.Connection {
	if way == "tcp" {
		return dial(b, url)
	}
	c, err := amqp.DialConfig("amqp://guest:guest@memory/", amqp.Config{Dial: func(string, string) (net.Conn, error) { return br.Dial() }})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return c
}

// publishConsume sends b.N messages, each of which reaches copies of the queues.
func publishConsume(b *testing.B, from, to *amqp.Connection, inFlight, queues, copies int) {
	ch, in := confirmed(b, channel(b, from)), channel(b, to)
	if err := in.Qos(1000, 0, true); err != nil {
		b.Fatal(err)
	}
	for i := range queues {
		name := fmt.Sprint("q", i)
		declare(b, in, name, nil)
		if err := in.QueueBind(name, name, "amq.fanout", false, nil); err != nil {
			b.Fatal(err)
		}
		deliveries, err := in.Consume(name, name, false, false, false, false, nil)
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			for d := range deliveries {
				_ = d.Ack(false)
			}
		}()
	}
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, inFlight))
	slots := make(chan struct{}, inFlight)
	done := make(chan struct{})
	go func() {
		for range b.N {
			<-confirms
			<-slots
		}
		close(done)
	}()
	msg := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: make([]byte, 1024)}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		slots <- struct{}{}
		exchange, key := "", fmt.Sprint("q", i%queues)
		if copies > 1 {
			exchange = "amq.fanout"
		}
		if err := ch.PublishWithContext(b.Context(), exchange, key, false, false, msg); err != nil {
			b.Fatal(err)
		}
	}
	<-done
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// BenchmarkStart is opening a broker on a folder that has been used.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	o := broker.DefaultOptions()
	o.Dir = dir
	for b.Loop() {
		br, err := broker.New(o)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := br.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
