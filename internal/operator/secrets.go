package operator

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/plan"
)

// memory spares reading Secrets and ConfigMaps again that haven't changed: only their metadata are watched.
type memory struct {
	mu      sync.Mutex // guards what follows
	secrets map[flowKey]*corev1.Secret
	digests map[string]digests // by kind, namespace and name
}

// digests are those of the entries of a Secret or a ConfigMap, at one version of it.
type digests struct {
	version string
	entries map[string]string
}

func newMemory() *memory {
	return &memory{secrets: map[flowKey]*corev1.Secret{}, digests: map[string]digests{}}
}

func (m *memory) forget(key flowKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.secrets, key)
}

func (m *memory) secret(key flowKey) *corev1.Secret {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.secrets[key]
}

func (m *memory) remember(key flowKey, s *corev1.Secret) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.ManagedFields = nil
	m.secrets[key] = s
}

// secrets reads the Secret of a flow, and makes up what is missing of it. It's of no use before storeSecrets has kept it.
func (r *reconciler) secrets(ctx context.Context, q *round) (plan.Secrets, error) {
	held, err := r.flowSecret(ctx, q)
	if err != nil {
		return plan.Secrets{}, err
	}
	if q.held = held; held == nil {
		return newSecrets(q.flow), nil
	}
	s, err := kube.ParseSecret(held)
	if err != nil {
		return s, err
	}
	again := held.Annotations[kube.AnnotationRotate] != q.resource.Annotations[kube.AnnotationRotate]
	for _, n := range q.flow.Nodes {
		own := s.Steps[n.ID]
		if own.BrokerPassword == "" || again {
			own.BrokerPassword = randomText()
		}
		if own.APIKey == "" {
			own.APIKey = randomText()
		}
		s.Steps[n.ID] = own
	}
	return s, nil
}

// flowSecret returns the Secret of a flow, or nil if there's none. The server is asked when the cache hasn't the version that we know.
func (r *reconciler) flowSecret(ctx context.Context, q *round) (*corev1.Secret, error) {
	name := types.NamespacedName{Namespace: q.flow.Namespace, Name: kube.SecretName(q.flow.Name)}
	meta := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
	err := r.client.Get(ctx, name, meta)
	if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	known := r.memory.secret(keyOf(q.resource))
	if known != nil && err == nil && known.UID == meta.UID && known.ResourceVersion == meta.ResourceVersion {
		return known, nil
	}
	held := new(corev1.Secret)
	if err := r.live.Get(ctx, name, held); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	switch {
	case held.Labels[kube.LabelManagedBy] != kube.ManagedBy:
		return nil, fmt.Errorf("secret %q exists and isn't Leat's; rename it or the flow", name.Name)
	case !ownedBy(held, q.resource): // of an earlier flow of the same name
		err := r.client.Delete(ctx, held, client.Preconditions{UID: &held.UID})
		return nil, client.IgnoreNotFound(err)
	}
	r.memory.remember(keyOf(q.resource), held)
	return held, nil
}

// storeSecrets writes the Secret of a flow if it isn't what it should be. Entries that running pods of old need for a restart stay.
func (r *reconciler) storeSecrets(ctx context.Context, q *round) error {
	rotate := q.resource.Annotations[kube.AnnotationRotate]
	wanted := kube.NewSecret(q.flow, q.secrets, q.plan.Steps...)
	held := q.held
	if held == nil {
		wanted.OwnerReferences = owner(q.resource)
		if rotate != "" {
			wanted.Annotations = map[string]string{kube.AnnotationRotate: rotate}
		}
		if err := r.client.Create(ctx, wanted, fieldOwner); err != nil {
			return fmt.Errorf("store secrets: %w", err)
		}
		r.memory.remember(keyOf(q.resource), wanted)
		return nil
	}
	if len(q.plan.Stop)+len(q.plan.Drain) > 0 {
		for key, value := range held.Data {
			if _, ok := wanted.Data[key]; !ok {
				wanted.Data[key] = value
			}
		}
	}
	same := maps.EqualFunc(held.Data, wanted.Data, func(a, b []byte) bool { return string(a) == string(b) })
	if same && held.Annotations[kube.AnnotationRotate] == rotate {
		return nil
	}
	changed := held.DeepCopy()
	changed.Data = wanted.Data
	if changed.Annotations == nil {
		changed.Annotations = map[string]string{}
	}
	rotated := changed.Annotations[kube.AnnotationRotate] != rotate
	changed.Annotations[kube.AnnotationRotate] = rotate
	if rotate == "" {
		delete(changed.Annotations, kube.AnnotationRotate)
	}
	if err := r.client.Patch(ctx, changed, client.MergeFromWithOptions(held, client.MergeFromWithOptimisticLock{}), fieldOwner); err != nil {
		return fmt.Errorf("store secrets: %w", err)
	}
	r.memory.remember(keyOf(q.resource), changed)
	if rotated {
		r.event(q.resource, corev1.EventTypeNormal, "PasswordsRotated", "Rotate", "the steps get new broker passwords")
	}
	return nil
}

func newSecrets(f *flow.Flow) plan.Secrets {
	s := plan.Secrets{CryptoPassword: randomText(), CryptoIV: randomText()[:16], Steps: map[string]plan.StepSecrets{}}
	for _, n := range f.Nodes {
		s.Steps[n.ID] = plan.StepSecrets{BrokerPassword: randomText(), APIKey: randomText()}
	}
	return s
}

// randomText is a secret of 192 bits that fits into a URI.
func randomText() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// references digests what the variables of each step come from.
func (r *reconciler) references(ctx context.Context, f *flow.Flow) (map[string]string, error) {
	all := map[string]string{}
	for _, n := range f.Nodes {
		var parts []string
		add := func(kind, name, key string) error {
			d, err := r.digest(ctx, kind, f.Namespace, name)
			if err != nil {
				return err
			}
			if key != "" {
				parts = append(parts, kind, name, key, d.entries[key])
				return nil
			}
			for _, k := range slices.Sorted(maps.Keys(d.entries)) {
				parts = append(parts, kind, name, k, d.entries[k])
			}
			return nil
		}
		for _, name := range slices.Sorted(maps.Keys(n.ValueFrom)) {
			if ref := n.ValueFrom[name].SecretKeyRef; ref != nil {
				if err := add("Secret", ref.Name, ref.Key); err != nil {
					return nil, err
				}
			}
			if ref := n.ValueFrom[name].ConfigMapKeyRef; ref != nil {
				if err := add("ConfigMap", ref.Name, ref.Key); err != nil {
					return nil, err
				}
			}
		}
		for _, from := range n.EnvFrom {
			if from.SecretRef != nil {
				if err := add("Secret", from.SecretRef.Name, ""); err != nil {
					return nil, err
				}
			}
			if from.ConfigMapRef != nil {
				if err := add("ConfigMap", from.ConfigMapRef.Name, ""); err != nil {
					return nil, err
				}
			}
		}
		if len(parts) > 0 {
			all[n.ID] = sum([]byte(strings.Join(parts, "\x00")))
		}
	}
	return all, nil
}

// digest reads a Secret or a ConfigMap if it has changed. One that doesn't exist has no entries.
func (r *reconciler) digest(ctx context.Context, kind, namespace, name string) (digests, error) {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	meta := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: kind}}
	id := kind + "/" + key.String()
	if err := r.client.Get(ctx, key, meta); err != nil {
		r.memory.mu.Lock()
		delete(r.memory.digests, id)
		r.memory.mu.Unlock()
		return digests{}, client.IgnoreNotFound(err)
	}
	version := string(meta.UID) + meta.ResourceVersion
	r.memory.mu.Lock()
	known, ok := r.memory.digests[id]
	r.memory.mu.Unlock()
	if ok && known.version == version {
		return known, nil
	}
	d := digests{entries: map[string]string{}}
	switch kind {
	case "Secret":
		var s corev1.Secret
		if err := r.live.Get(ctx, key, &s); err != nil && !apierrors.IsNotFound(err) {
			return digests{}, err
		}
		d.version = string(s.UID) + s.ResourceVersion
		for k, v := range s.Data {
			d.entries[k] = sum(v)
		}
	case "ConfigMap":
		var c corev1.ConfigMap
		if err := r.live.Get(ctx, key, &c); err != nil && !apierrors.IsNotFound(err) {
			return digests{}, err
		}
		d.version = string(c.UID) + c.ResourceVersion
		for k, v := range c.Data {
			d.entries[k] = sum([]byte(v))
		}
	}
	r.memory.mu.Lock()
	r.memory.digests[id] = d
	r.memory.mu.Unlock()
	return d, nil
}

func sum(value []byte) string {
	s := sha256.Sum256(value)
	return hex.EncodeToString(s[:8])
}

func keyOf(c client.Object) flowKey { return flowKey{c.GetNamespace(), c.GetName()} }

// owner makes Kubernetes remove a child with its flow.
func owner(resource client.Object) []metav1.OwnerReference {
	controller := true
	return []metav1.OwnerReference{{
		APIVersion: "elastic.io/v1", Kind: "Flow", Name: resource.GetName(), UID: resource.GetUID(), Controller: &controller,
	}}
}
