package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/runner"
)

// State of a step's replica.
type State string

// States of a replica.
const (
	Starting  State = "starting" // not consuming yet
	Running   State = "running"
	Waiting   State = "waiting"    // failed, will be started again after a back-off
	CrashLoop State = "crash loop" // failed several times in a row; it goes on being started again
	Stopped   State = "stopped"
)

// unit is one replica of a step, kept alive: when it ends by itself, however it ends, it's started again, after a while that doubles with
// each failure in a row.
type unit struct {
	step   plan.Step
	logger *slog.Logger
	run    func(ctx context.Context, ready func()) error // runs the step once
	cancel context.CancelFunc
	done   chan struct{} // closed when the unit has stopped
	ready  chan struct{} // closed when it consumes for the first time

	mu       sync.Mutex // guards what follows
	state    State
	since    time.Time // of the state
	restarts int
	inARow   int                     // failures without a run of some length in between
	failure  error                   // the last
	end      context.CancelCauseFunc // ends the run that goes on
}

const (
	backoffMin = 200 * time.Millisecond
	backoffMax = 30 * time.Second
	healthy    = time.Minute      // a replica that ran so long starts again without delay
	settled    = 10 * time.Second // and one that ran so long is out of its crash loop
	loopAfter  = 3                // failures in a row make a crash loop
)

// start begins to run the unit; stop ends it.
func (u *unit) start() {
	ctx, cancel := context.WithCancel(context.Background())
	u.cancel, u.done, u.ready, u.state, u.since = cancel, make(chan struct{}), make(chan struct{}), Starting, time.Now()
	once := sync.OnceFunc(func() { close(u.ready) })
	go func() {
		defer close(u.done)
		u.supervise(ctx, func() {
			u.set(Running)
			once()
		})
		u.set(Stopped)
	}()
}

func (u *unit) supervise(ctx context.Context, ready func()) {
	delay := backoffMin
	for {
		started := time.Now()
		err := u.once(ctx, ready)
		if ctx.Err() != nil {
			return
		}
		ran := time.Since(started)
		if ran > healthy {
			delay = backoffMin
		}
		failures := u.failed(err, ran)
		what, _, _ := strings.Cut(err.Error(), "\n") // what follows, a process's output, was logged as it came
		if failures < loopAfter {
			u.logger.Error("step failed", "err", what, "again", delay)
		} else {
			u.logger.Error("step in a crash loop", "err", what, "failures", failures, "again", delay)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
			delay = min(2*delay, backoffMax)
		}
		u.set(Starting)
	}
}

// once runs the step until it ends, or somebody restarts it. There's always an error, unless ctx is done.
func (u *unit) once(ctx context.Context, ready func()) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	u.mu.Lock()
	u.end = end
	u.mu.Unlock()
	err := u.run(ctx, ready)
	switch reason := context.Cause(ctx); {
	case reason != nil && err != nil:
		return fmt.Errorf("%w: %w", reason, err)
	case reason != nil:
		return reason
	case err == nil:
		return errors.New("it ended by itself, which a step never should")
	}
	return err
}

// restart ends the run that goes on, as a failure for this reason; the next one follows after the back-off. While nothing runs it does nothing.
func (u *unit) restart(reason error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state == Starting || u.state == Running {
		u.end(reason)
	}
}

func (u *unit) set(state State) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.state, u.since = state, time.Now()
}

// failed notes the end of a run and returns how many in a row have failed.
func (u *unit) failed(failure error, ran time.Duration) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	if ran > settled {
		u.inARow = 0
	}
	u.state, u.since, u.failure = Waiting, time.Now(), failure
	u.restarts++
	u.inARow++
	return u.inARow
}

// status returns how the unit does.
func (u *unit) status() (state State, restarts int, failure error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	state = u.state
	if u.inARow >= loopAfter && (state == Waiting || state == Starting) {
		state = CrashLoop
	}
	return state, u.restarts, u.failure
}

// stop asks the unit to finish what is in work and waits until it has, or ctx is done.
func (u *unit) stop(ctx context.Context) {
	u.cancel()
	select {
	case <-u.done:
	case <-ctx.Done():
		u.logger.Warn("step did not stop in time")
	}
}

// stats of the steps, kept over restarts and changes.
type stats struct {
	mu    sync.Mutex // guards steps
	steps map[string]*runner.Stats
}
