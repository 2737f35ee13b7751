// Package cluster has the services of a platform on Kubernetes but the operator: scheduler, router and API, as package local has all of it in one
// process. They learn from the cluster which flows there are (Source), who of several leads (Lease), and who people are (People); messages they
// exchange with the broker. Making anything exist is the operator's part.
package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/plan"
)

// Options are what all services need.
type Options struct {
	Config     *rest.Config  // of the API server; required
	Namespaces []string      // whose flows count; none for all
	Platform   plan.Platform // as the operator has it
	Checks     []flow.NodeCheck
	Broker     amqp.Dialer // with the service's own account; the virtual host doesn't matter

	Listen string // address for /healthz, /readyz and /metrics; default ":8081"
	HTTP   string // address for requests, of services that take some

	// Leave is how long a service that stops still takes requests: until then everybody knows that it leaves. Default 3 s.
	Leave time.Duration

	// Of services of which only one may work: where the Lease is, and the name of this process.
	LeaseNamespace string
	Identity       string

	Logger *slog.Logger // required
	// Ready is called with the addresses once the service listens; nil for nobody.
	Ready func(health, requests net.Addr)
}

func (o *Options) validate() error {
	o.Listen = cmp.Or(o.Listen, ":8081")
	o.Leave = cmp.Or(o.Leave, 3*time.Second)
	switch {
	case o.Config == nil:
		return errors.New("service options: Config: missing")
	case o.Broker.URL == "":
		return errors.New("service options: Broker: missing")
	case o.Logger == nil:
		return errors.New("service options: Logger: missing")
	}
	return nil
}

// drainTimeout bounds how long a service that was told to stop works on what it has begun. Kubernetes gives it 30 s.
const drainTimeout = 20 * time.Second

// service is what all services have: health, metrics, the source of flows.
type service struct {
	opts     Options
	registry *prometheus.Registry
	client   *amqp.Client
	source   *Source

	flows    atomic.Pointer[[]*Flow] // nil until the source has told
	reached  atomic.Bool             // the broker was, once
	stopping atomic.Bool

	mu     sync.Mutex // guards update, and that it's called with one list after the other
	update func(flows []*Flow)
}

func newService(o Options) (*service, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &service{opts: o, registry: prometheus.NewRegistry(), client: amqp.NewClient(o.Broker, o.Logger)}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	var err error
	s.source, err = NewSource(SourceOptions{Config: o.Config, Namespaces: o.Namespaces, Platform: o.Platform, Checks: o.Checks, Logger: o.Logger, Update: s.tell})
	return s, err
}

// tell takes the flows from the source and hands them to whoever wants to know.
func (s *service) tell(flows []*Flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flows.Swap(&flows) == nil {
		s.opts.Logger.Info("flows are known", "flows", len(flows))
	}
	if s.update != nil {
		s.update(flows)
	}
}

// subscribe calls f with the flows, at once if they are known and whenever they change, until cancel is called.
func (s *service) subscribe(f func(flows []*Flow)) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.update = f
	if known := s.flows.Load(); known != nil {
		f(*known)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.update = nil
	}
}

// entries are those of the open flows.
func entries(flows []*Flow) []plan.Entry {
	var all []plan.Entry
	for _, f := range flows {
		if f.Open {
			all = append(all, f.Entry)
		}
	}
	return all
}

// run serves health, follows the flows and does work, all until ctx is done or one of them fails. A server for requests comes on top where the
// service has one.
func (s *service) run(ctx context.Context, requests http.Handler, work func(ctx context.Context) error) error {
	health, err := net.Listen("tcp", s.opts.Listen)
	if err != nil {
		return fmt.Errorf("listen for health: %w", err)
	}
	defer health.Close()
	var door net.Listener
	var address net.Addr
	if requests != nil {
		if door, err = net.Listen("tcp", s.opts.HTTP); err != nil {
			return fmt.Errorf("listen for HTTP: %w", err)
		}
		defer door.Close()
		address = door.Addr()
	}
	if s.opts.Ready != nil {
		s.opts.Ready(health.Addr(), address)
	}
	defer s.client.Close()
	// Health is told until the very end.
	probes := s.server(s.health())
	go probes.Serve(health)
	defer probes.Close()
	group, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, func() {
		s.stopping.Store(true)
		s.opts.Logger.Info("stopping")
	})()
	// What requests need works until the last one is answered.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group.Go(func() error { return s.source.Run(working) })
	group.Go(func() error { return work(working) })
	group.Go(func() error {
		defer stop()
		if requests != nil {
			return s.serve(ctx, door, requests)
		}
		<-ctx.Done()
		return nil
	})
	err = group.Wait()
	s.opts.Logger.Info("stopped")
	return err
}

func (s *service) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelDebug),
	}
}

// serve serves requests until ctx is done, then for a moment more, and then finishes what was begun.
func (s *service) serve(ctx context.Context, door net.Listener, h http.Handler) error {
	server := s.server(h)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(door) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	time.Sleep(s.opts.Leave)
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil {
		server.Close()
	}
	return nil
}

func (s *service) health() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { tellState(w, http.StatusOK, "OK") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := s.ready(r.Context()); err != nil {
			tellState(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		tellState(w, http.StatusOK, "OK")
	})
	return mux
}

func tellState(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"status": text})
}

// ready returns why the service isn't, or nil. A broker that was reached once may be away later: then the service answers that, which is more
// than nobody would.
func (s *service) ready(ctx context.Context) error {
	known := s.flows.Load()
	switch {
	case s.stopping.Load():
		return errors.New("stopping")
	case known == nil:
		return errors.New("the flows aren't known yet")
	case s.reached.Load():
		return nil
	}
	i := slices.IndexFunc(*known, func(f *Flow) bool { return f.Open })
	if i < 0 {
		return nil // nothing to reach the broker for
	}
	if err := s.client.Ready(ctx, (*known)[i].Entry.VHost); err != nil {
		return err
	}
	s.reached.Store(true)
	return nil
}

// at returns the service's way to the broker's virtual host.
func (s *service) at(vhost string) (amqp.Dialer, error) {
	u, err := url.Parse(s.opts.Broker.URL)
	if err != nil {
		return amqp.Dialer{}, errors.New("broker address: not a valid URI") // the error would hold its password
	}
	u.Path, u.RawPath = "/"+vhost, "/"+url.PathEscape(vhost)
	d := s.opts.Broker
	d.URL = u.String()
	return d, nil
}

// lease returns the lease of a service of which only one may work.
func (s *service) lease(name string, duration time.Duration) (*Lease, error) {
	return NewLease(LeaseOptions{
		Config: s.opts.Config, Namespace: s.opts.LeaseNamespace, Name: name, Identity: s.opts.Identity, Logger: s.opts.Logger, Duration: duration,
	})
}
