package sailors_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openintegrationhub/leat/internal/polltest"
)

// ferrymanRow is a message to a ferryman step, and what comes of it at the step behind and in the list of errors.
type ferrymanRow struct {
	name     string
	send     map[string]any
	sunk     []string
	failures []string
	reply    *answer
}

var ferrymanRows = []ferrymanRow{
	{
		name: "echo",
		send: map[string]any{"do": "echo", "n": 1, "text": "wörld"},
		sunk: []string{`{"do":"echo","n":1,"text":"wörld"}`},
	},
	{
		name:     "thrown error",
		send:     map[string]any{"do": "throw", "n": 2, "text": "boom"},
		failures: []string{"work:1: boom"},
	},
	{
		name: "several emits",
		send: map[string]any{"do": "many", "n": 3},
		sunk: []string{`{"i":1,"n":3}`, `{"i":2,"n":3}`, `{"i":3,"n":3}`},
	},
	{
		name: "rebound, then success",
		send: map[string]any{"do": "rebound", "n": 4, "text": "later", "times": 1},
		sunk: []string{`{"n":4}`},
	},
	{
		name:     "rebound to the limit",
		send:     map[string]any{"do": "rebound", "n": 5, "text": "never"},
		failures: []string{"work:1: Rebound limit exceeded"},
	},
	{
		name: "snapshot",
		send: map[string]any{"do": "snapshot", "n": 6},
	},
	{
		name: "snapshot, read back",
		send: map[string]any{"do": "info", "n": 7},
		sunk: []string{`{"cfg":{"colour":"blue","nodeSettings":{}},"n":7,"snapshot":{"a":6,"b":2}}`},
	},
	{
		name:  "httpReply, without the configuration",
		send:  map[string]any{"do": "reply", "n": 8, "text": "hi"},
		reply: &answer{status: http.StatusCreated, header: http.Header{"X-Reply": {"own"}}, body: `{"text":"hi"}`},
	},
}

// TestFerryman has a component made with ferryman between two others.
func TestFerryman(t *testing.T) {
	each(t, ferryman, func(t *testing.T, p platform, g generation) {
		s := play(t, p, `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: ferry, namespace: NAMESPACE}
spec:
  nodes:
    - {id: first, image: test/node-2.7.8, function: plain, first: true}
    - id: "work:1"
      image: `+g.image()+`
      function: act
      data: {colour: blue}
      env: {LEAT_LIBRARY: ferryman, ELASTICIO_REBOUND_INITIAL_EXPIRATION: "50", ELASTICIO_REBOUND_LIMIT: "3"}
    - {id: next, image: test/sink, function: keep}
  connections: [{from: first, to: "work:1"}, {from: "work:1", to: next}]
`)
		for _, r := range ferrymanRows {
			t.Run(r.name, func(t *testing.T) { s.on(t).ferry(r) })
		}
	})
}

func (s *scene) ferry(r ferrymanRow) {
	s.t.Helper()
	before := len(s.p.world().sunk(s.flow.Name))
	if r.reply == nil {
		s.tell(r.send)
	} else {
		got := s.send(r.send, 10*time.Second)
		if strings.Contains(got.body, "passedCfg") || strings.Contains(got.body, "blue") {
			s.t.Errorf("the reply has the configuration in it: %s", got.body)
		}
		s.replied(*r.reply, got)
	}
	polltest.Within(patience, func() bool {
		return len(s.p.world().sunk(s.flow.Name)) >= before+len(r.sunk) && len(s.failures()) >= len(r.failures)
	})
	s.settled()
	if diff := cmp.Diff(r.sunk, s.p.world().sunk(s.flow.Name)[before:], cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("messages at the next step (-want +got):\n%s", diff)
	}
	s.expectFailures(r.failures...)
}
