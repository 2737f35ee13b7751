package local_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/local"
)

// status is how the only replica of a step does.
func (w *world) status(step string) local.StepStatus {
	w.t.Helper()
	for _, s := range w.Steps() {
		if s.Step == step {
			return s
		}
	}
	w.t.Fatalf("no step %s", step)
	return local.StepStatus{}
}

func (w *world) counted(metric string) bool {
	_, text := w.get("/metrics")
	return strings.Contains(text, metric)
}

// A component doesn't notice that its queue was deleted (contract.md rule 9).
func TestAStepGetsItsQueueBack(t *testing.T) {
	for name, remove := range map[string]func(*world) error{
		"queue": func(w *world) error {
			_, err := w.Broker().DeleteQueue("test", "chain:mid:1:messages", false, false)
			return err
		},
		"exchange": func(w *world) error { return w.Broker().DeleteExchange("test", "chain", false) },
	} {
		t.Run(name, func(t *testing.T) {
			w := startWorld(t, t.TempDir())
			w.open(1000)
			w.apply(chain)
			w.sendAll("chain", `{"n":1}`)
			w.arrive("out", 1)
			if err := remove(w); err != nil {
				t.Fatal(err)
			}
			eventually(t, "restarted", func() (bool, any) { s := w.status("mid:1"); return s.Restarts > 0 && s.State == local.Running, s })
			if failure := w.status("mid:1").Failure; failure == nil || !strings.Contains(failure.Error(), "it has lost its queue or its exchange") {
				t.Errorf("the restart's reason is %v", failure)
			}
			eventually(t, "taking requests", func() (bool, any) { code := w.send("chain", `{"n":2}`); return code == http.StatusOK, code })
			if got := w.arrive("out", 2); got[len(got)-1] != 2 {
				t.Errorf("arrived: %v", got)
			}
			if metric := `leat_watchdog_restarts_total{flow="chain",namespace="test",problem="queue missing",step="mid:1"} 1`; !w.counted(metric) {
				t.Errorf("no %s in the metrics", metric)
			}
		})
	}
}

// A component whose start hangs looks alive to whoever sees just its process.
func TestADeafStepIsNamedAndRestarted(t *testing.T) {
	w := startWorld(t, t.TempDir(), func(o *local.Options) {
		o.Commands = map[string]local.Command{"acme/deaf": {Line: "sleep 1000"}}
		o.Watch.DeafAfter = 300 * time.Millisecond
	})
	if err := w.Apply(t.Context(), parse(t, changed(t, "acme/gate", "acme/deaf"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "restarted twice", func() (bool, any) { s := w.status("mid:1"); return s.Restarts > 1, s })
	if failure := w.status("mid:1").Failure; !strings.Contains(failure.Error(), "it runs, but hasn't consumed its queue for") {
		t.Errorf("the restart's reason is %v", failure)
	}
	eventually(t, "named by /readyz", func() (bool, any) {
		code, text := w.get("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(text, `"chain/mid:1":"`) && strings.Contains(text, "hasn't consumed its queue"), text
	})
	for _, step := range []string{"in", "out"} {
		if s := w.status(step); s.Restarts > 0 {
			t.Errorf("%s was restarted too: %v", step, s.Failure)
		}
	}
}

func TestAStuckStepIsRestartedAndItsMessageProcessed(t *testing.T) {
	w := startWorld(t, t.TempDir())
	w.apply(changed(t, "data: {depth: 1}", "env: {LEAT_STUCK_AFTER: 500ms}"))
	w.sendAll("chain", `{"n":1}`)
	eventually(t, "found stuck", func() (bool, any) {
		_, text := w.get("/readyz")
		return strings.Contains(text, "it holds 1 message and has settled none for"), text
	})
	w.open(1000) // the step finishes what it has in work, and starts again
	eventually(t, "restarted", func() (bool, any) { s := w.status("mid:1"); return s.Restarts > 0 && s.State == local.Running, s })
	if diff := cmp.Diff([]int{1}, w.arrive("out", 1)); diff != "" {
		t.Errorf("what arrived (-want +got):\n%s", diff)
	}
}
