package local

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openintegrationhub/leat/internal/broker/core"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/topology"
	"github.com/openintegrationhub/leat/internal/watchdog"
)

// watchEvery is how often the steps are looked at.
const watchEvery = time.Second

// guard watches the steps and restarts those that look alive and aren't.
type guard struct {
	dog      *watchdog.Watchdog
	restarts *prometheus.CounterVec
	problems *prometheus.GaugeVec
}

func newGuard(o watchdog.Options, r prometheus.Registerer) guard {
	labels := []string{"namespace", "flow", "step", "problem"}
	g := guard{
		dog: watchdog.New(o),
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leat_watchdog_restarts_total", Help: "Restarts of steps that looked alive and weren't, by problem.",
		}, labels),
		problems: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "leat_watchdog_problems", Help: "1 for each problem that a step has now.",
		}, labels),
	}
	r.MustRegister(g.restarts, g.problems)
	return g
}

// watch looks at all steps now and then, until ctx is done.
func (w *World) watch(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.lookAtSteps(ctx)
		}
	}
}

// watched is a step that the watchdog sees.
type watched struct {
	flow  plan.Plan
	step  plan.Step
	units []*unit
}

// lookAtSteps looks once. While flows change it doesn't: what's missing then may be about to be made, or removed.
func (w *World) lookAtSteps(ctx context.Context) {
	if !w.applying.TryLock() {
		return
	}
	defer w.applying.Unlock()
	w.mu.Lock()
	var plans []plan.Plan
	steps := map[string]watched{}
	for key, r := range w.flows {
		plans = append(plans, r.plan)
		for _, s := range r.plan.Steps {
			steps[key+"/"+s.ID] = watched{flow: r.plan, step: s, units: slices.Clone(r.units[s.ID])}
		}
	}
	w.mu.Unlock()
	sight := w.sight(plans)
	for _, p := range plans {
		if !sight.has(p) {
			w.declareAgain(ctx, p)
		}
	}
	var seen []watchdog.Step
	for key, s := range steps {
		seen = append(seen, watchdog.Step{
			Key: key, Replicas: s.step.Replicas, Since: runningSince(s.units, s.step.Replicas), Queue: sight.input(s), StuckAfter: s.step.StuckAfter,
		})
	}
	w.guard.problems.Reset()
	troubles := map[string]string{}
	for _, f := range w.guard.dog.Look(time.Now(), seen) {
		troubles[f.Key] = f.Reason
		w.guard.act(f, steps[f.Key], w.opts.Logger)
	}
	w.mu.Lock()
	w.troubles = troubles
	w.mu.Unlock()
}

// act counts a finding and restarts its step if it's time.
func (g guard) act(f watchdog.Finding, s watched, logger *slog.Logger) {
	labels := []string{s.flow.Flow.Namespace, s.flow.Flow.Name, s.step.ID, string(f.Problem)}
	g.problems.WithLabelValues(labels...).Set(1)
	if !f.Restart {
		return
	}
	g.restarts.WithLabelValues(labels...).Inc()
	logger.Error("step is restarted", "flow", s.flow.Flow.Name, "step", s.step.ID, "problem", f.Problem, "err", "it "+f.Reason)
	for _, u := range s.units {
		u.restart(errors.New("it " + f.Reason))
	}
}

// sight is what the broker has at one moment, by virtual host and name.
type sight map[string]struct {
	queues    map[string]core.QueueInfo
	exchanges map[string]bool
}

func (w *World) sight(plans []plan.Plan) sight {
	all := sight{}
	for _, p := range plans {
		vhost := p.Flow.Namespace
		if _, known := all[vhost]; known {
			continue
		}
		host := all[vhost]
		host.queues, host.exchanges = map[string]core.QueueInfo{}, map[string]bool{}
		for _, q := range w.broker.Queues(vhost) {
			host.queues[q.Name] = q
		}
		for _, e := range w.broker.Exchanges(vhost) {
			host.exchanges[e.Name] = true
		}
		all[vhost] = host
	}
	return all
}

// has tells whether all queues and exchanges of a plan are there.
func (s sight) has(p plan.Plan) bool {
	host := s[p.Flow.Namespace]
	for _, q := range p.Declare.Queues {
		if _, ok := host.queues[q.Name]; !ok {
			return false
		}
	}
	return !slices.ContainsFunc(p.Declare.Exchanges, func(e topology.Exchange) bool { return !host.exchanges[e.Name] })
}

// input is the broker's truth about a step's input; nil if it's gone, or nothing could be published from there.
func (s sight) input(w watched) *watchdog.Queue {
	host := s[w.flow.Flow.Namespace]
	q, ok := host.queues[topology.StepQueue(w.flow.Flow.Name, w.step.ID)]
	if !ok || !host.exchanges[w.flow.Flow.Name] {
		return nil
	}
	return &watchdog.Queue{Ready: q.Ready, Unacked: q.Unacked, Consumers: q.Consumers, Moved: q.Stats.Delivered + q.Stats.Acked}
}

// declareAgain makes again what a flow has lost on the broker.
func (w *World) declareAgain(ctx context.Context, p plan.Plan) {
	logger := w.opts.Logger.With("flow", p.Flow.Name)
	conn, err := w.connect(ctx, p.Flow.Namespace)
	if err == nil {
		err = errors.Join(conn.Declare(p.Declare), conn.Close())
	}
	if err != nil {
		logger.Error("queues or exchanges are missing and can't be declared", "err", err)
		return
	}
	logger.Warn("queues or exchanges were missing; they are declared again")
}

// runningSince is when the youngest of the replicas started; zero if one doesn't run: it's being started again already.
func runningSince(units []*unit, replicas int) (youngest time.Time) {
	if len(units) < replicas {
		return time.Time{}
	}
	for _, u := range units {
		u.mu.Lock()
		state, since := u.state, u.since
		u.mu.Unlock()
		if state != Starting && state != Running {
			return time.Time{}
		}
		if since.After(youngest) {
			youngest = since
		}
	}
	return youngest
}
