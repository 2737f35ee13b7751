package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/openintegrationhub/leat/component"
)

// Receive sends each message on under its own id (contract.md section 9), with these members added to its body, in place of any of the same
// name that the sender put there:
//
//	_query              object: the parameters of the URL
//	_headers            object: the request's headers
//	_method, _url       strings
//	_additionalUrlPath  string: what follows the flow's name in the path, such as "/orders/5"
//
// A message that began as a tick has no method and no URL, and gets neither. The routing header of contract.md 2.10 is removed from the
// message's headers: who sends a request mustn't choose which step gets it.
func Receive(*component.Step) (component.Process, error) {
	return func(_ context.Context, in *component.Message, out component.Output) error {
		headers, err := withoutRoutingKey(in.Headers)
		if err != nil {
			return err
		}
		m := *in
		m.Headers = headers
		if m.Body, err = received(&m); err != nil {
			return err
		}
		return out.Emit(&m)
	}, nil
}

// received returns the body of m with what the request said. It works on the bytes: this runs for each request.
func received(m *component.Message) (json.RawMessage, error) {
	body := bytes.TrimSpace(m.Body)
	if len(body) == 0 {
		body = json.RawMessage("{}")
	}
	if body[0] != '{' {
		return body, nil // Node's arrays can't carry members either
	}
	if bytes.Contains(body, []byte(`"_`)) {
		var err error
		if body, err = withoutOwn(body); err != nil {
			return nil, err
		}
	}
	empty := len(bytes.TrimSpace(body[1:len(body)-1])) == 0
	if empty && m.Method == "GET" && len(m.Query) > 0 {
		body = bytes.TrimSpace(m.Query)
		empty = len(bytes.TrimSpace(body[1:len(body)-1])) == 0
	}
	dst := make([]byte, 0, len(body)+len(m.Query)+len(m.Headers)+len(m.Method)+2*len(m.URL)+96)
	dst = append(dst, body[:len(body)-1]...)
	add := func(name string, value []byte) {
		if len(value) == 0 {
			return
		}
		if !empty {
			dst = append(dst, ',')
		}
		empty = false
		dst = append(dst, '"')
		dst = append(dst, name...)
		dst = append(dst, '"', ':')
		dst = append(dst, value...)
	}
	add("_query", m.Query)
	add("_headers", m.Headers)
	add("_method", quote(m.Method))
	add("_url", quote(m.URL))
	add("_additionalUrlPath", quote(additionalPath(m)))
	return append(dst, '}'), nil
}

// ownMembers are those that Receive adds.
var ownMembers = [...]string{"_query", "_headers", "_method", "_url", "_additionalUrlPath"}

// withoutOwn removes the members of body that Receive adds. The order of the rest isn't kept; bodies that have one of them are rare.
func withoutOwn(body []byte) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, fmt.Errorf("decode body: %w", err)
	}
	before := len(members)
	for _, name := range ownMembers {
		delete(members, name)
	}
	if len(members) == before {
		return body, nil
	}
	return json.Marshal(members)
}

// routingKeyHeader redirects a message that a step emits (contract.md 2.10).
const routingKeyHeader = "x-eio-routing-key"

func withoutRoutingKey(headers json.RawMessage) (json.RawMessage, error) {
	if !bytes.Contains(bytes.ToLower(headers), []byte(routingKeyHeader)) {
		return headers, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(headers, &members); err != nil {
		return nil, fmt.Errorf("decode headers: %w", err)
	}
	for name := range members {
		if strings.EqualFold(name, routingKeyHeader) {
			delete(members, name)
		}
	}
	return json.Marshal(members)
}

// additionalPath returns the part of the path that follows /flow/NAME.
func additionalPath(m *component.Message) string {
	if m.TaskID == "" {
		return ""
	}
	address, _, _ := strings.Cut(m.URL, "?")
	_, rest, ok := strings.Cut(address, "/flow/"+url.PathEscape(m.TaskID))
	if !ok || !strings.HasPrefix(rest, "/") || rest == "/" {
		return ""
	}
	return rest
}

// quote returns s as JSON, and nil for "".
func quote(s string) []byte {
	if s == "" {
		return nil
	}
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return quoted
}
