package sailors_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/polltest"
	"github.com/openintegrationhub/leat/internal/topology"
)

// scene is a flow that runs, and a tap on all that its steps publish.
type scene struct {
	t      *testing.T
	p      platform
	flow   *flow.Flow
	cipher *message.Cipher
	wire   *wire
}

// wire is what was published.
type wire struct {
	tap *amqp091.Connection

	mu      sync.Mutex // guards what follows
	lines   []string
	parents []string // of each line, the id of the message that caused it
}

// play starts a flow and returns when each of its steps consumes.
func play(t *testing.T, p platform, text string) *scene {
	t.Helper()
	return playAll(t, p, text)[0]
}

// playAll starts flows and returns when each of their steps consumes.
func playAll(t *testing.T, p platform, texts ...string) (scenes []*scene) {
	t.Helper()
	var flows []*flow.Flow
	for _, text := range texts {
		s := &scene{t: t, p: p, flow: parse(t, p, text), wire: new(wire)}
		scenes, flows = append(scenes, s), append(flows, s.flow)
	}
	p.apply(t, flows)
	for _, s := range scenes {
		t.Cleanup(func() {
			if s.wire.tap != nil {
				s.wire.tap.Close()
			}
		})
		s.ready()
		for _, n := range s.flow.Nodes {
			if env := s.env(n.ID); env != nil {
				s.decryptWith(env)
			}
		}
		s.listen()
	}
	return scenes
}

// on is the scene for a subtest.
func (s *scene) on(t *testing.T) *scene {
	return &scene{t: t, p: s.p, flow: s.flow, cipher: s.cipher, wire: s.wire}
}

// ready waits until each step has its consumer.
func (s *scene) ready() {
	s.t.Helper()
	eventually(s.t, "consuming", func() (bool, any) {
		queues := s.p.queues(s.t)
		for _, n := range s.flow.Nodes {
			if queues[topology.StepQueue(s.flow.Name, n.ID)].consumers != n.Replicas {
				return false, queues
			}
		}
		return true, nil
	})
}

// env is the environment of the step's process, nil if it isn't one.
func (s *scene) env(step string) map[string]string {
	s.t.Helper()
	text, err := os.ReadFile(s.p.world().notesOf(s.flow.Name, step, ".env"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var env map[string]string
	if err == nil {
		err = json.Unmarshal(text, &env)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return env
}

func (s *scene) decryptWith(env map[string]string) {
	s.t.Helper()
	var err error
	if s.cipher, err = message.NewCipher(env["ELASTICIO_MESSAGE_CRYPTO_PASSWORD"], env["ELASTICIO_MESSAGE_CRYPTO_IV"]); err != nil {
		s.t.Fatal(err)
	}
}

// listen taps the flow's exchange. The tap's queue is durable, so that it's there after the broker was killed.
func (s *scene) listen() {
	s.t.Helper()
	if s.wire.tap != nil && !s.wire.tap.IsClosed() {
		return
	}
	conn := s.p.connect(s.t)
	s.wire.tap = conn
	channel, err := conn.Channel()
	if err != nil {
		s.t.Fatal(err)
	}
	queue := "tap-" + s.flow.Name
	if _, err := channel.QueueDeclare(queue, true, false, false, false, nil); err != nil {
		s.t.Fatal(err)
	}
	for _, key := range []string{"*.*.message", "*.*.error", "*.*.rebound", "*.*.snapshot", "*.*.deadletter", "reply.#", "*.next.input"} {
		if err := channel.QueueBind(queue, key, s.flow.Name, false, nil); err != nil {
			s.t.Fatal(err)
		}
	}
	deliveries, err := channel.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	go func() {
		for d := range deliveries {
			s.wire.add(s.line(d), message.Headers(d.Headers).Text(message.HeaderParentMessageID))
			if err := d.Ack(false); err != nil {
				return
			}
		}
	}()
}

func (w *wire) add(line, parent string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines, w.parents = append(w.lines, line), append(w.parents, parent)
}

// causes returns the ids of the messages that caused a line, one for each time that it was published.
func (w *wire) causes(line string) (ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.lines {
		if w.lines[i] == line {
			ids = append(ids, w.parents[i])
		}
	}
	return ids
}

// line is what matters of a message on the wire.
func (s *scene) line(d amqp091.Delivery) string {
	if strings.HasPrefix(d.RoutingKey, "reply.") {
		return "reply"
	}
	headers := message.Headers(d.Headers)
	step, kind, _ := strings.Cut(strings.TrimPrefix(d.RoutingKey, s.flow.Name+"."), ".")
	step += " " + kind
	if headers.Text(message.HeaderTraceID) == "" && kind != topology.Input {
		step = "TRACE LOST " + step
	}
	switch kind {
	case topology.Error:
		var body struct{ Error, ErrorInput string }
		if err := json.Unmarshal(d.Body, &body); err != nil {
			return fmt.Sprintf("%s: %v: %q", step, err, d.Body)
		}
		var reason struct{ Message string }
		if err := json.Unmarshal([]byte(s.decrypt([]byte(body.Error), 1)), &reason); err != nil {
			return fmt.Sprintf("%s: %v", step, err)
		}
		return fmt.Sprintf("%s %s", step, reason.Message)
	case topology.Rebound:
		return fmt.Sprintf("%s %d %s", step, headers.Int(message.HeaderReboundIteration), headers.Text(message.HeaderReboundReason))
	case topology.Snapshot:
		return fmt.Sprintf("%s %s %s", step, headers.Text(message.HeaderSnapshotEvent), canonical(d.Body))
	}
	if headers.Text(message.HeaderMessageID) == "" {
		step = "NO ID " + step
	}
	var m struct{ Body json.RawMessage }
	if err := json.Unmarshal([]byte(s.decrypt(d.Body, headers.ProtocolVersion())), &m); err != nil {
		return fmt.Sprintf("%s: %v", step, err)
	}
	return step + " " + canonical(m.Body)
}

func (s *scene) decrypt(body []byte, version int) string {
	plain, err := s.cipher.Decrypt(append([]byte(nil), body...), version)
	if err != nil {
		return fmt.Sprintf("%q: %v", body, err)
	}
	return string(plain)
}

// canonical is JSON with the keys in order.
func canonical(text []byte) string {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return fmt.Sprintf("%q: %v", text, err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// from returns what was published after the first n messages.
func (s *scene) from(n int) []string {
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	return slices.Clone(s.wire.lines[min(n, len(s.wire.lines)):])
}

// expect waits until all queues are empty again and fails unless just these messages were published after the first n.
func (s *scene) expect(n int, want []string) {
	s.t.Helper()
	polltest.Within(patience, func() bool { return len(s.from(n)) >= len(want) })
	s.settled()
	got := s.from(n)
	slices.Sort(got)
	want = slices.Clone(want)
	slices.Sort(want)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("published (-want +got):\n%s", diff)
	}
}

// settled waits until nothing waits or is in work, and each queue has one consumer: not just for a moment, since a broker's numbers may be old.
func (s *scene) settled() {
	s.t.Helper()
	var since time.Time
	eventually(s.t, "settled", func() (bool, any) {
		queues := s.p.queues(s.t)
		if !s.quiet(queues) {
			since = time.Time{}
			return false, queues
		}
		if since.IsZero() {
			since = time.Now()
		}
		return time.Since(since) >= s.p.calm(), queues
	})
}

func (s *scene) quiet(queues map[string]depth) bool {
	for _, n := range s.flow.Nodes {
		if queues[topology.StepQueue(s.flow.Name, n.ID)] != (depth{consumers: n.Replicas}) {
			return false
		}
	}
	for name, q := range queues {
		own := strings.HasPrefix(name, s.flow.Name+":") && !strings.HasSuffix(name, ":ticks")
		if own && (q.ready > 0 || q.unacked > 0) {
			return false
		}
	}
	return len(queues) > 0
}

// answer of an HTTP request.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a message into the flow; wait is for how long it waits for a reply, if it does.
func (s *scene) send(body map[string]any, wait time.Duration) answer {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.p.url()+"/flow/"+s.flow.Name, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if wait > 0 {
		r.Header.Set("Prefer", fmt.Sprintf("wait=%d", int(wait.Seconds())))
	}
	return s.do(r)
}

// tell sends a message that has to be accepted.
func (s *scene) tell(body map[string]any) {
	s.t.Helper()
	eventually(s.t, "accepted", func() (bool, any) {
		a := s.send(body, 0)
		return a.status == http.StatusOK, a // 503 while the broker is away
	})
}

func (s *scene) do(r *http.Request) answer {
	s.t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

// failure is an entry of the list of errors.
type failure struct {
	Step, Reason, Message, Execution string
	ID                               int64
}

// failures are the open entries of the flow, the oldest first.
func (s *scene) failures() []failure {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.p.url()+"/api/errors?state=open&flow="+s.flow.Name, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	a := s.do(r)
	var list struct{ Errors []failure }
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.status != http.StatusOK {
		s.t.Fatalf("list of errors: %d %s: %v", a.status, a.body, err)
	}
	slices.Reverse(list.Errors)
	return list.Errors
}

// expectFailures fails unless these become the reasons in the list of errors; then it discards them. A dead letter may be there before the
// report that says why.
func (s *scene) expectFailures(want ...string) {
	s.t.Helper()
	reasons := func() (got []string) {
		for _, f := range s.failures() {
			got = append(got, f.Step+": "+f.Reason)
		}
		return got
	}
	polltest.Within(10*time.Second, func() bool { return slices.Equal(want, reasons()) })
	if diff := cmp.Diff(want, reasons(), cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("list of errors (-want +got):\n%s", diff)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.p.url()+"/api/errors/discard?flow="+s.flow.Name, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if a := s.do(r); a.status != http.StatusOK {
		s.t.Fatalf("discard: %d %s", a.status, a.body)
	}
}

// pid is the process of a step.
func (s *scene) pid(step string) int {
	s.t.Helper()
	text, err := os.ReadFile(s.p.world().notesOf(s.flow.Name, step, ".pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		s.t.Fatal(err)
	}
	return pid
}

// signal sends a signal to the process of a step.
func (s *scene) signal(step string, signal syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(s.pid(step), signal); err != nil {
		s.t.Fatalf("signal to the process of step %s: %v", step, err)
	}
}

// again waits until the step runs as another process than old, and consumes.
func (s *scene) again(step string, old int) {
	s.t.Helper()
	eventually(s.t, "another process", func() (bool, any) {
		pid := s.pid(step)
		return pid != old, pid
	})
	s.ready()
}

// restart kills the process of a step and waits until the next one consumes.
func (s *scene) restart(step string) {
	s.t.Helper()
	old := s.pid(step)
	s.signal(step, syscall.SIGKILL)
	s.again(step, old)
}

// noted returns the notes that a step has written.
func (s *scene) noted(step string) []string {
	s.t.Helper()
	text, err := os.ReadFile(s.p.world().notesOf(s.flow.Name, step, ""))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// awaitNote waits until a step has written a note.
func (s *scene) awaitNote(step, note string) {
	s.t.Helper()
	eventually(s.t, "noted "+note, func() (bool, any) {
		notes := s.noted(step)
		return slices.Contains(notes, note), notes
	})
}
