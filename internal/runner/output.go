package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
)

// Output sends what a function emits while it works on one message. It's safe for concurrent use.
type Output struct {
	ctx         context.Context
	session     *session
	in          message.Headers // of the message in work
	passthrough json.RawMessage // of the message in work
	start       time.Time

	mu   sync.Mutex // guards what follows
	job  *job       // its confirms and lost
	sent int        // messages sent so far, for their ids
}

// Reply is the answer to a synchronous HTTP request.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// ErrNoReply says that the message in work doesn't come from a request that waits for a reply.
var ErrNoReply = errors.New("no reply is expected: the message didn't come from a synchronous HTTP request")

// Emit sends m to the next steps.
func (o *Output) Emit(m *message.Message) error {
	s := &o.session.Settings
	if o.session.info.IsPassthrough {
		if err := o.addPassthrough(m); err != nil {
			return fmt.Errorf("emit: %w", err)
		}
	}
	key, err := takeRoutingKey(m)
	if err != nil {
		return fmt.Errorf("emit: %w", err)
	}
	if key == "" && s.LastStep {
		return o.end(m)
	}
	if key == "" {
		key = s.DataKey
	}
	headers := o.headers(m.ID)
	if m.ID == "" {
		m.ID = headers.Text(message.HeaderMessageID)
	}
	plain, err := m.Encode()
	if err != nil {
		return fmt.Errorf("emit: %w", err)
	}
	body := s.Cipher.Encrypt(plain)
	if len(body) > s.SizeMax {
		return fmt.Errorf("emit: message of %d bytes is larger than the limit of %d", len(body), s.SizeMax)
	}
	headers[message.HeaderProtocolVersion] = int32(message.ProtocolBase64)
	if err := o.session.limiter.Wait(o.ctx); err != nil {
		o.lose(err)
		return fmt.Errorf("emit: wait for the rate limit: %w", err)
	}
	o.session.Stats.Emitted.Add(1)
	return o.send(key, headers, body, 0)
}

// end is Emit of a last step: what can't be sent is an error all the same, and what can ends here.
func (o *Output) end(m *message.Message) error {
	plain, err := m.Encode()
	if err != nil {
		return fmt.Errorf("emit: %w", err)
	}
	if n := o.session.Settings.Cipher.Size(len(plain)); n > o.session.Settings.SizeMax {
		return fmt.Errorf("emit: message of %d bytes is larger than the limit of %d", n, o.session.Settings.SizeMax)
	}
	o.session.Stats.Emitted.Add(1)
	return nil
}

// Snapshot replaces the step's snapshot with v, whose JSON is an object.
func (o *Output) Snapshot(v any) error { return o.snapshot(message.SnapshotReplace, v) }

// UpdateSnapshot merges the top-level members of v into the step's snapshot.
func (o *Output) UpdateSnapshot(v any) error { return o.snapshot(message.SnapshotUpdate, v) }

func (o *Output) snapshot(event string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("emit snapshot: %w", err)
	}
	if !message.IsObject(body) {
		return fmt.Errorf("emit snapshot: expected an object, found %s", message.Kind(body))
	}
	headers := o.headers("")
	headers[message.HeaderSnapshotEvent] = event
	return o.send(o.session.Settings.SnapshotKey, headers, body, 0) // snapshots travel in clear (contract.md 2.9)
}

// Reply answers the HTTP request that the message in work descends from (contract.md 2.6).
func (o *Output) Reply(r Reply) error {
	key := o.in.Text(message.HeaderReplyTo)
	if key == "" {
		return ErrNoReply
	}
	reply := struct {
		StatusCode int               `json:"statusCode"`
		Body       string            `json:"body"`
		Headers    map[string]string `json:"headers"`
	}{StatusCode: r.Status, Body: string(r.Body), Headers: map[string]string{}}
	if reply.StatusCode == 0 {
		reply.StatusCode = http.StatusOK
	}
	for name := range r.Header {
		reply.Headers[strings.ToLower(name)] = r.Header.Get(name)
	}
	plain, err := json.Marshal(reply)
	if err != nil {
		return fmt.Errorf("emit reply: %w", err)
	}
	headers := o.headers("")
	headers[message.HeaderProtocolVersion] = int32(message.ProtocolBase64)
	return o.send(key, headers, o.session.Settings.Cipher.Encrypt(plain), 0)
}

// fail reports err and gives the message up: one message to the errors, one reply to who waits, and the message itself becomes a dead
// letter (contract.md 2.4, 2.5). plain is the message as far as it could be decrypted.
func (o *Output) fail(plain []byte, err error) {
	s := &o.session.Settings
	o.job.reject = true
	o.session.Stats.Failed.Add(1)
	o.session.Logger.Debug("message failed", "execution", o.in.Execution(), "message", o.in.Text(message.HeaderMessageID), "err", err)
	text, _ := json.Marshal(describe(err)) // three strings always have a JSON form
	report := struct {
		Error      string `json:"error"`
		ErrorInput string `json:"errorInput,omitempty"`
	}{Error: string(s.Cipher.Encrypt(text)), ErrorInput: string(s.encryptInput(plain))}
	body, _ := json.Marshal(report)
	o.send(s.ErrorKey, o.headers(""), body, 0) // if it can't be sent, the message is not settled and comes again
	if key := o.in.Text(message.HeaderReplyTo); key != "" && !s.NoErrorReplies {
		headers := o.headers("")
		headers[message.HeaderErrorResponse] = true
		o.send(key, headers, []byte(report.Error), 0)
	}
}

func (s *Settings) encryptInput(plain []byte) []byte {
	if len(plain) == 0 {
		return nil
	}
	return s.Cipher.Encrypt(plain)
}

// rebound sends the message back to come again: as it came, after twice the time of the last round (contract.md 2.7).
func (o *Output) rebound(plain []byte, err error) {
	s := &o.session.Settings
	n := o.in.Int(message.HeaderReboundIteration) + 1
	if n > s.ReboundLimit {
		o.fail(plain, fmt.Errorf("rebound limit exceeded: given up after %d rounds: %w", s.ReboundLimit, err))
		return
	}
	o.session.Stats.Rebounded.Add(1)
	headers := message.Headers{}
	for name, value := range o.in {
		if name != "x-death" && name != message.HeaderProtocolVersion {
			headers[name] = value
		}
	}
	headers[message.HeaderEnd] = time.Now().UnixMilli()
	headers[message.HeaderReboundReason] = err.Error()
	headers[message.HeaderReboundIteration] = int32(n)
	headers[message.HeaderProtocolVersion] = int32(message.ProtocolBase64)
	delay := s.ReboundInitial << min(n-1, 20)
	o.send(s.ReboundKey, headers, s.Cipher.Encrypt(plain), delay) // if it can't be sent, the message is not settled and comes again
}

// headers returns the headers of a message that the step sends (contract.md 2.10). An id given by the component is kept; otherwise it's
// derived from the message in work, so that the same message processed twice sends the same ids, and a duplicate can be told.
func (o *Output) headers(id string) message.Headers {
	s := &o.session.Settings
	parent := o.in.Text(message.HeaderMessageID)
	o.mu.Lock()
	o.sent++
	n := o.sent
	o.mu.Unlock()
	switch {
	case id != "":
	case parent == "":
		id = uuid.NewString()
	default:
		id = uuid.NewSHA1(idSpace, fmt.Appendf(nil, "%s/%s/%d", parent, s.Step, n)).String()
	}
	h := make(message.Headers, 20)
	o.in.HandedOn(h)
	h[message.HeaderTaskID] = s.Flow
	h[message.HeaderUserID] = s.User
	h[message.HeaderExecID] = s.Exec
	if exec := o.in.Text(message.HeaderExecID); exec != "" {
		h[message.HeaderExecID] = exec
	}
	h[message.HeaderMessageID] = id
	if parent != "" {
		h[message.HeaderParentMessageID] = parent
	}
	h[message.HeaderStepID] = s.Step
	h[message.HeaderCompID] = s.Comp
	h[message.HeaderFunction] = s.Function
	if s.Workspace != "" {
		h[message.HeaderWorkspaceID] = s.Workspace
	}
	if s.Container != "" {
		h[message.HeaderContainerID] = s.Container
	}
	h[message.HeaderStart] = o.start.UnixMilli()
	h[message.HeaderEnd] = time.Now().UnixMilli()
	return h
}

// idSpace is the name space of derived message ids.
var idSpace = uuid.MustParse("6b1f4c3e-6f0a-4f57-9a7c-0d1a3c1a5e21")

// send publishes to the flow's exchange; the job waits for the confirm. Every key of a flow has a queue behind it, and the exchange's
// alternate exchange catches the rest; only what a last step emits goes nowhere, as it should, and isn't sent back to us. After an error the job is lost: its message isn't settled, whatever
// the function makes of the error.
func (o *Output) send(key string, headers message.Headers, body []byte, expiration time.Duration) error {
	confirm, err := o.session.publisher.Send(o.ctx, amqp.Publishing{
		Exchange: o.session.Settings.Exchange, Key: key, Headers: headers, Body: body, Expiration: expiration, Unchecked: true,
	})
	if err != nil {
		o.lose(err)
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.job.confirms = append(o.job.confirms, confirm)
	return nil
}

// lose notes that something which the message caused could not be sent.
func (o *Output) lose(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.job.lost = err
}

// report is an error as components write it (contract.md 2.5).
type report struct {
	Name    string `json:"name"`
	Message string `json:"message"`
	Stack   string `json:"stack"`
}

// describe puts an error in the words of the contract. Go's errors have no stack; the chain of their types is the nearest to it.
func describe(err error) report {
	r := report{Name: "Error", Message: err.Error()}
	var p *panicError
	if errors.As(err, &p) {
		r.Name, r.Stack = "panic", p.stack
		return r
	}
	var chain []string
	for e := err; e != nil; e = errors.Unwrap(e) {
		chain = append(chain, fmt.Sprintf("%s: %s", reflect.TypeOf(e), e))
	}
	r.Stack = strings.Join(chain, "\n")
	return r
}

// takeRoutingKey removes the header that picks another routing key from m, and returns it.
func takeRoutingKey(m *message.Message) (string, error) {
	if len(m.Headers) <= 2 {
		return "", nil
	}
	return message.TakeHeader(&m.Headers, message.RoutingKeyHeader)
}

// addPassthrough adds what the steps before have emitted, and what this one emits, to m (contract.md 2.8).
func (o *Output) addPassthrough(m *message.Message) error {
	all := map[string]json.RawMessage{}
	if len(o.passthrough) > 0 {
		if err := json.Unmarshal(o.passthrough, &all); err != nil {
			return fmt.Errorf("passthrough: %w", err)
		}
	}
	if !o.session.Settings.NoSelfPassthrough {
		m.Passthrough = nil
		own, err := m.Encode()
		if err != nil {
			return err
		}
		all[o.session.Settings.Step] = own
	}
	joined, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("passthrough: %w", err)
	}
	m.Passthrough = joined
	return nil
}
