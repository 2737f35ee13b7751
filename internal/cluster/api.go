package cluster

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/ferry"
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
// of them leads: it collects errors and snapshots, since the snapshots of a step have to be stored in their order, and works for ferryman steps.
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
	components, err := api.New(api.Options{Documents: kept, Objects: kept, Logger: o.Logger, Registerer: s.registry})
	if err != nil {
		return err
	}
	failures := api.NewErrorAPI(kept, s.client, o.Logger)
	mux := http.NewServeMux()
	mux.Handle("/api/", people.Guard(failures, o.Logger))
	mux.Handle("/api/secrets/", people.Guard(api.NewSecretAPI(kept, o.Logger), o.Logger))
	leader := collecting{service: s, api: components, store: kept, changed: make(chan struct{}, 1)}
	return s.run(ctx, api.Mount(components, mux), func(ctx context.Context) error {
		defer s.subscribe(func(flows []*Flow) {
			components.Update(steps(flows))
			failures.Update(entries(flows))
			leader.wake()
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
	api     *api.API
	store   *store.Store
	changed chan struct{} // holds a token when the flows may be others
}

func (c *collecting) wake() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// lead is one term.
func (c *collecting) lead(ctx context.Context) error {
	collector := api.NewCollector(api.CollectorOptions{Connect: c.connect, API: c.api, Errors: c.store, Logger: c.opts.Logger})
	boat := ferry.New(ferry.Options{Connect: c.connect, Logger: c.opts.Logger})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return collector.Run(ctx) })
	group.Go(func() error { return boat.Run(ctx) })
	c.wake()
	group.Go(func() error {
		c.follow(ctx, func(flows []*Flow) {
			collector.Update(entries(flows))
			boat.Update(entries(flows))
		})
		return nil
	})
	return group.Wait()
}

// follow hands the newest list of flows to update, and keeps the store in line with it, until ctx is done.
func (c *collecting) follow(ctx context.Context, update func([]*Flow)) {
	keeper := newKeeper(c.store, c.opts.Namespaces, c.opts.Logger)
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.changed:
		case <-again:
		}
		again = nil
		flows := c.flows.Load()
		if flows == nil {
			continue
		}
		update(*flows)
		if err := keeper.keep(ctx, *flows); err != nil && ctx.Err() == nil {
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
