// Package runner runs one step in Go: it consumes the step's queue, hands each message to the component's function, publishes what that
// emits, and acknowledges a message when the broker has confirmed all that it caused (contract.md sections 2 to 5).
//
// Confirms aren't waited for one by one: while the broker works on the outcome of one message the next is processed. The order of
// messages stays, since there is one worker (Settings.Prefetch) unless the flow asks for more, and acknowledgements follow in order.
package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
)

// Process works on one message. An error with a method Rebound() bool that gives true brings the message back later; any other sends it to
// the errors list.
type Process func(ctx context.Context, in *message.Message, out *Output) error

// Open prepares the step's function. stop, which may be nil, is called when the step has processed its last message.
type Open func(Settings, Info) (process Process, stop func(), err error)

// Options of a runner.
type Options struct {
	Settings Settings
	Open     Open
	Logger   *slog.Logger // never nil

	// Dial opens the connection to the broker; nil means TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	HTTP *http.Client // for the platform API; nil means the default client

	// Window is how many messages the step holds, processed or not, until they are acknowledged; default 100. The worker of a step with
	// Settings.Prefetch 1 still takes them one after the other.
	Window int
	// WindowBytes is how many bytes these messages have together, roughly: the window follows the size of what comes. Default 16 MiB. As many
	// messages as Settings.Prefetch are always there, however large.
	WindowBytes int
	// Grace is how long the messages in work may take to finish when the step stops; default 10 s.
	Grace time.Duration

	Stats *Stats // counts what happens; may be nil
	Ready func() // called each time the step starts to consume; may be nil
}

const (
	windowDefault      = 100
	windowBytesDefault = 16 << 20
	graceDefault       = 10 * time.Second
	confirmMax         = time.Minute // how long the broker may take to confirm
	retryMax           = 5 * time.Second
)

// Run runs the step until ctx is done; then it finishes what is in work and returns nil. Lost connections to the broker are restored for
// as long as it takes. It returns an error when the step can't start: its function doesn't open, or the API refuses it.
func Run(ctx context.Context, o Options) error {
	o = o.withDefaults()
	info, err := fetchInfo(ctx, o.HTTP, o.Settings)
	if err != nil {
		return err
	}
	process, stop, err := o.open(info)
	if err != nil {
		return fmt.Errorf("open function %q: %w", o.Settings.Function, err)
	}
	if stop != nil {
		defer stop()
	}
	limiter := rate.NewLimiter(rate.Inf, 1)
	if n := o.Settings.RateLimit; n > 0 {
		limiter = rate.NewLimiter(rate.Every(o.Settings.RateInterval/time.Duration(n)), n)
	}
	delay, window := 50*time.Millisecond, newWindow(o)
	for ctx.Err() == nil {
		started := time.Now()
		err := (&session{Options: o, info: info, process: process, limiter: limiter, window: window}).run(ctx)
		if ctx.Err() != nil || err == nil {
			break
		}
		if errors.Is(err, errResized) {
			o.Logger.Debug("the size of messages has changed", "held", window.now())
			continue
		}
		if time.Since(started) > time.Minute {
			delay = 50 * time.Millisecond
		}
		o.Logger.Warn("step lost the broker", "err", err, "retry", delay)
		select {
		case <-time.After(delay):
			delay = min(2*delay, retryMax)
		case <-ctx.Done():
		}
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	if o.Window <= 0 {
		o.Window = windowDefault
	}
	if o.WindowBytes <= 0 {
		o.WindowBytes = windowBytesDefault
	}
	if o.Grace <= 0 {
		o.Grace = graceDefault
	}
	if o.Stats == nil {
		o.Stats = new(Stats)
	}
	if o.Ready == nil {
		o.Ready = func() {}
	}
	o.Window = max(o.Window, o.Settings.Prefetch)
	return o
}

// open opens the function, a panic being an error too.
func (o Options) open(info Info) (process Process, stop func(), err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return o.Open(o.Settings, info)
}

// connect opens the connection that a session works over.
func (o Options) connect(ctx context.Context) (*amqp.Conn, *amqp.Publisher, error) {
	dialer := amqp.Dialer{URL: o.Settings.AMQPURI, Name: o.Settings.Flow + "/" + o.Settings.Step, Dial: o.Dial}
	conn, err := dialer.Connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	publisher, err := conn.Publisher()
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return conn, publisher, nil
}
