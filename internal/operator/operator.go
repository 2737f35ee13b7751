// Package operator runs flows on Kubernetes: it watches Flow resources, asks package plan what has to be done for each, does it on RabbitMQ and
// on Kubernetes, and reports what it sees in the resource's status. It decides nothing that another applier would have to decide too.
package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/rabbitmq"
	"github.com/openintegrationhub/leat/internal/watchdog"
)

// Options of an Operator.
type Options struct {
	Config   *rest.Config // of the cluster; required
	Settings kube.Settings
	Logger   *slog.Logger // required
	// Checks are further checks of nodes, by who knows their components.
	Checks []flow.NodeCheck

	// LeaderElection lets only one of several operators work, by a lease called flows-operator in Namespace.
	LeaderElection bool
	Namespace      string
	// Listen is the address of /healthz, /readyz and /metrics; "" is none.
	Listen string

	// Workers is how many flows are worked on at a time; default 8.
	Workers int
	// BrokerEvery is how often the broker is looked at; default 10 s.
	BrokerEvery time.Duration
	// Patience is how long a step may be without a consumer before its pods count as deaf; default 1 min.
	Patience time.Duration
	// Watch says when the watchdog restarts steps that look alive and aren't; DeafAfter is Patience unless it's given.
	Watch watchdog.Options
	// BackOff is how long the first replacement of a job that has ended waits; each further one waits twice as long, 5 min at most. Default 1 s.
	BackOff time.Duration
	// StatisticsEvery is how much RabbitMQ's counts of messages in work may lag; default 6 s.
	StatisticsEvery time.Duration
	// DialBroker opens connections to the broker; nil means TCP.
	DialBroker func(ctx context.Context, network, address string) (net.Conn, error)
}

func (o *Options) validate() error {
	switch {
	case o.Config == nil:
		return errors.New("operator options: Config: missing")
	case o.Logger == nil:
		return errors.New("operator options: Logger: missing")
	case o.LeaderElection && o.Namespace == "":
		return errors.New("operator options: Namespace: missing; leader election needs it")
	}
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&o.BrokerEvery, 10 * time.Second}, {&o.Patience, time.Minute}, {&o.BackOff, time.Second}, {&o.StatisticsEvery, 6 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.usual
		}
	}
	if o.Watch.DeafAfter <= 0 {
		o.Watch.DeafAfter = o.Patience
	}
	if o.Workers <= 0 {
		o.Workers = 8
	}
	return nil
}

// Operator runs the flows of a cluster. New starts nothing; Run does everything.
type Operator struct {
	opts    Options
	manager manager.Manager
	broker  *broker
	r       *reconciler
}

// GCPercent is what a program that runs an operator should give debug.SetGCPercent: it holds a copy of all that it looks after, and makes little
// garbage, so that more frequent collections cost less than what they save.
const GCPercent = 15

// leaseName is that of the lease by which operators elect their leader.
const leaseName = "flows-operator"

// New checks the options. It connects to the cluster for its list of resources.
func New(o Options) (*Operator, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	config := rest.CopyConfig(o.Config)
	config.QPS = -1 // the server's own priority and fairness does it
	logger := logr.FromSlogHandler(o.Logger.Handler())
	m, err := manager.New(config, manager.Options{
		Scheme:                        kube.Scheme(),
		Logger:                        logger,
		Cache:                         cacheOptions(o.Settings.Namespaces),
		Client:                        client.Options{Cache: &client.CacheOptions{}},
		LeaderElection:                o.LeaderElection,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       o.Namespace,
		LeaderElectionReleaseOnCancel: true,
		Metrics:                       server.Options{BindAddress: "0"}, // on the same listener as the probes
	})
	if err != nil {
		return nil, fmt.Errorf("connect to cluster: %w", err)
	}
	api, err := rabbitmq.New(rabbitmq.Options{URL: o.Settings.Management, Timeout: time.Minute})
	if err != nil {
		return nil, err
	}
	op := &Operator{opts: o, manager: m}
	op.broker = &broker{
		api: api, uri: o.Settings.RabbitMQ, dial: o.DialBroker, every: o.BrokerEvery, logger: o.Logger,
		spaces: map[string]bool{}, conns: map[string]*amqp.Conn{},
	}
	op.r = &reconciler{
		opts: o, client: m.GetClient(), live: m.GetAPIReader(), broker: op.broker, memory: newMemory(),
		events: m.GetEventRecorder("flows-operator"), platform: o.Settings.Platform(), logger: o.Logger,
	}
	if err := op.r.setUp(m, o); err != nil {
		return nil, fmt.Errorf("set up controller: %w", err)
	}
	return op, nil
}

// Run works until ctx is done. With leader election it waits for its turn first, and returns an error when it loses it.
func (op *Operator) Run(ctx context.Context) error {
	defer op.broker.close()
	if op.opts.Listen != "" {
		stop, err := op.serve()
		if err != nil {
			return err
		}
		defer stop()
	}
	if err := op.manager.Start(ctx); err != nil {
		return fmt.Errorf("run operator: %w", err)
	}
	return nil
}

// serve answers probes and serves metrics.
func (op *Operator) serve() (stop func(), err error) {
	listener, err := net.Listen("tcp", op.opts.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for HTTP: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if !op.manager.GetCache().WaitForCacheSync(ctx) {
			http.Error(w, "the list of flows isn't read yet", http.StatusServiceUnavailable)
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics.Registry, promhttp.HandlerOpts{}))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go s.Serve(listener) // ends with Close
	return func() { s.Close() }, nil
}
