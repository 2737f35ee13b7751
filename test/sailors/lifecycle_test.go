package sailors_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/test/rabbitmq"
)

func count(notes []string, note string) (n int) {
	for _, line := range notes {
		if line == note {
			n++
		}
	}
	return n
}

// TestTermination ends a process with SIGTERM in the middle of a message: its outcome comes once.
func TestTermination(t *testing.T) {
	eachSailor(t, func(t *testing.T, p platform, g generation) {
		s := play(t, p, actFlow("act", g))
		s.tell(map[string]any{"do": "slow", "n": 1, "ms": 700})
		s.awaitNote("work:1", "begin 1")
		old := s.pid("work:1")
		s.signal("work:1", syscall.SIGTERM)
		s.again("work:1", old)
		s.expect(0, []string{`work:1 message {"do":"slow","ms":700,"n":1}`})
		want := 2 // old generations end at once, and the message comes again
		if g.graceful {
			want = 1
		}
		if got := count(s.noted("work:1"), "begin 1"); got != want {
			t.Errorf("the message was begun %d times, want %d", got, want)
		}
		s.expectFailures()
	})
}

// TestPoison sends a message that kills its step: it's given up after some times, can be seen, and the next one is processed.
func TestPoison(t *testing.T) {
	eachSailor(t, func(t *testing.T, p platform, g generation) {
		s := play(t, p, actFlow("act", g))
		s.tell(map[string]any{"do": "poison", "n": 1})
		s.tell(map[string]any{"do": "echo", "n": 2})
		s.expect(0, []string{`work:1 deadletter {"do":"poison","n":1}`, `work:1 message {"do":"echo","n":2}`})
		if got, want := count(s.noted("work:1"), "begin 1"), deliveryLimit+1; got != want {
			t.Errorf("the message was delivered %d times, want %d", got, want)
		}
		s.expectFailures("work:1: given up: the step died of it again and again")
	})
}

// TestTick has a component as the first step of a polling flow, whose first tick comes at once.
func TestTick(t *testing.T) {
	eachSailor(t, func(t *testing.T, p platform, g generation) {
		s := play(t, p, `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: tick, namespace: NAMESPACE}
spec:
  nodes:
    - {id: clock, image: `+g.image()+`, function: tick, first: true, isPolling: true, schedule: "@yearly", data: {interval: day}}
    - {id: next, image: test/sink, function: keep}
  connections: [{from: clock, to: next}]
`)
		eventually(t, "ticked", func() (bool, any) {
			got := p.world().sunk("tick")
			return len(got) > 0, got
		})
		s.settled()
		if diff := cmp.Diff([]string{`{"ticked":true}`}, p.world().sunk("tick")); diff != "" {
			t.Errorf("messages behind the first step (-want +got):\n%s", diff)
		}
		s.expectFailures()
	})
}

// TestHooks starts a step with a startup hook, and runs its shutdown hook.
func TestHooks(t *testing.T) {
	eachSailor(t, func(t *testing.T, p platform, g generation) {
		s := play(t, p, `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: hooks, namespace: NAMESPACE}
spec:
  nodes:
    - {id: first, image: `+g.image()+`, function: hooked, first: true, data: {colour: blue}, env: {ELASTICIO_STARTUP_REQUIRED: "true"}}
    - {id: next, image: test/sink, function: keep}
  connections: [{from: first, to: next}]
`)
		s.tell(map[string]any{"n": 1})
		s.expect(0, []string{`first message {"n":1}`})
		s.stored(`{"subscription":"sub-1"}`)

		command, ok := p.world().commands[g.image()]
		if !ok {
			t.Fatal("no command")
		}
		hook := exec.CommandContext(t.Context(), "/bin/sh", "-c", command.Line)
		hook.Dir, hook.Env = command.Dir, append(os.Environ(), "ELASTICIO_HOOK_SHUTDOWN=true", "SAILOR_NOTES="+p.world().notes)
		for name, value := range s.env("first") {
			if name != "ELASTICIO_STARTUP_REQUIRED" && strings.HasPrefix(name, "ELASTICIO_") {
				hook.Env = append(hook.Env, name+"="+value)
			}
		}
		if out, err := hook.CombinedOutput(); err != nil {
			t.Errorf("shutdown hook: %v\n%s", err, out)
		}
		want := []string{`startup {"colour":"blue"}`, `init {"colour":"blue"}`, `shutdown {"colour":"blue"} {"subscription":"sub-1"}`}
		if diff := cmp.Diff(want, s.noted("first")); diff != "" {
			t.Errorf("hooks (-want +got):\n%s", diff)
		}
		s.stored(`{}`)
		s.expectFailures()
	})
}

// stored compares the startup data that the API has for the flow's first step.
func (s *scene) stored(want string) {
	s.t.Helper()
	env := s.env("first")
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, env["ELASTICIO_API_URI"]+"/sailor-support/hooks/task/"+s.flow.Name+"/startup/data", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.SetBasicAuth(env["ELASTICIO_API_USERNAME"], env["ELASTICIO_API_KEY"])
	if got := s.do(r); got.status != http.StatusOK || strings.TrimSpace(got.body) != want {
		s.t.Errorf("startup data: %d %s, want %s", got.status, got.body, want)
	}
}

// TestAPIDownAtStart starts a step while the platform API answers 503.
func TestAPIDownAtStart(t *testing.T) {
	eachSailor(t, func(t *testing.T, p platform, g generation) {
		target, err := url.Parse(p.url())
		if err != nil {
			t.Fatal(err)
		}
		var refused atomic.Int32
		proxy := httputil.NewSingleHostReverseProxy(target)
		gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if refused.Add(1) <= 4 { // the newest library asks three times before it gives up
				http.Error(w, "not yet", http.StatusServiceUnavailable)
				return
			}
			proxy.ServeHTTP(w, r)
		}))
		defer gate.Close()
		text := strings.Replace(actFlow("act", g), "env: {", fmt.Sprintf("env: {ELASTICIO_API_URI: %q, ", gate.URL), 1)
		s := play(t, p, text)
		if n := refused.Load(); n <= 4 {
			t.Errorf("the API was asked %d times", n)
		}
		s.tell(map[string]any{"do": "echo", "n": 1})
		s.expect(0, []string{`work:1 message {"do":"echo","n":1}`})
	})
}

// TestBrokerLost takes the broker away from all generations at once, while they are idle and while they work on a message.
func TestBrokerLost(t *testing.T) {
	libraries(t)
	t.Run("embedded", func(t *testing.T) { brokerLost(t, newEmbedded(t)) })
	t.Run("rabbitmq", func(t *testing.T) {
		server, err := rabbitmq.New(patientNode())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Stop(); err != nil {
				t.Error(err)
			}
		})
		brokerLost(t, newClusterOn(t, server))
	})
}

func brokerLost(t *testing.T, p platform) {
	var texts []string
	all := slices.DeleteFunc(slices.Concat(of(node), of(java)), generation.leftOut)
	for _, g := range all {
		g.present(t)
		texts = append(texts, actFlow(flowName(g), g))
	}
	scenes := playAll(t, p, texts...)
	allOf := func(what string, do func(s *scene)) {
		for i, s := range scenes {
			t.Run(all[i].name+" "+what, func(t *testing.T) { do(s.on(t)) })
		}
	}
	p.interrupt(t)
	allOf("idle", func(s *scene) {
		s.heal()
		s.tell(map[string]any{"do": "echo", "n": 1})
		s.expectOne(`work:1 message {"do":"echo","n":1}`, 1)
	})
	allOf("begins", func(s *scene) {
		s.tell(map[string]any{"do": "slow", "n": 2, "ms": 3000})
		s.awaitNote("work:1", "begin 2")
	})
	p.interrupt(t)
	allOf("busy", func(s *scene) {
		s.heal()
		s.expectOne(`work:1 message {"do":"slow","ms":3000,"n":2}`, 4)
		for _, f := range s.failures() {
			if f.Reason != lostAck {
				s.t.Errorf("in the list of errors: %s", f.Reason)
			}
		}
	})
}

// lostAck is what some versions around 2.6.29 report of a message whose connection has gone, though they have processed it.
const lostAck = "TypeError: Cannot read properties of undefined (reading 'ack')"

func flowName(g generation) string { return strings.ReplaceAll(g.name, ".", "-") }

// heal waits until the step consumes again, and taps the wire anew if the tap was lost.
func (s *scene) heal() {
	s.t.Helper()
	s.listen()
	s.ready()
}

// expectOne fails unless the flow has published this line, for one message. Where a connection broke in the middle of it the library may
// process it again: then the outcome tells by the id of its cause that it's the same.
func (s *scene) expectOne(line string, timesMax int) {
	s.t.Helper()
	eventually(s.t, "published", func() (bool, any) { return len(s.wire.causes(line)) > 0, s.from(0) })
	s.settled()
	causes := s.wire.causes(line)
	if len(causes) > timesMax || len(slices.Compact(causes)) != 1 || causes[0] == "" {
		s.t.Errorf("%s was published %d times, at most %d expected, for messages %q", line, len(causes), timesMax, causes)
	}
}

// TestMixedFlow sends messages through several generations in a row.
func TestMixedFlow(t *testing.T) {
	libraries(t)
	t.Run("node", func(t *testing.T) {
		onBrokers(t, func(t *testing.T, p platform) { mixedFlow(t, p, "node-2.2.1", "node-2.7.8") })
	})
	t.Run("node and java", func(t *testing.T) {
		newest(java).present(t)
		onBrokers(t, func(t *testing.T, p platform) { mixedFlow(t, p, "node-2.2.1", "node-2.7.8", newest(java).name) })
	})
}

// mixedFlow sends messages through components of these generations, and a Go component behind them.
func mixedFlow(t *testing.T, p platform, path ...string) {
	t.Helper()
	var nodes, connections strings.Builder
	want := ""
	for i, name := range path {
		fmt.Fprintf(&nodes, "    - {id: s%d, image: test/%s, function: pass, first: %t}\n", i+1, name, i == 0)
		fmt.Fprintf(&connections, "    - {from: s%d, to: %s}\n", i+1, map[bool]string{true: "next", false: fmt.Sprintf("s%d", i+2)}[i == len(path)-1])
		if strings.HasPrefix(name, "node") { // which note where a message came through
			want += fmt.Sprintf("/s%d", i+1)
		}
	}
	s := play(t, p, `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: mixed, namespace: NAMESPACE}
spec:
  nodes:
`+nodes.String()+`    - {id: next, image: test/sink, function: keep}
  connections:
`+connections.String())
	const messages = 20
	var all []string
	for n := range messages {
		s.tell(map[string]any{"n": n})
		text, err := json.Marshal(map[string]any{"n": n, "path": want})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	eventually(t, "through", func() (bool, any) {
		got := p.world().sunk("mixed")
		return len(got) >= messages, len(got)
	})
	s.settled()
	if diff := cmp.Diff(all, p.world().sunk("mixed")); diff != "" {
		t.Errorf("messages at the end (-want +got):\n%s", diff)
	}
	s.expectFailures()
}
