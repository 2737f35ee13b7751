package local_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/local"
)

const chain = `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: chain, namespace: test}
spec:
  nodes:
    - {id: in, image: acme/pass, function: run, first: true}
    - {id: "mid:1", image: acme/gate, function: run, data: {depth: 1}}
    - {id: out, image: acme/pass, function: run}
  connections: [{from: in, to: "mid:1"}, {from: "mid:1", to: out}]
`

// changed returns chain with something replaced.
func changed(t *testing.T, pairs ...string) string {
	t.Helper()
	text := chain
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the flow has no %q", pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

func (w *world) open(n int) {
	for range n {
		w.seen.gate <- struct{}{}
	}
}

// sendAll sends messages numbered from first to last.
func (w *world) sendAll(flow string, bodies ...string) {
	w.t.Helper()
	for _, body := range bodies {
		if code := w.send(flow, body); code != http.StatusOK {
			w.t.Fatalf("send %s: %d", body, code)
		}
	}
}

func TestApplyRestartsOnlyWhatChanged(t *testing.T) {
	w := startWorld(t, t.TempDir())
	w.apply(chain)
	w.apply(chain)
	for _, step := range []string{"in", "mid:1", "out"} {
		if got := w.opened(step); got != 1 {
			t.Errorf("%s was opened %d times after the same flow was applied twice, want 1", step, got)
		}
	}
	w.apply(changed(t, "depth: 1", "depth: 2"))
	for step, want := range map[string]int{"in": 1, "mid:1": 2, "out": 1} {
		if got := w.opened(step); got != want {
			t.Errorf("%s was opened %d times after the middle changed, want %d", step, got, want)
		}
	}
	w.open(1)
	w.sendAll("chain", `{"n":1}`)
	w.arrive("out", 1)
}

func TestReplicasFollowTheFlow(t *testing.T) {
	w := startWorld(t, t.TempDir())
	replicas := func() (n int) {
		for _, s := range w.Steps() {
			if s.Step == "out" && s.State == local.Running {
				n++
			}
		}
		return n
	}
	for i, step := range []struct {
		text         string
		want, opened int
	}{
		{chain, 1, 1},
		{changed(t, "id: out,", "id: out, replicas: 4,"), 4, 4},
		{changed(t, "id: out,", "id: out, replicas: 2,"), 2, 4},
		{changed(t, "id: out,", "id: out, replicas: 0,"), 0, 4},
		{chain, 1, 5},
	} {
		w.apply(step.text)
		if got := replicas(); got != step.want {
			t.Errorf("%d. %d replicas run, want %d", i, got, step.want)
		}
		if got := w.opened("out"); got != step.opened {
			t.Errorf("%d. replicas were opened %d times, want %d: one that stays must not restart", i, got, step.opened)
		}
	}
}

func TestARemovedNodeWorksOffItsMessages(t *testing.T) {
	w := startWorld(t, t.TempDir())
	w.apply(chain)
	w.sendAll("chain", `{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`, `{"n":5}`)
	w.arrive("in", 5) // and so all wait before the gate
	short := changed(t, `    - {id: "mid:1", image: acme/gate, function: run, data: {depth: 1}}`+"\n", "", `{from: in, to: "mid:1"}, {from: "mid:1", to: out}`, "{from: in, to: out}")
	applied := make(chan error, 1)
	go func() { applied <- w.Apply(t.Context(), parse(t, short)) }()
	// A message that comes while the node is drained goes the new way, as soon as the old one is cut.
	eventually(t, "past the gate", func() (bool, any) {
		w.sendAll("chain", `{"n":6}`)
		return slices.Contains(w.arrive("out", 0), 6), nil
	})
	w.open(1000)
	if err := <-applied; err != nil {
		t.Fatal(err)
	}
	eventually(t, "five messages behind the gate", func() (bool, any) {
		got := w.arrive("out", 0)
		for n := 1; n <= 5; n++ {
			if !slices.Contains(got, n) {
				return false, got
			}
		}
		return true, nil
	})
	for _, s := range w.Steps() {
		if s.Step == "mid:1" {
			t.Errorf("the removed step is still %s", s.State)
		}
	}
	if text := w.log.String(); strings.Contains(text, "messages are left") || strings.Contains(text, "unroutable") {
		t.Errorf("messages were left or lost:\n%s", text)
	}
}

func TestASuspendedFlowKeepsItsMessages(t *testing.T) {
	w := startWorld(t, t.TempDir())
	w.apply(changed(t, "acme/gate, ", "acme/gate, replicas: 0, "))
	w.sendAll("chain", `{"n":1}`, `{"n":2}`, `{"n":3}`)
	w.arrive("in", 3)
	w.apply(changed(t, "spec:", "spec:\n  suspended: true"))
	if got := w.Steps(); len(got) != 0 {
		t.Errorf("%d steps of a suspended flow run", len(got))
	}
	if code := w.send("chain", `{"n":4}`); code != http.StatusConflict {
		t.Errorf("a request into a suspended flow was answered with %d, want %d", code, http.StatusConflict)
	}
	w.open(1000)
	w.apply(chain)
	if diff := cmp.Diff([]int{1, 2, 3}, w.arrive("out", 3)); diff != "" {
		t.Errorf("messages after the flow was resumed (-want +got):\n%s", diff)
	}
}

func TestARemovedFlowLeavesNothing(t *testing.T) {
	w := startWorld(t, t.TempDir())
	other := changed(t, "name: chain", "name: chain-2")
	w.apply(changed(t, "acme/gate, ", "acme/gate, replicas: 0, "), other)
	w.sendAll("chain", `{"n":1}`)
	w.arrive("in", 1)
	w.apply(other)
	w.sendAll("chain-2", `{"n":2}`)
	if code := w.send("chain", `{"n":3}`); code != http.StatusNotFound {
		t.Errorf("a request into a removed flow was answered with %d, want 404", code)
	}
	w.open(1000)
	if diff := cmp.Diff([]int{2}, w.arrive("out", 1)); diff != "" {
		t.Errorf("what arrived (-want +got):\n%s", diff)
	}
	w.apply(chain, other) // and it can come back, without the message that went with it
	w.sendAll("chain", `{"n":5}`)
	if diff := cmp.Diff([]int{2, 5}, w.arrive("out", 2)); diff != "" {
		t.Errorf("what arrived after it came back (-want +got):\n%s", diff)
	}
}

func TestAMistakeOfOneFlowDoesNotStopTheOthers(t *testing.T) {
	w := startWorld(t, t.TempDir())
	bad := changed(t, "name: chain", "name: bad", "acme/gate", "acme/unknown")
	err := w.Apply(t.Context(), parse(t, bad, chain))
	if err == nil || !strings.Contains(err.Error(), "start flow test/bad: ") || !strings.Contains(err.Error(), `no built-in component for image "acme/unknown"`) {
		t.Errorf("error of the bad flow: %v", err)
	}
	w.open(1)
	eventually(t, "the good flow takes requests", func() (bool, any) {
		code := w.send("chain", `{"n":1}`)
		return code == http.StatusOK, code
	})
	w.arrive("out", 1)
}
