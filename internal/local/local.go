// Package local runs flows on one machine, in one process: the embedded broker, scheduler, router and platform API, and the steps as
// goroutines (built-in components) or processes. It carries out the same plans as the operator does on Kubernetes.
package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/ferry"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/router"
	"github.com/openintegrationhub/leat/internal/runner"
	"github.com/openintegrationhub/leat/internal/scheduler"
	"github.com/openintegrationhub/leat/internal/store"
	"github.com/openintegrationhub/leat/internal/watchdog"
)

// Builtin is a component that is part of this program.
type Builtin struct {
	Name      string
	Functions map[string]component.Function
}

// Options of a World.
type Options struct {
	Data   string // folder for everything that is kept; it's made if missing
	Listen string // address of the HTTP server; "localhost:0" picks a port
	AMQP   string // address for components that are processes; "" picks a port of the loopback interface when one is needed

	// Builtin finds the built-in component that stands in for an image.
	Builtin func(image string) (Builtin, bool)
	// Commands are programs for images, by the image as the flow names it, or without its tag.
	Commands map[string]Command
	// DeliveryLimit is how often a message may come back because its step died, before it counts as the cause; default 20.
	DeliveryLimit int

	// Watch says how patient the watchdog is.
	Watch watchdog.Options

	Logger *slog.Logger // required
	Now    func() time.Time
}

// StopTimeout is how long a World may take to stop; what is still in work then comes again at the next start.
const StopTimeout = 10 * time.Second

// World is a platform on one machine. New starts nothing; Run does everything.
type World struct {
	opts     Options
	registry *prometheus.Registry
	stats    stats
	arrivals *arrivals
	guard    guard

	lock      lock
	keys      keyring
	broker    *broker.Broker
	client    *amqp.Client
	router    *router.Router
	replies   *amqp.Replies
	scheduler *scheduler.Scheduler
	api       *api.API
	collector *api.Collector
	errors    *api.ErrorAPI
	ferry     *ferry.Ferry
	store     *store.Store
	web       net.Listener
	bus       net.Listener // AMQP over TCP; nil while no step is a process

	applied  atomic.Bool // the first Apply is through: the router knows the flows
	applying sync.Mutex  // held while a change is applied: one after the other

	mu    sync.Mutex // guards what follows, and what is in it
	flows map[string]*running
	// troubles are what the watchdog found last, by namespace/flow/step.
	troubles map[string]string
}

// running is a flow as it runs.
type running struct {
	plan  plan.Plan
	units map[string][]*unit // step id -> replicas
}

// New returns a world that has to be started.
func New(o Options) (*World, error) {
	switch {
	case o.Data == "":
		return nil, errors.New("local options: Data: missing")
	case o.Logger == nil:
		return nil, errors.New("local options: Logger: missing")
	case o.Builtin == nil:
		return nil, errors.New("local options: Builtin: missing")
	}
	folder, err := filepath.Abs(o.Data) // processes may have another working folder
	if err != nil {
		return nil, fmt.Errorf("local options: Data: %w", err)
	}
	o.Data = folder
	o.Listen = cmp.Or(o.Listen, "localhost:0")
	o.DeliveryLimit = cmp.Or(o.DeliveryLimit, 20)
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &World{
		opts:     o,
		registry: prometheus.NewRegistry(),
		stats:    stats{steps: map[string]*runner.Stats{}},
		flows:    map[string]*running{},
	}
	w.guard = newGuard(o.Watch, w.registry)
	w.arrivals = &arrivals{consumers: w.consumersOf, told: map[queueName]map[string]bool{}}
	return w, nil
}

// Start opens the data folder, the broker and the HTTP server. Without an error Run has to follow.
func (w *World) Start() (err error) {
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if err := os.MkdirAll(w.opts.Data, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	if w.lock, err = lockFolder(w.opts.Data); err != nil {
		return err
	}
	if w.keys, err = openKeyring(w.opts.Data); err != nil {
		return err
	}
	if w.web, err = net.Listen("tcp", w.opts.Listen); err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	if err := w.openBroker(); err != nil {
		return err
	}
	w.client = amqp.NewClient(amqp.Dialer{URL: w.adminURL(), Name: "leat", Dial: w.dialBroker}, w.opts.Logger)
	if w.router, err = router.New(router.Options{
		Publisher: w.client, Logger: w.opts.Logger, Registerer: w.registry, Replies: true, ReplyStacks: true,
	}); err != nil {
		return err
	}
	w.replies = amqp.NewReplies(amqp.Dialer{URL: w.adminURL(), Name: "leat/replies", Dial: w.dialBroker}, w.router.ReplyKey(), w.router.Reply, w.opts.Logger)
	if w.scheduler, err = scheduler.New(scheduler.Options{Publisher: w.client, Logger: w.opts.Logger, Registerer: w.registry}); err != nil {
		return err
	}
	if w.store, err = store.New(store.Options{Database: filepath.Join(w.opts.Data, "leat.db"), Logger: w.opts.Logger}); err != nil {
		return err
	}
	if w.api, err = api.New(api.Options{Documents: w.store, Objects: w.store, Logger: w.opts.Logger, Registerer: w.registry}); err != nil {
		return err
	}
	w.collector = api.NewCollector(api.CollectorOptions{Connect: w.connect, API: w.api, Errors: w.store, Logger: w.opts.Logger})
	w.errors = api.NewErrorAPI(w.store, w.client, w.opts.Logger)
	w.ferry = ferry.New(ferry.Options{Connect: w.connect, Logger: w.opts.Logger})
	if w.opts.AMQP != "" {
		return w.openBus()
	}
	return nil
}

// adminUser is the broker account of Leat's own parts.
const adminUser = "leat"

func (w *World) openBroker() error {
	options := broker.DefaultOptions()
	options.Dir = filepath.Join(w.opts.Data, "broker")
	options.Logger = w.opts.Logger
	b, err := broker.New(options)
	if err != nil {
		return fmt.Errorf("open broker: %w", err)
	}
	w.broker = b
	if err := b.PutUser(adminUser, w.keys.text("broker"), "administrator"); err != nil {
		return fmt.Errorf("make broker account: %w", err)
	}
	return w.putVHost("/")
}

func (w *World) adminURL() string {
	u := url.URL{Scheme: "amqp", Host: "broker", User: url.UserPassword(adminUser, w.keys.text("broker")), Path: "/"}
	return u.String()
}

func (w *World) dialBroker(context.Context, string, string) (net.Conn, error) { return w.broker.Dial() }

// openBus lets components that are processes reach the broker.
func (w *World) openBus() (err error) {
	if w.bus, err = net.Listen("tcp", cmp.Or(w.opts.AMQP, "127.0.0.1:0")); err != nil {
		return fmt.Errorf("listen for AMQP: %w", err)
	}
	go w.broker.Serve(w.bus) // ends with the listener
	return nil
}

// Broker is the embedded broker; nil before Start.
func (w *World) Broker() *broker.Broker { return w.broker }

// Addr is where the HTTP server listens.
func (w *World) Addr() net.Addr { return w.web.Addr() }

// Run serves until ctx is done; then it stops taking things in, lets the steps finish what is in work, and closes everything, within
// StopTimeout.
func (w *World) Run(ctx context.Context) error {
	server := &http.Server{
		Handler:           w.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(w.opts.Logger.Handler(), slog.LevelDebug),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(w.web); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve HTTP: %w", err)
		}
		return nil
	})
	group.Go(func() error { return w.scheduler.Run(ctx) })
	group.Go(func() error { return w.replies.Run(ctx) })
	group.Go(func() error { w.summarise(ctx); return nil })
	group.Go(func() error { w.watch(ctx); return nil })
	collect, stopCollect := context.WithCancel(context.WithoutCancel(ctx)) // until the steps have stopped
	var collectors sync.WaitGroup
	collectors.Go(func() { w.collector.Run(collect) })
	collectors.Go(func() { w.ferry.Run(collect) })
	<-ctx.Done()
	w.opts.Logger.Info("stopping")
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), StopTimeout)
	defer cancel()
	w.router.Stop()
	if err := server.Shutdown(deadline); err != nil {
		server.Close()
	}
	err := group.Wait()
	w.stopAll(deadline)
	stopCollect()
	collectors.Wait()
	w.close()
	w.opts.Logger.Info("stopped")
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// close gives back what Start has taken, as far as it came.
func (w *World) close() {
	if w.client != nil {
		w.client.Close()
	}
	if w.bus != nil {
		w.bus.Close()
	}
	if w.broker != nil {
		if err := w.broker.Close(); err != nil {
			w.opts.Logger.Error("close broker", "err", err)
		}
	}
	if w.store != nil {
		if err := w.store.Close(); err != nil {
			w.opts.Logger.Error("close store", "err", err)
		}
	}
	if w.web != nil {
		w.web.Close()
	}
	if w.lock.file != nil {
		w.lock.release()
	}
}
