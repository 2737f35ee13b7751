package local

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	summaryLook  = time.Second     // how often the counts are looked at
	summaryEvery = 5 * time.Second // how often a flow gets a line at most
)

// counts of a step at one moment.
type counts struct{ processed, failed, rebounded int64 }

// summarise writes a line for each flow that has done something, soon after it did, and no more than one each few seconds: a person sees
// that it works, and a busy flow doesn't drown the rest.
func (w *World) summarise(ctx context.Context) {
	ticker := time.NewTicker(summaryLook)
	defer ticker.Stop()
	told := map[string]map[string]counts{} // flow -> step -> what was told
	last := map[string]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for flow, steps := range w.stats.snapshot() {
				if now.Sub(last[flow]) < summaryEvery || maps.Equal(steps, told[flow]) {
					continue
				}
				w.opts.Logger.Info("messages processed", "flow", flow[strings.IndexByte(flow, '/')+1:], "steps", difference(w.order(flow), told[flow], steps))
				told[flow], last[flow] = steps, now
			}
		}
	}
}

// order returns the ids of a flow's steps as its file has them.
func (w *World) order(key string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []string
	if r := w.flows[key]; r != nil {
		for _, s := range r.plan.Steps {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// difference puts what happened since old into a few words: "step_1 5, step_2 4 (1 failed)".
func difference(order []string, old, now map[string]counts) string {
	var words []string
	for _, id := range order {
		o, n := old[id], now[id]
		text := fmt.Sprintf("%s %d", id, n.processed-o.processed)
		var also []string
		if d := n.failed - o.failed; d > 0 {
			also = append(also, fmt.Sprintf("%d failed", d))
		}
		if d := n.rebounded - o.rebounded; d > 0 {
			also = append(also, fmt.Sprintf("%d to come again", d))
		}
		if also != nil {
			text += " (" + strings.Join(also, ", ") + ")"
		}
		words = append(words, text)
	}
	return strings.Join(words, ", ")
}

// snapshot returns all counts by flow and step.
func (s *stats) snapshot() map[string]map[string]counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]map[string]counts{}
	for _, key := range slices.Sorted(maps.Keys(s.steps)) {
		i := strings.LastIndexByte(key, '/')
		flow, step := key[:i], key[i+1:]
		if all[flow] == nil {
			all[flow] = map[string]counts{}
		}
		c := s.steps[key]
		all[flow][step] = counts{c.Processed.Load(), c.Failed.Load(), c.Rebounded.Load()}
	}
	return all
}
