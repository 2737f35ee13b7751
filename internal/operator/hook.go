package operator

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/plan"
)

// hookPatience is how long a hook's Job is waited for: somewhat longer than Kubernetes lets it run.
const hookPatience = (kube.HookSeconds + 30) * time.Second

// shutdown runs the shutdown hooks of a deleted flow whose steps have stopped, and tells whether they are over. One that fails is told in an
// event, and holds nothing up. A flow whose Secret is gone has had them.
func (r *reconciler) shutdown(ctx context.Context, resource *v1.Flow) (over bool, err error) {
	jobs, err := r.hooks(ctx, resource)
	if err != nil {
		return false, err
	}
	over = true
	for _, job := range jobs {
		is := new(batchv1.Job)
		err := r.live.Get(ctx, client.ObjectKeyFromObject(job), is)
		switch {
		case client.IgnoreNotFound(err) != nil:
			return false, fmt.Errorf("read shutdown hook: %w", err)
		case err != nil:
			job.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(resource, v1.GroupVersion().WithKind("Flow"))}
			if err := r.client.Create(ctx, job, fieldOwner); err != nil {
				return false, fmt.Errorf("start shutdown hook: %w", err)
			}
			over = false
		default:
			over = r.hookOver(resource, is) && over
		}
	}
	return over, nil
}

// hooks are the Jobs of the flow's shutdown hooks.
func (r *reconciler) hooks(ctx context.Context, resource *v1.Flow) (jobs []*batchv1.Job, err error) {
	q := &round{resource: resource}
	if q.flow, err = kube.FlowOf(resource, r.opts.Checks...); err != nil {
		return nil, nil // it never ran
	}
	secrets, err := r.secrets(ctx, q)
	switch {
	case q.held == nil:
		return nil, err
	case err != nil: // a Secret that can't be read is no reason to stay
		r.logger.Warn("shutdown hooks not run", "flow", resource.Name, "err", err)
		return nil, nil
	}
	p := plan.For(q.flow, plan.Seen{}, secrets, r.platform)
	for _, s := range plan.ShutdownHooks(p.Steps) {
		job, err := kube.HookJob(p, s, resource.UID)
		if err != nil {
			continue // such a step never ran
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

// hookOver tells whether a hook's Job needn't be waited for.
func (r *reconciler) hookOver(resource *v1.Flow, job *batchv1.Job) bool {
	step := job.Annotations[kube.AnnotationStep]
	for _, c := range job.Status.Conditions {
		switch {
		case c.Status != corev1.ConditionTrue:
		case c.Type == batchv1.JobComplete:
			return true
		case c.Type == batchv1.JobFailed:
			r.event(resource, corev1.EventTypeWarning, "ShutdownHookFailed", "Delete", "shutdown hook of step %s: %s", step, c.Message)
			return true
		}
	}
	if time.Since(job.CreationTimestamp.Time) > hookPatience {
		r.event(resource, corev1.EventTypeWarning, "ShutdownHookFailed", "Delete", "shutdown hook of step %s: nobody runs its job", step)
		return true
	}
	return false
}

// removeHooks deletes the Jobs of hooks that are over.
func (r *reconciler) removeHooks(ctx context.Context, resource *v1.Flow) error {
	var jobs batchv1.JobList
	mine := client.MatchingLabels{kube.LabelManagedBy: kube.ManagedBy, kube.LabelHook: resource.Name}
	if err := r.live.List(ctx, &jobs, client.InNamespace(resource.Namespace), mine); err != nil {
		return fmt.Errorf("list shutdown hooks: %w", err)
	}
	for i := range jobs.Items {
		if err := r.delete(ctx, &jobs.Items[i]); err != nil {
			return fmt.Errorf("delete shutdown hook: %w", err)
		}
	}
	return nil
}
