package operator

import (
	"context"
	"maps"
	"slices"
	"unique"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/kube"
)

// Indexes of the cache.
const (
	byFlow      = "flow"       // children by their flow's name
	byReference = "references" // flows by the Secrets and ConfigMaps that their variables come from, as Kind/name
)

// cacheOptions keep the memory small: of children only those with our labels, and of each object only what is looked at.
func cacheOptions(namespaces []string) cache.Options {
	ours := labels.SelectorFromSet(labels.Set{kube.LabelManagedBy: kube.ManagedBy})
	o := cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&batchv1.Job{}:       {Label: ours, Transform: slimJob},
			&appsv1.Deployment{}: {Label: ours},
			&corev1.Pod{}:        {Label: ours, Transform: slimPod},
		},
	}
	if len(namespaces) > 0 {
		o.DefaultNamespaces = map[string]cache.Config{}
		for _, n := range namespaces {
			o.DefaultNamespaces[n] = cache.Config{}
		}
	}
	return o
}

// slimMeta has texts that thousands of objects have in common once.
func slimMeta(m *metav1.ObjectMeta) {
	m.ManagedFields = nil
	once := func(texts map[string]string) map[string]string {
		out := make(map[string]string, len(texts))
		for key, value := range texts {
			out[unique.Make(key).Value()] = unique.Make(value).Value()
		}
		return out
	}
	m.Labels, m.Annotations = once(m.Labels), once(m.Annotations)
	m.Namespace = unique.Make(m.Namespace).Value()
	for i := range m.OwnerReferences {
		o := &m.OwnerReferences[i]
		o.APIVersion, o.Kind, o.Name, o.UID = unique.Make(o.APIVersion).Value(), unique.Make(o.Kind).Value(), unique.Make(o.Name).Value(), unique.Make(o.UID).Value()
	}
}

// slimJob drops the pod template, which nobody can change, and which the job's name tells.
func slimJob(object any) (any, error) {
	if job, ok := object.(*batchv1.Job); ok {
		slimMeta(&job.ObjectMeta)
		job.Spec = batchv1.JobSpec{Parallelism: job.Spec.Parallelism}
		job.Status.UncountedTerminatedPods = nil
	}
	return object, nil
}

// slimPod keeps how a pod is, and not what it was made from.
func slimPod(object any) (any, error) {
	if pod, ok := object.(*corev1.Pod); ok {
		pod.Annotations = nil
		slimMeta(&pod.ObjectMeta)
		pod.Spec = corev1.PodSpec{NodeName: pod.Spec.NodeName}
		pod.Status.HostIPs, pod.Status.PodIPs, pod.Status.InitContainerStatuses, pod.Status.EphemeralContainerStatuses = nil, nil, nil, nil
	}
	return object, nil
}

// setUp tells the manager what to watch.
func (r *reconciler) setUp(m manager.Manager, o Options) error {
	index := m.GetFieldIndexer()
	for _, kind := range []client.Object{&batchv1.Job{}, &appsv1.Deployment{}, &corev1.Pod{}} {
		if err := index.IndexField(context.Background(), kind, byFlow, func(c client.Object) []string {
			return []string{c.GetLabels()[kube.LabelFlow]}
		}); err != nil {
			return err
		}
	}
	if err := index.IndexField(context.Background(), &v1.Flow{}, byReference, func(c client.Object) []string {
		return references(c.(*v1.Flow))
	}); err != nil {
		return err
	}
	told := make(chan event.GenericEvent, 1024)
	if err := m.Add(manager.RunnableFunc(func(ctx context.Context) error {
		r.broker.watch(ctx, func(key flowKey) {
			e := event.GenericEvent{Object: &v1.Flow{ObjectMeta: metav1.ObjectMeta{Namespace: key.namespace, Name: key.name}}}
			select {
			case told <- e:
			case <-ctx.Done():
			}
		})
		return nil
	})); err != nil {
		return err
	}
	if err := m.Add(manager.RunnableFunc(func(ctx context.Context) error {
		newGuard(r, o).run(ctx)
		return nil
	})); err != nil {
		return err
	}
	toFlow := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, c client.Object) []reconcile.Request {
		name, ok := c.GetLabels()[kube.LabelFlow]
		if !ok {
			return nil
		}
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: c.GetNamespace(), Name: name}}}
	})
	skip := true // several operators in one process are no mistake: tests have them
	return ctrl.NewControllerManagedBy(m).Named("flow").
		For(&v1.Flow{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		Watches(&batchv1.Job{}, toFlow).
		Watches(&appsv1.Deployment{}, toFlow).
		Watches(&corev1.Pod{}, toFlow).
		WatchesMetadata(&corev1.Secret{}, r.users("Secret")).
		WatchesMetadata(&corev1.ConfigMap{}, r.users("ConfigMap")).
		WatchesRawSource(source.Channel(told, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: o.Workers, SkipNameValidation: &skip,
			LogConstructor: func(q *reconcile.Request) logr.Logger {
				l := logr.FromSlogHandler(o.Logger.Handler())
				if q != nil {
					l = l.WithValues("flow", q.String())
				}
				return l
			},
		}).
		Complete(r)
}

// users maps a Secret or a ConfigMap to the flows whose variables come from it, and to the flow whose it is.
func (r *reconciler) users(kind string) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, c client.Object) []reconcile.Request {
		var flows v1.FlowList
		if err := r.client.List(ctx, &flows, client.InNamespace(c.GetNamespace()), client.MatchingFields{byReference: kind + "/" + c.GetName()}); err != nil {
			r.logger.Error("list flows by what their variables come from", "err", err)
			return nil
		}
		var all []reconcile.Request
		for i := range flows.Items {
			all = append(all, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&flows.Items[i])})
		}
		if name, ok := c.GetLabels()[kube.LabelFlow]; ok && kind == "Secret" {
			all = append(all, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: c.GetNamespace(), Name: name}})
		}
		return all
	})
}

// references lists what the variables of a flow's nodes come from.
func references(f *v1.Flow) []string {
	all := map[string]bool{}
	for _, n := range f.Spec.Nodes {
		for _, v := range n.ValueFrom {
			if v.SecretKeyRef != nil {
				all["Secret/"+v.SecretKeyRef.Name] = true
			}
			if v.ConfigMapKeyRef != nil {
				all["ConfigMap/"+v.ConfigMapKeyRef.Name] = true
			}
		}
		for _, e := range n.EnvFrom {
			if e.SecretRef != nil {
				all["Secret/"+e.SecretRef.Name] = true
			}
			if e.ConfigMapRef != nil {
				all["ConfigMap/"+e.ConfigMapRef.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}
