package operator_test

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/kube"
)

func TestABrokerThatForgotEverythingIsMadeWhole(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	w.away.set(true)
	w.until("shop", v1.ConditionBrokerReady, metav1.ConditionFalse, "BrokerAway")
	w.forget()
	w.away.set(false)
	w.ready("shop")
	if err := w.publish("shop.in.input", "m1"); err != nil {
		t.Fatal(err)
	}
	w.eventually("received", func() (bool, any) { got := w.nodes.got("in"); return slices.Equal(got, []string{"m1"}), got })
}

func TestALostQueueIsMadeAgainAndItsStepRestarted(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	if _, err := w.broker().DeleteQueue(w.namespace, "shop:out:messages", false, false); err != nil {
		t.Fatal(err)
	}
	w.eventually("there again", func() (bool, any) { n := w.held("shop:out:messages"); return n >= 0, n })
	if err := w.publish("shop.map:1.message", "m1"); err != nil {
		t.Fatal(err)
	}
	w.eventually("received", func() (bool, any) { got := w.nodes.got("out"); return slices.Equal(got, []string{"m1"}), got })
}

func TestALostAccountIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	if err := w.broker().DeleteUser(w.namespace + ".shop.out"); err != nil {
		t.Fatal(err)
	}
	w.eventually("there again", func() (bool, any) {
		for _, u := range w.broker().Users() {
			if u.Name == w.namespace+".shop.out" {
				return true, nil
			}
		}
		return false, nil
	})
	w.ready("shop")
}

func TestServicesMayDoTheirPartInANewNamespace(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	found := map[string]bool{}
	for _, u := range w.broker().Users() {
		if _, ok := u.Permissions[w.namespace]; ok && !strings.Contains(u.Name, ".") {
			found[u.Name] = true
		}
	}
	for _, name := range []string{"operator", "scheduler", "router", "api"} {
		if !found[name] {
			t.Errorf("%s has no permission in the virtual host", name)
		}
	}
}

// heldUp is a world with a flow that is to be deleted, and can't be, since its broker is away.
func heldUp(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	w.away.set(true)
	if err := w.Delete(t.Context(), w.flow("shop")); err != nil {
		t.Fatal(err)
	}
	w.eventually("held up", func() (bool, any) {
		f := w.flow("shop")
		return strings.Contains(text(f.Status.Conditions), "force-delete"), text(f.Status.Conditions)
	})
	return w
}

func TestABrokerThatIsAwayHoldsUpADeletionUnlessItIsForced(t *testing.T) {
	w := heldUp(t)
	w.update("shop", func(f *v1.Flow) { f.Annotations = map[string]string{kube.AnnotationForce: "true"} })
	w.eventually("deleted", func() (bool, any) { err := w.gone("shop"); return err != nil, err })
}

func TestADeletionGoesOnWhenTheBrokerIsBack(t *testing.T) {
	w := heldUp(t)
	w.away.set(false)
	w.eventually("deleted", func() (bool, any) { err := w.gone("shop"); return err != nil, err })
	w.nothingLeft()
}
