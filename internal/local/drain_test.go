package local_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// reasons lists the reasons of all errors of a flow.
func (w *world) reasons(flow string) (all []string) {
	w.t.Helper()
	_, text := w.get("/api/errors?flow=" + flow)
	var list struct {
		Errors []struct{ Step, State, Reason string }
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		w.t.Fatalf("%v: %s", err, text)
	}
	for _, e := range list.Errors {
		all = append(all, e.Step+" "+e.State+": "+e.Reason)
	}
	return all
}

// without takes the middle step out of a flow like chain.
func without(t *testing.T, text string) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, `id: "mid:1"`) {
			lines = append(lines, line)
		}
	}
	return strings.Replace(strings.Join(lines, ""), `{from: in, to: "mid:1"}, {from: "mid:1", to: out}`, "{from: in, to: out}", 1)
}

// Every message that was accepted is processed, or in the errors list.
func TestWhatARemovedStepLeavesIsInTheErrorsList(t *testing.T) {
	for name, flow := range map[string]string{
		"a step that can't work it off in time": changed(t, "acme/gate", "acme/open", "spec:", "spec:\n  drainTimeout: 200ms"),
		"a step that didn't run":                changed(t, "acme/gate, ", "acme/gate, replicas: 0, ", "spec:", "spec:\n  drainTimeout: 200ms"),
	} {
		t.Run(name, func(t *testing.T) {
			w := startWorld(t, t.TempDir())
			w.seen.failing = true
			if err := w.Apply(t.Context(), parse(t, flow)); err != nil {
				t.Fatal(err)
			}
			eventually(t, "requests are taken", func() (bool, any) { code := w.send("chain", `{"n":1}`); return code == http.StatusOK, code })
			w.sendAll("chain", `{"n":2}`, `{"n":3}`)
			w.arrive("in", 3)
			if err := w.Apply(t.Context(), parse(t, without(t, flow))); err != nil {
				t.Fatal(err)
			}
			want := []string{"mid:1 open: given up: its step was removed from the flow"}
			want = append(want, want[0], want[0])
			eventually(t, "three errors", func() (bool, any) { got := w.reasons("chain"); return cmp.Equal(want, got), got })
			w.sendAll("chain", `{"n":4}`)
			if diff := cmp.Diff([]int{4}, w.arrive("out", 1)); diff != "" {
				t.Errorf("what arrived behind the removed step (-want +got):\n%s", diff)
			}
			if log := w.log.String(); !strings.Contains(log, "messages of a removed step are in the list of errors now") || strings.Contains(log, "queue stays") {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

func TestARemovedStepGetsWhatComesBackToIt(t *testing.T) {
	w := startWorld(t, t.TempDir())
	flow := changed(t, "acme/gate", "acme/pass", "data: {depth: 1}", "env: {ELASTICIO_REBOUND_INITIAL_EXPIRATION: '600'}")
	w.apply(flow)
	conn, err := amqp091.Dial(w.getenv("mid:1", "ELASTICIO_AMQP_URI"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	channel, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	m := amqp091.Publishing{Body: []byte("undecodable, so it fails when it's back"), Expiration: "600", Headers: amqp091.Table{"messageId": "m", "reboundIteration": int8(1)}}
	if err := channel.Confirm(false); err != nil {
		t.Fatal(err)
	}
	confirm, err := channel.PublishWithDeferredConfirm("chain", "chain.mid:1.rebound", true, false, m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := confirm.WaitContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	if err := w.Apply(t.Context(), parse(t, without(t, flow))); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(started); took < 400*time.Millisecond {
		t.Errorf("the step was removed after %v", took)
	}
	eventually(t, "its error", func() (bool, any) {
		got := w.reasons("chain")
		return len(got) == 1 && strings.HasPrefix(got[0], "mid:1 open: decrypt"), got
	})
}
