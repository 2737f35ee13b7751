package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/plan"
)

// fieldOwner is the name under which the operator owns fields.
const fieldOwner = client.FieldOwner("flows-operator")

// reconciler makes one flow at a time what its resource says.
type reconciler struct {
	opts     Options
	client   client.Client // reads from the cache
	live     client.Reader // asks the server
	broker   *broker
	memory   *memory
	events   events.EventRecorder
	platform plan.Platform
	logger   *slog.Logger
}

// round is one look at one flow, and what came of it.
type round struct {
	resource *v1.Flow
	flow     *flow.Flow
	secrets  plan.Secrets
	held     *corev1.Secret // what is stored of them; nil for nothing
	seen     seen
	plan     plan.Plan
	objects  map[string]client.Object // the workloads that should be, by step

	invalid   error          // what is wrong with the flow
	broken    error          // what keeps the broker from being ready
	steps     error          // what keeps steps from being started
	after     time.Duration  // when to look again; 0 for when something happens
	consumers map[string]int // of steps' queues, where they were asked for

	ending map[string][]string // pods that a step waits for: of workloads that are gone
}

// again asks for another look after d at the latest.
func (q *round) again(d time.Duration) {
	if q.after == 0 || d < q.after {
		q.after = max(d, 10*time.Millisecond)
	}
}

// Reconcile looks at a flow, lets the planner decide, does what it says, and reports.
func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	resource := new(v1.Flow)
	if err := r.client.Get(ctx, req.NamespacedName, resource); err != nil {
		if apierrors.IsNotFound(err) {
			r.memory.forget(flowKey{req.Namespace, req.Name})
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	result, err := r.reconcile(ctx, resource)
	switch {
	case errors.Is(err, context.Canceled):
		return ctrl.Result{}, nil
	case passing(err):
		return ctrl.Result{RequeueAfter: 200 * time.Millisecond}, nil
	}
	return result, err
}

// passing tells an error that nobody has to hear of: the operator ends, or the cache lags and will have the news soon.
func passing(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || errors.Is(err, context.Canceled)
}

func (r *reconciler) reconcile(ctx context.Context, resource *v1.Flow) (ctrl.Result, error) {
	if !resource.DeletionTimestamp.IsZero() {
		return r.finalize(ctx, resource)
	}
	q := &round{resource: resource, consumers: map[string]int{}, ending: map[string][]string{}}
	if q.flow, q.invalid = kube.FlowOf(resource, r.opts.Checks...); q.invalid != nil {
		return ctrl.Result{}, r.report(ctx, q)
	}
	if err := r.ensureFinalizer(ctx, resource); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err) // it's gone by now, and nothing may be made for it
	}
	if err := r.observe(ctx, q); err != nil {
		return ctrl.Result{}, err
	}
	if err := r.decide(q); err != nil {
		q.invalid = err
		return ctrl.Result{}, r.report(ctx, q)
	}
	applied := r.apply(ctx, q)
	if applied != nil && q.steps == nil && !passing(applied) {
		q.steps = applied
	}
	if err := errors.Join(applied, r.report(ctx, q)); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: q.after}, nil
}

// ensureFinalizer makes sure that nothing of the flow is left on the broker when it goes.
func (r *reconciler) ensureFinalizer(ctx context.Context, resource *v1.Flow) error {
	if controllerutil.ContainsFinalizer(resource, kube.Finalizer) {
		return nil
	}
	before := resource.DeepCopy()
	controllerutil.AddFinalizer(resource, kube.Finalizer)
	return r.client.Patch(ctx, resource, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), fieldOwner)
}

// decide asks the planner, and makes manifests of its answer. The error is what is wrong with the flow.
func (r *reconciler) decide(q *round) error {
	platform := r.platform
	if q.seen.broker.quorum {
		platform.DeliveryLimit, platform.Quorum = deliveryLimit, true
	}
	q.plan = plan.For(q.flow, q.seen.plan(), q.secrets, platform)
	q.objects = map[string]client.Object{}
	var mistakes flow.Mistakes
	for i, s := range q.plan.Steps {
		object, err := kube.Workload(q.plan, s)
		if err != nil {
			mistakes = append(mistakes, flow.Mistake{Path: fmt.Sprintf("spec.nodes[%d]", i), Text: err.Error()})
			continue
		}
		q.objects[s.ID] = object
	}
	if len(mistakes) > 0 {
		return mistakes
	}
	return nil
}
