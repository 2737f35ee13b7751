package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/local"
	"github.com/openintegrationhub/leat/internal/logtest"
	"github.com/openintegrationhub/leat/internal/polltest"
)

// Goroutines of idle HTTP connections of the tests' own client are closed by each test; nothing else may stay.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a World that runs, with components that tell the test what happens to them.
type world struct {
	*local.World
	t    *testing.T
	log  *logtest.Buffer
	stop func() // ends Run and waits for it
	seen *recorder
}

// recorder is the memory of the test's components.
type recorder struct {
	mu        sync.Mutex // guards what follows
	opened    map[string]int
	bodies    map[string][]string
	variables map[string]func(string) string
	failing   bool          // acme/open can't open
	gate      chan struct{} // acme/gate takes one of it for each message
}

// startWorld runs a World over a data folder.
func startWorld(t *testing.T, folder string, changes ...func(*local.Options)) *world {
	t.Helper()
	w := &world{t: t, log: new(logtest.Buffer), seen: &recorder{
		opened: map[string]int{}, bodies: map[string][]string{}, variables: map[string]func(string) string{}, gate: make(chan struct{}, 1000),
	}}
	var err error
	options := local.Options{Data: folder, Listen: "localhost:0", AMQP: "127.0.0.1:0", Builtin: w.builtin, Logger: slog.New(slog.NewTextHandler(w.log, nil))}
	for _, change := range changes {
		change(&options)
	}
	w.World, err = local.New(options)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(2 * local.StopTimeout):
			t.Error("the world doesn't stop")
		}
		http.DefaultClient.CloseIdleConnections()
	})
	t.Cleanup(func() {
		w.stop()
		if t.Failed() {
			t.Logf("log:\n%s", w.log.String())
		}
	})
	return w
}

// builtin has acme/pass, which hands messages on; acme/gate, which does so when the test lets it; and acme/open, which may fail to start.
func (w *world) builtin(image string) (local.Builtin, bool) {
	name, ok := strings.CutPrefix(image, "acme/")
	name, _, _ = strings.Cut(name, ":")
	if !ok || name != "pass" && name != "gate" && name != "open" {
		return local.Builtin{}, false
	}
	return local.Builtin{Name: name, Functions: map[string]component.Function{"run": func(step *component.Step) (component.Process, error) {
		w.seen.mu.Lock()
		defer w.seen.mu.Unlock()
		w.seen.opened[step.ID]++
		w.seen.variables[step.ID] = step.Getenv
		if name == "open" && w.seen.failing {
			return nil, fmt.Errorf("no such server")
		}
		return func(ctx context.Context, in *component.Message, out component.Output) error {
			if name == "gate" {
				select {
				case <-w.seen.gate:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			w.seen.mu.Lock()
			w.seen.bodies[step.ID] = append(w.seen.bodies[step.ID], string(in.Body))
			w.seen.mu.Unlock()
			return out.Emit(&component.Message{Body: in.Body})
		}, nil
	}}}, true
}

func (w *world) opened(step string) int {
	w.seen.mu.Lock()
	defer w.seen.mu.Unlock()
	return w.seen.opened[step]
}

func (w *world) bodies(step string) []string {
	w.seen.mu.Lock()
	defer w.seen.mu.Unlock()
	return append([]string(nil), w.seen.bodies[step]...)
}

func (w *world) getenv(step, name string) string {
	w.seen.mu.Lock()
	defer w.seen.mu.Unlock()
	return w.seen.variables[step](name)
}

// apply applies flows, given as text, and waits until all of them run.
func (w *world) apply(texts ...string) {
	w.t.Helper()
	if err := w.Apply(w.t.Context(), parse(w.t, texts...)); err != nil {
		w.t.Fatal(err)
	}
	eventually(w.t, "ready", func() (bool, any) {
		code, text := w.get("/readyz")
		return code == http.StatusOK, text
	})
}

func parse(t *testing.T, texts ...string) []*flow.Flow {
	t.Helper()
	var flows []*flow.Flow
	for _, text := range texts {
		found, err := flow.Parse("flow.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		flows = append(flows, found...)
	}
	return flows
}

// get asks the world's HTTP server.
func (w *world) get(path string) (code int, text string) {
	w.t.Helper()
	response, err := http.Get("http://" + w.Addr().String() + path)
	if err != nil {
		w.t.Fatal(err)
	}
	return read(w.t, response)
}

// send sends a message into a flow and returns the answer's status.
func (w *world) send(flow, body string) int {
	w.t.Helper()
	response, err := http.Post("http://"+w.Addr().String()+"/flow/"+flow, "application/json", strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	code, _ := read(w.t, response)
	return code
}

func read(t *testing.T, response *http.Response) (code int, text string) {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// arrive waits until a step has got n messages, and returns what their members n are.
func (w *world) arrive(step string, n int) []int {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("%d messages in %s", n, step), func() (bool, any) {
		got := w.bodies(step)
		return len(got) >= n, got
	})
	var numbers []int
	for _, body := range w.bodies(step) {
		var b struct{ N int }
		if err := json.Unmarshal([]byte(body), &b); err != nil {
			w.t.Fatal(err)
		}
		numbers = append(numbers, b.N)
	}
	return numbers
}

// eventually asks until it's true, with a bound that only a broken program reaches.
func eventually(t *testing.T, what string, done func() (ok bool, state any)) {
	t.Helper()
	polltest.Eventually(t, 20*time.Second, what, done)
}
