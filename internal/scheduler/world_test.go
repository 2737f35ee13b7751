package scheduler_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/scheduler"
	"github.com/openintegrationhub/leat/internal/topology"
)

// broker keeps ticks, and the newest of each flow in its tick queue.
type broker struct {
	mu       sync.Mutex // guards all below
	sent     []amqp.Publishing
	newest   map[string]message.Headers
	fail     func(publish bool) (taken bool, err error) // nil for a broker that's well
	latency  time.Duration
	attempts int
	busy     int
	busyMax  int
}

func newBroker() *broker { return &broker{newest: make(map[string]message.Headers)} }

func (b *broker) Publish(ctx context.Context, vhost string, p amqp.Publishing) error {
	b.enter()
	defer b.leave()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.attempts++
	taken, err := true, error(nil)
	if b.fail != nil {
		taken, err = b.fail(true)
	}
	if taken {
		b.sent = append(b.sent, p)
		b.newest[vhost+" "+p.Exchange+":ticks"] = p.Headers
	}
	return err
}

func (b *broker) Peek(ctx context.Context, vhost, queue string) (message.Headers, bool, error) {
	b.enter()
	defer b.leave()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.attempts++
	if b.fail != nil {
		if _, err := b.fail(false); err != nil {
			return nil, false, err
		}
	}
	h, found := b.newest[vhost+" "+queue]
	return h, found, nil
}

func (b *broker) enter() {
	b.mu.Lock()
	b.busy++
	b.busyMax = max(b.busyMax, b.busy)
	wait := b.latency
	b.mu.Unlock()
	if wait > 0 {
		<-time.After(wait)
	}
}

func (b *broker) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy--
}

func (b *broker) setFail(f func(publish bool) (bool, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = f
}

func (b *broker) count() (sent, attempts int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sent), b.attempts
}

// ticks returns the seconds since the start at which ticks were scheduled.
func (b *broker) ticks(t testing.TB, start time.Time) []float64 {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var got []float64
	for _, p := range b.sent {
		v, err := time.Parse(time.RFC3339Nano, p.Headers.Text(topology.TickHeader))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v.Sub(start).Seconds())
	}
	return got
}

func polling(t testing.TB, name, cron string) plan.Entry {
	return plan.Entry{Namespace: "flows", Flow: name, Step: "step_1", VHost: "flows", Exchange: name, InputKey: name + ".step_1.input",
		Polling: true, Schedule: schedule(t, cron, ""), TickKey: name + ".step_1.tick", TickQueue: name + ":ticks", UserID: "leat"}
}

// start runs a scheduler and returns it with the function that stops it.
func start(t testing.TB, b *broker, entries ...plan.Entry) (*scheduler.Scheduler, func()) {
	t.Helper()
	s, err := scheduler.New(scheduler.Options{Publisher: b, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s.Update(entries)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	return s, func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

// pass lets time go by, and the scheduler finish what's due then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// inBubble runs f from 12:00:10 on a day of 2026; zero is 12:00:00.
func inBubble(t *testing.T, f func(t *testing.T, zero time.Time)) {
	synctest.Test(t, func(t *testing.T) {
		zero := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		<-time.After(time.Until(zero.Add(10 * time.Second)))
		f(t, zero)
	})
}

func wantTicks(t *testing.T, b *broker, zero time.Time, want ...float64) {
	t.Helper()
	if diff := cmp.Diff(want, b.ticks(t, zero)); diff != "" {
		t.Errorf("ticks, in seconds (-want +got):\n%s", diff)
	}
}
