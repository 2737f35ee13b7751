package local

import (
	"context"
	"errors"
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
	Starting State = "starting" // not consuming yet
	Running  State = "running"
	Waiting  State = "waiting" // failed, will be started again after a back-off
	Stopped  State = "stopped"
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
	restarts int
	failure  error // the last
}

const (
	backoffMin = 200 * time.Millisecond
	backoffMax = 30 * time.Second
	healthy    = time.Minute // a replica that ran so long starts again without delay
)

// start begins to run the unit; stop ends it.
func (u *unit) start() {
	ctx, cancel := context.WithCancel(context.Background())
	u.cancel, u.done, u.ready, u.state = cancel, make(chan struct{}), make(chan struct{}), Starting
	once := sync.OnceFunc(func() { close(u.ready) })
	go func() {
		defer close(u.done)
		u.supervise(ctx, func() {
			u.set(Running, nil)
			once()
		})
		u.set(Stopped, nil)
	}()
}

func (u *unit) supervise(ctx context.Context, ready func()) {
	delay := backoffMin
	for {
		started := time.Now()
		err := u.run(ctx, ready)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("it ended by itself, which a step never should")
		}
		if time.Since(started) > healthy {
			delay = backoffMin
		}
		u.set(Waiting, err)
		what, _, _ := strings.Cut(err.Error(), "\n") // what follows, a process's output, was logged as it came
		u.logger.Error("step failed", "err", what, "again", delay)
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
			delay = min(2*delay, backoffMax)
		}
		u.set(Starting, nil)
	}
}

func (u *unit) set(state State, failure error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.state = state
	if failure != nil {
		u.failure = failure
		u.restarts++
	}
}

// status returns how the unit does.
func (u *unit) status() (state State, restarts int, failure error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.state, u.restarts, u.failure
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
