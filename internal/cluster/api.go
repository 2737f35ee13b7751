package cluster

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/store"
)

// APIOptions are what the API needs besides.
type APIOptions struct {
	// Database is where everything is kept: a file, then only one API may run, or the URL of a PostgreSQL database. Required.
	Database string
	// Token opens everything that people may open, without the cluster being asked; "" for none.
	Token string
}

const (
	collectorLease = "leat-collector"
	collectorTerm  = 15 * time.Second
)

// RunAPI serves the platform API of components, and the API for people behind People.Guard, until ctx is done. With PostgreSQL any number may run. One
// of them leads: it collects errors and snapshots, since the snapshots of a step have to be stored in their order.
func RunAPI(ctx context.Context, o Options, a APIOptions) error {
	if a.Database == "" {
		return errors.New("api options: Database: missing")
	}
	o.HTTP = cmp.Or(o.HTTP, ":3000")
	s, err := newService(o)
	if err != nil {
		return err
	}
	lease, err := s.lease(collectorLease, collectorTerm)
	if err != nil {
		return err
	}
	people, err := NewPeople(o.Config)
	if err != nil {
		return err
	}
	people.Token = a.Token
	kept, err := store.New(store.Options{Database: a.Database, Logger: o.Logger})
	if err != nil {
		return err
	}
	defer kept.Close()
	if err := kept.Open(ctx); err != nil {
		return err
	}
	components, err := api.New(api.Options{Documents: kept, Logger: o.Logger, Registerer: s.registry})
	if err != nil {
		return err
	}
	failures := api.NewErrorAPI(kept, s.client, o.Logger)
	mux := http.NewServeMux()
	for _, prefix := range api.Prefixes() {
		mux.Handle(prefix, components)
	}
	mux.Handle("/api/", people.Guard(failures, o.Logger))
	leader := collecting{service: s, api: components, store: kept, flows: make(chan []*Flow, 1)}
	return s.run(ctx, mux, func(ctx context.Context) error {
		defer s.subscribe(func(flows []*Flow) {
			components.Update(steps(flows))
			failures.Update(entries(flows))
			leader.tell(flows)
		})()
		return lease.Run(ctx, leader.lead)
	})
}

// steps are all that may ask for their configuration.
func steps(flows []*Flow) []api.Step {
	var all []api.Step
	for _, f := range flows {
		for _, s := range f.Steps {
			all = append(all, api.Step{
				Namespace: f.Namespace, Flow: f.Name, ID: s.ID, Component: s.Comp, Function: s.Function, Config: s.Config, User: s.APIUser, Key: s.APIKey,
			})
		}
	}
	return all
}

// collecting is what only one API does.
type collecting struct {
	*service
	api   *api.API
	store *store.Store
	flows chan []*Flow // holds the newest list that wasn't looked at
}

// tell hands the newest list over. Only one goroutine calls it at a time.
func (c *collecting) tell(flows []*Flow) {
	select {
	case <-c.flows:
	default:
	}
	c.flows <- flows
}

// lead is one term.
func (c *collecting) lead(ctx context.Context) error {
	collector := api.NewCollector(api.CollectorOptions{Connect: c.connect, API: c.api, Errors: c.store, Logger: c.opts.Logger})
	done := make(chan struct{})
	go func() {
		defer close(done)
		collector.Run(ctx)
	}()
	defer func() { <-done }()
	keeper := newKeeper(c.store, c.opts.Namespaces, c.opts.Logger)
	if known := c.service.flows.Load(); known != nil {
		c.tell(*known)
	}
	var again <-chan time.Time
	var flows []*Flow
	for {
		select {
		case <-ctx.Done():
			return nil
		case flows = <-c.flows:
			collector.Update(entries(flows))
		case <-again:
		}
		again = nil
		if err := keeper.keep(ctx, flows); err != nil && ctx.Err() == nil {
			c.opts.Logger.Warn("what is stored of deleted flows isn't removed yet", "err", err)
			again = time.After(10 * time.Second)
		}
	}
}

func (c *collecting) connect(ctx context.Context, vhost string) (*amqp.Conn, error) {
	d, err := c.at(vhost)
	if err != nil {
		return nil, err
	}
	return d.Connect(ctx)
}
