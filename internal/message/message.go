// Package message is the wire format of components: the envelope, its AMQP headers and its cipher (contract.md sections 2.10 and 3).
//
// It's pure: nothing here touches a network or a clock. What a body means is left to components, how it travels to the amqp package.
package message

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// BytesMax is how large an encoded message may be before encryption, and so how much JSON Decode looks at: 10 MiB, the vendor's own limit
// for outgoing messages (contract.md 1.2, OUTGOING_MESSAGE_SIZE_LIMIT).
const BytesMax = 10 << 20

// Message is the envelope that travels between steps (contract.md 3.1). Members that hold JSON are kept as they came, so that a step that
// doesn't look at one pays nothing for it. An empty member is absent.
//
// component.Message is the same struct under its public name: keep both alike (the compiler checks it).
type Message struct {
	ID          string          // a UUID; the JVM library refuses anything else
	Body        json.RawMessage // a JSON object; what the component works on
	Attachments json.RawMessage // object: name -> {"url", "content-type", "size"}
	Headers     json.RawMessage // object: the message's own headers, such as those of an HTTP request
	Metadata    json.RawMessage // object
	Passthrough json.RawMessage // object: step id -> what that step emitted

	// Only in messages that began as an HTTP request (contract.md 3.4).
	Method      string
	URL         string
	OriginalURL string
	Query       json.RawMessage // object
	Params      json.RawMessage // object
	TaskID      string          // the flow
}

// New returns a message with a fresh id and body as its body. Body is a value whose JSON is an object.
func New(body any) (*Message, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode body: %w", err)
	}
	return &Message{ID: uuid.NewString(), Body: b}, nil
}

// raw lists the members that hold any JSON object, in the order in which they're written.
func (m *Message) raw(name string) *json.RawMessage {
	switch name {
	case "attachments":
		return &m.Attachments
	case "body":
		return &m.Body
	case "headers":
		return &m.Headers
	case "metadata":
		return &m.Metadata
	case "passthrough":
		return &m.Passthrough
	case "query":
		return &m.Query
	case "params":
		return &m.Params
	}
	return nil
}

// text returns the member that holds a string.
func (m *Message) text(name string) *string {
	switch name {
	case "id":
		return &m.ID
	case "method":
		return &m.Method
	case "url":
		return &m.URL
	case "originalUrl":
		return &m.OriginalURL
	case "taskId":
		return &m.TaskID
	}
	return nil
}

// Decode reads an envelope. Unknown members are ignored, null is the same as absent, and the members of the result share data's memory.
//
// Node components may emit a body of any JSON type and leave out the rest, so that's accepted.
func Decode(data []byte) (*Message, error) {
	if len(data) == 0 {
		return nil, errors.New("decode message: it is empty")
	}
	m := new(Message)
	if err := members(data, m.set); err != nil {
		return nil, fmt.Errorf("decode message: %w", err)
	}
	return m, nil
}

// set stores one member of the envelope.
func (m *Message) set(name, value []byte) error {
	if string(value) == "null" {
		return nil
	}
	if raw := m.raw(string(name)); raw != nil {
		*raw = value
		return nil
	}
	text := m.text(string(name))
	if text == nil {
		return nil
	}
	if value[0] != '"' {
		return fmt.Errorf("%s: expected a string, found %s", name, Kind(value))
	}
	if err := json.Unmarshal(value, text); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Encode writes the envelope in the form that every generation of the libraries reads: body, headers, attachments and metadata are always
// objects, nothing is null, an absent id gets a fresh one (contract.md rule 5).
func (m *Message) Encode() ([]byte, error) {
	size := 200 + len(m.Method) + len(m.URL) + len(m.OriginalURL) + len(m.TaskID) + len(m.Body) + len(m.Attachments) + len(m.Headers) + len(m.Metadata) + len(m.Passthrough) + len(m.Query) + len(m.Params)
	return m.Append(make([]byte, 0, size))
}

// Append is Encode onto the end of dst.
func (m *Message) Append(dst []byte) ([]byte, error) {
	id := m.ID
	if id == "" {
		id = uuid.NewString()
	}
	start := len(dst)
	dst = append(dst, `{"id":`...)
	dst = appendString(dst, id)
	for _, name := range [...]string{"attachments", "body", "headers", "metadata", "passthrough", "query", "params"} {
		value := *m.raw(name)
		optional := name == "passthrough" || name == "query" || name == "params"
		if len(value) == 0 && optional {
			continue
		}
		dst = append(dst, ',', '"')
		dst = append(dst, name...)
		dst = append(dst, '"', ':')
		if len(value) == 0 {
			dst = append(dst, '{', '}')
			continue
		}
		if err := Valid(value); err != nil {
			return nil, fmt.Errorf("encode message: %s: %w", name, err)
		}
		dst = append(dst, value...)
	}
	for _, name := range [...]string{"method", "url", "originalUrl", "taskId"} {
		value := *m.text(name)
		if value == "" {
			continue
		}
		dst = append(dst, ',', '"')
		dst = append(dst, name...)
		dst = append(dst, '"', ':')
		dst = appendString(dst, value)
	}
	dst = append(dst, '}')
	if n := len(dst) - start; n > BytesMax {
		return nil, fmt.Errorf("encode message: %d bytes, more than the limit of %d", n, BytesMax)
	}
	return dst, nil
}

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // a string always has a JSON form
			}
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
