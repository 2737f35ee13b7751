package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/store"
)

// publisher notes what is published, or fails.
type publisher struct {
	sent []amqp.Publishing
	err  error
	then func() // what happens before Publish returns; may be nil
}

func (p *publisher) Publish(_ context.Context, _ string, m amqp.Publishing) error {
	if p.err != nil {
		return p.err
	}
	p.sent = append(p.sent, m)
	if p.then != nil {
		p.then()
	}
	return nil
}

func TestAReplayThatFailsAtOnceLeavesTheErrorOpen(t *testing.T) {
	a, p, s := errorWorldWithStore(t)
	p.then = func() {
		failure := store.Failure{Source: store.DeadLetter, Namespace: "n", Flow: "f", Step: "s", Message: "m-1", Time: time.Now(), Reason: "boom"}
		if _, err := s.Record(t.Context(), failure); err != nil {
			t.Error(err)
		}
	}
	if code, body := call(t, a, "POST", "/api/errors/1/replay"); code != 200 {
		t.Fatalf("got %d %v", code, body)
	}
	if got := states(t, a)["boom"]; got != "open" {
		t.Errorf("state %s, want open", got)
	}
}

// errorWorld is an error API over a store with three open errors of flow "f": of a dead letter, of a message that no queue took, and one
// whose message isn't known.
func errorWorld(t *testing.T) (*api.ErrorAPI, *publisher) {
	t.Helper()
	a, p, _ := errorWorldWithStore(t)
	return a, p
}

func errorWorldWithStore(t *testing.T) (*api.ErrorAPI, *publisher, *store.Store) {
	t.Helper()
	s, err := store.New(store.Options{Database: filepath.Join(t.TempDir(), "db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, f := range []store.Failure{
		{Source: store.DeadLetter, Namespace: "n", Flow: "f", Step: "s", Execution: "x", Message: "m-1", Time: time.Now(), Reason: "boom",
			Headers: message.Headers{"messageId": "m-1", "taskId": "f", "x-death": "gone", "reboundIteration": 3}, Input: []byte(`{"body":{"a":1}}`)},
		{Source: store.Unroutable, Namespace: "n", Flow: "f", Step: "s", Message: "m-2", Time: time.Now(), Reason: "no queue",
			Headers: message.Headers{"messageId": "m-2", "x-leat-routing-key": "f.t.input"}, Input: []byte(`{"body":{"a":2}}`)},
		{Source: store.Report, Namespace: "n", Flow: "f", Step: "s", Time: time.Now(), Reason: "no start"},
	} {
		if _, err := s.Record(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	p := new(publisher)
	a := api.NewErrorAPI(s, p, slog.New(slog.DiscardHandler))
	a.Update([]plan.Entry{{Namespace: "n", Flow: "f", VHost: "n", Exchange: "f", UserID: "leat", CryptoPassword: password, CryptoIV: iv}})
	return a, p, s
}

func call(t *testing.T, h http.Handler, method, target string) (int, map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	var body map[string]any
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatalf("%s %s: %v: %s", method, target, err, w.Body)
		}
	}
	return w.Code, body
}

func states(t *testing.T, a *api.ErrorAPI) map[string]string {
	t.Helper()
	_, body := call(t, a, "GET", "/api/errors?flow=f")
	got := map[string]string{}
	for _, e := range body["errors"].([]any) {
		e := e.(map[string]any)
		got[e["reason"].(string)] = e["state"].(string)
	}
	return got
}

func TestAReplaySendsTheMessageAgainWithItsID(t *testing.T) {
	a, p := errorWorld(t)
	if code, body := call(t, a, "POST", "/api/errors/1/replay"); code != 200 || body["changed"] != 1.0 {
		t.Fatalf("got %d %v", code, body)
	}
	cipher, err := message.NewCipher(password, iv)
	if err != nil {
		t.Fatal(err)
	}
	got := p.sent[0]
	if got.Exchange != "f" || got.Key != "f.s.input" {
		t.Errorf("sent to %s with key %s", got.Exchange, got.Key)
	}
	if plain, err := cipher.Decrypt(got.Body, 1); err != nil || string(plain) != `{"body":{"a":1}}` {
		t.Errorf("body %s, %v", plain, err)
	}
	if id := got.Headers["execId"]; id == "" || id == nil {
		t.Error("no execId")
	}
	delete(got.Headers, "execId")
	want := message.Headers{"messageId": "m-1", "taskId": "f", "userId": "leat", "x-eio-meta-trace-id": "x", "protocolVersion": int32(1)}
	if diff := cmp.Diff(want, got.Headers); diff != "" {
		t.Error(diff)
	}
	if got := states(t, a)["boom"]; got != "replayed" {
		t.Errorf("state %s", got)
	}
}

// Node's library acknowledges a message that came back too often: only its report tells of it (contract.md section 8, 12).
func TestAReplayOfWhatOnlyAReportTellsOfKeepsItsID(t *testing.T) {
	a, p, s := errorWorldWithStore(t)
	report := store.Failure{Source: store.Report, Namespace: "n", Flow: "f", Step: "s", Execution: "trace", Message: "m-9", Time: time.Now(), Reason: "Rebound limit exceeded", Input: []byte(`{"body":{}}`)}
	id, err := s.Record(t.Context(), report)
	if err != nil {
		t.Fatal(err)
	}
	if code, body := call(t, a, "POST", fmt.Sprintf("/api/errors/%d/replay", id)); code != 200 {
		t.Fatalf("got %d %v", code, body)
	}
	got := p.sent[0].Headers
	delete(got, "execId") // any
	want := message.Headers{"messageId": "m-9", "taskId": "f", "userId": "leat", "x-eio-meta-trace-id": "trace", "protocolVersion": int32(1)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAReplayOfAnUnroutableMessageUsesItsOwnKey(t *testing.T) {
	a, p := errorWorld(t)
	if code, body := call(t, a, "POST", "/api/errors/2/replay"); code != 200 {
		t.Fatalf("got %d %v", code, body)
	}
	if key := p.sent[0].Key; key != "f.t.input" {
		t.Errorf("key %s", key)
	}
}

func TestAReplayThatTheBrokerDidNotConfirmLeavesTheErrorOpen(t *testing.T) {
	a, p := errorWorld(t)
	p.err = amqp.ErrUnavailable
	if code, _ := call(t, a, "POST", "/api/errors/1/replay"); code != http.StatusServiceUnavailable {
		t.Errorf("got %d", code)
	}
	if got := states(t, a)["boom"]; got != "open" {
		t.Errorf("state %s", got)
	}
}

func TestAllOpenErrorsOfAFlowAreReplayedTheOldestFirst(t *testing.T) {
	a, p := errorWorld(t)
	call(t, a, "POST", "/api/errors/3/discard") // it has no message
	code, body := call(t, a, "POST", "/api/errors/replay?flow=f&step=s")
	if code != 200 || body["changed"] != 2.0 {
		t.Fatalf("got %d %v", code, body)
	}
	if p.sent[0].Headers.Text("messageId") != "m-1" || p.sent[1].Headers.Text("messageId") != "m-2" {
		t.Errorf("order: %v, %v", p.sent[0].Headers, p.sent[1].Headers)
	}
	want := map[string]string{"boom": "replayed", "no queue": "replayed", "no start": "discarded"}
	if diff := cmp.Diff(want, states(t, a)); diff != "" {
		t.Error(diff)
	}
}

func TestBadRequestsForErrorsGetAClearAnswer(t *testing.T) {
	tests := []struct {
		method, target string
		code           int
		text           string
	}{
		{"GET", "/api/errors?state=odd", 400, `state: expected open, replayed or discarded, found "odd"`},
		{"GET", "/api/errors?limit=0", 400, `limit: expected 1 to 1000, found "0"`},
		{"GET", "/api/errors?before=x", 400, `before: expected the id of an error, found "x"`},
		{"GET", "/api/errors/x", 400, `expected the id of an error, found "x"`},
		{"GET", "/api/errors/99", 404, "no such error"},
		{"POST", "/api/errors/3/replay", 409, "the message is not known: there is nothing to send again"},
		{"POST", "/api/errors/replay", 400, "flow: missing; name the flow whose errors are meant"},
	}
	a, p := errorWorld(t)
	for _, tt := range tests {
		code, body := call(t, a, tt.method, tt.target)
		if code != tt.code || body["error"] != tt.text {
			t.Errorf("%s %s: got %d %v, want %d %s", tt.method, tt.target, code, body["error"], tt.code, tt.text)
		}
	}
	a.Update(nil)
	if code, body := call(t, a, "POST", "/api/errors/1/replay"); code != 409 || body["error"] != "the flow doesn't run here" {
		t.Errorf("flow away: got %d %v", code, body)
	}
	if len(p.sent) > 0 {
		t.Errorf("sent %v", p.sent)
	}
}

func TestANamespaceInTheQueryHidesAllOthers(t *testing.T) {
	a, p := errorWorld(t)
	for path, want := range map[string]int{"/api/errors/1?namespace=n": 200, "/api/errors/1": 200, "/api/errors/1?namespace=other": 404} {
		if code, body := call(t, a, "GET", path); code != want {
			t.Errorf("GET %s: %d %v, want %d", path, code, body, want)
		}
	}
	for _, path := range []string{"/api/errors/1/replay?namespace=other", "/api/errors/1/discard?namespace=other"} {
		if code, body := call(t, a, "POST", path); code != 404 {
			t.Errorf("POST %s: %d %v, want 404", path, code, body)
		}
	}
	if code, body := call(t, a, "POST", "/api/errors/replay?flow=f&namespace=other"); code != 200 || body["changed"] != 0.0 {
		t.Errorf("replay all of another namespace: %d %v, want none changed", code, body)
	}
	if len(p.sent) > 0 {
		t.Errorf("%d messages were sent again, want none", len(p.sent))
	}
}
