package plan

import (
	"slices"
	"strings"

	"github.com/openintegrationhub/leat/internal/topology"
)

// split parts the bindings of a plan's Remove. What a step sends while it's drained, and what comes back to it, must still arrive: the
// bindings of its own keys, and those that bring messages back, stay until it has stopped. Those for new input don't.
func split(flow string, drain []string, bindings []topology.Binding) (now, later []topology.Binding) {
	for _, b := range bindings {
		step, kind, ok := parseKey(flow, b.Key)
		own := ok && slices.Contains(drain, step) && kind != topology.Input && kind != topology.Tick
		if own || b.Arguments() != nil && len(drain) > 0 {
			later = append(later, b)
			continue
		}
		now = append(now, b)
	}
	return now, later
}

// upstreamFirst orders steps so that each comes after those that send to it, as the bindings have it. In a cycle any order is right.
func upstreamFirst(flow string, steps []string, bindings []topology.Binding) []string {
	var ordered []string
	visited := map[string]bool{}
	var visit func(id string)
	visit = func(id string) {
		if visited[id] {
			return
		}
		visited[id] = true
		for _, b := range bindings {
			from, kind, ok := parseKey(flow, b.Key)
			if ok && kind == topology.Message && b.Queue == topology.StepQueue(flow, id) && slices.Contains(steps, from) {
				visit(from)
			}
		}
		ordered = append(ordered, id)
	}
	for _, id := range steps {
		visit(id)
	}
	return ordered
}

// parseKey takes F.S.kind apart. Neither flows nor steps have dots in their names.
func parseKey(flow, key string) (step, kind string, ok bool) {
	rest, ok := strings.CutPrefix(key, flow+".")
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, ".")
}
