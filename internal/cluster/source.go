package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/plan"
)

// SourceOptions of a Source. All are required but Namespaces and Checks.
type SourceOptions struct {
	Config     *rest.Config
	Namespaces []string // whose flows count; none for all
	Platform   plan.Platform
	Checks     []flow.NodeCheck // as the operator has them
	Logger     *slog.Logger
	// Update gets all flows, sorted by namespace and name, whenever one has changed, and once at the start. Calls come one after the
	// other; it must not change what it gets.
	Update func([]*Flow)
}

func (o SourceOptions) validate() error {
	switch {
	case o.Config == nil:
		return errors.New("source options: Config: missing")
	case o.Logger == nil:
		return errors.New("source options: Logger: missing")
	case o.Update == nil:
		return errors.New("source options: Update: missing")
	}
	return nil
}

// settle is how long the source waits after a change for others to come with it.
const settle = 50 * time.Millisecond

// Source tells the services which flows there are. It watches the flows of a cluster and their generated Secrets, and makes of them what the same
// planner makes of them for the operator.
type Source struct {
	opts   SourceOptions
	wake   chan struct{} // holds one token when something is dirty
	stores []stores

	mu    sync.Mutex // guards dirty
	dirty map[string]struct{}

	// The rest belongs to Run's goroutine.
	known   map[string]*Flow
	inputs  map[string]inputs
	secrets map[string]string // key of a Secret -> key of its flow
}

// stores hold what was last seen in one namespace, or in all.
type stores struct{ flows, secrets cache.Store }

// NewSource returns a source that knows nothing until Run.
func NewSource(opts SourceOptions) (*Source, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Source{
		opts:    opts,
		wake:    make(chan struct{}, 1),
		dirty:   map[string]struct{}{},
		known:   map[string]*Flow{},
		inputs:  map[string]inputs{},
		secrets: map[string]string{},
	}, nil
}

// Run watches until ctx is done.
func (s *Source) Run(ctx context.Context) error {
	flows, err := s.client(v1.GroupVersion(), "/apis")
	if err != nil {
		return err
	}
	core, err := s.client(corev1.SchemeGroupVersion, "/api")
	if err != nil {
		return err
	}
	namespaces := s.opts.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	var running sync.WaitGroup
	defer running.Wait()
	var synced []cache.InformerSynced
	watch := func(c *rest.RESTClient, resource, namespace, selector string, kind runtime.Object) cache.Store {
		store, controller := cache.NewInformerWithOptions(cache.InformerOptions{
			ListerWatcher: cache.NewFilteredListWatchFromClient(c, resource, namespace, func(o *metav1.ListOptions) { o.LabelSelector = selector }),
			ObjectType:    kind,
			Transform:     strip,
			Handler: cache.ResourceEventHandlerFuncs{
				AddFunc:    func(o any) { s.touch(resource, o) },
				UpdateFunc: func(_, o any) { s.touch(resource, o) },
				DeleteFunc: func(o any) { s.touch(resource, o) },
			},
		})
		running.Go(func() { controller.RunWithContext(ctx) })
		synced = append(synced, controller.HasSynced)
		return store
	}
	for _, namespace := range namespaces {
		s.stores = append(s.stores, stores{
			secrets: watch(core, "secrets", namespace, kube.LabelManagedBy+"="+kube.ManagedBy, &corev1.Secret{}),
			flows:   watch(flows, "flows", namespace, "", &v1.Flow{}),
		})
	}
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		return nil // ctx is done
	}
	s.loop(ctx)
	return nil
}

// loop works through what is dirty, until ctx is done.
func (s *Source) loop(ctx context.Context) {
	s.look()
	s.publish()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(settle):
		}
		if s.look() {
			s.publish()
		}
	}
}

// touch notes that an object has changed: a flow by its key, a Secret by its own, with a mark.
func (s *Source) touch(resource string, object any) {
	key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object)
	if err != nil {
		s.opts.Logger.Error("object without a name", "resource", resource, "err", err)
		return
	}
	if resource == "secrets" {
		key = secretMark + key
	}
	s.mu.Lock()
	s.dirty[key] = struct{}{}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

const secretMark = "secret:"

// look judges anew what is dirty, and tells whether anything has become different.
func (s *Source) look() (changed bool) {
	s.mu.Lock()
	dirty := s.dirty
	s.dirty = map[string]struct{}{}
	s.mu.Unlock()
	for key := range dirty {
		if of, ok := s.secrets[key]; ok {
			key = of
		}
		changed = s.lookAt(key) || changed
	}
	return changed
}

// lookAt judges one flow anew.
func (s *Source) lookAt(key string) (changed bool) {
	resource, secret := s.get(key)
	before := s.known[key]
	if resource == nil {
		if before != nil {
			delete(s.secrets, secretMark+before.Namespace+"/"+kube.SecretName(before.Name))
		}
		delete(s.known, key)
		delete(s.inputs, key)
		return before != nil
	}
	s.secrets[secretMark+secretKey(resource)] = key
	in := inputsOf(resource, secret)
	if before != nil && s.inputs[key] == in {
		return false
	}
	s.known[key], s.inputs[key] = judge(resource, secret, before, s.opts.Platform, s.opts.Checks...), in
	return true
}

func secretKey(f *v1.Flow) string { return f.Namespace + "/" + kube.SecretName(f.Name) }

// get returns a flow and its Secret as last seen, nil for what isn't there.
func (s *Source) get(key string) (*v1.Flow, *corev1.Secret) {
	for _, in := range s.stores {
		object, found, err := in.flows.GetByKey(key)
		if err != nil || !found {
			continue
		}
		f := object.(*v1.Flow)
		object, found, err = in.secrets.GetByKey(secretKey(f))
		if err != nil || !found {
			return f, nil
		}
		return f, object.(*corev1.Secret)
	}
	return nil, nil
}

func (s *Source) publish() {
	all := make([]*Flow, 0, len(s.known))
	for _, f := range s.known {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *Flow) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	s.opts.Update(all)
}

// strip leaves of an object what judge reads: there may be thousands.
func strip(object any) (any, error) {
	switch o := object.(type) {
	case *v1.Flow:
		o.ManagedFields, o.Annotations = nil, nil
		o.Status.Steps = nil
		o.Status.Conditions = slices.DeleteFunc(o.Status.Conditions, func(c metav1.Condition) bool {
			return c.Type != v1.ConditionBrokerReady && c.Type != v1.ConditionValid
		})
	case *corev1.Secret:
		o.ManagedFields = nil
	}
	return object, nil
}

// client returns a client for the resources of one API group, with just the types that Leat knows: a whole clientset costs every start of the
// program.
func (s *Source) client(version schema.GroupVersion, path string) (*rest.RESTClient, error) {
	config := rest.CopyConfig(s.opts.Config)
	config.GroupVersion, config.APIPath = &version, path
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	config.NegotiatedSerializer = serializer.NewCodecFactory(kube.Scheme()).WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make client of %s: %w", version, err)
	}
	return client, nil
}
