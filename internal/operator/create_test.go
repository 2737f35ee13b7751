package operator_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/kube"
)

func TestAFlowThatIsCreatedRuns(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	f := w.ready("shop")
	for _, id := range []string{"in", "map:1", "out"} {
		s := step(f, id)
		if s.State != v1.StateRunning || s.Ready != 1 || s.Wanted != 1 {
			t.Errorf("step %s: %+v", id, s)
		}
	}
	if f.Status.Ready != "3/3" {
		t.Errorf("steps: %s", f.Status.Ready)
	}
	if got := step(f, "in").Image; !strings.Contains(got, "components") {
		t.Errorf("the status doesn't tell that Leat's own component runs: %q", got)
	}
	for _, c := range f.Status.Conditions {
		if c.Status != metav1.ConditionTrue || c.ObservedGeneration != f.Generation {
			t.Errorf("condition %+v", c)
		}
	}
	if err := w.publish("shop.in.input", "m1"); err != nil {
		t.Fatal(err)
	}
	w.eventually("received", func() (bool, any) { got := w.nodes.got("in"); return slices.Equal(got, []string{"m1"}), got })
}

func TestStepsHaveAccountsOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	users := map[string]bool{}
	for _, u := range w.broker().Users() {
		users[u.Name] = true
	}
	for _, step := range []string{"in", "map~1", "out"} {
		if !users[w.namespace+".shop."+step] {
			t.Errorf("no account for step %s among %v", step, slices.Sorted(maps.Keys(users)))
		}
	}
	var s corev1.Secret
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: w.namespace, Name: kube.SecretName("shop")}, &s); err != nil {
		t.Fatal(err)
	}
	if secrets, err := kube.ParseSecret(&s); err != nil || len(secrets.Steps) != 3 {
		t.Errorf("secret: %v, %v", secrets, err)
	}
}

func TestAStepMayBeADeployment(t *testing.T) {
	w := newWorld(t)
	w.apply(change(t, "function: send}", "function: send, workload: Deployment, replicas: 2}"))
	f := w.ready("shop")
	if s := step(f, "out"); s.Ready != 2 || s.Wanted != 2 {
		t.Errorf("step out: %+v", s)
	}
	var list appsv1.DeploymentList
	if err := w.List(t.Context(), &list, client.InNamespace(w.namespace)); err != nil || len(list.Items) != 1 || len(w.jobs("out")) != 0 {
		t.Errorf("%d deployments and %d jobs, %v", len(list.Items), len(w.jobs("out")), err)
	}
}

func TestASteadyFlowCausesNoWrites(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	versions := func() map[string]string {
		all := map[string]string{"flow": w.flow("shop").ResourceVersion}
		for _, step := range []string{"in", "map:1", "out"} {
			all[step] = w.onlyJob(step).ResourceVersion
		}
		return all
	}
	settled := versions()
	rounds := 0
	w.eventually("quiet", func() (bool, any) { // some looks at the broker, and some news that mean nothing
		now := versions()
		if !maps.Equal(settled, now) {
			settled, rounds = now, 0
		}
		rounds++
		return rounds > 30, now
	})
	w.stop()
	w.start()
	w.eventually("quiet after a restart", func() (bool, any) {
		rounds++
		if now := versions(); !maps.Equal(settled, now) {
			t.Fatalf("a restart of the operator wrote: %v, then %v", settled, now)
		}
		return rounds > 100, rounds
	})
}

func TestAnInvalidFlowIsToldAndChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	before := w.onlyJob("out").UID
	w.apply(change(t, `{from: "map:1", to: out}`, `{from: "map:1", to: out}, {from: out, to: in}`)) // a cycle; the API server doesn't know
	f := w.until("shop", v1.ConditionValid, metav1.ConditionFalse, "Invalid")
	if ready := f.Status.Conditions; !strings.Contains(text(ready), "cycle") && !strings.Contains(text(ready), "allowCycles") {
		t.Errorf("the mistake isn't told: %s", text(ready))
	}
	if w.onlyJob("out").UID != before {
		t.Error("an invalid change restarted a step")
	}
	w.apply(threeSteps)
	w.ready("shop")
}

func TestAPodTemplateThatCannotBeIsToldAsAMistake(t *testing.T) {
	w := newWorld(t)
	w.apply(change(t, "function: send}", "function: send, podTemplate: {spec: {nodeSelektor: {a: b}}}}"))
	f := w.until("shop", v1.ConditionValid, metav1.ConditionFalse, "Invalid")
	if !strings.Contains(text(f.Status.Conditions), "spec.nodes[2]") {
		t.Errorf("the place isn't told: %s", text(f.Status.Conditions))
	}
}
