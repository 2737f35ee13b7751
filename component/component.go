// Package component is the Go SDK for Leat components: programs whose functions (triggers and actions) run as steps of a flow.
//
// A component is a set of functions by name, served with Serve:
//
//	func main() {
//		component.Serve(map[string]component.Function{"greet": greet})
//	}
//
//	func greet(step *component.Step) (component.Process, error) {
//		var config struct{ Greeting string }
//		if err := step.DecodeConfig(&config); err != nil {
//			return nil, err
//		}
//		return func(ctx context.Context, in *component.Message, out component.Output) error {
//			var body struct{ Name string }
//			if err := in.DecodeBody(&body); err != nil {
//				return err
//			}
//			return out.Emit(component.NewMessage(map[string]any{"text": config.Greeting + " " + body.Name}))
//		}, nil
//	}
//
// The same functions run as goroutines of `leat run`, or as a process or container of their own out of the ELASTICIO_* variables alone.
package component

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/runner"
)

// Message is what steps exchange. Members that hold JSON are kept as they came: decode what you need. An empty member is absent. The JSON
// members share memory with the message that was received: don't change their bytes.
type Message struct {
	ID          string          // a UUID; given on Emit if left empty
	Body        json.RawMessage // a JSON object; what the component works on
	Attachments json.RawMessage // object: name -> {"url", "content-type", "size"}
	Headers     json.RawMessage // object: the message's own headers, such as those of an HTTP request
	Metadata    json.RawMessage // object
	Passthrough json.RawMessage // object: step id -> what that step emitted

	// Only in messages that began as an HTTP request.
	Method      string
	URL         string
	OriginalURL string
	Query       json.RawMessage // object
	Params      json.RawMessage // object
	TaskID      string          // the flow
}

var _ = message.Message(Message{}) // the wire's struct and this one are the same

// NewMessage returns a message with body as its body. Its id is given when it's emitted, the same each time that the same input is processed. Body is a value whose JSON is an object; json.RawMessage is taken as
// it is. A body that has no JSON form makes a message that Emit refuses with the reason.
func NewMessage(body any) *Message {
	b, err := json.Marshal(body)
	if err != nil {
		// Kept inside the message, so that building and emitting stay one expression; it can't be valid JSON.
		b = []byte("!" + err.Error())
	}
	return &Message{Body: b}
}

// DecodeBody decodes the body into v, as json.Unmarshal does. A message without body leaves v alone.
func (m *Message) DecodeBody(v any) error {
	if len(m.Body) == 0 {
		return nil
	}
	if err := json.Unmarshal(m.Body, v); err != nil {
		return fmt.Errorf("decode body: %w", err)
	}
	return nil
}

// Function opens a trigger or an action as a step of a flow: it reads the configuration, prepares what it can, and returns what to do with
// each message. An error stops the step, which is started again later, with back-off.
type Function func(step *Step) (Process, error)

// Process works on one message. What it emits is published before the message counts as done; when it returns an error, the message goes to
// the errors list with that error, unless it is a Rebound, which brings the message back later.
//
// Messages come one at a time and in order unless the flow asks for more at once (prefetch). A message may come again after a crash or a
// lost connection: the same message has the same ID. A panic is taken as an error.
type Process func(ctx context.Context, in *Message, out Output) error

// Output is where a Process sends things. Its methods are safe for concurrent use until the Process returns. Each hands the message to the
// broker without waiting for its confirm; the step acknowledges its input when all that it caused is confirmed.
type Output interface {
	// Emit sends m to the next steps. It fails if m can't be encoded or is too large. m must not be changed afterwards.
	Emit(m *Message) error
	// Snapshot replaces the step's snapshot with the JSON of v, an object; the step finds it in Step.Snapshot after its next start.
	Snapshot(v any) error
	// UpdateSnapshot merges the top-level members of v's JSON into the step's snapshot.
	UpdateSnapshot(v any) error
	// Reply answers the HTTP request that started the execution, if its sender waits for an answer; the first reply wins. It fails with
	// ErrNoReply when nobody waits.
	Reply(r Reply) error
}

// Reply is the answer to a synchronous HTTP request.
type Reply struct {
	Status int         // 200 if 0
	Header http.Header // content type and the like
	Body   []byte
}

// ErrNoReply says that a message has no sender who waits for a reply.
var ErrNoReply = runner.ErrNoReply

// Rebound wraps err so that the message is not given up but comes back later: after 15 s, then after twice as long each time, 20 times at
// most (ELASTICIO_REBOUND_INITIAL_EXPIRATION, ELASTICIO_REBOUND_LIMIT). After that it goes to the errors list.
func Rebound(err error) error {
	if err == nil {
		return nil
	}
	return &reboundError{err}
}

// IsRebound tells whether err asks for the message to come back later.
func IsRebound(err error) bool {
	var rebound *reboundError
	return errors.As(err, &rebound)
}

type reboundError struct{ error }

func (e *reboundError) Unwrap() error { return e.error }
func (e *reboundError) Rebound() bool { return true }

// Step is the step of a flow that a function runs as.
type Step struct {
	Flow      string          // name of the flow
	ID        string          // id of the node
	Function  string          // name of the function
	Config    json.RawMessage // the node's data, a JSON object
	Snapshot  json.RawMessage // what the step stored last, a JSON object; empty if nothing
	Variables map[string]string

	// Getenv reads a variable of the step's environment, such as those of the node's env; "" if it's not set. Steps of `leat run` share a
	// process: don't use os.Getenv.
	Getenv func(name string) string
	Logger *slog.Logger // never nil

	stops []func()
}

// DecodeConfig decodes the node's data into v, as json.Unmarshal does; members that v doesn't have are ignored.
func (s *Step) DecodeConfig(v any) error {
	if len(s.Config) == 0 {
		return nil
	}
	if err := json.Unmarshal(s.Config, v); err != nil {
		return fmt.Errorf("decode config: %w", err)
	}
	return nil
}

// OnStop registers what to do when the step stops, after its last message: the place to close connections. Last registered, first called.
func (s *Step) OnStop(stop func()) { s.stops = append(s.stops, stop) }
