package cluster_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/cluster"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/plan"
)

// resource is a flow of the given nodes, one after the other, of its first generation.
func resource(ids ...string) *v1.Flow {
	f := &v1.Flow{ObjectMeta: metav1.ObjectMeta{Name: "f1", Namespace: "flows", UID: "uid-1", Generation: 1}}
	for i, id := range ids {
		f.Spec.Nodes = append(f.Spec.Nodes, v1.Node{ID: id, Image: "acme/" + id, Function: "run", First: i == 0})
		if i > 0 {
			f.Spec.Connections = append(f.Spec.Connections, v1.Connection{From: ids[i-1], To: id})
		}
	}
	return f
}

// with adds what a test wants different.
func with(f *v1.Flow, changes ...func(*v1.Flow)) *v1.Flow {
	f = f.DeepCopy()
	for _, c := range changes {
		c(f)
	}
	return f
}

func condition(kind string, is metav1.ConditionStatus, generation int64, message string) func(*v1.Flow) {
	return func(f *v1.Flow) {
		f.Status.Conditions = append(f.Status.Conditions, metav1.Condition{Type: kind, Status: is, ObservedGeneration: generation, Message: message})
	}
}

var (
	brokerReady = condition(v1.ConditionBrokerReady, metav1.ConditionTrue, 1, "")
	brokerAway  = condition(v1.ConditionBrokerReady, metav1.ConditionFalse, 1, "away")
	second      = func(f *v1.Flow) { f.Generation = 2 }
	suspended   = func(f *v1.Flow) { f.Spec.Suspended = true }
	twoFirsts   = func(f *v1.Flow) { f.Spec.Nodes[1].First = true }
	deleted     = func(f *v1.Flow) { f.DeletionTimestamp = &metav1.Time{Time: time.Now()} }
	another     = func(f *v1.Flow) { f.UID = types.UID("uid-2") }
)

// secretOf is the generated Secret of a flow with these steps.
func secretOf(ids ...string) *corev1.Secret {
	s := plan.Secrets{CryptoPassword: "password", CryptoIV: "0123456789abcdef", Steps: map[string]plan.StepSecrets{}}
	for _, id := range ids {
		s.Steps[id] = plan.StepSecrets{BrokerPassword: "b-" + id, APIKey: "k-" + id}
	}
	return kube.NewSecret(&flow.Flow{Name: "f1", Namespace: "flows"}, s)
}

func keys(f *cluster.Flow) string {
	all := map[string]bool{}
	for _, s := range f.Steps {
		all[s.ID+"="+s.APIKey] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(all)), " ")
}

func TestNothingGoesInBeforeTheBrokerIsReadyAndAfterTheFlowIsDeleted(t *testing.T) {
	ab := resource("a", "b")
	open := cluster.Judge(with(ab, brokerReady), secretOf("a", "b"), nil)
	for name, test := range map[string]struct {
		flow   *v1.Flow
		secret *corev1.Secret
		before *cluster.Flow
		open   bool
		closed string // part of the reason
		soon   bool
		steps  string
	}{
		"a new flow without a Secret":               {flow: ab, closed: "being prepared", soon: true},
		"a new flow without queues":                 {flow: ab, secret: secretOf("a", "b"), closed: "doesn't have its queues yet", soon: true, steps: "a=k-a b=k-b"},
		"a new flow while the broker is away":       {flow: with(ab, brokerAway), secret: secretOf("a", "b"), closed: "doesn't have its queues yet", soon: true, steps: "a=k-a b=k-b"},
		"a flow with queues":                        {flow: with(ab, brokerReady), secret: secretOf("a", "b"), open: true, steps: "a=k-a b=k-b"},
		"a flow whose broker has gone away":         {flow: with(ab, brokerAway), secret: secretOf("a", "b"), before: open, open: true, steps: "a=k-a b=k-b"},
		"a flow that was never right":               {flow: with(ab, twoFirsts), secret: secretOf("a", "b"), closed: "specification is wrong: spec.nodes", steps: ""},
		"a flow that has become wrong":              {flow: with(ab, brokerReady, twoFirsts, second), secret: secretOf("a", "b"), before: open, open: true, steps: "a=k-a b=k-b"},
		"a flow that only the operator finds wrong": {flow: with(ab, condition(v1.ConditionValid, metav1.ConditionFalse, 1, "spec.nodes[0]: no such volume\nand more")), secret: secretOf("a", "b"), closed: "wrong: spec.nodes[0]: no such volume"},
		"a flow that was wrong before it changed":   {flow: with(ab, second, brokerReady, condition(v1.ConditionValid, metav1.ConditionFalse, 1, "old")), secret: secretOf("a", "b"), before: open, open: true, steps: "a=k-a b=k-b"},
		"a flow that changes as the service starts": {flow: with(ab, brokerReady, second), secret: secretOf("a", "b"), open: true, steps: "a=k-a b=k-b"},
		"a flow whose Secret is lost":               {flow: with(ab, brokerReady), before: open, open: true, steps: "a=k-a b=k-b"},
		"a flow that is being deleted":              {flow: with(ab, brokerReady, deleted), secret: secretOf("a", "b"), before: open, closed: "being deleted", steps: "a=k-a b=k-b"},
		"a flow that was deleted before the start":  {flow: with(ab, brokerReady, deleted), secret: secretOf("a", "b"), closed: "being deleted", steps: "a=k-a b=k-b"},
		"another flow of its name":                  {flow: with(ab, another), before: open, closed: "being prepared", soon: true},
	} {
		t.Run(name, func(t *testing.T) {
			got := cluster.Judge(test.flow, test.secret, test.before)
			if got.Open != test.open || got.Soon != test.soon || !strings.Contains(got.Closed, test.closed) || (got.Closed == "") != got.Open {
				t.Errorf("open %v, closed %q, soon %v; want %v, %q, %v", got.Open, got.Closed, got.Soon, test.open, test.closed, test.soon)
			}
			if got.Open != (got.Entry.Exchange == "f1") {
				t.Errorf("open is %v, and the entry %+v", got.Open, got.Entry)
			}
			if got := keys(got); got != test.steps {
				t.Errorf("steps are %q, want %q", got, test.steps)
			}
		})
	}
}

func TestAChangedFlowIsEnteredAsBeforeUntilTheBrokerHasTheChange(t *testing.T) {
	before := cluster.Judge(with(resource("a", "b"), brokerReady), secretOf("a", "b"), nil)
	changed := with(resource("new", "b"), second)
	secret := secretOf("new", "a", "b") // the operator keeps what a removed step has until it has stopped
	during := cluster.Judge(with(changed, brokerReady), secret, before)
	if during.Entry.InputKey != "f1.a.input" {
		t.Errorf("while the operator is at work messages go to %s, want f1.a.input", during.Entry.InputKey)
	}
	if got, want := keys(during), "a=k-a b=k-b new=k-new"; got != want {
		t.Errorf("steps are %q, want %q: new ones ask as they start, removed ones until they have worked off what waits", got, want)
	}
	after := cluster.Judge(with(changed, condition(v1.ConditionBrokerReady, metav1.ConditionTrue, 2, "")), secret, during)
	if after.Entry.InputKey != "f1.new.input" {
		t.Errorf("then messages go to %s, want f1.new.input", after.Entry.InputKey)
	}
	if got, want := keys(cluster.Judge(with(changed, brokerReady), secretOf("new", "b"), after)), "b=k-b new=k-new"; got != want {
		t.Errorf("in the end steps are %q, want %q", got, want)
	}
}

func TestSuspendingNeedsNothingOfTheBroker(t *testing.T) {
	before := cluster.Judge(with(resource("a"), brokerReady), secretOf("a"), nil)
	got := cluster.Judge(with(resource("a"), brokerAway, second, suspended), secretOf("a"), before)
	if !got.Open || !got.Entry.Suspended || got.Entry.InputKey != "f1.a.input" {
		t.Errorf("got %+v, want it suspended at once", got.Entry)
	}
}

func TestMostUpdatesOfAStatusArePassedOver(t *testing.T) {
	f, s := with(resource("a"), brokerReady), secretOf("a")
	rotated := s.DeepCopy()
	rotated.ResourceVersion = "2"
	for name, test := range map[string]struct {
		flow   *v1.Flow
		secret *corev1.Secret
		same   bool
	}{
		"nothing": {f, s, true},
		"a step's state": {with(f, func(f *v1.Flow) {
			f.Status.Steps = []v1.StepStatus{{ID: "a", State: "Failing"}}
			f.ResourceVersion = "9"
		}), s, true},
		"Ready":               {with(f, condition(v1.ConditionReady, metav1.ConditionTrue, 1, "")), s, true},
		"the spec":            {with(f, second), s, false},
		"the broker's answer": {with(resource("a"), brokerAway), s, false},
		"deletion":            {with(f, deleted), s, false},
		"another flow":        {with(f, another), s, false},
		"the Secret":          {f, rotated, false},
		"no Secret":           {f, nil, false},
	} {
		if got := cluster.SameInputs(f, s, test.flow, test.secret); got != test.same {
			t.Errorf("%s: passed over %v, want %v", name, got, test.same)
		}
	}
}
