// Package scheduler sends ticks to the first step of polling flows: one at once when a flow is new, and then by its schedule.
//
// No tick is lost or sent twice over a restart, because the broker keeps the watermark: it puts a tick into the step's queue and, in the same
// moment, into the flow's tick queue, which holds just the newest. The scheduler has no other memory. It leaves to others which flows there
// are (Update), what a schedule means (flow.Schedule), and that it runs only once (leader election).
package scheduler

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
)

// Publisher is the scheduler's side of the broker. It's safe for concurrent use.
type Publisher interface {
	// Publish sends p and returns when the broker has confirmed it, or ctx is done. amqp.ErrUnavailable, amqp.ErrUnroutable and
	// amqp.ErrRefused mean that the step's queue doesn't have it; with any other error its fate is unknown.
	Publish(ctx context.Context, vhost string, p amqp.Publishing) error
	// Peek returns the headers of the first message of a queue and leaves it there; found is false when the queue is empty. A queue that
	// doesn't exist is an error, a broker that can't be reached is amqp.ErrUnavailable.
	Peek(ctx context.Context, vhost, queue string) (headers message.Headers, found bool, err error)
}

// Options of a Scheduler.
type Options struct {
	Publisher  Publisher             // required
	Logger     *slog.Logger          // required
	Registerer prometheus.Registerer // of the metrics; nil for none

	PublishMax int           // ticks on their way to the broker at a time; default 32
	Timeout    time.Duration // until the broker's confirm; default 10 s
	RetryMin   time.Duration // first wait after a failure, doubling; default 100 ms
	RetryMax   time.Duration // longest wait after a failure; default 10 s
}

// DefaultOptions returns what an empty Options means. Publisher and Logger remain to be set.
func DefaultOptions() Options {
	return Options{PublishMax: 32, Timeout: 10 * time.Second, RetryMin: 100 * time.Millisecond, RetryMax: 10 * time.Second}
}

func (o *Options) validate() error {
	d := DefaultOptions()
	if o.PublishMax == 0 {
		o.PublishMax = d.PublishMax
	}
	if o.PublishMax < 0 {
		return fmt.Errorf("scheduler options: PublishMax: %d is negative", o.PublishMax)
	}
	for _, f := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
	}{{"Timeout", &o.Timeout, d.Timeout}, {"RetryMin", &o.RetryMin, d.RetryMin}, {"RetryMax", &o.RetryMax, max(d.RetryMax, o.RetryMin)}} {
		if *f.value == 0 {
			*f.value = f.def
		}
		if *f.value < 0 {
			return fmt.Errorf("scheduler options: %s: %v is negative", f.name, *f.value)
		}
	}
	switch {
	case o.Publisher == nil:
		return errors.New("scheduler options: Publisher: missing")
	case o.Logger == nil:
		return errors.New("scheduler options: Logger: missing")
	}
	return nil
}

// Scheduler sends ticks while Run runs.
type Scheduler struct {
	opts    Options
	metrics *metrics
	updated chan struct{} // holds one token when pending is new

	mu      sync.Mutex // guards pending
	pending []plan.Entry

	// The rest belongs to Run's goroutine.
	flows    map[name]*state
	queue    queue // of flows that wait, the next to act first
	busy     int   // flows with a job under way
	results  chan result
	away     backoff // of the broker
	heldBack time.Time
}

type name struct{ namespace, flow string }

// New returns a scheduler that has no flows until Update is called.
func New(opts Options) (*Scheduler, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(opts.Registerer)
	if err != nil {
		return nil, err
	}
	return &Scheduler{
		opts:    opts,
		metrics: m,
		updated: make(chan struct{}, 1),
		flows:   make(map[name]*state),
		results: make(chan result, opts.PublishMax),
		away:    backoff{min: opts.RetryMin, max: opts.RetryMax},
	}, nil
}

// Update replaces the flows. Only entries that are Polling count. It's safe for concurrent use, also before and after Run.
func (s *Scheduler) Update(entries []plan.Entry) {
	s.mu.Lock()
	s.pending = entries
	s.mu.Unlock()
	select {
	case s.updated <- struct{}{}:
	default:
	}
}

// wakeMax bounds how long the loop sleeps: when a machine was suspended or its clock was set, timers don't know.
const wakeMax = 30 * time.Second

// Run sends ticks until ctx is done, and then returns nil. It's called once.
func (s *Scheduler) Run(ctx context.Context) error {
	var jobs sync.WaitGroup
	defer jobs.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.updated:
			s.mu.Lock()
			entries := s.pending
			s.mu.Unlock()
			s.update(entries, time.Now())
		case r := <-s.results:
			if s.busy--; ctx.Err() != nil {
				return nil // what's unfinished shows in the tick queue at the next start
			}
			s.finish(r, time.Now())
		case <-timer.C:
		}
		now := time.Now()
		for f := s.next(now); f != nil; f = s.next(now) {
			j := s.decide(f, now)
			if j == nil {
				continue
			}
			f.busy = true
			s.busy++
			jobs.Go(func() { s.results <- s.do(ctx, j) })
		}
		timer.Reset(s.sleep(now))
	}
}

// update makes the set of flows that of entries.
func (s *Scheduler) update(entries []plan.Entry, now time.Time) {
	keep := make(map[name]bool, len(entries))
	for _, e := range entries {
		if !e.Polling {
			continue
		}
		id := name{e.Namespace, e.Flow}
		cipher, err := message.NewCipher(e.CryptoPassword, e.CryptoIV)
		if err != nil {
			s.opts.Logger.Error("flow gets no ticks", "namespace", e.Namespace, "flow", e.Flow, "err", err)
			continue
		}
		keep[id] = true
		f, found := s.flows[id]
		if found && (f.entry.CryptoPassword != e.CryptoPassword || f.entry.CryptoIV != e.CryptoIV) { // another flow of the same name
			f.gone, found = true, false
			s.enqueue(f, now)
		}
		if !found {
			f = &state{index: -1, retry: backoff{min: s.opts.RetryMin, max: s.opts.RetryMax}}
			s.flows[id] = f
		}
		// What the schedule had asked for before it was there, or before the flow was resumed, is nothing that was missed.
		if found && (f.entry.Suspended && !e.Suspended || !f.entry.Schedule.Equal(e.Schedule)) {
			f.since = now
		}
		f.entry, f.cipher = e, cipher
		s.enqueue(f, now)
	}
	for id, f := range s.flows {
		if !keep[id] {
			delete(s.flows, id)
			f.gone = true
			s.enqueue(f, now)
		}
	}
	s.metrics.flows.Set(float64(len(s.flows)))
}

// next takes the flow off the queue that has to act now, or returns nil if there's none or the broker shouldn't be bothered.
func (s *Scheduler) next(now time.Time) *state {
	limit := s.opts.PublishMax
	if s.away.failing() { // then a single job finds out whether the broker is back
		limit = 1
	}
	if len(s.queue) == 0 || s.queue[0].at.After(now) || s.busy >= limit || now.Before(s.heldBack) {
		return nil
	}
	return heap.Pop(&s.queue).(*state)
}

// sleep tells how long nothing will happen on its own.
func (s *Scheduler) sleep(now time.Time) time.Duration {
	if len(s.queue) == 0 {
		return wakeMax
	}
	at := s.queue[0].at
	if s.heldBack.After(at) {
		at = s.heldBack
	}
	if !at.After(now) { // more is due than may be under way: the next result wakes the loop
		return wakeMax
	}
	return min(at.Sub(now), wakeMax)
}

// enqueue puts f where it belongs: into the queue, to act at at, unless it has a job under way, is suspended or gone.
func (s *Scheduler) enqueue(f *state, at time.Time) {
	f.at = at
	idle := !f.busy && !f.gone && !f.entry.Suspended
	switch {
	case idle && f.index < 0:
		heap.Push(&s.queue, f)
	case idle:
		heap.Fix(&s.queue, f.index)
	case f.index >= 0:
		heap.Remove(&s.queue, f.index)
	}
}
