package operator_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/openintegrationhub/leat/api/v1"
)

func TestAChangeRestartsOnlyTheStepsConcerned(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	in, mapper, out := w.onlyJob("in"), w.onlyJob("map:1"), w.onlyJob("out")
	for _, changed := range []string{
		change(t, "data: {depth: 1}", "data: {depth: 2}"),
		change(t, "acme/map:1", "acme/map:2"),
		change(t, "data: {depth: 1}", "env: {A: b}"),
		change(t, "data: {depth: 1}", "resources: {limits: {cpu: 100m}}"),
	} {
		w.apply(changed)
		w.ready("shop")
		now := w.onlyJob("map:1")
		if now.UID == mapper.UID {
			t.Errorf("the changed step wasn't replaced: %s", changed)
		}
		mapper = now
	}
	if w.onlyJob("in").UID != in.UID || w.onlyJob("out").UID != out.UID {
		t.Error("a step that hasn't changed was restarted")
	}
}

func TestAnOldStepStopsOnlyWhenTheNewOneConsumes(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	old := w.onlyJob("out")
	w.nodes.set(w.nodes.deaf, "out", true) // the new one will run, but not consume
	w.apply(change(t, "acme/out:1", "acme/out:2"))
	w.until("shop", v1.ConditionReady, metav1.ConditionFalse, "StepUpdating")
	w.eventually("new pod", func() (bool, any) { got := w.nodes.podNames("out"); return len(got) == 2, got })
	if err := w.publish("shop.map:1.message", "m1"); err != nil {
		t.Fatal(err)
	}
	w.eventually("received by the old step", func() (bool, any) { got := w.nodes.got("out"); return slices.Equal(got, []string{"m1"}), got })
	if jobs := w.jobs("out"); len(jobs) != 2 || jobs[0].UID != old.UID && jobs[1].UID != old.UID {
		t.Fatalf("the old step has gone before the new one consumes: %d jobs", len(jobs))
	}
	w.nodes.set(w.nodes.deaf, "out", false)
	w.ready("shop")
	if now := w.onlyJob("out"); now.UID == old.UID {
		t.Error("the old step stayed")
	}
}

func TestAFlowIsReadyOnlyWhenNoOldPodTakesMessages(t *testing.T) {
	w, old := waitingWorld(t)
	if n := len(w.jobs("out")); n != 1 {
		t.Errorf("%d jobs of the step, want the new one", n)
	}
	w.nodes.set(w.nodes.slow, "out", false)
	w.ready("shop")
	if now := w.nodes.podNames("out"); len(now) != 1 || now[0] == old {
		t.Errorf("ready with the pods %q, of which %q is the old one", now, old)
	}
}

func TestAPodOfALostNodeIsNotWaitedForOnceItConsumesNothing(t *testing.T) {
	w, old := waitingWorld(t)
	w.nodes.kill(old) // it doesn't run, and nobody tells the API server so
	w.ready("shop")
	if now := w.nodes.podNames("out"); len(now) != 2 {
		t.Errorf("the pods are %q, want the old one to be there", now)
	}
}

func TestAStepWithoutReplicasIsStoppedWhenItsPodsAre(t *testing.T) {
	w := newWorld(t)
	w.nodes.set(w.nodes.slow, "out", true)
	w.apply(threeSteps)
	w.ready("shop")
	w.apply(change(t, "function: send}", "function: send, replicas: 0}"))
	w.waitsFor(w.nodes.podNames("out")[0])
	w.nodes.set(w.nodes.slow, "out", false)
	if s := step(w.ready("shop"), "out"); s.State != v1.StateStopped || len(w.nodes.podNames("out")) > 0 {
		t.Errorf("step out: %+v, pods %q", s, w.nodes.podNames("out"))
	}
}

// waitingWorld has a flow whose step out was changed, and waits for the end of the old pod, which goes on consuming.
func waitingWorld(t *testing.T) (w *world, old string) {
	t.Helper()
	w = newWorld(t)
	w.nodes.set(w.nodes.slow, "out", true)
	w.apply(threeSteps)
	w.ready("shop")
	old = w.nodes.podNames("out")[0]
	w.apply(change(t, "acme/out:1", "acme/out:2"))
	w.waitsFor(old)
	return w, old
}

// waitsFor waits until a flow says that it isn't ready because of a pod that ends.
func (w *world) waitsFor(pod string) {
	w.t.Helper()
	w.eventually("waits for "+pod, func() (bool, any) {
		f := w.flow("shop")
		c := meta.FindStatusCondition(f.Status.Conditions, v1.ConditionReady)
		ok := c != nil && c.Status == metav1.ConditionFalse && c.Reason == "StepUpdating" && c.ObservedGeneration == f.Generation && strings.Contains(c.Message, pod)
		return ok, text(f.Status)
	})
}

func TestABadImageLeavesTheOldStepRunning(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	w.nodes.set(w.nodes.refuse, "acme/out:bad", true)
	w.apply(change(t, "acme/out:1", "acme/out:bad"))
	f := w.until("shop", v1.ConditionReady, metav1.ConditionFalse, "StepFailing")
	s := step(f, "out")
	if s.LastFailure == nil || s.LastFailure.Reason != "ImagePullBackOff" || s.State != v1.StateFailing {
		t.Errorf("step out: %s", text(s))
	}
	if n := len(w.jobs("out")); n != 2 {
		t.Errorf("%d jobs of the step, want the old one and the new one", n)
	}
	w.apply(threeSteps) // the author takes it back
	w.ready("shop")
	w.onlyJob("out")
}

func TestReplicasChangeWithoutARestart(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	job := w.onlyJob("out")
	w.apply(change(t, "function: send}", "function: send, replicas: 3}"))
	f := w.ready("shop")
	if now := w.onlyJob("out"); now.UID != job.UID || *now.Spec.Parallelism != 3 || step(f, "out").Ready != 3 {
		t.Errorf("job %s with %d replicas, %+v", now.UID, *now.Spec.Parallelism, step(f, "out"))
	}
	w.apply(change(t, "function: send}", "function: send, replicas: 0}"))
	w.eventually("stopped", func() (bool, any) { n := len(w.jobs("out")); return n == 0, n })
	f = w.ready("shop")
	if s := step(f, "out"); s.State != v1.StateStopped {
		t.Errorf("step out: %+v", s)
	}
}

func TestASuspendedFlowStopsItsStepsAndKeepsMessages(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	w.update("shop", func(f *v1.Flow) { f.Spec.Suspended = true })
	w.until("shop", v1.ConditionReady, metav1.ConditionFalse, "Suspended")
	w.eventually("stopped", func() (bool, any) {
		n := len(w.jobs("in")) + len(w.jobs("map:1")) + len(w.jobs("out"))
		return n == 0, n
	})
	if err := w.publish("shop.in.input", "m1"); err != nil {
		t.Fatal(err)
	}
	w.update("shop", func(f *v1.Flow) { f.Spec.Suspended = false })
	w.ready("shop")
	w.eventually("received", func() (bool, any) { got := w.nodes.got("in"); return slices.Equal(got, []string{"m1"}), got })
}

// withSecret is threeSteps whose last step gets a variable from a Secret.
func withSecret(t *testing.T) string {
	return change(t, "function: send}", "function: send, valueFrom: {TOKEN: {secretKeyRef: {name: crm, key: token}}}, envFrom: [{configMapRef: {name: levels, optional: true}}]}")
}

func TestAStepRestartsWhenWhatItsVariablesComeFromChanges(t *testing.T) {
	w := newWorld(t)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "crm", Namespace: w.namespace}, StringData: map[string]string{"token": "one", "other": "x"}}
	if err := w.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	w.apply(withSecret(t))
	w.ready("shop")
	first, in := w.onlyJob("out"), w.onlyJob("in")
	secret.Data["other"] = []byte("y")
	secret.Labels = map[string]string{"touched": "yes"}
	if err := w.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "levels", Namespace: w.namespace}, Data: map[string]string{"LEVEL": "1"}}
	if err := w.Create(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	w.eventually("replaced for the config map", func() (bool, any) {
		jobs := w.jobs("out")
		return len(jobs) == 1 && jobs[0].UID != first.UID, len(jobs)
	})
	w.ready("shop")
	second := w.onlyJob("out")
	secret.Data["token"] = []byte("two")
	if err := w.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	w.eventually("replaced for the secret", func() (bool, any) {
		jobs := w.jobs("out")
		return len(jobs) == 1 && jobs[0].UID != second.UID, len(jobs)
	})
	if w.onlyJob("in").UID != in.UID {
		t.Error("another step was restarted")
	}
}

func TestASecretEntryThatNobodyNamesRestartsNothing(t *testing.T) {
	w := newWorld(t)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "crm", Namespace: w.namespace}, StringData: map[string]string{"token": "one"}}
	if err := w.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	w.apply(withSecret(t))
	w.ready("shop")
	job := w.onlyJob("out")
	secret.Data["other"] = []byte("y")
	if err := w.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	w.update("shop", func(f *v1.Flow) { f.Spec.Nodes[1].Env = map[string]string{"A": "b"} }) // something to wait for
	w.ready("shop")
	if w.onlyJob("out").UID != job.UID {
		t.Error("the step was restarted")
	}
}

func TestPasswordsAreRotatedWithoutAGap(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	old := w.onlyJob("in")
	w.update("shop", func(f *v1.Flow) { f.Annotations = map[string]string{"leat.io/rotate-passwords": "1"} })
	sent := 0
	w.eventually("replaced", func() (bool, any) {
		if err := w.publish("shop.in.input", fmt.Sprint(sent)); err != nil {
			t.Fatal(err)
		}
		sent++
		queue := 0
		for _, q := range w.broker().Queues(w.namespace) {
			if q.Name == "shop:in:messages" {
				queue = q.Consumers
			}
		}
		if queue == 0 {
			t.Fatal("nobody consumes while passwords are rotated")
		}
		jobs := w.jobs("in")
		return len(jobs) == 1 && jobs[0].UID != old.UID, len(jobs)
	})
	w.eventually("received", func() (bool, any) {
		got := w.nodes.got("in")
		return len(slices.Compact(slices.Sorted(slices.Values(got)))) == sent, len(got)
	})
	w.ready("shop")
}
