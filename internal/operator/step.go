package operator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/topology"
)

// stepStatuses tells how each step is: those of the flow in its order, then removed ones that are still there.
func (r *reconciler) stepStatuses(ctx context.Context, q *round) []v1.StepStatus {
	var all []v1.StepStatus
	for _, s := range q.plan.Steps {
		all = append(all, r.stepStatus(ctx, q, s))
	}
	for _, id := range q.plan.Drain {
		n, _ := ready(q.seen.podsOf(id, ""))
		all = append(all, v1.StepStatus{ID: id, State: v1.StateDraining, Ready: int32(n), Messages: q.seen.waiting(q.flow.Name, id)})
	}
	return all
}

func (r *reconciler) stepStatus(ctx context.Context, q *round, s plan.Step) v1.StepStatus {
	pods := q.seen.podsOf(s.ID, s.Hash)
	out := v1.StepStatus{ID: s.ID, Wanted: int32(s.Replicas), Messages: q.seen.waiting(q.flow.Name, s.ID)}
	if s.Image != s.Comp {
		out.Image = s.Image
		if s.Builtin != "" {
			out.Image += " " + s.Builtin
		}
	}
	older, created := false, time.Time{}
	for _, w := range q.seen.of(s.ID) {
		if w.hash == s.Hash {
			out.Restarts += int32(w.attempt)
			created = w.created
		}
		older = older || w.hash != s.Hash || s.Replicas == 0
	}
	failing := false
	out.LastFailure, failing = failure(pods)
	for _, p := range pods {
		for _, c := range p.Status.ContainerStatuses {
			out.Restarts += c.RestartCount
		}
	}
	fresh, since := ready(pods)
	all, _ := ready(q.seen.podsOf(s.ID, ""))
	takes := r.taking(ctx, q, s, all)
	ending := r.ending(ctx, q, s, fresh)
	if !older && len(ending) > 0 {
		q.ending[s.ID] = ending
	}
	out.Ready = int32(min(takes, s.Replicas))
	switch {
	case s.Replicas == 0 && !older && len(ending) == 0:
		out.State = v1.StateStopped
	case s.Replicas > 0 && failing:
		out.State = v1.StateFailing
	case older || len(ending) > 0:
		out.State = v1.StateUpdating
	case fresh >= s.Replicas && takes >= s.Replicas:
		out.State = v1.StateRunning
	case fresh >= s.Replicas && time.Since(since) > r.opts.Patience:
		out.State = v1.StateDeaf
		q.again(r.opts.BrokerEvery)
	default:
		out.State = v1.StateStarting
		if fresh > 0 {
			q.again(500 * time.Millisecond)
		}
		if left := r.opts.Patience - time.Since(created); len(pods) == 0 && left > 0 {
			q.again(left + time.Second)
		} else if len(pods) == 0 && !created.IsZero() {
			out.LastFailure = &v1.StepFailure{Reason: "NoPod", Message: "Kubernetes makes no pod for it; kubectl describe of its " + strings.ToLower(s.Pod.Workload) + " says why"}
			out.State = v1.StateFailing
		}
	}
	return out
}

// ending names the pods that shouldn't be any more, of a step's older configurations or of a step that stops, and may still take a message, though
// their workloads may be gone. A pod that is long past its time to end, such as one of a lost node, counts only while the queue has more consumers
// than there are new ready pods.
func (r *reconciler) ending(ctx context.Context, q *round, s plan.Step, fresh int) (names []string) {
	overdue := true
	for _, p := range q.seen.podsOf(s.ID, "") {
		if s.Replicas > 0 && p.Labels[kube.LabelHash] == s.Hash || alive([]*corev1.Pod{p}) == 0 {
			continue
		}
		names = append(names, p.Name)
		if p.DeletionTimestamp == nil { // its end will be told
			overdue = false
		} else if left := r.opts.Patience - time.Since(p.DeletionTimestamp.Time); left > 0 {
			overdue = false
			q.again(left)
		}
	}
	slices.Sort(names)
	if len(names) == 0 || !overdue || q.broken != nil {
		return names
	}
	if n, err := r.consumersOf(ctx, q, s.ID); err == nil && n <= min(fresh, s.Replicas) {
		return nil
	}
	q.again(r.opts.BrokerEvery)
	return names
}

// taking is how many of the ready pods of a step take messages. The list of queues lags, so a number that is too low is asked for again.
func (r *reconciler) taking(ctx context.Context, q *round, s plan.Step, ready int) int {
	if ready == 0 || q.broken != nil {
		return 0
	}
	n := q.seen.broker.queues[topology.StepQueue(q.flow.Name, s.ID)].Consumers
	if n < ready {
		exact, err := r.consumersOf(ctx, q, s.ID)
		if err != nil {
			return 0
		}
		n = exact
	}
	return min(n, ready)
}

// waiting is how many messages wait for a step, or are in its work.
func (s seen) waiting(flow, step string) int64 {
	return rounded(s.broker.queues[topology.StepQueue(flow, step)].Messages)
}

// failure is the last thing that went wrong with the pods of a step, and whether it keeps it from running now.
func failure(pods []*corev1.Pod) (last *v1.StepFailure, failing bool) {
	var at time.Time
	take := func(when time.Time, f v1.StepFailure, now bool) {
		failing = failing || now
		if last == nil || when.After(at) {
			f.Message = shorten(strings.TrimSpace(f.Message), 1000)
			last, at = &f, when
		}
	}
	for _, p := range pods {
		if p.Status.Phase == corev1.PodFailed && p.Status.Reason != "" { // evicted, or its node is gone
			take(p.CreationTimestamp.Time, v1.StepFailure{Reason: p.Status.Reason, Message: p.Status.Message}, false)
		}
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
				take(p.CreationTimestamp.Time, v1.StepFailure{Reason: c.Reason, Message: c.Message}, true)
			}
		}
		for _, c := range p.Status.ContainerStatuses {
			if c.Name != kube.ContainerName {
				continue
			}
			for _, t := range []*corev1.ContainerStateTerminated{c.LastTerminationState.Terminated, c.State.Terminated} {
				if t != nil {
					take(t.FinishedAt.Time, v1.StepFailure{Reason: t.Reason, ExitCode: &t.ExitCode, Message: t.Message}, false)
				}
			}
			if w := c.State.Waiting; w != nil {
				switch {
				case w.Reason == "CrashLoopBackOff":
					failing = true
				case w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing":
					take(time.Now(), waitingFailure(w, c.Image), true)
				}
			}
		}
	}
	return last, failing
}

// waitingFailure says why a container isn't made. Kubernetes goes to and fro between two reasons while it tries to pull an image.
func waitingFailure(w *corev1.ContainerStateWaiting, image string) v1.StepFailure {
	f := v1.StepFailure{Reason: w.Reason, Message: w.Message}
	if w.Reason == "ErrImagePull" || w.Reason == "ImagePullBackOff" {
		f.Reason = "ImagePullBackOff"
		f.Message = fmt.Sprintf("image %q can't be pulled", image)
	}
	return f
}
