package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/runner"
	"github.com/openintegrationhub/leat/internal/topology"
)

const startTimeout = 30 * time.Second // for a new step to consume before the one that it replaces stops

// Apply makes flows all that runs: new ones start, changed ones change, others stop and are removed from the broker. An error of one flow
// doesn't keep the others from running.
func (w *World) Apply(ctx context.Context, flows []*flow.Flow) error {
	w.applying.Lock()
	defer w.applying.Unlock()
	var errs []error
	wanted := map[string]bool{}
	for _, f := range flows {
		wanted[f.Key()] = true
		if err := w.apply(ctx, f); err != nil {
			errs = append(errs, fmt.Errorf("start flow %s: %w", f.Key(), err))
		}
	}
	for _, key := range w.keysOfFlows() {
		if wanted[key] {
			continue
		}
		if err := w.remove(ctx, key); err != nil {
			errs = append(errs, fmt.Errorf("remove flow %s: %w", key, err))
		}
	}
	w.publish(ctx)
	w.applied.Store(true)
	return errors.Join(errs...)
}

// apply carries out the plan for one flow, in the plan's order.
func (w *World) apply(ctx context.Context, f *flow.Flow) error {
	if err := CheckPrograms([]*flow.Flow{f}, w.opts); err != nil {
		return err
	}
	if err := w.needBus(f); err != nil {
		return err
	}
	if err := w.putVHost(f.Namespace); err != nil {
		return fmt.Errorf("make virtual host %q: %w", f.Namespace, err)
	}
	p := plan.For(f, w.seen(f), w.keys.flow(f), w.platform())
	if err := w.putAccounts(p.Accounts); err != nil {
		return err
	}
	conn, err := w.connect(ctx, f.Namespace)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Declare(p.Declare); err != nil {
		return err
	}
	w.mu.Lock()
	r := w.flows[f.Key()]
	if r == nil {
		r = &running{units: map[string][]*unit{}}
		w.flows[f.Key()] = r
	}
	before := r.plan.Entry
	r.plan = p
	w.mu.Unlock()
	w.ferry.Update(w.entriesWith(p, before)) // what its steps send waits until it's known
	w.publishSteps()                         // a step asks for its configuration as soon as it starts
	retired := w.replace(f, r, p)
	w.stopUnits(ctx, retired)
	w.scale(ctx, f, r, p)
	if err := conn.Remove(topology.Topology{Bindings: p.Unbind}); err != nil {
		return err
	}
	for _, id := range p.Drain {
		w.drain(ctx, f, id)
		w.stopUnits(ctx, w.setUnits(r, id, nil))
		if err := w.broker.DeleteUser(topology.StepUser(f.Namespace, f.Name, id)); err != nil {
			return fmt.Errorf("remove broker account of step %q: %w", id, err)
		}
	}
	return w.removeEmpty(ctx, conn, f, p.Remove)
}

// replace starts the steps that the plan starts, waits until they consume, and returns the replicas that have to stop then.
func (w *World) replace(f *flow.Flow, r *running, p plan.Plan) (retired []*unit) {
	for _, id := range p.Stop {
		retired = append(retired, w.setUnits(r, id, nil)...)
	}
	var started []*unit
	for _, s := range p.Start {
		var units []*unit
		for range s.Replicas {
			units = append(units, w.startUnit(f, s))
		}
		w.setUnits(r, s.ID, units)
		started = append(started, units...)
	}
	if len(retired) == 0 {
		return nil
	}
	deadline := time.After(startTimeout)
	for _, u := range started {
		select {
		case <-u.ready:
		case <-deadline:
			u.logger.Warn("new step does not start; the old one stops all the same")
			return retired
		}
	}
	return retired
}

// setUnits replaces the replicas of a step and returns those that it had.
func (w *World) setUnits(r *running, id string, units []*unit) (old []*unit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old = r.units[id]
	if r.units[id] = units; units == nil {
		delete(r.units, id)
	}
	return old
}

// scale gives each step that was not replaced the number of replicas that the plan wants.
func (w *World) scale(ctx context.Context, f *flow.Flow, r *running, p plan.Plan) {
	for _, s := range p.Steps {
		units := r.units[s.ID]
		for len(units) < s.Replicas {
			units = append(units, w.startUnit(f, s))
		}
		if len(units) > s.Replicas {
			w.stopUnits(ctx, units[s.Replicas:])
			units = units[:s.Replicas:s.Replicas]
		}
		w.setUnits(r, s.ID, units)
	}
}

// startUnit starts one replica of a step.
func (w *World) startUnit(f *flow.Flow, s plan.Step) *unit {
	u := &unit{step: s, logger: w.opts.Logger.With("flow", f.Name, "step", s.ID)}
	if builtin, ok := w.opts.Builtin(s.Image); ok {
		u.run = w.goroutine(f, s, builtin, u.logger)
	} else {
		command, _ := FindCommand(w.opts.Commands, s.Image) // CheckPrograms has seen to it that there is one
		queue := queueName{f.Namespace, topology.StepQueue(f.Name, s.ID)}
		expect := func() func(context.Context) bool { return w.arrivals.expect(queue) }
		u.run = process(command, s, expect, u.logger)
	}
	u.start()
	return u
}

// goroutine runs a step of a built-in component inside this process.
func (w *World) goroutine(f *flow.Flow, s plan.Step, b Builtin, logger *slog.Logger) func(context.Context, func()) error {
	counts := w.stats.of(f.Key(), s.ID)
	return func(ctx context.Context, ready func()) error {
		settings, err := runner.FromEnvironment(getenv(s))
		if err != nil {
			return err
		}
		return runner.Run(ctx, runner.Options{
			Settings: settings,
			Open:     component.Opener(b.Functions, logger),
			Logger:   logger,
			Dial:     w.dialBroker,
			Stats:    counts,
			Ready:    ready,
		})
	}
}

func (w *World) stopUnits(ctx context.Context, units []*unit) {
	var group sync.WaitGroup
	for _, u := range units {
		group.Go(func() { u.stop(ctx) })
	}
	group.Wait()
}

// stopAll stops every step, all at once.
func (w *World) stopAll(ctx context.Context) {
	w.applying.Lock()
	defer w.applying.Unlock()
	var units []*unit
	for _, r := range w.flows {
		for _, replicas := range r.units {
			units = append(units, replicas...)
		}
	}
	w.stopUnits(ctx, units)
}

// remove stops a flow and takes away what it has on the broker.
func (w *World) remove(ctx context.Context, key string) error {
	r := w.flows[key]
	f := r.plan.Flow
	p := plan.Gone(w.seen(f))
	w.mu.Lock()
	delete(w.flows, key)
	w.mu.Unlock()
	w.publishEntries(ctx) // no tick and no request goes in from here on
	for _, id := range p.Stop {
		w.stopUnits(ctx, r.units[id])
	}
	for _, s := range plan.ShutdownHooks(r.plan.Steps) {
		w.runHook(ctx, f, s)
	}
	w.publishSteps()
	conn, err := w.connect(ctx, f.Namespace)
	if err != nil {
		return err
	}
	defer conn.Close()
	lost := 0
	for _, q := range p.Remove.Queues {
		_, input := stepOfQueue(f, q.Name)
		if _, back := topology.ReboundDelay(f.Name, q.Name); input || back {
			lost += w.held(f, q.Name)
		}
	}
	if err := conn.Remove(p.Remove); err != nil {
		return err
	}
	for _, a := range r.plan.Accounts {
		if err := w.broker.DeleteUser(a.User); err != nil {
			return fmt.Errorf("remove broker account %q: %w", a.User, err)
		}
	}
	if err := w.store.Forget(ctx, f.Namespace, f.Name); err != nil {
		return err
	}
	w.opts.Logger.Info("flow removed", "flow", f.Name, "discarded", lost)
	return nil
}

func (w *World) connect(ctx context.Context, vhost string) (*amqp.Conn, error) {
	u := url.URL{Scheme: "amqp", Host: "broker", User: url.UserPassword(adminUser, w.keys.text("broker")), Path: "/" + vhost}
	return amqp.Dialer{URL: u.String(), Name: "leat/apply", Dial: w.dialBroker}.Connect(ctx)
}

// platform is what this world gives to every flow.
func (w *World) platform() plan.Platform {
	p := plan.Platform{
		Builtin: func(image string) string {
			b, _ := w.opts.Builtin(image)
			return b.Name
		},
		APIURI:        "http://" + w.Addr().String(),
		Broker:        url.URL{Scheme: "amqp", Host: "broker"},
		DeliveryLimit: w.opts.DeliveryLimit,
		Variables:     map[string]string{"LEAT_OUTBOX": filepath.Join(w.opts.Data, "outbox")},
	}
	if w.bus != nil {
		p.Broker.Host = w.bus.Addr().String()
	}
	return p
}

// needBus opens the broker to processes if a step of f is one.
func (w *World) needBus(f *flow.Flow) error {
	if w.bus != nil {
		return nil
	}
	for _, n := range f.Nodes {
		if _, ok := w.opts.Builtin(n.Image); !ok {
			return w.openBus()
		}
	}
	return nil
}

// putVHost makes a virtual host in which Leat's own account may do everything.
func (w *World) putVHost(name string) error {
	if err := w.broker.PutVhost(name); err != nil {
		return err
	}
	return w.broker.PutPermissions(name, adminUser, broker.Permissions{Configure: ".*", Write: ".*", Read: ".*"})
}

func (w *World) putAccounts(accounts []plan.Account) error {
	for _, a := range accounts {
		if err := w.putAccount(a); err != nil {
			return fmt.Errorf("make broker account %q: %w", a.User, err)
		}
	}
	return nil
}

func (w *World) putAccount(a plan.Account) error {
	if err := w.broker.PutUser(a.User, a.Password); err != nil {
		return err
	}
	if err := w.broker.PutPermissions(a.VHost, a.User, broker.Permissions{Configure: a.Configure, Write: a.Write, Read: a.Read}); err != nil {
		return err
	}
	return w.broker.PutTopicPermissions(a.VHost, a.User, a.TopicExchange, broker.TopicPermissions{Write: a.TopicWrite, Read: "^$"})
}

// publish tells scheduler, router and API which flows there are.
func (w *World) publish(ctx context.Context) {
	w.publishSteps()
	w.publishEntries(ctx)
}

// publishEntries tells all parts but the API.
func (w *World) publishEntries(ctx context.Context) {
	entries := w.entries()
	exchanges := map[string][]string{}
	for _, e := range entries {
		if e.HTTP {
			exchanges[e.VHost] = append(exchanges[e.VHost], e.Exchange)
		}
	}
	w.replies.Update(ctx, exchanges) // before a request can ask for a reply
	w.router.Update(entries)
	w.scheduler.Update(entries)
	w.collector.Update(entries)
	w.errors.Update(entries)
	w.ferry.Update(entries)
}

func (w *World) entries() (all []plan.Entry) {
	for _, key := range w.keysOfFlows() {
		all = append(all, w.flows[key].plan.Entry)
	}
	return all
}

// entriesWith are the entries while p is carried out: ferryman steps that it drains still get messages.
func (w *World) entriesWith(p plan.Plan, before plan.Entry) []plan.Entry {
	all := w.entries()
	for i, e := range all {
		if e.Namespace != p.Entry.Namespace || e.Flow != p.Entry.Flow {
			continue
		}
		e.Ferrymen = slices.Clone(e.Ferrymen)
		for _, f := range before.Ferrymen {
			if slices.Contains(p.Drain, f.Step) {
				e.Ferrymen = append(e.Ferrymen, f)
			}
		}
		all[i] = e
	}
	return all
}

// publishSteps tells the API which steps there are.
func (w *World) publishSteps() {
	var steps []api.Step
	for _, key := range w.keysOfFlows() {
		p := w.flows[key].plan
		for _, s := range p.Steps {
			steps = append(steps, api.Step{
				Namespace: p.Flow.Namespace, Flow: p.Flow.Name, ID: s.ID, Component: s.Comp, Function: s.Function, Config: s.Config,
				User: s.APIUser, Key: s.APIKey,
			})
		}
	}
	w.api.Update(steps)
}

// keysOfFlows lists the flows that run. While applying is held, the list can't change.
func (w *World) keysOfFlows() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.flows))
}

// of returns the counts of a step.
func (s *stats) of(flow, step string) *runner.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := flow + "/" + step
	if s.steps[key] == nil {
		s.steps[key] = new(runner.Stats)
	}
	return s.steps[key]
}
