package message

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Names of the AMQP headers that components know (contract.md 2.10).
const (
	HeaderTaskID           = "taskId"    // the flow; required
	HeaderExecID           = "execId"    // required
	HeaderUserID           = "userId"    // required
	HeaderMessageID        = "messageId" // unique; sailors of 2.7.7 and later can't acknowledge a message without it
	HeaderParentMessageID  = "parentMessageId"
	HeaderThreadID         = "threadId"
	HeaderTraceID          = "x-eio-meta-trace-id" // the execution: the only id that every generation hands on
	HeaderReplyTo          = "reply_to"            // routing key of a synchronous reply
	HeaderStepID           = "stepId"
	HeaderCompID           = "compId"
	HeaderFunction         = "function"
	HeaderWorkspaceID      = "workspaceId"
	HeaderContainerID      = "containerId"
	HeaderStart            = "start" // ms since 1970
	HeaderEnd              = "end"   // ms since 1970
	HeaderProtocolVersion  = "protocolVersion"
	HeaderReboundIteration = "reboundIteration"
	HeaderReboundReason    = "reboundReason"
	HeaderErrorResponse    = "x-eio-error-response"
	HeaderSnapshotEvent    = "snapshotEvent"
	HeaderToken            = "orchestratorToken" // ferryman's; it holds a step's configuration and key, so it's for that step only

	// MetaPrefix begins the headers that are handed on from step to step, in lower case.
	MetaPrefix = "x-eio-meta-"

	// RoutingKeyHeader is a header inside the message, not an AMQP one: a data message that has it goes to that key instead of the step's
	// own, and loses it (contract.md 2.10).
	RoutingKeyHeader = "x-eio-routing-key"
)

// Values of HeaderSnapshotEvent (contract.md 2.9).
const (
	SnapshotReplace = "snapshot"       // the body replaces the snapshot
	SnapshotUpdate  = "updateSnapshot" // the body's top-level members are merged into it
)

// Headers are the AMQP headers of a message.
type Headers map[string]any

// Text returns a header that holds a string, or "".
func (h Headers) Text(name string) string {
	s, _ := h[name].(string)
	return s
}

// Int returns a header that holds a number, or 0. Strings of digits count: some senders write "2".
func (h Headers) Int(name string) int {
	switch v := h[name].(type) {
	case int:
		return v
	case int8:
		return int(v)
	case int16:
		return int(v)
	case int32:
		return int(v)
	case int64:
		return int(v)
	case uint8:
		return int(v)
	case uint16:
		return int(v)
	case uint32:
		return int(v)
	case float32:
		return int(v)
	case float64:
		return int(v)
	case string:
		n := 0
		for _, c := range v {
			if c < '0' || c > '9' || n > 1<<30 {
				return 0
			}
			n = n*10 + int(c-'0')
		}
		return n
	}
	return 0
}

// ProtocolVersion returns how the body is encoded: ProtocolBase64 unless the headers say otherwise.
func (h Headers) ProtocolVersion() int {
	return max(ProtocolBase64, h.Int(HeaderProtocolVersion))
}

// Execution returns the id of the execution that a message belongs to: the trace id, else the thread id, else the execution id of older
// senders, else "".
func (h Headers) Execution() string {
	for _, name := range [...]string{HeaderTraceID, HeaderThreadID, HeaderExecID} {
		if id := h.Text(name); id != "" {
			return id
		}
	}
	return ""
}

// HandedOn adds to dst what every message that a step sends inherits from the one it works on: the meta headers (in lower case), the reply
// key and the thread (contract.md 2.10).
func (h Headers) HandedOn(dst Headers) {
	for name, value := range h {
		switch {
		case name == HeaderReplyTo, name == HeaderThreadID:
			dst[name] = value
		case len(name) > len(MetaPrefix) && strings.EqualFold(name[:len(MetaPrefix)], MetaPrefix):
			dst[strings.ToLower(name)] = value
		}
	}
	if dst.Text(HeaderThreadID) == "" {
		if id := dst.Text(HeaderTraceID); id != "" {
			dst[HeaderThreadID] = id
		}
	}
}

// TakeHeader removes a header of the message itself, whatever its case, from the JSON object headers and returns its value, a string; ""
// if it isn't there. Headers' bytes aren't changed: a new object takes their place.
func TakeHeader(headers *json.RawMessage, name string) (string, error) {
	var found string
	rest := []byte{'{'}
	err := members(*headers, func(member, value []byte) error {
		if !strings.EqualFold(string(member), name) {
			if len(rest) > 1 {
				rest = append(rest, ',')
			}
			rest = appendString(rest, string(member))
			rest = append(append(rest, ':'), value...)
			return nil
		}
		if err := json.Unmarshal(value, &found); err != nil {
			return fmt.Errorf("header %s: expected a string, found %s", member, Kind(value))
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if found != "" {
		*headers = append(rest, '}')
	}
	return found, nil
}
