package operator

import (
	"context"
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/rabbitmq"
	"github.com/openintegrationhub/leat/internal/topology"
	"github.com/openintegrationhub/leat/internal/watchdog"
)

// guard replaces the pods of steps that look alive and aren't: those that run and don't consume, or hold messages and settle none.
type guard struct {
	r        *reconciler
	dog      *watchdog.Watchdog
	every    time.Duration
	restarts *prometheus.CounterVec
}

// watched is a step that the watchdog sees.
type watched struct {
	resource *v1.Flow
	step     string
	pods     []*corev1.Pod
}

func newGuard(r *reconciler, o Options) guard {
	restarts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "leat_watchdog_restarts_total", Help: "Restarts of steps that looked alive and weren't, by problem.",
	}, []string{"namespace", "flow", "step", "problem"})
	if err := metrics.Registry.Register(restarts); err != nil { // another operator in this process has it: a test's
		restarts = err.(prometheus.AlreadyRegisteredError).ExistingCollector.(*prometheus.CounterVec)
	}
	return guard{r: r, dog: watchdog.New(o.Watch), every: o.BrokerEvery, restarts: restarts}
}

// run looks at all steps now and then, until ctx is done.
func (g guard) run(ctx context.Context) {
	ticker := time.NewTicker(g.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := g.look(ctx); err != nil && ctx.Err() == nil {
				g.r.logger.Warn("watchdog can't look", "err", err)
			}
		}
	}
}

// look looks once. Without news of the broker there's nothing to judge.
func (g guard) look(ctx context.Context) error {
	if g.r.broker.refresh(ctx, g.every) != nil {
		return nil
	}
	var flows v1.FlowList
	if err := g.r.client.List(ctx, &flows, client.UnsafeDisableDeepCopy); err != nil { // nothing of it is changed
		return err
	}
	steps := map[string]watched{}
	var all []watchdog.Step
	for i := range flows.Items {
		resource := &flows.Items[i]
		if !resource.DeletionTimestamp.IsZero() || resource.Spec.Suspended {
			continue
		}
		if err := g.flow(ctx, resource, steps, &all); err != nil {
			return err
		}
	}
	for _, found := range g.dog.Look(time.Now(), all) {
		if found.Restart {
			g.restart(ctx, found, steps[found.Key])
		}
	}
	return nil
}

// flow adds the steps of a flow that run undisturbed.
func (g guard) flow(ctx context.Context, resource *v1.Flow, steps map[string]watched, all *[]watchdog.Step) error {
	workloads, pods, err := g.r.children(ctx, g.r.client, resource, client.MatchingFields{byFlow: resource.Name})
	if err != nil {
		return err
	}
	s := seen{workloads: workloads, pods: pods}
	var queues map[string]rabbitmq.Queue
	g.r.broker.with(keyOf(resource), func(_ *snapshot, h *holding) { queues = maps.Clone(h.queues) })
	for _, n := range resource.Spec.Nodes {
		replicas := flow.DefaultReplicas
		if n.Replicas != nil {
			replicas = int(*n.Replicas)
		}
		if len(s.of(n.ID)) != 1 || replicas == 0 { // it's being replaced
			continue
		}
		mine := s.podsOf(n.ID, "")
		q, there := queues[topology.StepQueue(resource.Name, n.ID)]
		if !there { // the reconciler makes it
			continue
		}
		stuck, _ := time.ParseDuration(n.Env["LEAT_STUCK_AFTER"])
		key := resource.Namespace + "/" + resource.Name + "/" + n.ID
		steps[key] = watched{resource, n.ID, mine}
		*all = append(*all, watchdog.Step{
			Key: key, Replicas: replicas, Since: runningSince(mine, replicas), StuckAfter: stuck,
			Queue: &watchdog.Queue{
				Ready: int(q.MessagesReady), Unacked: int(q.MessagesUnacked), Consumers: q.Consumers, Moved: q.Stats.Delivered + q.Stats.Acked,
			},
		})
	}
	return nil
}

// runningSince is when the youngest container of a step started; zero if one doesn't run.
func runningSince(pods []*corev1.Pod, replicas int) time.Time {
	var since time.Time
	running := 0
	for _, p := range pods {
		for _, c := range p.Status.ContainerStatuses {
			if c.Name != kube.ContainerName || c.State.Running == nil || p.DeletionTimestamp != nil {
				continue
			}
			running++
			if c.State.Running.StartedAt.After(since) {
				since = c.State.Running.StartedAt.Time
			}
		}
	}
	if running < replicas {
		return time.Time{}
	}
	return since
}

// restart deletes the pods of a step; their job or deployment makes others.
func (g guard) restart(ctx context.Context, found watchdog.Finding, s watched) {
	g.restarts.WithLabelValues(s.resource.Namespace, s.resource.Name, s.step, string(found.Problem)).Inc()
	g.r.logger.Error("step is restarted", "flow", s.resource.Name, "step", s.step, "problem", found.Problem, "err", "it "+found.Reason)
	g.r.event(s.resource, corev1.EventTypeWarning, "StepRestarted", "Restart", "step %s %s; its pods are replaced", s.step, found.Reason)
	for _, p := range s.pods {
		if err := g.r.client.Delete(ctx, p); client.IgnoreNotFound(err) != nil {
			g.r.logger.Error("replace pod", "pod", p.Name, "err", err)
		}
	}
}
