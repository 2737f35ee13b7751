package operator_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/kube"
)

// nodes plays what a cluster without nodes hasn't: it makes pods of jobs and deployments, lets them consume with the account that is in their
// environment, and takes them away with their owners.
type nodes struct {
	w    *world
	stop func()

	mu       sync.Mutex // guards what follows
	running  map[string]*running
	refuse   map[string]bool // images whose pods don't start
	deaf     map[string]bool // steps whose pods run and consume nothing
	lazy     map[string]bool // steps that take messages and don't finish them
	slow     map[string]bool // steps whose pods go on consuming when they are told to end
	received map[string][]string
}

// running is a pod that consumes.
type running struct {
	cancel context.CancelFunc
	conn   *amqp.Conn
}

func newNodes(w *world) *nodes {
	n := &nodes{w: w, running: map[string]*running{}, refuse: map[string]bool{}, deaf: map[string]bool{}, lazy: map[string]bool{}, slow: map[string]bool{}, received: map[string][]string{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			n.round(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(30 * time.Millisecond):
			}
		}
	}()
	n.stop = func() {
		cancel()
		<-done
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, r := range n.running {
			r.cancel()
		}
	}
	return n
}

// set changes how a step's pods behave from now on.
func (n *nodes) set(what map[string]bool, key string, is bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	what[key] = is
}

func (n *nodes) is(what map[string]bool, key string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return what[key]
}

// got is what a step has received and finished.
func (n *nodes) got(step string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.received[step]...)
}

// round makes pods be as their owners want, once. Errors show in the next round.
func (n *nodes) round(ctx context.Context) {
	in := client.InNamespace(n.w.namespace)
	var jobs batchv1.JobList
	var deployments appsv1.DeploymentList
	var pods corev1.PodList
	if n.w.List(ctx, &jobs, in) != nil || n.w.List(ctx, &deployments, in) != nil || n.w.List(ctx, &pods, in) != nil {
		return
	}
	wanted := map[string]bool{}
	for i := range jobs.Items {
		j := &jobs.Items[i]
		if len(j.Status.Conditions) > 0 {
			continue
		}
		n.pods(ctx, j, "Job", *j.Spec.Parallelism, j.Spec.Template, wanted)
	}
	for i := range deployments.Items {
		d := &deployments.Items[i]
		n.pods(ctx, d, "Deployment", *d.Spec.Replicas, d.Spec.Template, wanted)
	}
	for i := range pods.Items {
		p := &pods.Items[i]
		if !wanted[p.Name] && n.is(n.slow, p.Annotations[kube.AnnotationStep]) {
			wanted[p.Name] = true // what it consumes with stays
			if soon := int64(1); p.DeletionTimestamp == nil {
				n.w.Delete(ctx, p, &client.DeleteOptions{GracePeriodSeconds: &soon})
			}
		}
		if !wanted[p.Name] {
			n.kill(p.Name)
			now := int64(0)
			n.w.Delete(ctx, p, &client.DeleteOptions{GracePeriodSeconds: &now})
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for name, r := range n.running {
		if r.conn.Err() != nil || !wanted[name] {
			r.cancel()
			delete(n.running, name)
		}
	}
}

// pods makes the pods of an owner.
func (n *nodes) pods(ctx context.Context, owner client.Object, kind string, replicas int32, template corev1.PodTemplateSpec, wanted map[string]bool) {
	for i := range replicas {
		name := fmt.Sprintf("%s-%s-%d", owner.GetName(), owner.GetUID()[:5], i)
		wanted[name] = true
		p := new(corev1.Pod)
		if err := n.w.Get(ctx, types.NamespacedName{Namespace: n.w.namespace, Name: name}, p); err != nil {
			n.kill(name)
			p = &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: *template.Spec.DeepCopy()}
			p.Name, p.Namespace = name, n.w.namespace
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: kind, Name: owner.GetName(), UID: owner.GetUID()}}
			if n.is(n.slow, p.Annotations[kube.AnnotationStep]) {
				p.Spec.NodeName = "node" // without one, the API server lets it go at once
			}
			if n.w.Create(ctx, p) != nil {
				return
			}
		}
		n.run(ctx, p)
	}
}

// run lets a pod consume, and says that it's ready.
func (n *nodes) run(ctx context.Context, p *corev1.Pod) {
	step := p.Annotations[kube.AnnotationStep]
	image := p.Spec.Containers[0].Image
	if n.is(n.refuse, image) {
		n.status(ctx, p, corev1.ConditionFalse, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "Back-off pulling image"}})
		return
	}
	n.mu.Lock()
	r := n.running[p.Name]
	n.mu.Unlock()
	if r == nil && !n.is(n.deaf, step) {
		if n.consume(ctx, p, step) != nil {
			n.status(ctx, p, corev1.ConditionFalse, corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}})
			return
		}
	}
	n.status(ctx, p, corev1.ConditionTrue, corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}})
}

func (n *nodes) status(ctx context.Context, p *corev1.Pod, ready corev1.ConditionStatus, state corev1.ContainerState) {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == ready {
			return
		}
	}
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready, LastTransitionTime: metav1.Now()}}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: kube.ContainerName, Image: p.Spec.Containers[0].Image, State: state, Ready: ready == corev1.ConditionTrue}}
	n.w.Status().Update(ctx, p)
}

// consume connects as the pod's environment says.
func (n *nodes) consume(ctx context.Context, p *corev1.Pod, step string) error {
	env := map[string]string{}
	for _, v := range p.Spec.Containers[0].Env {
		if v.ValueFrom == nil {
			env[v.Name] = v.Value
			continue
		}
		if ref := v.ValueFrom.SecretKeyRef; ref != nil {
			var s corev1.Secret
			if err := n.w.Get(ctx, types.NamespacedName{Namespace: n.w.namespace, Name: ref.Name}, &s); err != nil {
				return err
			}
			env[v.Name] = string(s.Data[ref.Key])
		}
	}
	conn, err := amqp.Dialer{URL: env["ELASTICIO_AMQP_URI"], Name: p.Name, Dial: n.w.dial}.Connect(ctx)
	if err != nil {
		return err
	}
	consumer, err := conn.Consume(env["ELASTICIO_LISTEN_MESSAGES_ON"], 1)
	if err != nil {
		conn.Close()
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-ctx.Done()
		conn.Close()
	}()
	go func() {
		for {
			d, ok := consumer.Next()
			if !ok {
				return
			}
			for n.is(n.lazy, step) { // a component at work
				select {
				case <-ctx.Done():
					return
				case <-time.After(5 * time.Millisecond):
				}
			}
			if ctx.Err() != nil {
				return
			}
			n.mu.Lock()
			n.received[step] = append(n.received[step], string(d.Body))
			n.mu.Unlock()
			consumer.Ack(d)
		}
	}()
	n.mu.Lock()
	n.running[p.Name] = &running{cancel, conn}
	n.mu.Unlock()
	return nil
}

func (n *nodes) kill(pod string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r := n.running[pod]; r != nil {
		r.cancel()
		delete(n.running, pod)
	}
}

// podNames lists the pods of a step.
func (n *nodes) podNames(step string) []string {
	var pods corev1.PodList
	if err := n.w.List(context.Background(), &pods, client.InNamespace(n.w.namespace), client.MatchingLabels{kube.LabelStep: kube.StepLabel(step)}); err != nil {
		return nil
	}
	var names []string
	for _, p := range pods.Items {
		names = append(names, p.Name)
	}
	return names
}
