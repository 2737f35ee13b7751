package plan_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/topology"
)

// drawFlow makes a graph in which every node can be reached from the first. Ids come from a small set, so that two flows share some.
func drawFlow(t *rapid.T, label string) *flow.Flow {
	ids := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "a:b", "a_b", "a-b", "A", "messages", "errors", "a:messages"}), 1, 8, rapid.ID).Draw(t, label+" ids")
	f := &flow.Flow{Name: "f", Namespace: "n", Suspended: rapid.Bool().Draw(t, label+" suspended")}
	for i, id := range ids {
		f.Nodes = append(f.Nodes, &flow.Node{
			ID:       id,
			Image:    rapid.SampledFrom([]string{"elasticio/timer", "acme/a", "acme/b"}).Draw(t, label+" image"),
			Function: "f",
			First:    i == 0,
			Polling:  i == 0 && rapid.Bool().Draw(t, label+" polling"),
			Data:     []byte(rapid.SampledFrom([]string{`{}`, `{"a":1}`}).Draw(t, label+" data")),
			Replicas: rapid.IntRange(0, 3).Draw(t, label+" replicas"),
			Prefetch: 1,
		})
		if i > 0 {
			f.Connections = append(f.Connections, flow.Connection{From: ids[rapid.IntRange(0, i-1).Draw(t, label+" from")], To: id})
		}
	}
	for range rapid.IntRange(0, 4).Draw(t, label+" more connections") { // also cycles
		c := flow.Connection{From: rapid.SampledFrom(ids).Draw(t, label+" from"), To: rapid.SampledFrom(ids).Draw(t, label+" to")}
		if !slices.Contains(f.Connections, c) {
			f.Connections = append(f.Connections, c)
		}
	}
	return f
}

// carryOut is what exists after a plan was applied to what existed.
func carryOut(p plan.Plan, seen plan.Seen) plan.Seen {
	after := plan.Seen{Steps: map[string]string{}}
	for id, hash := range seen.Steps {
		if !slices.Contains(p.Stop, id) && !slices.Contains(p.Drain, id) {
			after.Steps[id] = hash
		}
	}
	for _, s := range p.Start {
		after.Steps[s.ID] = s.Hash
	}
	kept := seen.Topology.Minus(topology.Topology{Bindings: p.Unbind}).Minus(p.Remove)
	missing := p.Declare.Minus(kept)
	after.Topology = topology.Topology{
		Exchanges: append(kept.Exchanges, missing.Exchanges...),
		Queues:    append(kept.Queues, missing.Queues...),
		Bindings:  append(kept.Bindings, missing.Bindings...),
	}
	return after
}

func planFor(f *flow.Flow, seen plan.Seen) plan.Plan {
	return plan.For(f, seen, secrets(f), platform)
}

func TestNothingIsLeftToDoAfterAPlanWasCarriedOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawFlow(t, "before"), drawFlow(t, "after")
		seen := carryOut(planFor(before, plan.Seen{}), plan.Seen{})
		seen = carryOut(planFor(after, seen), seen)
		if diff := cmp.Diff(deed{}, deedOf(planFor(after, seen))); diff != "" {
			t.Errorf("still to do (-want +got):\n%s", diff)
		}
		if missing := planFor(after, seen).Declare.Minus(seen.Topology); !cmp.Equal(missing, topology.Topology{}) {
			t.Errorf("not declared: %+v", missing)
		}
		for _, s := range planFor(after, seen).Steps {
			if running := seen.Steps[s.ID] != ""; running != (s.Replicas > 0) {
				t.Errorf("step %s runs: %v, with %d replicas wanted", s.ID, running, s.Replicas)
			}
		}
	})
}

func TestAPlanRemovesNothingThatItNeeds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawFlow(t, "before"), drawFlow(t, "after")
		p := planFor(after, carryOut(planFor(before, plan.Seen{}), plan.Seen{}))
		if kept := p.Remove.Minus(p.Declare); !cmp.Equal(kept, p.Remove) {
			t.Errorf("removed and needed: %+v", p.Remove.Minus(kept))
		}
		if unbound := (topology.Topology{Bindings: p.Unbind}); !cmp.Equal(unbound.Minus(p.Declare), unbound) {
			t.Errorf("unbound and needed: %+v", p.Unbind)
		}
		for _, id := range p.Drain {
			if after.Node(id) != nil {
				t.Errorf("step %s is drained, but its node is there", id)
			}
		}
		for _, id := range p.Stop {
			if after.Node(id) == nil {
				t.Errorf("step %s stops at once, though its node was removed: its messages would stay", id)
			}
		}
	})
}

func TestStepsShareNoQueueAndNoKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFlow(t, "flow")
		queues := map[string]bool{}
		for _, q := range planFor(f, plan.Seen{}).Declare.Queues {
			if queues[q.Name] {
				t.Errorf("two queues have the name %s", q.Name)
			}
			queues[q.Name] = true
		}
		users := map[string]bool{}
		for _, a := range planFor(f, plan.Seen{}).Accounts {
			if users[a.User] {
				t.Errorf("two accounts have the name %s", a.User)
			}
			users[a.User] = true
		}
	})
}

func TestTheSameArgumentsGiveTheSamePlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFlow(t, "flow")
		one, two := planFor(f, plan.Seen{}), planFor(f, plan.Seen{})
		if diff := cmp.Diff(fmt.Sprintf("%+v", one.Steps), fmt.Sprintf("%+v", two.Steps)); diff != "" {
			t.Errorf("steps differ:\n%s", diff)
		}
		if diff := cmp.Diff(one.Declare, two.Declare); diff != "" {
			t.Errorf("topology differs:\n%s", diff)
		}
	})
}
