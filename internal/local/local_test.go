package local_test

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/local"
)

func TestSecretsStayWithTheDataFolder(t *testing.T) {
	secrets := func(folder string) map[string]string {
		w := startWorld(t, folder)
		w.apply(chain)
		found := map[string]string{}
		for _, step := range []string{"in", "out"} {
			for _, name := range []string{"ELASTICIO_API_KEY", "ELASTICIO_MESSAGE_CRYPTO_PASSWORD", "ELASTICIO_MESSAGE_CRYPTO_IV"} {
				found[step+" "+name] = w.getenv(step, name)
			}
			account, _, _ := strings.Cut(w.getenv(step, "ELASTICIO_AMQP_URI"), "@")
			found[step+" account"] = account
		}
		w.stop()
		return found
	}
	folder := t.TempDir()
	first := secrets(folder)
	if diff := cmp.Diff(first, secrets(folder)); diff != "" {
		t.Errorf("secrets changed over a restart (-first +second):\n%s", diff)
	}
	other := secrets(t.TempDir())
	for name, value := range first {
		if value == "" || value == other[name] {
			t.Errorf("%s is %q in another data folder too", name, other[name])
		}
	}
	if first["in ELASTICIO_API_KEY"] == first["out ELASTICIO_API_KEY"] || first["in account"] == first["out account"] {
		t.Error("two steps share a secret")
	}
}

func TestWaitingMessagesAreWorkedOnAfterARestart(t *testing.T) {
	folder := t.TempDir()
	w := startWorld(t, folder)
	w.apply(changed(t, "acme/gate, ", "acme/gate, replicas: 0, "))
	w.sendAll("chain", `{"n":1}`, `{"n":2}`, `{"n":3}`)
	w.arrive("in", 3)
	w.stop()
	w = startWorld(t, folder)
	w.open(1000)
	w.apply(chain)
	got := w.arrive("out", 3)
	slices.Sort(got)
	if diff := cmp.Diff([]int{1, 2, 3}, slices.Compact(got)); diff != "" {
		t.Errorf("messages after the restart (-want +got):\n%s", diff)
	}
}

func TestReadyzTellsWhatIsMissing(t *testing.T) {
	w := startWorld(t, t.TempDir())
	if code, text := w.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, `"flows":"not started yet"`) {
		t.Errorf("/readyz before the first flows: %d %s", code, text)
	}
	if code, text := w.get("/healthz"); code != http.StatusOK {
		t.Errorf("/healthz before the first flows: %d %s", code, text)
	}
	w.seen.failing = true
	if err := w.Apply(t.Context(), parse(t, changed(t, "acme/gate", "acme/open"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "told", func() (bool, any) {
		code, text := w.get("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(text, `"chain/mid:1":"waiting: `) && strings.Contains(text, "no such server"), text
	})
	w.seen.mu.Lock()
	w.seen.failing = false
	w.seen.mu.Unlock()
	eventually(t, "ready", func() (bool, any) {
		code, text := w.get("/readyz")
		return code == http.StatusOK, text
	})
	i := slices.IndexFunc(w.Steps(), func(s local.StepStatus) bool { return s.Step == "mid:1" })
	if s := w.Steps()[i]; s.State != local.Running || s.Restarts == 0 || s.Failure == nil {
		t.Errorf("the step that had failed: %+v", s)
	}
}

func TestADataFolderBelongsToOne(t *testing.T) {
	folder := t.TempDir()
	w := startWorld(t, folder)
	second, err := local.New(local.Options{Data: folder, Builtin: w.builtin, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(); err == nil || !strings.Contains(err.Error(), "is in use by process ") {
		t.Errorf("second start: %v", err)
	}
	w.stop()
	third := startWorld(t, folder)
	third.apply(chain)
}

func TestNewRefusesIncompleteOptions(t *testing.T) {
	full := local.Options{Data: "data", Logger: slog.New(slog.DiscardHandler), Builtin: func(string) (local.Builtin, bool) { return local.Builtin{}, false }}
	for name, change := range map[string]func(*local.Options){
		"Data":    func(o *local.Options) { o.Data = "" },
		"Logger":  func(o *local.Options) { o.Logger = nil },
		"Builtin": func(o *local.Options) { o.Builtin = nil },
	} {
		o := full
		change(&o)
		if _, err := local.New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestCommandsAreFoundWithAndWithoutTag(t *testing.T) {
	commands := map[string]local.Command{"acme/a": {Line: "a"}, "acme/a:2": {Line: "a2"}, "host:5000/acme/b": {Line: "b"}}
	for image, want := range map[string]string{
		"acme/a": "a", "acme/a:1": "a", "acme/a:2": "a2", "acme/a@sha256:00": "a", "acme/a:3@sha256:00": "a",
		"host:5000/acme/b": "b", "host:5000/acme/b:1": "b", "acme/b": "", "acme/aa": "", "": "",
	} {
		if got, ok := local.FindCommand(commands, image); got.Line != want || ok != (want != "") {
			t.Errorf("FindCommand(%q): %q, %v; want %q", image, got.Line, ok, want)
		}
	}
}

func TestAStopWhileFlowsStartIsClean(t *testing.T) {
	w := startWorld(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	applied := make(chan struct{})
	go func() {
		defer close(applied)
		w.Apply(ctx, parse(t, chain)) // may fail, but has to end
	}()
	cancel()
	<-applied
	w.stop()
}
