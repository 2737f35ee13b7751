package operator

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/topology"
)

// apply does what the plan says, in its order, as far as it can be done now. What has to wait is done in a later round. An error of the broker
// is noted, and keeps what depends on it from being done.
func (r *reconciler) apply(ctx context.Context, q *round) error {
	if err := r.storeSecrets(ctx, q); err != nil {
		return err
	}
	var made []string
	if q.broken == nil {
		made, q.broken = r.broker.prepare(ctx, q.plan)
	}
	for _, id := range q.plan.Stop {
		if s := q.step(id); s.Replicas == 0 { // nobody takes its place
			if err := r.stop(ctx, q, s); err != nil {
				return fmt.Errorf("stop step %q: %w", id, err)
			}
		}
	}
	if q.broken != nil { // steps find nothing that they need there; those that run go on
		q.again(r.opts.BrokerEvery)
		return nil
	}
	if err := r.heal(ctx, q, made); err != nil {
		return err
	}
	for _, s := range q.plan.Steps {
		if err := r.start(ctx, q, s); err != nil {
			return fmt.Errorf("start step %q: %w", s.ID, err)
		}
	}
	for _, id := range q.plan.Stop {
		if err := r.stop(ctx, q, q.step(id)); err != nil {
			return fmt.Errorf("stop step %q: %w", id, err)
		}
	}
	if err := r.drain(ctx, q); err != nil {
		q.broken = err
		q.again(r.opts.BrokerEvery)
	}
	return nil
}

// start makes the workload of a step as the plan has it: there, with as many replicas, and again if it has ended.
func (r *reconciler) start(ctx context.Context, q *round, s plan.Step) error {
	if s.Replicas == 0 {
		return nil
	}
	object := q.objects[s.ID]
	for _, w := range q.seen.workloads {
		if w.object.GetName() != object.GetName() || !sameKind(w.object, object) {
			continue
		}
		switch {
		case w.going: // it will be made again when it's gone
			if !ownedBy(w.object, q.resource) {
				return r.delete(ctx, w.object)
			}
			return nil
		case w.over:
			return r.startAgain(ctx, q, w, object)
		}
		w.keep(object)
		if upToDate(w.object, object) {
			return nil
		}
		return r.put(ctx, q, object)
	}
	if there, err := r.unseen(ctx, q, object); there || err != nil {
		q.again(time.Second)
		return err
	}
	return r.put(ctx, q, object)
}

// unseen tells whether there is a workload that the cache doesn't have yet: applied as if it were new, it would lose how often it has ended. A flow
// that has no status yet has none that ended.
func (r *reconciler) unseen(ctx context.Context, q *round, object client.Object) (bool, error) {
	if len(q.resource.Status.Steps) == 0 {
		return false, nil
	}
	is := object.DeepCopyObject().(client.Object)
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(object), is); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return true, nil
}

func sameKind(a, b client.Object) bool {
	_, x := a.(*batchv1.Job)
	_, y := b.(*batchv1.Job)
	return x == y
}

// keep carries over what the operator has noted on a workload.
func (w workload) keep(object client.Object) {
	if w.attempt > 0 {
		object.GetAnnotations()[kube.AnnotationAttempt] = strconv.Itoa(w.attempt)
	}
}

// upToDate tells whether a workload is as it should be. A job's pod template can't be changed, and its name tells which it is.
func upToDate(is, should client.Object) bool {
	if !contains(is.GetLabels(), should.GetLabels()) || !contains(is.GetAnnotations(), should.GetAnnotations()) {
		return false
	}
	switch should := should.(type) {
	case *batchv1.Job:
		job := is.(*batchv1.Job)
		return job.Spec.Parallelism != nil && *job.Spec.Parallelism == *should.Spec.Parallelism
	case *appsv1.Deployment:
		return equality.Semantic.DeepDerivative(should.Spec, is.(*appsv1.Deployment).Spec)
	}
	return false
}

func contains(all, some map[string]string) bool {
	for k, v := range some {
		if all[k] != v {
			return false
		}
	}
	return true
}

// Times after which a job that has ended is made again.
const (
	backOffMax = 5 * time.Minute
	longRun    = 10 * time.Minute // a job that ran for so long begins anew
)

// startAgain replaces a job that has ended, after a time that doubles.
func (r *reconciler) startAgain(ctx context.Context, q *round, w workload, object client.Object) error {
	attempt := w.attempt + 1
	if w.overAt.Sub(w.created) >= longRun {
		attempt = 1
	}
	delay := min(r.opts.BackOff<<min(attempt-1, 20), backOffMax)
	if wait := delay - time.Since(w.overAt); wait > 0 {
		q.again(wait)
		return nil
	}
	if err := r.delete(ctx, w.object); err != nil {
		return err
	}
	object.GetAnnotations()[kube.AnnotationAttempt] = strconv.Itoa(attempt)
	r.event(q.resource, corev1.EventTypeWarning, "StepEnded", "Restart", "step %s has ended, which no step should; it's started again", w.step)
	return r.put(ctx, q, object)
}

// put applies a workload.
func (r *reconciler) put(ctx context.Context, q *round, object client.Object) error {
	object.SetOwnerReferences(owner(q.resource))
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return fmt.Errorf("convert %T: %w", object, err)
	}
	delete(content, "status")
	prune(content)
	config := client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: content})
	if err := r.client.Apply(ctx, config, fieldOwner, client.ForceOwnership); err != nil {
		if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) { // what the author wrote; another try would be the same
			q.steps = fmt.Errorf("step %q: %w", object.GetAnnotations()[kube.AnnotationStep], err)
			q.again(time.Minute)
			return nil
		}
		return fmt.Errorf("apply %s: %w", object.GetName(), err)
	}
	return nil
}

// prune drops what has no value: in an apply configuration it would be a claim to it.
func prune(content map[string]any) {
	for key, value := range content {
		switch value := value.(type) {
		case nil:
			delete(content, key)
		case map[string]any:
			prune(value)
		case []any:
			for _, item := range value {
				if m, ok := item.(map[string]any); ok {
					prune(m)
				}
			}
		}
	}
}

// delete deletes a child; Kubernetes stops its pods then. That it's gone is what is wanted.
func (r *reconciler) delete(ctx context.Context, c client.Object) error {
	if c.GetDeletionTimestamp() != nil {
		return nil
	}
	uid := c.GetUID()
	err := r.client.Delete(ctx, c, client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if apierrors.IsConflict(err) { // another one by now
		return nil
	}
	return client.IgnoreNotFound(err)
}

// step finds a step of the plan, which is there.
func (q *round) step(id string) plan.Step {
	return q.plan.Steps[slices.IndexFunc(q.plan.Steps, func(s plan.Step) bool { return s.ID == id })]
}

// stop deletes the workloads of a step that shouldn't be any more; if others take their place, once these take messages.
func (r *reconciler) stop(ctx context.Context, q *round, s plan.Step) error {
	if s.Replicas > 0 {
		takes, err := r.consumes(ctx, q, s)
		if err != nil {
			q.broken = err
		}
		if !takes {
			q.again(r.opts.BrokerEvery)
			return nil
		}
	}
	for _, w := range q.seen.of(s.ID) {
		if s.Replicas > 0 && w.hash == s.Hash {
			continue
		}
		if err := r.delete(ctx, w.object); err != nil {
			return err
		}
	}
	return nil
}

// consumes tells whether the new pods of a step take messages: they are ready, and the queue has a consumer for each of them and of the old
// ones. An old one that is ready and takes none would hold everything up, so after a while the new ones' number is enough.
func (r *reconciler) consumes(ctx context.Context, q *round, s plan.Step) (bool, error) {
	fresh, since := ready(q.seen.podsOf(s.ID, s.Hash))
	if fresh < s.Replicas {
		return false, nil
	}
	all, _ := ready(q.seen.podsOf(s.ID, ""))
	n, err := r.consumersOf(ctx, q, s.ID)
	if err != nil {
		return false, err
	}
	if n >= all || n >= s.Replicas && time.Since(since) > r.opts.Patience {
		return true, nil
	}
	q.again(500 * time.Millisecond)
	return false, nil
}

// consumersOf asks how many consumers the queue of a step has, once a round.
func (r *reconciler) consumersOf(ctx context.Context, q *round, id string) (int, error) {
	if n, ok := q.consumers[id]; ok {
		return n, nil
	}
	_, n, err := r.broker.pending(ctx, q.flow, topology.StepQueue(q.flow.Name, id))
	if err != nil {
		return 0, err
	}
	q.consumers[id] = n
	return n, nil
}

// heal restarts the pods of steps whose queues had to be made again: they don't notice that they consume nothing (contract.md rule 9).
func (r *reconciler) heal(ctx context.Context, q *round, made []string) error {
	if len(made) == 0 || len(q.seen.pods) == 0 {
		return nil
	}
	for _, s := range q.plan.Steps {
		pods := q.seen.podsOf(s.ID, "")
		if !slices.Contains(made, topology.StepQueue(q.flow.Name, s.ID)) || len(pods) == 0 {
			continue
		}
		if n, err := r.consumersOf(ctx, q, s.ID); err != nil || n > 0 {
			continue
		}
		r.event(q.resource, corev1.EventTypeWarning, "QueueLost", "Restart", "the broker had lost the queue of step %s; its pods are replaced", s.ID)
		for _, p := range pods {
			if err := client.IgnoreNotFound(r.client.Delete(ctx, p)); err != nil {
				return fmt.Errorf("replace pod %s: %w", p.Name, err)
			}
		}
	}
	return nil
}

// stepOf is the step whose queue it is; "" for none.
func stepOf(flow, queue string) string {
	rest, ok := strings.CutPrefix(queue, flow+":")
	if !ok {
		return ""
	}
	step, ok := strings.CutSuffix(rest, ":messages")
	if !ok {
		return ""
	}
	return step
}

// event tells a flow's author that something has happened.
func (r *reconciler) event(about runtime.Object, kind, reason, action, note string, args ...any) {
	r.events.Eventf(about, nil, kind, reason, action, note, args...)
}
