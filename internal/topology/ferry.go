package topology

import "github.com/openintegrationhub/leat/internal/flow"

// Components of the Open Integration Hub are made with ferryman, and want each message with a token that tells them what to do with it (contract.md
// section 6). The steps before them know nothing of that. So their input, and what they send, takes a way through the queue F:ferry, where the
// package ferry makes of it what the other side understands:
//
//	F.P.message, F.S.input, F.S.tick --> F:ferry ~~> F.S.deliver --> F:S:messages     to the ferryman step S
//	F.S.output --> F:ferry ~~> F.S.message --> the next steps                         from it

// LibraryVariable, in a node's environment, says what its component is made with, if that matters.
const (
	LibraryVariable = "LEAT_LIBRARY"
	Ferryman        = "ferryman"
)

// IsFerryman tells whether the component of n is made with ferryman.
func IsFerryman(n *flow.Node) bool { return n.Env[LibraryVariable] == Ferryman }

// FerryQueue is where messages to and from ferryman steps are made over.
func FerryQueue(flow string) string { return flow + ":ferry" }

// ferrymen adds what the ferryman steps of f need besides.
func (t *Topology) ferrymen(f *flow.Flow) {
	queue := FerryQueue(f.Name)
	bound := map[string]bool{}
	bind := func(step, kind, why string) {
		if key := Key(f.Name, step, kind); !bound[key] {
			bound[key] = true
			t.bind(f.Name, key, queue, why)
		}
	}
	for _, n := range f.Nodes {
		if !IsFerryman(n) {
			continue
		}
		t.bind(f.Name, Key(f.Name, n.ID, Deliver), StepQueue(f.Name, n.ID), "")
		bind(n.ID, Input, "to get a token")
		bind(n.ID, Output, "for the next steps")
		bind(n.ID, Error, "for who waits for a reply")
		for _, from := range f.Previous(n.ID) {
			bind(from, Message, "to get a token")
		}
		if n.Polling {
			bind(n.ID, Tick, "to get a token")
		}
	}
	if len(bound) > 0 {
		t.Queues = append(t.Queues, Queue{Name: queue})
	}
}
