// Package componenttest runs a component's function in a test, without a broker: open it with a configuration, feed it messages, and look
// at what it emitted.
//
//	step := componenttest.Open(t, greet, componenttest.Options{Config: `{"Greeting":"Hello"}`})
//	got := step.Process(t, componenttest.Message(`{"Name":"World"}`))
//	// got.Messages[0].Body is {"text":"Hello World"}
//
// What is emitted goes through the wire format, so that a message which couldn't be sent in a real flow fails here too.
package componenttest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/runner"
)

// Options say how the step is set up. The zero value is a step without configuration.
type Options struct {
	Flow      string // "test-flow" if empty
	ID        string // "step_1" if empty
	Function  string // "test" if empty
	Config    string // the node's data, JSON; {} if empty
	Snapshot  string // what the step had stored when it was stopped last, JSON; nothing if empty
	Variables map[string]string
	Env       map[string]string // the environment; nothing else is seen
	Logger    *slog.Logger      // discards if nil

	// ReplyExpected makes Reply succeed, as for messages that began as a synchronous HTTP request.
	ReplyExpected bool
}

// Step is an open function.
type Step struct {
	process       component.Process
	replyExpected bool
	stop          func()
	once          sync.Once

	mu       sync.Mutex
	snapshot json.RawMessage
}

// Result is what one message led to.
type Result struct {
	Messages  []*component.Message // in the order of Emit
	Snapshots []json.RawMessage    // the step's whole snapshot after each Snapshot and UpdateSnapshot
	Reply     *component.Reply     // the first one
	Err       error                // what the Process returned
}

// Open opens f; it fails the test if f does.
func Open(t testing.TB, f component.Function, o Options) *Step {
	t.Helper()
	s, err := New(f, o)
	if err != nil {
		t.Fatalf("open function: %v", err)
	}
	t.Cleanup(s.Stop)
	return s
}

// New opens f, or returns the error of f. The caller stops it.
func New(f component.Function, o Options) (*Step, error) {
	env := maps.Clone(o.Env)
	settings := runner.Settings{
		Flow: or(o.Flow, "test-flow"), Step: or(o.ID, "step_1"), Function: or(o.Function, "test"),
		Getenv: func(name string) string { return env[name] },
	}
	info := runner.Info{Config: json.RawMessage(or(o.Config, "{}")), Snapshot: json.RawMessage(o.Snapshot), Variables: o.Variables}
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	// It's opened as the runner does it; only the process is called directly, with an output that records.
	s := &Step{replyExpected: o.ReplyExpected, snapshot: info.Snapshot}
	function := func(step *component.Step) (component.Process, error) {
		var err error
		s.process, err = f(step)
		return s.process, err
	}
	var err error
	_, s.stop, err = component.Opener(map[string]component.Function{settings.Function: function}, logger)(settings, info)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Stop does what the function registered with OnStop. Steps that were opened with Open are stopped when the test ends.
func (s *Step) Stop() { s.once.Do(s.stop) }

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// Message returns a message with a fresh id and body, the JSON of an object.
func Message(body string) *component.Message {
	return &component.Message{ID: uuid.NewString(), Body: json.RawMessage(body)}
}

// Process feeds the step one message. It's safe for concurrent use if the function is.
func (s *Step) Process(t testing.TB, m *component.Message) Result {
	return s.ProcessContext(t.Context(), m)
}

// ProcessContext is Process under a context of the caller's choice.
func (s *Step) ProcessContext(ctx context.Context, m *component.Message) Result {
	out := &output{step: s}
	err := s.process(ctx, m, out)
	out.mu.Lock()
	defer out.mu.Unlock()
	out.result.Err = err
	return out.result
}

// Snapshot returns what the step has stored, JSON; empty if nothing. It's what Options.Snapshot takes for the step's next start.
func (s *Step) Snapshot() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.snapshot)
}

// output records what one Process emits.
type output struct {
	step *Step

	mu     sync.Mutex
	result Result
}

var _ component.Output = (*output)(nil)

func (o *output) Emit(m *component.Message) error {
	encoded, err := (*message.Message)(m).Encode()
	if err != nil {
		return err
	}
	sent, err := message.Decode(encoded)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.result.Messages = append(o.result.Messages, (*component.Message)(sent))
	return nil
}

func (o *output) Snapshot(v any) error {
	next, err := object(v)
	if err != nil {
		return err
	}
	return o.store(next)
}

func (o *output) UpdateSnapshot(v any) error {
	update, err := object(v)
	if err != nil {
		return err
	}
	o.step.mu.Lock()
	before := o.step.snapshot
	o.step.mu.Unlock()
	next := map[string]json.RawMessage{}
	if len(before) > 0 {
		if err := json.Unmarshal(before, &next); err != nil {
			return fmt.Errorf("update snapshot: %w", err)
		}
	}
	maps.Copy(next, update)
	return o.store(next)
}

func (o *output) store(snapshot map[string]json.RawMessage) error {
	encoded, err := json.Marshal(snapshot)
	if err != nil {
		return fmt.Errorf("encode snapshot: %w", err)
	}
	o.step.mu.Lock()
	o.step.snapshot = encoded
	o.step.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.result.Snapshots = append(o.result.Snapshots, encoded)
	return nil
}

// object returns the members of v's JSON, which has to be an object.
func object(v any) (map[string]json.RawMessage, error) {
	encoded, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode snapshot: %w", err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &members); err != nil || members == nil {
		return nil, fmt.Errorf("encode snapshot: expected an object, found %s", message.Kind(encoded))
	}
	return members, nil
}

func (o *output) Reply(r component.Reply) error {
	if !o.step.replyExpected {
		return component.ErrNoReply
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.result.Reply == nil {
		o.result.Reply = &r
	}
	return nil
}
