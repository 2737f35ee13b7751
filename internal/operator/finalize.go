package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/topology"
)

// finalize takes a deleted flow away: first its steps, and when they have stopped and their shutdown hooks have run, what it has on the broker, and
// its Secret.
func (r *reconciler) finalize(ctx context.Context, resource *v1.Flow) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(resource, kube.Finalizer) {
		return ctrl.Result{}, nil
	}
	gone, err := r.removeSteps(ctx, resource)
	if err != nil {
		return ctrl.Result{}, err
	}
	if !gone {
		return ctrl.Result{RequeueAfter: 500 * time.Millisecond}, nil // the news of each pod comes sooner
	}
	if over, err := r.shutdown(ctx, resource); err != nil || !over {
		return ctrl.Result{RequeueAfter: time.Second}, err
	}
	if err := r.removeFromBroker(ctx, resource); err != nil {
		if resource.Annotations[kube.AnnotationForce] != "true" {
			return ctrl.Result{RequeueAfter: r.opts.BrokerEvery}, errors.Join(ignoreAway(err), r.reportStuck(ctx, resource, err))
		}
		r.logger.Warn("flow is deleted by force; what it has on the broker stays", "flow", resource.Name, "err", err)
		r.event(resource, corev1.EventTypeWarning, "ForceDeleted", "Delete", "deleted by force; queues and accounts may be left on the broker")
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: resource.Namespace, Name: kube.SecretName(resource.Name)}}
	held := new(corev1.Secret)
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(secret), held); err == nil && ownedBy(held, resource) {
		if err := client.IgnoreNotFound(r.client.Delete(ctx, held, client.Preconditions{UID: &held.UID})); err != nil {
			return ctrl.Result{}, fmt.Errorf("delete secret: %w", err)
		}
	} else if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("read secret: %w", err)
	}
	if err := r.removeHooks(ctx, resource); err != nil {
		return ctrl.Result{}, err
	}
	r.memory.forget(keyOf(resource))
	before := resource.DeepCopy()
	controllerutil.RemoveFinalizer(resource, kube.Finalizer)
	if err := r.client.Patch(ctx, resource, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), fieldOwner); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	r.logger.Info("flow removed", "flow", resource.Namespace+"/"+resource.Name)
	return ctrl.Result{}, nil
}

// ignoreAway drops errors that another look in a while is enough for.
func ignoreAway(err error) error {
	if reasonOf(err) == brokerAway {
		return nil
	}
	return err
}

// removeSteps deletes the workloads of a flow, and tells whether nothing of them is left. The cache may lag, so in the end the server is asked.
func (r *reconciler) removeSteps(ctx context.Context, resource *v1.Flow) (gone bool, err error) {
	for _, from := range []struct {
		client.Reader
		which client.ListOption
	}{
		{r.client, client.MatchingFields{byFlow: resource.Name}},
		{r.live, client.MatchingLabels{kube.LabelManagedBy: kube.ManagedBy, kube.LabelFlow: resource.Name}},
	} {
		workloads, pods, err := r.children(ctx, from, resource, from.which)
		if err != nil {
			return false, err
		}
		for _, w := range workloads {
			if err := r.delete(ctx, w.object); err != nil {
				return false, err
			}
		}
		if len(workloads) > 0 || len(pods) > 0 {
			return false, nil
		}
	}
	return true, nil
}

// removeFromBroker takes away what the broker has of a flow: what is seen there, and what it would have.
func (r *reconciler) removeFromBroker(ctx context.Context, resource *v1.Flow) error {
	name := &flow.Flow{Namespace: resource.Namespace, Name: resource.Name}
	seen, err := r.broker.look(ctx, name)
	if err != nil {
		return err
	}
	there := false
	r.broker.with(keyOf(resource), func(s *snapshot, _ *holding) { there = s.vhosts[resource.Namespace] })
	if !there {
		return nil
	}
	p := plan.Gone(plan.Seen{Topology: seen.topology, Accounts: seen.accounts})
	if f, err := kube.FlowOf(resource); err == nil {
		should := topology.For(f, topology.Options{})
		p.Remove.Queues = append(p.Remove.Queues, topology.Topology{Queues: should.Queues}.Minus(seen.topology).Queues...)
		p.Remove.Exchanges = append(p.Remove.Exchanges, topology.Topology{Exchanges: should.Exchanges}.Minus(seen.topology).Exchanges...)
		for _, n := range f.Nodes {
			if user := topology.StepUser(f.Namespace, f.Name, n.ID); !slices.Contains(p.RemoveAccounts, user) {
				p.RemoveAccounts = append(p.RemoveAccounts, user)
			}
		}
	}
	p.Remove.Bindings = nil // they go with what they bind
	return r.broker.remove(ctx, keyOf(resource), p.Remove, p.RemoveAccounts)
}
