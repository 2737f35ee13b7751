package operator_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/kube"
)

// twoSteps is threeSteps without its last.
func twoSteps(t *testing.T, drain string) string {
	text := change(t, "    - {id: out, image: acme/out:1, function: send}\n", "", `, {from: "map:1", to: out}`, "")
	return strings.Replace(text, "spec:\n", "spec:\n  drainTimeout: "+drain+"\n", 1)
}

func TestARemovedStepWorksOffItsMessagesBeforeItGoes(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	w.nodes.set(w.nodes.lazy, "out", true)
	for _, id := range []string{"m1", "m2", "m3"} {
		if err := w.publish("shop.map:1.message", id); err != nil {
			t.Fatal(err)
		}
	}
	w.apply(twoSteps(t, "1h"))
	w.eventually("draining", func() (bool, any) {
		f := w.flow("shop")
		s := step(f, "out")
		return s.State == v1.StateDraining && s.Messages == 3, text(f.Status)
	})
	if err := w.publish("shop.map:1.message", "late"); !errors.Is(err, amqp.ErrUnroutable) { // the step before is the last one now
		t.Fatal(err)
	}
	w.nodes.set(w.nodes.lazy, "out", false)
	w.eventually("gone", func() (bool, any) {
		return len(w.jobs("out")) == 0 && w.held("shop:out:messages") < 0, w.held("shop:out:messages")
	})
	if got := w.nodes.got("out"); !slices.Equal(got, []string{"m1", "m2", "m3"}) {
		t.Errorf("the removed step worked off %v", got)
	}
	w.eventually("account gone", func() (bool, any) {
		for _, u := range w.broker().Users() {
			if u.Name == w.namespace+".shop.out" {
				return false, u.Name
			}
		}
		return true, nil
	})
	if n := len(w.ready("shop").Status.Steps); n != 2 {
		t.Errorf("%d steps in the status", n)
	}
}

func TestWhatARemovedStepDoesNotManageGoesToTheErrors(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	w.nodes.set(w.nodes.lazy, "out", true) // never finishes
	for _, id := range []string{"m1", "m2", "m3"} {
		if err := w.publish("shop.map:1.message", id); err != nil {
			t.Fatal(err)
		}
	}
	w.apply(twoSteps(t, "1s"))
	w.eventually("gone", func() (bool, any) { return w.held("shop:out:messages") < 0, w.held("shop:out:messages") })
	if n := w.held("shop:deadletters"); n != 3 {
		t.Errorf("%d dead letters, want 3", n)
	}
}

func TestConnectionsAreBoundBeforeOthersAreUnbound(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	w.apply(change(t, `{from: in, to: "map:1"}, {from: "map:1", to: out}`, `{from: in, to: out}, {from: in, to: "map:1"}`))
	w.until("shop", v1.ConditionReady, metav1.ConditionTrue, "")
	w.eventually("rebound", func() (bool, any) {
		var keys []string
		for _, b := range w.broker().Bindings(w.namespace) {
			if b.Destination == "shop:out:messages" && strings.HasSuffix(b.Key, ".message") {
				keys = append(keys, b.Key)
			}
		}
		return slices.Equal(keys, []string{"shop.in.message"}), keys
	})
}

func TestAFlowIsDeletedWithAllThatItHas(t *testing.T) {
	w := newWorld(t)
	for range 10 { // as fast as it goes
		w.apply(threeSteps)
		w.ready("shop")
		w.delete("shop")
	}
	w.nothingLeft()
}

func TestAFlowThatNeverRanIsDeleted(t *testing.T) {
	w := newWorld(t)
	for range 10 {
		w.apply(threeSteps)
		w.delete("shop")
	}
	w.nothingLeft()
	w.apply(threeSteps)
	w.ready("shop")
}

// delete deletes a flow and waits until it's gone.
func (w *world) delete(name string) {
	w.t.Helper()
	if err := w.Delete(w.t.Context(), w.flow(name)); err != nil {
		w.t.Fatal(err)
	}
	w.eventually("deleted", func() (bool, any) {
		err := w.gone(name)
		return err != nil, err
	})
}

// nothingLeft checks that neither Kubernetes nor the broker has anything of a flow.
func (w *world) nothingLeft() {
	w.t.Helper()
	for _, q := range w.broker().Queues(w.namespace) {
		w.t.Errorf("queue %s is left", q.Name)
	}
	for _, e := range w.broker().Exchanges(w.namespace) {
		if e.Name != "" && !strings.HasPrefix(e.Name, "amq.") {
			w.t.Errorf("exchange %s is left", e.Name)
		}
	}
	for _, u := range w.broker().Users() {
		if strings.HasPrefix(u.Name, w.namespace+".") {
			w.t.Errorf("account %s is left", u.Name)
		}
	}
	for _, id := range []string{"in", "map:1", "out"} {
		if n := len(w.jobs(id)); n > 0 {
			w.t.Errorf("%d jobs of step %s are left", n, id)
		}
	}
	if err := w.secretGone(kube.SecretName("shop")); err == nil {
		w.t.Error("the secret is left")
	}
}
