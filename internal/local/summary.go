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
				if now.Sub(last[flow]) < summaryEvery {
					continue
				}
				text := difference(w.order(flow), told[flow], steps)
				if text == "" {
					continue
				}
				w.opts.Logger.Info("messages processed", "flow", flow[strings.IndexByte(flow, '/')+1:], "steps", text)
				told[flow], last[flow] = steps, now
			}
		}
	}
}

// order returns the ids of a flow's steps in the order that messages take, those at the same distance from the first as the file has them.
func (w *World) order(key string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.flows[key]
	if r == nil {
		return nil
	}
	f := r.plan.Flow
	ids := []string{f.First().ID}
	for i := 0; i < len(ids); i++ {
		for _, next := range f.Next(ids[i]) {
			if !slices.Contains(ids, next) {
				ids = append(ids, next)
			}
		}
	}
	return ids
}

// difference puts what happened since old into a few words: "step_1 5, step_2 4 (1 failed)". It's empty if nothing did.
func difference(order []string, old, now map[string]counts) string {
	var words []string
	happened := false
	for _, id := range order {
		d := counts{now[id].processed - old[id].processed, now[id].failed - old[id].failed, now[id].rebounded - old[id].rebounded}
		happened = happened || d != counts{}
		text := fmt.Sprintf("%s %d", id, d.processed)
		var also []string
		if d.failed > 0 {
			also = append(also, fmt.Sprintf("%d failed", d.failed))
		}
		if d.rebounded > 0 {
			also = append(also, fmt.Sprintf("%d to come again", d.rebounded))
		}
		if also != nil {
			text += " (" + strings.Join(also, ", ") + ")"
		}
		words = append(words, text)
	}
	if !happened {
		return ""
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
