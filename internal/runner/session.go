package runner

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
)

// session is the life of a step over one connection to the broker.
type session struct {
	Options
	info    Info
	process Process

	limiter   *rate.Limiter // of data messages
	publisher *amqp.Publisher
	consumer  *amqp.Consumer
	window    *window
	resized   atomic.Bool // the session ends because the window has changed
	finished  chan *job   // processed, waiting for their confirms; in order of delivery when there's one worker
}

// job is one message on its way through the step.
type job struct {
	delivery amqp.Delivery
	confirms []amqp.Confirm
	reject   bool  // give the message up rather than acknowledge it
	lost     error // something that the message caused couldn't be sent: it has to come again
}

// errResized ends a session whose window has changed: the next one is to follow at once.
var errResized = errors.New("the window has changed")

// errStopped is the cause of a context that ended because the step stops.
var errStopped = errors.New("the step stops")

// run consumes until ctx is done (it finishes what is in work, and returns nil) or the broker is lost.
func (s *session) run(ctx context.Context) (err error) {
	conn, publisher, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	consumer, err := conn.Consume(s.Settings.Queue, s.window.now())
	if err != nil {
		return err
	}
	s.publisher, s.consumer, s.finished = publisher, consumer, make(chan *job, s.Window)
	s.Ready()

	// work ends when the broker is lost, and Grace after ctx is done.
	work, fail := context.WithCancelCause(context.WithoutCancel(ctx))
	defer fail(nil)
	stopping := context.AfterFunc(ctx, func() {
		time.AfterFunc(s.Grace, func() { fail(errStopped) })
		consumer.Cancel()
	})
	defer stopping()
	go func() {
		select {
		case <-conn.Done():
			fail(conn.Err())
		case <-work.Done():
		}
	}()

	var workers, finisher sync.WaitGroup
	for range s.Settings.Prefetch {
		workers.Go(func() { s.work(ctx, work) })
	}
	finisher.Go(func() {
		if err := s.finish(work); err != nil {
			fail(err)
			for range s.finished { // let the workers go
			}
		}
	})
	workers.Wait()
	close(s.finished)
	finisher.Wait()
	if ctx.Err() != nil {
		return nil
	}
	if err := context.Cause(work); err != nil {
		return err
	}
	if s.resized.Load() {
		return errResized
	}
	return errors.New("the broker cancelled the consumer: was its queue deleted?")
}

// work takes messages until there are no more, ctx is done, work has failed or the window has to change. What it leaves untouched goes back
// to the queue when the connection closes.
func (s *session) work(ctx, work context.Context) {
	for ctx.Err() == nil && work.Err() == nil && !s.resized.Load() {
		d, ok := s.consumer.Next()
		if !ok || ctx.Err() != nil {
			return
		}
		if s.window.fit(len(d.Body), time.Now()) {
			s.resized.Store(true)
			s.consumer.Cancel() // wakes the other workers
			return
		}
		s.finished <- s.handle(work, d)
	}
}

// handle processes one message and sends what follows from it.
func (s *session) handle(ctx context.Context, d amqp.Delivery) *job {
	j := &job{delivery: d}
	out := &Output{ctx: ctx, session: s, job: j, in: d.Headers, start: time.Now()}
	plain, err := s.Settings.Cipher.Decrypt(d.Body, d.Headers.ProtocolVersion())
	if err != nil {
		out.fail(nil, err)
		return j
	}
	in, err := message.Decode(plain)
	if err != nil {
		out.fail(plain, err)
		return j
	}
	if in.ID == "" {
		in.ID = d.Headers.Text(message.HeaderMessageID)
	}
	out.passthrough = in.Passthrough
	err = s.call(ctx, in, out)
	switch {
	case err == nil:
		s.Stats.Processed.Add(1)
	case isRebound(err):
		out.rebound(plain, err)
	default:
		out.fail(plain, err)
	}
	return j
}

// call runs the function; its panic is its error.
func (s *session) call(ctx context.Context, in *message.Message, out *Output) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: string(debug.Stack())}
		}
	}()
	return s.process(ctx, in, out)
}

type panicError struct {
	value any
	stack string
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

func isRebound(err error) bool {
	var r interface{ Rebound() bool }
	return errors.As(err, &r) && r.Rebound()
}

// finish waits for the confirms of each processed message and settles it with the broker. With one worker, messages that are done at the
// same time share one acknowledgement.
func (s *session) finish(ctx context.Context) error {
	ordered := s.Settings.Prefetch == 1
	var done *job // the last of those that are done and not acknowledged yet
	acknowledge := func() error {
		if done == nil {
			return nil
		}
		d := done.delivery
		done = nil
		return s.consumer.AckThrough(d)
	}
	for {
		var j *job
		select {
		case j = <-s.finished:
		default: // nothing to do but to wait: what is done shouldn't
			if err := acknowledge(); err != nil {
				return err
			}
			j = <-s.finished
		}
		if j == nil { // closed
			return acknowledge()
		}
		if !j.confirmed() {
			if err := acknowledge(); err != nil {
				return err
			}
		}
		if err := s.await(ctx, j); err != nil {
			return err
		}
		var err error
		switch {
		case j.reject:
			err = s.consumer.Reject(j.delivery)
		case ordered:
			done = j
		default:
			err = s.consumer.Ack(j.delivery)
		}
		if err != nil {
			return err
		}
	}
}

// confirmed tells whether all confirms are there already.
func (j *job) confirmed() bool {
	for _, c := range j.confirms {
		select {
		case <-c.Done():
		default:
			return false
		}
	}
	return true
}

// await waits until the broker has confirmed all that j caused.
func (s *session) await(ctx context.Context, j *job) error {
	if j.lost != nil {
		return j.lost
	}
	if !j.confirmed() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, confirmMax, errors.New("the broker took longer than a minute"))
		defer cancel()
	}
	for _, c := range j.confirms {
		if err := c.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}
