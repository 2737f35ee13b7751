package scheduler_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/brokertest"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/scheduler"
	"github.com/openintegrationhub/leat/internal/topology"
)

var _ scheduler.Publisher = (*amqp.Client)(nil)

// The watermark is where it has to be with a real broker too: over several lives of scheduler and broker no tick comes twice, and time goes on.
func TestTicksOverRestartsOfSchedulerAndBroker(t *testing.T) {
	const cron = "* * * * * *"
	flows, err := flow.Parse("f1.json", []byte(`{"apiVersion":"elastic.io/v1","kind":"Flow","metadata":{"name":"f1","namespace":"flows"},
		"spec":{"nodes":[{"id":"step_1","image":"a","function":"f","first":true,"isPolling":true,"schedule":"`+cron+`"}],"connections":[]}}`))
	if err != nil {
		t.Fatal(err)
	}
	p := plan.For(flows[0], plan.Seen{}, plan.Secrets{}, plan.Platform{Builtin: func(string) string { return "" }})
	dir := t.TempDir()
	var ticks []time.Time
	for life := range 3 {
		b, connect := brokertest.Start(t, dir)
		conn, err := connect.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Declare(p.Declare); err != nil {
			t.Fatal(err)
		}
		consumer, err := conn.Consume(topology.StepQueue("f1", "step_1"), 10)
		if err != nil {
			t.Fatal(err)
		}
		client := amqp.NewClient(connect, slog.New(slog.DiscardHandler))
		s, err := scheduler.New(scheduler.Options{Publisher: client, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		s.Update([]plan.Entry{p.Entry})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		end := context.AfterFunc(ctx, func() { conn.Close() }) // ends Next
		for range 2 {
			d, ok := consumer.Next()
			if !ok {
				t.Fatalf("no tick in life %d", life)
			}
			tick, err := time.Parse(time.RFC3339Nano, d.Headers.Text(topology.TickHeader))
			if err != nil {
				t.Fatal(err)
			}
			ticks = append(ticks, tick)
			if err := consumer.Ack(d); err != nil {
				t.Fatal(err)
			}
		}
		end()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		client.Close()
		conn.Close()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i := 1; i < len(ticks); i++ {
		if i > 1 && ticks[i].Nanosecond() != 0 || !ticks[i].After(ticks[i-1]) {
			t.Errorf("ticks are %v", ticks)
		}
	}
}
