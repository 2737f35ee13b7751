package scheduler

import (
	"context"
	"errors"
	"time"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/topology"
)

// state is what the scheduler knows of one flow.
type state struct {
	entry  plan.Entry
	cipher *message.Cipher

	asked bool      // the broker has been asked for its newest tick
	known bool      // and no tick since then may have been taken without our knowing; else it has to be asked first
	last  time.Time // scheduled time of the newest tick sent; zero for none
	since time.Time // the schedule counts from here, if that's after last
	first time.Time // scheduled time of the first tick, once chosen

	busy  bool // a job is under way, and the flow isn't in the queue
	gone  bool // no longer one of the flows
	retry backoff
	at    time.Time // when it has to act
	index int       // in the queue, or -1
}

// job is what a flow has to do with the broker: ask for its newest tick, or send one.
type job struct {
	flow      *state
	vhost     string
	tickQueue string
	tick      time.Time // zero to ask
	message   amqp.Publishing
}

type result struct {
	job      *job
	last     time.Time // the answer
	schedule string    // that asked for last
	err      error
}

// future is how far a watermark may be ahead of the clock. Clocks of two machines differ a little, and what one has sent the other must
// not send again; but a clock that was wrong by more would silence the flow until then.
const future = time.Hour

// decide returns what f has to do at now, or puts it back into the queue and returns nil.
func (s *Scheduler) decide(f *state, now time.Time) *job {
	j := &job{flow: f, vhost: f.entry.VHost, tickQueue: f.entry.TickQueue}
	if !f.known {
		return j
	}
	log := s.opts.Logger.With("namespace", f.entry.Namespace, "flow", f.entry.Flow)
	if f.last.After(now.Add(future)) {
		log.Warn("the newest tick is from the future: counting from now", "tick", f.last)
		f.last = now
	}
	from := f.last
	if from.Before(f.since) {
		from = f.since
	}
	switch {
	case f.last.IsZero():
		if f.first.IsZero() {
			f.first = now
		}
		j.tick = f.first
	default:
		var wait time.Time
		if j.tick, wait = Due(f.entry.Schedule, from, now); j.tick.IsZero() {
			if !wait.IsZero() {
				s.enqueue(f, wait)
			}
			return nil
		}
		if missed := f.entry.Schedule.Next(from); missed.Before(j.tick) && f.retry.wait == 0 {
			log.Info("ticks were missed: sending the newest", "first", missed, "tick", j.tick)
		}
	}
	var err error
	if j.message, err = f.publishing(j.tick); err != nil {
		log.Error("make tick", "err", err)
		s.enqueue(f, now.Add(s.opts.RetryMax))
		return nil
	}
	return j
}

// do is the part of a job that waits. It touches nothing of the scheduler's state.
func (s *Scheduler) do(ctx context.Context, j *job) result {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	if !j.tick.IsZero() {
		return result{job: j, err: s.opts.Publisher.Publish(ctx, j.vhost, j.message)}
	}
	headers, found, err := s.opts.Publisher.Peek(ctx, j.vhost, j.tickQueue)
	if err != nil || !found {
		return result{job: j, err: err}
	}
	last, err := time.Parse(time.RFC3339Nano, headers.Text(topology.TickHeader))
	if err != nil {
		s.opts.Logger.Warn("no tick in the tick queue: starting anew", "queue", j.tickQueue, "err", err)
		return result{job: j}
	}
	return result{job: j, last: last, schedule: headers.Text(HeaderSchedule)}
}

// finish takes note of what has come of a job.
func (s *Scheduler) finish(r result, now time.Time) {
	f, j := r.job.flow, r.job
	f.busy = false
	if r.err != nil {
		s.failed(f, j, r.err, now)
		return
	}
	if s.away.failing() {
		s.opts.Logger.Info("broker is back")
	}
	s.away.reset()
	f.retry.reset()
	switch {
	case !j.tick.IsZero():
		if f.last.IsZero() { // however long it took to send the first tick, no other has been missed
			f.since = now
		}
		r.last = j.tick
		s.metrics.ticks.Inc()
		s.metrics.delay.Observe(max(0, now.Sub(j.tick).Seconds()))
	case !f.asked && !r.last.IsZero() && r.schedule != f.entry.Schedule.String():
		f.since = now // the schedule was changed while no scheduler ran
		fallthrough
	default:
		f.asked, f.known = true, true
	}
	if r.last.After(f.last) {
		f.last = r.last
	}
	s.enqueue(f, now)
}

// failed arranges for another try. A broker that is away holds back all flows, everything else only this one.
func (s *Scheduler) failed(f *state, j *job, err error, now time.Time) {
	log := s.opts.Logger.With("namespace", f.entry.Namespace, "flow", f.entry.Flow)
	if errors.Is(err, amqp.ErrUnavailable) {
		s.metrics.failures.WithLabelValues("unavailable").Inc()
		if f.known {
			f.first = time.Time{}
		}
		if !now.Before(s.heldBack) { // the first failure since the last wait
			if !s.away.failing() {
				s.opts.Logger.Warn("broker is away: ticks wait", "err", err)
			}
			s.heldBack = now.Add(s.away.next())
		}
		s.enqueue(f, now)
		return
	}
	s.away.reset()
	reason := "unknown"
	switch {
	case j.tick.IsZero():
		reason = "peek"
	case errors.Is(err, amqp.ErrUnroutable):
		reason = "unroutable"
	case errors.Is(err, amqp.ErrRefused):
		reason = "refused"
	default:
		f.known = false // the broker may have it: ask before sending it again
	}
	if f.known {
		f.first = time.Time{} // it wasn't taken, so the next try may be another one
	}
	s.metrics.failures.WithLabelValues(reason).Inc()
	if f.retry.wait == 0 {
		log.Warn("tick isn't sent yet", "reason", reason, "err", err)
	}
	s.enqueue(f, now.Add(f.retry.next()))
}

// backoff doubles from min to max.
type backoff struct{ min, max, wait time.Duration }

func (b *backoff) next() time.Duration {
	b.wait = min(max(b.min, 2*b.wait), b.max)
	return b.wait
}

func (b *backoff) reset()        { b.wait = 0 }
func (b *backoff) failing() bool { return b.wait > 0 }

// queue is a heap of flows by the time when they have to act (container/heap).
type queue []*state

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *queue) Push(x any) {
	f := x.(*state)
	f.index = len(*q)
	*q = append(*q, f)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	f := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	f.index = -1
	return f
}
