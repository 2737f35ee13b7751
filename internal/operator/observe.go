package operator

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/plan"
)

// seen is what exists of a flow.
type seen struct {
	workloads  []workload // the oldest first
	pods       []corev1.Pod
	broker     brokerSeen
	references map[string]string // digest of what the variables of a step come from, by the step's id
}

// workload is a Job or a Deployment of a step.
type workload struct {
	object   client.Object
	step     string
	hash     string
	replicas int32
	created  time.Time
	going    bool // it's being deleted, or it's one of an earlier flow of the same name
	over     bool // a job that has ended, well or not
	overAt   time.Time
	attempt  int       // how many of its kind ended soon before it
	draining time.Time // since when its removed step works off its messages; zero if it doesn't
}

// observe looks at all there is of a flow. What can't be seen of the broker is noted in the round and is no error.
func (r *reconciler) observe(ctx context.Context, q *round) error {
	var err error
	if q.secrets, err = r.secrets(ctx, q); err != nil {
		return fmt.Errorf("read secrets: %w", err)
	}
	if q.seen.references, err = r.references(ctx, q.flow); err != nil {
		return fmt.Errorf("read what variables come from: %w", err)
	}
	if q.seen.workloads, q.seen.pods, err = r.children(ctx, r.client, q.resource, client.MatchingFields{byFlow: q.resource.Name}); err != nil {
		return err
	}
	q.seen.broker, q.broken = r.broker.look(ctx, q.flow)
	return nil
}

// children lists workloads and pods of a flow.
func (r *reconciler) children(ctx context.Context, from client.Reader, resource client.Object, which client.ListOption) ([]workload, []corev1.Pod, error) {
	mine := []client.ListOption{client.InNamespace(resource.GetNamespace()), which}
	var jobs batchv1.JobList
	var deployments appsv1.DeploymentList
	var pods corev1.PodList
	for _, list := range []client.ObjectList{&jobs, &deployments, &pods} {
		if err := from.List(ctx, list, mine...); err != nil {
			return nil, nil, fmt.Errorf("list what the flow has: %w", err)
		}
	}
	var all []workload
	for i := range jobs.Items {
		all = append(all, jobWorkload(&jobs.Items[i]))
	}
	for i := range deployments.Items {
		d := &deployments.Items[i]
		w := newWorkload(d)
		if d.Spec.Replicas != nil {
			w.replicas = *d.Spec.Replicas
		}
		all = append(all, w)
	}
	for i := range all {
		if !ownedBy(all[i].object, resource) {
			all[i].going = true
		}
	}
	slices.SortFunc(all, func(a, b workload) int { return a.created.Compare(b.created) })
	return all, pods.Items, nil
}

func newWorkload(c client.Object) workload {
	w := workload{
		object: c, step: c.GetAnnotations()[kube.AnnotationStep], hash: c.GetLabels()[kube.LabelHash],
		created: c.GetCreationTimestamp().Time, going: c.GetDeletionTimestamp() != nil,
	}
	w.attempt, _ = strconv.Atoi(c.GetAnnotations()[kube.AnnotationAttempt])
	w.draining, _ = time.Parse(time.RFC3339, c.GetAnnotations()[kube.AnnotationDrain])
	return w
}

func jobWorkload(job *batchv1.Job) workload {
	w := newWorkload(job)
	if job.Spec.Parallelism != nil {
		w.replicas = *job.Spec.Parallelism
	}
	for _, c := range job.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			w.over, w.overAt = true, c.LastTransitionTime.Time
		}
	}
	if job.Status.Succeeded > 0 && !w.over { // then Kubernetes starts no further pod, and waits for the others
		w.over, w.overAt = true, w.created
	}
	return w
}

func ownedBy(c, owner client.Object) bool {
	for _, ref := range c.GetOwnerReferences() {
		if ref.UID == owner.GetUID() {
			return true
		}
	}
	return false
}

// plan is what the planner wants to know. Of several workloads of a step the newest counts, unless an older one is what should run.
func (s seen) plan() plan.Seen {
	out := plan.Seen{
		Steps: map[string]string{}, Older: map[string][]string{}, Topology: s.broker.topology, Accounts: s.broker.accounts, References: s.references,
	}
	for _, w := range s.workloads {
		if w.going {
			continue
		}
		if before, ok := out.Steps[w.step]; ok {
			out.Older[w.step] = append(out.Older[w.step], before)
		}
		out.Steps[w.step] = w.hash
	}
	return out
}

// of lists the workloads of a step that aren't going.
func (s seen) of(step string) []workload {
	var all []workload
	for _, w := range s.workloads {
		if w.step == step && !w.going {
			all = append(all, w)
		}
	}
	return all
}

// podsOf lists the pods of a step of one hash, or of all for "".
func (s seen) podsOf(step, hash string) []*corev1.Pod {
	var all []*corev1.Pod
	for i := range s.pods {
		p := &s.pods[i]
		if p.Labels[kube.LabelStep] == kube.StepLabel(step) && (hash == "" || p.Labels[kube.LabelHash] == hash) {
			all = append(all, p)
		}
	}
	return all
}

// ready counts pods that are ready and not about to go, and tells since when the last of them is.
func ready(pods []*corev1.Pod) (n int, since time.Time) {
	for _, p := range pods {
		if p.DeletionTimestamp != nil {
			continue
		}
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				n++
				if c.LastTransitionTime.After(since) {
					since = c.LastTransitionTime.Time
				}
			}
		}
	}
	return n, since
}

// alive counts pods whose containers may still run.
func alive(pods []*corev1.Pod) (n int) {
	for _, p := range pods {
		if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			n++
		}
	}
	return n
}
