package sailors_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// actFlow is a flow whose first step does what each message says, and a sink behind it. Its id has a colon, as elastic.io's have.
func actFlow(name string, g generation) string {
	return `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: ` + name + `, namespace: NAMESPACE}
spec:
  nodes:
    - id: "work:1"
      image: ` + g.image() + `
      function: act
      first: true
      data: {_account: acc-1, colour: blue}
      env: {ELASTICIO_REBOUND_INITIAL_EXPIRATION: "50", ELASTICIO_REBOUND_LIMIT: "3"}
    - {id: next, image: test/sink, function: keep}
  connections: [{from: "work:1", to: next}]
`
}

// row of the matrix: a message, and all that has to come of it.
type row struct {
	name string
	send map[string]any
	// want is what is published, as scene.line writes it.
	want []string
	// failures are entries of the list of errors.
	failures []string
	// reply is what the sender gets when it waits for a reply.
	reply *answer
}

var rows = []row{
	{
		name: "echo",
		send: map[string]any{"do": "echo", "n": 1, "text": "wörld <&>"},
		want: []string{`work:1 message {"do":"echo","n":1,"text":"wörld \u003c\u0026\u003e"}`},
	},
	{
		name: "emit in place of return",
		send: map[string]any{"do": "emit", "n": 2},
		want: []string{`work:1 message {"do":"emit","n":2}`},
	},
	{
		name: "no result",
		send: map[string]any{"do": "nothing", "n": 3},
	},
	{
		name:     "thrown error",
		send:     map[string]any{"do": "throw", "n": 4, "text": "boom"},
		want:     []string{`work:1 error boom`, `work:1 deadletter {"do":"throw","n":4,"text":"boom"}`},
		failures: []string{"work:1: boom"},
	},
	{
		name:     "emitted error",
		send:     map[string]any{"do": "emitError", "n": 5, "text": "bäng"},
		want:     []string{`work:1 error bäng`, `work:1 deadletter {"do":"emitError","n":5,"text":"bäng"}`},
		failures: []string{"work:1: bäng"},
	},
	{
		name: "rebound, then success",
		send: map[string]any{"do": "rebound", "n": 6, "text": "later", "times": 1},
		want: []string{`work:1 rebound 1 later`, `work:1 message {"do":"rebound","n":6,"text":"later","times":1}`},
	},
	{
		name:     "rebound to the limit",
		send:     map[string]any{"do": "rebound", "n": 7, "text": "never"},
		want:     []string{`work:1 rebound 1 never`, `work:1 rebound 2 never`, `work:1 rebound 3 never`, `work:1 error Rebound limit exceeded`},
		failures: []string{"work:1: Rebound limit exceeded"},
	},
	{
		name:  "httpReply",
		send:  map[string]any{"do": "reply", "n": 8, "text": "hi"},
		want:  []string{"reply"},
		reply: &answer{status: http.StatusCreated, header: http.Header{"X-Reply": {"own"}, "Content-Type": {"application/json"}}, body: `{"text":"hi"}`},
	},
	{
		name: "several emits",
		send: map[string]any{"do": "many", "n": 9},
		want: []string{`work:1 message {"i":1,"n":9}`, `work:1 message {"i":2,"n":9}`, `work:1 message {"i":3,"n":9}`},
	},
	{
		name: "custom routing key",
		send: map[string]any{"do": "key", "n": 10, "key": "act.next.input"},
		want: []string{`next input {"do":"key","key":"act.next.input","n":10}`},
	},
	{
		name: "snapshot",
		send: map[string]any{"do": "snapshot", "n": 11},
		want: []string{`work:1 snapshot snapshot {"a":11,"b":1}`, `work:1 snapshot updateSnapshot {"b":2}`},
	},
	{
		name: "updateKeys",
		send: map[string]any{"do": "keys", "n": 12, "text": "new"},
	},
}

// TestMessages sends one message for each deed to each generation, and looks at all that comes of it.
func TestMessages(t *testing.T) {
	each(t, node, func(t *testing.T, p platform, g generation) {
		s := play(t, p, actFlow("act", g))
		for _, r := range rows {
			t.Run(r.name, func(t *testing.T) { s.on(t).row(r) })
		}
		snapshot := "{}"
		if g.rereads {
			snapshot = `{"a":1}`
		}
		t.Run("what it stored, in the snapshot", func(t *testing.T) {
			s.on(t).row(row{send: map[string]any{"do": "state", "n": 10}, want: []string{"work:1 message " + snapshot}})
		})
		t.Run("what it stored is there after a restart", func(t *testing.T) {
			s := s.on(t)
			s.restart("work:1")
			n := len(s.from(0))
			s.tell(map[string]any{"do": "info", "n": 13})
			s.expect(n, []string{`work:1 message {"cfg":{"_account":"acc-1","colour":"blue","oauth":{"token":"new"}},"n":13,"snapshot":{"a":11,"b":2}}`})
		})
		s.on(t).arrived()
	})
}

// row sends the row's message and checks all that comes of it.
func (s *scene) row(r row) {
	s.t.Helper()
	n := len(s.from(0))
	if r.reply == nil {
		s.tell(r.send)
	} else {
		s.replied(*r.reply, s.send(r.send, 10*time.Second))
	}
	s.expect(n, r.want)
	s.expectFailures(r.failures...)
}

// replied compares an answer with what it should be; other headers don't matter.
func (s *scene) replied(want, got answer) {
	s.t.Helper()
	header := http.Header{}
	for name := range want.header {
		header[name] = got.header[name]
	}
	got.header = header
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(answer{})); diff != "" {
		s.t.Errorf("answer (-want +got):\n%s", diff)
	}
}

// arrived fails unless the sink has got each message that was meant for it, once.
func (s *scene) arrived() {
	s.t.Helper()
	type numbered struct {
		N int `json:"n"`
		I int `json:"i"`
	}
	var got []numbered
	for _, text := range s.p.world().sunk(s.flow.Name) {
		var m numbered
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			s.t.Fatal(err)
		}
		got = append(got, m)
	}
	want := []numbered{{N: 1}, {N: 2}, {N: 6}, {9, 1}, {9, 2}, {9, 3}, {N: 10}, {N: 13}}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("messages in the sink (-want +got):\n%s", diff)
	}
}

// javaRows are what the Java library does otherwise: its component can't make JSON of its own; a message that comes back from a rebound has
// lost its messageId, and at the limit it's an error like others; there are no routing keys of messages; snapshots don't say what they are. The
// configuration is read at the start, and so is the snapshot before version 4.0.2.
var javaRows = []row{
	{
		name: "echo",
		send: map[string]any{"do": "echo", "n": 1, "text": "wörld"},
		want: []string{`work:1 message {"do":"echo","n":1,"text":"wörld"}`},
	},
	{
		name: "no result",
		send: map[string]any{"do": "nothing", "n": 2},
	},
	{
		name:     "thrown error",
		send:     map[string]any{"do": "throw", "n": 3, "text": "boom"},
		want:     []string{`work:1 error boom`, `work:1 deadletter {"do":"throw","n":3,"text":"boom"}`},
		failures: []string{"work:1: java.lang.IllegalStateException: boom"},
	},
	{
		name: "rebound to the limit",
		send: map[string]any{"do": "rebound", "n": 4, "text": "never"},
		want: []string{`work:1 rebound 1 never`, `work:1 rebound 2 never`, `work:1 rebound 3 never`, `work:1 error Rebound limit exceeded`,
			`NO ID work:1 deadletter {"do":"rebound","n":4,"text":"never"}`},
		failures: []string{"work:1: java.lang.RuntimeException: Rebound limit exceeded"},
	},
	{
		name:  "httpReply",
		send:  map[string]any{"do": "reply", "n": 5, "text": "hi"},
		want:  []string{"reply"},
		reply: &answer{status: http.StatusCreated, header: http.Header{"X-Reply": {"own"}, "Content-Type": {"application/json"}}, body: `{"text":"hi"}`},
	},
	{
		name: "several emits",
		send: map[string]any{"do": "many", "n": 6},
		want: []string{`work:1 message {"do":"many","n":6}`, `work:1 message {"do":"many","n":6}`, `work:1 message {"do":"many","n":6}`},
	},
	{
		name: "custom routing key",
		send: map[string]any{"do": "key", "n": 7, "headers": map[string]any{"X-EIO-Routing-Key": "act.next.input"}},
		want: []string{`work:1 message {"do":"key","headers":{"X-EIO-Routing-Key":"act.next.input"},"n":7}`},
	},
	{
		name: "snapshot",
		send: map[string]any{"do": "snapshot", "n": 8, "state": map[string]any{"a": 1}},
		want: []string{`work:1 snapshot  {"a":1}`},
	},
	{
		name: "updateKeys",
		send: map[string]any{"do": "keys", "n": 9, "keys": map[string]any{"oauth": map[string]any{"token": "new"}}},
	},
	{
		name: "configuration of the start",
		send: map[string]any{"do": "config", "n": 11},
		want: []string{`work:1 message {"_account":"acc-1","colour":"blue"}`},
	},
}

// TestJavaMessages is TestMessages for the Java library.
func TestJavaMessages(t *testing.T) {
	each(t, java, func(t *testing.T, p platform, g generation) {
		s := play(t, p, actFlow("act", g))
		for _, r := range javaRows {
			t.Run(r.name, func(t *testing.T) { s.on(t).row(r) })
		}
		t.Run("what it stored is there after a restart", func(t *testing.T) {
			s := s.on(t)
			s.restart("work:1")
			s.row(row{
				send: map[string]any{"do": "config", "n": 12},
				want: []string{`work:1 message {"_account":"acc-1","colour":"blue","oauth":{"token":"new"}}`},
			})
			s.row(row{send: map[string]any{"do": "state", "n": 13}, want: []string{`work:1 message {"a":1}`}})
		})
	})
}
