package e2e_test

import "testing"

// Components on elastic.io's own library for Node run as they are, one behind the other.
func TestSailorsRunInPods(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	f := chain("sailors", hook("in"), relay("one", "first"), relay("two", "second"), to("out", out.url))
	f.Spec.Nodes[2].Workload = "Deployment"
	create(t, f)
	ready(t, f.Name)
	for n := range 20 {
		send(t, f.Name, map[string]any{"n": n})
	}
	for n := range 20 {
		got := out.waitFor(t, "n", n)
		if got["word"] != "second" || got["library"] != "2.7.8" {
			t.Errorf("message %d is %v", n, got)
		}
	}
	if n := len(out.all()); n != 20 {
		t.Errorf("%d messages arrived, want 20", n)
	}
}
