// Package topology says which exchanges, queues, bindings and broker accounts a flow has. It's pure: the amqp package declares what it says.
//
// Names are those that components have always been given (contract.md 2.1): for flow F and step S exchange F, queue F:S:messages, routing keys
// F.S.message and so on. Every key that a component can publish to has a queue behind it (contract.md rule 8).
package topology

import (
	"slices"
	"strings"
	"time"

	"github.com/openintegrationhub/leat/internal/flow"
)

// Topology is what a flow needs on the broker.
type Topology struct {
	Exchanges []Exchange
	Queues    []Queue
	Bindings  []Binding
}

// Exchange is a durable exchange.
type Exchange struct {
	Name      string
	Kind      string // "topic", "fanout", "direct" or "headers"
	Alternate string // exchange that gets what no queue takes; "" for none
}

// Queue is a durable queue.
type Queue struct {
	Name string
	// DeadLetterExchange and DeadLetterKey are where rejected and expired messages go; "" for nowhere, and for the key that they came with.
	DeadLetterExchange, DeadLetterKey string
	// TTL is how long a message stays at most; 0 for ever.
	TTL time.Duration
	// MessagesMax drops the oldest message when there are more; 0 for no limit.
	MessagesMax int
	// DeliveryLimit is how often a message may come back unprocessed, because its consumer died, before it's dead-lettered; 0 for no
	// limit. Brokers know it for quorum queues only, so it makes the queue one.
	DeliveryLimit int
	// Quorum keeps the queue on several nodes of the broker's cluster, and its dead letters until they have arrived.
	Quorum bool
}

// Binding leads messages with Key from Source to a queue, or to another exchange.
type Binding struct {
	Source      string
	Key         string
	Queue       string // destination; "" if Exchange is it
	Exchange    string
	Description string // why, for `leat render`
}

// Kinds of routing keys: the last word of F.S.kind.
const (
	Message    = "message"    // what a step emitted
	Input      = "input"      // a request or a replay
	Tick       = "tick"       // from the scheduler
	Error      = "error"      // an error report
	Rebound    = "rebound"    // to come back later
	Requeue    = "requeue"    // come back: out of the queues F:S:rebounds that older versions had
	DeadLetter = "deadletter" // given up
	Snapshot   = "snapshot"   // what a step wants to remember
	Output     = "output"     // what a ferryman step emitted
	Deliver    = "deliver"    // for a ferryman step, with its token
	State      = "state"      // that a step is through with a message: ferryman components tell it, and nobody needs it
)

// TickHeader is the AMQP header of a tick with the time that it was due, RFC 3339 with nanoseconds, UTC.
const TickHeader = "tick"

// ReasonHeader is the AMQP header of a dead letter that the platform made, with the reason in words.
const ReasonHeader = "x-leat-reason"

// Key is the routing key of a kind of a step's messages.
func Key(flow, step, kind string) string { return flow + "." + step + "." + kind }

// StepQueue is the queue of a step's input.
func StepQueue(flow, step string) string { return flow + ":" + step + ":messages" }

// ErrorQueue collects the error reports of a flow's steps.
func ErrorQueue(flow string) string { return flow + ":errors" }

// DeadLetterQueue collects the messages that a flow's steps have given up.
func DeadLetterQueue(flow string) string { return flow + ":deadletters" }

// SnapshotQueue collects the snapshots of a flow's steps.
func SnapshotQueue(flow string) string { return flow + ":snapshots" }

// UnroutableQueue collects what was published to a flow's exchange and no queue took. The exchange before it has the same name.
func UnroutableQueue(flow string) string { return flow + ":unroutable" }

// TickQueue keeps the last tick of a polling flow.
func TickQueue(flow string) string { return flow + ":ticks" }

// Options are what the topology depends on besides the flow.
type Options struct {
	DeliveryLimit int  // of the steps' queues; see Queue.DeliveryLimit
	Quorum        bool // of all queues; see Queue.Quorum
}

// For returns the topology of f, always in the same order.
func For(f *flow.Flow, o Options) Topology {
	var t Topology
	unroutable, end := UnroutableQueue(f.Name), f.Name+":end"
	t.Exchanges = []Exchange{
		{Name: unroutable, Kind: "fanout"},
		{Name: end, Kind: "fanout"},
		{Name: f.Name, Kind: "topic", Alternate: unroutable},
	}
	t.Queues = []Queue{
		{Name: ErrorQueue(f.Name)},
		{Name: DeadLetterQueue(f.Name)},
		{Name: SnapshotQueue(f.Name)},
		{Name: unroutable},
	}
	t.Bindings = []Binding{{Source: unroutable, Queue: unroutable, Description: "what no queue takes"}}
	for _, n := range f.Nodes {
		t.step(f, n, o)
		t.bind(f.Name, Key(f.Name, n.ID, Error), ErrorQueue(f.Name), "")
		t.bind(f.Name, Key(f.Name, n.ID, DeadLetter), DeadLetterQueue(f.Name), "")
		t.bind(f.Name, Key(f.Name, n.ID, Snapshot), SnapshotQueue(f.Name), "")
		// A last step's messages have nowhere to go. They end in an exchange that nothing is bound to, or else they would count as
		// unroutable.
		t.Bindings = append(t.Bindings, Binding{Source: f.Name, Key: Key(f.Name, n.ID, State), Exchange: end, Description: "not needed"})
		if len(f.Next(n.ID)) == 0 {
			t.Bindings = append(t.Bindings, Binding{Source: f.Name, Key: Key(f.Name, n.ID, Message), Exchange: end, Description: "last step"})
		}
	}
	t.rebounds(f)
	t.ferrymen(f)
	if first := f.First(); first != nil && first.Polling {
		t.Queues = append(t.Queues, Queue{Name: TickQueue(f.Name), MessagesMax: 1})
		if !IsFerryman(first) {
			t.bind(f.Name, Key(f.Name, first.ID, Tick), StepQueue(f.Name, first.ID), "")
		}
		t.bind(f.Name, Key(f.Name, first.ID, Tick), TickQueue(f.Name), "when the last tick was")
	}
	for i := range t.Queues {
		t.Queues[i].Quorum = o.Quorum
	}
	slices.SortStableFunc(t.Bindings, func(a, b Binding) int { return strings.Compare(a.Source+a.Key+a.Queue, b.Source+b.Key+b.Queue) })
	return t
}

// step adds what one step needs.
func (t *Topology) step(f *flow.Flow, n *flow.Node, o Options) {
	messages := StepQueue(f.Name, n.ID)
	t.Queues = append(t.Queues, Queue{
		Name: messages, DeadLetterExchange: f.Name, DeadLetterKey: Key(f.Name, n.ID, DeadLetter), DeliveryLimit: o.DeliveryLimit,
	})
	t.bind(f.Name, Key(f.Name, n.ID, Requeue), messages, "")
	if IsFerryman(n) {
		return
	}
	t.bind(f.Name, Key(f.Name, n.ID, Input), messages, "")
	for _, from := range f.Previous(n.ID) {
		t.bind(f.Name, Key(f.Name, from, Message), messages, "")
	}
}

func (t *Topology) bind(source, key, queue, why string) {
	t.Bindings = append(t.Bindings, Binding{Source: source, Key: key, Queue: queue, Description: why})
}

// Minus returns what is in t but not in other: what has to go when other replaces t.
func (t Topology) Minus(other Topology) Topology {
	var rest Topology
	for _, e := range t.Exchanges {
		if !slices.ContainsFunc(other.Exchanges, func(o Exchange) bool { return o.Name == e.Name }) {
			rest.Exchanges = append(rest.Exchanges, e)
		}
	}
	for _, q := range t.Queues {
		if !slices.ContainsFunc(other.Queues, func(o Queue) bool { return o.Name == q.Name }) {
			rest.Queues = append(rest.Queues, q)
		}
	}
	for _, b := range t.Bindings {
		if !slices.ContainsFunc(other.Bindings, b.same) {
			rest.Bindings = append(rest.Bindings, b)
		}
	}
	return rest
}

func (b Binding) same(o Binding) bool {
	return b.Source == o.Source && b.Key == o.Key && b.Queue == o.Queue && b.Exchange == o.Exchange
}
