package e2e_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	v1 "github.com/openintegrationhub/leat/api/v1"
)

// A flow that is changed twenty times under load loses nothing.
func TestUpdatesLoseNothing(t *testing.T) {
	out, side := newTally(t), newTally(t)
	mapper := func(id string) v1.Node {
		return node(id, "elasticio/mapper", "jsonataMap", map[string]any{"mapper": map[string]string{"n": "n"}})
	}
	f := chain("updates", hook("in"), mapper("middle"), to("out", out.url))
	version := 0
	change := map[string]func(){
		"data": func() {
			f.Spec.Nodes[1] = node("middle", f.Spec.Nodes[1].Image, "jsonataMap", map[string]any{"mapper": map[string]string{"n": "n", "changed": "true"}})
		},
		"image":    func() { version++; f.Spec.Nodes[1].Image = fmt.Sprintf("elasticio/mapper:%d", version) },
		"env":      func() { f.Spec.Nodes[1].Env = map[string]string{"CHANGED": time.Now().String()} },
		"replicas": func() { two := int32(2); f.Spec.Nodes[1].Replicas = &two },
		"fewer":    func() { f.Spec.Nodes[1].Replicas = nil },
		"a node more": func() {
			f.Spec.Nodes = append(f.Spec.Nodes, to("side", side.url))
			f.Spec.Connections = append(f.Spec.Connections, v1.Connection{From: "in", To: "side"})
		},
		"a node less": func() {
			f.Spec.Nodes = slices.DeleteFunc(f.Spec.Nodes, func(n v1.Node) bool { return n.ID == "side" })
			f.Spec.Connections = slices.DeleteFunc(f.Spec.Connections, func(c v1.Connection) bool { return c.To == "side" })
		},
		// The messages of the middle go another way; those on their way go the old one to its end.
		"a node between": func() {
			f.Spec.Nodes = append(f.Spec.Nodes, mapper("more"))
			f.Spec.Connections = []v1.Connection{{From: "in", To: "middle"}, {From: "middle", To: "more"}, {From: "more", To: "out"}}
		},
		"an edge more": func() { f.Spec.Connections = append(f.Spec.Connections, v1.Connection{From: "in", To: "more"}) },
		"none between": func() {
			f.Spec.Nodes = slices.DeleteFunc(f.Spec.Nodes, func(n v1.Node) bool { return n.ID == "more" })
			f.Spec.Connections = []v1.Connection{{From: "in", To: "middle"}, {From: "middle", To: "out"}}
		},
	}
	create(t, f)
	ready(t, f.Name)
	l := startLoad(t, f.Name, 100)
	order := []string{"data", "image", "env", "replicas", "fewer", "a node more", "a node less", "a node between", "an edge more", "none between"}
	start := time.Now()
	for n := range 20 {
		change[order[n%len(order)]]()
		put(t, f)
		if n%3 == 0 { // the other changes come while the last one is under way
			ready(t, f.Name)
		}
	}
	ready(t, f.Name)
	n := l.Stop()
	again := out.wait(t, n, 2*time.Minute)
	t.Logf("20 changes in %s; %d messages, %d requests sent again, 0 lost, %d came more than once", time.Since(start).Round(time.Second), n, l.retries.Load(), again)
}
