package topology

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openintegrationhub/leat/internal/flow"
)

// A component that wants a message again later publishes it with the step's rebound key, an expiration that doubles each time, and the header
// reboundIteration (contract.md 2.7). A broker lets messages expire only at the head of a queue, so all that wait in one queue must wait
// equally long. Therefore each delay has a queue of its own, F:rebounds:MS, which all steps of the flow share:
//
//	exchange F --F.S.rebound--> headers exchange F:rebounds:INITIAL --reboundIteration n--> queue F:rebounds:MS
//	   --expired, with the key that it came with--> direct exchange F:requeue --F.S.rebound--> queue F:S:messages
//
// INITIAL is the step's first delay in ms. A message without the header, or of a later round, waits in the queue F:rebounds behind others.

// The variables that say how a component's messages come back. Every library knows them.
const (
	ReboundInitialVariable = "ELASTICIO_REBOUND_INITIAL_EXPIRATION" // ms
	ReboundLimitVariable   = "ELASTICIO_REBOUND_LIMIT"
)

// Defaults of rounds. The libraries' own limit of 20 rounds ends after 182 days, and overflows in Java from the 19th on (contract.md section
// 8, 14). After 10 rounds a message has been tried for four hours and a quarter.
const (
	reboundInitialDefault = 15 * time.Second
	reboundLimitDefault   = 10
	reboundLevelsMax      = 32
	// delayMax is the longest that RabbitMQ takes.
	delayMax = 315_360_000_000 * time.Millisecond
	// otherDelayMax is how long a message waits at most of which it isn't known how long it should.
	otherDelayMax = 10 * time.Minute
)

// Rounds say how messages of a step come back.
type Rounds struct {
	Initial time.Duration // until the first time; twice as long each further time
	Limit   int           // how often, before the message is given up
}

// RoundsOf returns what the environment of n says, or the default.
func RoundsOf(n *flow.Node) Rounds {
	r := Rounds{Initial: reboundInitialDefault, Limit: reboundLimitDefault}
	if ms, err := strconv.Atoi(n.Env[ReboundInitialVariable]); err == nil && ms > 0 {
		r.Initial = time.Duration(ms) * time.Millisecond
	}
	if limit, err := strconv.Atoi(n.Env[ReboundLimitVariable]); err == nil && limit > 0 {
		r.Limit = limit
	}
	return r
}

// delays are those of the rounds, as far as they have a queue of their own.
func (r Rounds) delays() []time.Duration {
	var all []time.Duration
	for delay := r.Initial; len(all) < min(r.Limit, reboundLevelsMax) && delay <= delayMax; delay *= 2 {
		all = append(all, delay)
	}
	return all
}

// ReboundQueue is where messages wait that come back after a delay; 0 for those of which it isn't known.
func ReboundQueue(flow string, delay time.Duration) string {
	if delay == 0 {
		return flow + ":rebounds"
	}
	return flow + ":rebounds:" + milliseconds(delay)
}

// ReboundDelay tells whether name is that of a queue of f in which messages wait to come back, and for how long they do at most.
func ReboundDelay(flow, name string) (time.Duration, bool) {
	rest, ok := strings.CutPrefix(name, flow+":rebounds")
	if !ok {
		return 0, false
	}
	if rest == "" {
		return otherDelayMax, true
	}
	ms, err := strconv.Atoi(strings.TrimPrefix(rest, ":"))
	return time.Duration(ms) * time.Millisecond, err == nil
}

func reboundExchange(flow string, initial time.Duration) string {
	return flow + ":rebounds:" + milliseconds(initial)
}

func requeueExchange(flow string) string { return flow + ":requeue" }

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// Arguments are a binding's arguments; nil for none. A headers exchange leads messages by their round, which is the binding's key.
func (b Binding) Arguments() map[string]any {
	flow, _, _ := strings.Cut(b.Source, ":")
	if _, ok := ReboundDelay(flow, b.Source); !ok || b.Source == ReboundQueue(flow, 0) {
		return nil
	}
	round, err := strconv.Atoi(b.Key)
	if err != nil {
		return nil
	}
	return map[string]any{"x-match": "all", "reboundIteration": int32(round)}
}

// rebounds adds what all steps of f share.
func (t *Topology) rebounds(f *flow.Flow) {
	other, requeue := ReboundQueue(f.Name, 0), requeueExchange(f.Name)
	t.Exchanges = append(t.Exchanges,
		Exchange{Name: other, Kind: "fanout"},
		Exchange{Name: requeue, Kind: "direct", Alternate: UnroutableQueue(f.Name)},
	)
	t.Queues = append(t.Queues, Queue{Name: other, DeadLetterExchange: requeue, TTL: otherDelayMax})
	t.Bindings = append(t.Bindings, Binding{Source: other, Queue: other, Description: "rounds beyond the limit"})
	limits := map[time.Duration]int{} // by first delay
	for _, n := range f.Nodes {
		r := RoundsOf(n)
		limits[r.Initial] = max(limits[r.Initial], r.Limit)
		t.Bindings = append(t.Bindings,
			Binding{Source: f.Name, Key: Key(f.Name, n.ID, Rebound), Exchange: reboundExchange(f.Name, r.Initial)},
			Binding{Source: requeue, Key: Key(f.Name, n.ID, Rebound), Queue: StepQueue(f.Name, n.ID)},
		)
	}
	waits := map[time.Duration]bool{}
	for _, initial := range slices.Sorted(maps.Keys(limits)) {
		exchange := reboundExchange(f.Name, initial)
		t.Exchanges = append(t.Exchanges, Exchange{Name: exchange, Kind: "headers", Alternate: other})
		for i, delay := range (Rounds{initial, limits[initial]}).delays() {
			waits[delay] = true
			t.Bindings = append(t.Bindings, Binding{
				Source: exchange, Key: strconv.Itoa(i + 1), Queue: ReboundQueue(f.Name, delay), Description: "round " + strconv.Itoa(i+1),
			})
		}
	}
	for _, delay := range slices.Sorted(maps.Keys(waits)) {
		t.Queues = append(t.Queues, Queue{Name: ReboundQueue(f.Name, delay), DeadLetterExchange: requeue, TTL: delay})
	}
}
