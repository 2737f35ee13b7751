// Package watchdog finds steps that look alive and aren't: components that run and don't consume, hold a message and never acknowledge it, or whose
// queue was deleted under them (contract.md section 8, 1, 2 and 4). It decides, from what the broker and whoever runs the workers tell, which
// step is to be restarted and when. It does nothing itself, so that one set of rules serves processes and pods.
//
// How to use it: make one Watchdog, call Look every few seconds with every step that should run, show the findings to people, and restart the
// workers of each finding that says so. A missing queue is to be declared first.
package watchdog

import (
	"fmt"
	"time"
)

// Step is what's seen of a step at one moment.
type Step struct {
	Key      string // tells steps apart, such as namespace/flow/step
	Replicas int    // that should consume
	// Since is when the youngest of its workers started. Zero says that one doesn't run: then whoever runs it deals with that, and the step
	// isn't watched.
	Since time.Time
	Queue *Queue // of its input; nil if it's missing, or the exchange that it publishes to is
	// StuckAfter replaces that of the options; 0 for none.
	StuckAfter time.Duration
}

// Queue is the broker's truth about a step's input.
type Queue struct {
	Ready, Unacked, Consumers int
	// Moved counts the messages that were delivered and acknowledged, together: message_stats.deliver_get + ack of RabbitMQ's management. Only
	// its changes matter. Rejected ones needn't be in it, since another delivery follows.
	Moved uint64
}

// Problem is what is wrong with a step.
type Problem string

// Problems of a step.
const (
	Deaf         Problem = "deaf"          // it runs, and doesn't consume
	Stuck        Problem = "stuck"         // it holds messages, and settles none
	QueueMissing Problem = "queue missing" // there is nothing to consume
)

// Finding is a step with a problem. It's found again at each Look for as long as it lasts.
type Finding struct {
	Key     string
	Problem Problem
	Reason  string // a sentence's end for a person: "step X " + Reason
	Restart bool   // now is the time
}

// Options of a Watchdog. Those of 0 are the default.
type Options struct {
	// DeafAfter is how long a step may run without consuming: it has to connect, ask for its configuration and open. Default 1 min.
	DeafAfter time.Duration
	// StuckAfter is how long a step may hold messages without settling one. Components may work long on one, so it's generous: default
	// 30 min, after which RabbitMQ's own consumer timeout takes a message away as well.
	StuckAfter time.Duration
	// BackoffMax bounds the waits, which double with each restart in a row. Default 30 min.
	BackoffMax time.Duration
}

// DefaultOptions returns what an empty Options means.
func DefaultOptions() Options {
	return Options{DeafAfter: time.Minute, StuckAfter: 30 * time.Minute, BackoffMax: 30 * time.Minute}
}

// Watchdog remembers what it saw of each step. It isn't safe for concurrent use.
type Watchdog struct {
	opts  Options
	steps map[string]*memory
}

// memory of a step. Times are those of looks.
type memory struct {
	since    time.Time // of its workers, as last seen
	moved    uint64
	held     bool      // it had messages in work
	deaf     time.Time // since when too few consume; zero if enough do
	progress time.Time // when it was last seen to settle a message, to hold none, or to start
	healthy  time.Time // since when there's no problem; zero if there is
	restarts int       // in a row
	restart  time.Time // the last
}

// New returns a watchdog that has seen nothing yet.
func New(o Options) *Watchdog {
	d := DefaultOptions()
	if o.DeafAfter <= 0 {
		o.DeafAfter = d.DeafAfter
	}
	if o.StuckAfter <= 0 {
		o.StuckAfter = d.StuckAfter
	}
	if o.BackoffMax <= 0 {
		o.BackoffMax = d.BackoffMax
	}
	return &Watchdog{opts: o, steps: map[string]*memory{}}
}

// Look judges all steps that should run, in their order. What it isn't told of it forgets. A finding with Restart counts as carried out.
func (w *Watchdog) Look(now time.Time, steps []Step) []Finding {
	var found []Finding
	kept := make(map[string]*memory, len(steps))
	for _, s := range steps {
		m := w.steps[s.Key]
		if m == nil {
			m = new(memory)
		}
		kept[s.Key] = m
		if f, bad := w.look(now, s, m); bad {
			found = append(found, f)
		}
	}
	w.steps = kept
	return found
}

// look judges one step.
func (w *Watchdog) look(now time.Time, s Step, m *memory) (Finding, bool) {
	if s.Replicas == 0 || s.Since.IsZero() {
		m.since, m.deaf, m.healthy = time.Time{}, time.Time{}, time.Time{}
		return Finding{}, false
	}
	if !s.Since.Equal(m.since) { // another life
		m.since, m.deaf, m.progress = s.Since, time.Time{}, now
	}
	f := Finding{Key: s.Key}
	q := s.Queue
	if q == nil {
		f.Problem, f.Reason = QueueMissing, "has lost its queue or its exchange: somebody has deleted it"
		f.Restart = m.restarts == 0 || now.Sub(m.restart) >= w.wait(w.opts.DeafAfter, m.restarts-1)
		return m.bad(now, f), true
	}
	if q.Unacked == 0 || !m.held || q.Moved != m.moved {
		m.progress = now
	}
	m.held, m.moved = q.Unacked > 0, q.Moved
	switch {
	case q.Consumers >= s.Replicas:
		m.deaf = time.Time{}
	case m.deaf.IsZero():
		m.deaf = now
	}
	stuckAfter := w.opts.StuckAfter
	if s.StuckAfter > 0 {
		stuckAfter = s.StuckAfter
	}
	deaf, stuck := now.Sub(m.deaf), now.Sub(m.progress)
	switch {
	case !m.deaf.IsZero() && deaf >= w.opts.DeafAfter:
		f.Problem, f.Reason = Deaf, deafReason(s, deaf)
		f.Restart = deaf >= w.wait(w.opts.DeafAfter, m.restarts)
	case stuck >= stuckAfter:
		f.Problem = Stuck
		f.Reason = fmt.Sprintf("holds %s and has settled none for %v", count(q.Unacked, "message"), stuck.Round(time.Second))
		f.Restart = stuck >= w.wait(stuckAfter, m.restarts)
	default:
		m.good(now, w.wait(w.opts.DeafAfter, m.restarts))
		return Finding{}, false
	}
	return m.bad(now, f), true
}

// wait is how long a problem lasts until the next restart, after some in a row: base, then twice as long each time.
func (w *Watchdog) wait(base time.Duration, restarts int) time.Duration {
	return min(base<<min(restarts, 10), max(base, w.opts.BackoffMax))
}

// bad notes a finding.
func (m *memory) bad(now time.Time, f Finding) Finding {
	m.healthy = time.Time{}
	if f.Restart {
		m.restarts++
		m.restart = now
	}
	return f
}

// good notes that there's no problem. When that has lasted for a while, earlier restarts are forgotten.
func (m *memory) good(now time.Time, long time.Duration) {
	if m.healthy.IsZero() {
		m.healthy = now
	}
	if now.Sub(m.healthy) >= long {
		m.restarts = 0
	}
}

func deafReason(s Step, since time.Duration) string {
	since = since.Round(time.Second)
	if s.Queue.Consumers == 0 {
		return fmt.Sprintf("runs, but hasn't consumed its queue for %v; messages waiting: %d", since, s.Queue.Ready)
	}
	return fmt.Sprintf("has %s, but for %v only %d consume its queue", count(s.Replicas, "replica"), since, s.Queue.Consumers)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
