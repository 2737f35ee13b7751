package local

import (
	"strings"

	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/topology"
)

// seen looks at what exists of a flow: its steps that run, and what the broker holds of it, also from an earlier run.
func (w *World) seen(f *flow.Flow) plan.Seen {
	seen := plan.Seen{Steps: map[string]string{}}
	w.mu.Lock()
	if r := w.flows[f.Key()]; r != nil {
		for id, units := range r.units {
			if len(units) > 0 {
				seen.Steps[id] = units[0].step.Hash
			}
		}
	}
	w.mu.Unlock()
	// A flow's queues and exchanges have its name, or one that begins with it and a colon; a flow's own name has no colon.
	own := func(name string) bool { return name == f.Name || strings.HasPrefix(name, f.Name+":") }
	for _, q := range w.broker.Queues(f.Namespace) {
		if own(q.Name) {
			seen.Topology.Queues = append(seen.Topology.Queues, topology.Queue{Name: q.Name})
		}
	}
	for _, e := range w.broker.Exchanges(f.Namespace) {
		if own(e.Name) {
			seen.Topology.Exchanges = append(seen.Topology.Exchanges, topology.Exchange{Name: e.Name})
		}
	}
	for _, b := range w.broker.Bindings(f.Namespace) {
		if !own(b.Source) || !own(b.Destination) { // others may listen to a flow: the router does, for replies
			continue
		}
		binding := topology.Binding{Source: b.Source, Key: b.Key}
		if b.ToExchange {
			binding.Exchange = b.Destination
		} else {
			binding.Queue = b.Destination
		}
		seen.Topology.Bindings = append(seen.Topology.Bindings, binding)
	}
	return seen
}
