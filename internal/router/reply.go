package router

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/openintegrationhub/leat/internal/message"
)

// replies are the requests that wait for an answer of their flow, by the routing key of that answer.
type replies struct {
	prefix string // of the keys: "reply.INSTANCE."

	mu      sync.Mutex // guards waiting
	waiting map[string]chan<- reply
}

// reply is a message that answers a request, as it came.
type reply struct {
	headers message.Headers
	body    []byte
}

func newReplies(instance string) *replies {
	return &replies{prefix: "reply." + instance + ".", waiting: make(map[string]chan<- reply)}
}

// expect returns a new key, which nobody can guess, and the channel on which its first reply will come.
func (r *replies) expect() (key string, first <-chan reply) {
	key = r.prefix + strings.ToLower(rand.Text())
	c := make(chan reply, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[key] = c
	return key, c
}

func (r *replies) forget(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, key)
}

// deliver hands a reply to the request that waits for it, if it's the first and somebody does.
func (r *replies) deliver(key string, answer reply) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, found := r.waiting[key]
	if !found {
		return false
	}
	delete(r.waiting, key)
	c <- answer // it has room for one
	return true
}

// ReplyKey is the binding key of this router's replies: with Options.Replies, a queue of its own is bound with it to the exchange of each flow, and
// Reply is called for what comes there. Instances differ, so any number of routers may run side by side.
func (rt *Router) ReplyKey() string { return rt.replies.prefix + "#" }

// Reply takes a reply, key being the routing key under which it came. It keeps body and changes it. The first reply to a request goes to
// its client; later ones, and those that nobody waits for any more, are dropped and counted. It doesn't block.
func (rt *Router) Reply(key string, headers message.Headers, body []byte) {
	if rt.replies.deliver(key, reply{headers: headers, body: body}) {
		rt.metrics.replies.WithLabelValues("delivered").Inc()
	} else {
		rt.metrics.replies.WithLabelValues("dropped").Inc()
	}
}

// waitFor tells how long a request waits for a reply of its flow, 0 for not at all.
func (rt *Router) waitFor(r *http.Request, t *target) time.Duration {
	if !rt.opts.Replies {
		return 0
	}
	if values := r.Header["Prefer"]; len(values) > 0 {
		for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(item), "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			// RFC 7240 section 2: parameters may follow, and what can't be understood is as if it weren't there.
			value, _, _ = strings.Cut(value, ";")
			if n, err := strconv.ParseUint(strings.Trim(value, ` "`), 10, 31); err == nil && n > 0 {
				return min(time.Duration(n)*time.Second, rt.opts.ReplyTimeout)
			}
		}
	}
	if t.entry.HTTPReply {
		return rt.opts.ReplyTimeout
	}
	return 0
}

// await returns the answer of the flow.
func (rt *Router) await(r *http.Request, t *target, first <-chan reply, wait time.Duration) (*response, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-timer.C:
		return nil, &failure{status: http.StatusGatewayTimeout, text: fmt.Sprintf("no reply from the flow within %v: the message was accepted", wait)}
	case answer := <-first:
		res, err := newResponse(t.cipher, answer, rt.opts.ReplyStacks)
		if err != nil {
			rt.opts.Logger.Warn("reply of a flow can't be read", "flow", t.entry.Flow, "err", err)
			return nil, &failure{status: http.StatusBadGateway, text: "the flow's reply can't be read: the message was accepted"}
		}
		return res, nil
	}
}

// response is what a flow answers to a client.
type response struct {
	status  int
	headers map[string]string
	body    []byte
}

func (res *response) write(w http.ResponseWriter) {
	h := w.Header()
	for name, value := range res.headers {
		if !keptBack(name) {
			h.Set(name, value)
		}
	}
	if h.Get("Content-Type") == "" {
		h["Content-Type"] = typeJSON
	}
	// What a flow answers is on the same origin as everything else here: a page of it must not act in that one's name.
	h.Set("Content-Security-Policy", "sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(res.status)
	w.Write(res.body) // an error means that the client has gone
}

// keptBack tells whether a header of a reply isn't the flow's to set.
func keptBack(name string) bool {
	name = http.CanonicalHeaderKey(name)
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Content-Encoding",
		"Set-Cookie", "Set-Cookie2", "Strict-Transport-Security", "Clear-Site-Data", "Reply_to":
		return true
	}
	return hasPrefixFold(name, "X-Eio-") || hasPrefixFold(name, "X-Ipaas-")
}

// newResponse reads a reply in any of the three shapes of contract.md 2.6. What it doesn't name, such as passthrough, or the passedCfg of
// ferryman, doesn't get through.
func newResponse(c *message.Cipher, answer reply, stacks bool) (*response, error) {
	failed, version := isTrue(answer.headers[message.HeaderErrorResponse]), answer.headers.ProtocolVersion()
	if failed {
		version = message.ProtocolBase64 // contract.md 2.5
	}
	plain, err := c.Decrypt(answer.body, version)
	if err != nil {
		return nil, err
	}
	if failed {
		return errorResponse(plain, stacks)
	}
	var m struct {
		StatusCode json.RawMessage            `json:"statusCode"` // of httpReply only
		Headers    map[string]json.RawMessage `json:"headers"`
		Body       json.RawMessage            `json:"body"`
	}
	if err := json.Unmarshal(plain, &m); err != nil {
		return nil, fmt.Errorf("read reply: %w", err)
	}
	res := &response{status: http.StatusOK, headers: make(map[string]string, len(m.Headers)), body: text(m.Body)}
	for name, value := range m.Headers {
		if strings.EqualFold(name, "x-ipaas-object-storage-id") {
			return nil, errors.New("read reply: its body is in the object storage")
		}
		res.headers[name] = string(text(value))
	}
	code := m.StatusCode
	if code == nil {
		for name, value := range m.Headers {
			if strings.EqualFold(name, "x-eio-status-code") {
				code = value
			}
		}
	}
	if code != nil {
		if res.status, err = strconv.Atoi(string(text(code))); err != nil || res.status < 200 || res.status > 999 {
			return nil, fmt.Errorf("read reply: bad status code %s", code)
		}
	}
	return res, nil
}

// errorResponse is the answer for a step that has failed.
func errorResponse(plain []byte, stacks bool) (*response, error) {
	var failed struct{ Name, Message, Stack string }
	if err := json.Unmarshal(plain, &failed); err != nil {
		return nil, fmt.Errorf("read error reply: %w", err)
	}
	body := appendText([]byte(`{"error":`), failed.Message)
	body = appendText(append(body, `,"name":`...), failed.Name)
	if stacks && failed.Stack != "" {
		body = appendText(append(body, `,"stack":`...), failed.Stack)
	}
	return &response{status: http.StatusInternalServerError, body: append(body, '}', '\n')}, nil
}

// text is a JSON string's text, or else the JSON itself.
func text(value json.RawMessage) []byte {
	if value = bytes.TrimSpace(value); len(value) > 0 && value[0] == '"' {
		var s string
		if err := json.Unmarshal(value, &s); err == nil {
			return []byte(s)
		}
	}
	return value
}

func isTrue(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		return strings.EqualFold(v, "true")
	}
	return false
}
