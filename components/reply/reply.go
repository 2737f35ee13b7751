// Package reply is the built-in answer to HTTP requests, a drop-in for elasticio/request-reply-component.
//
// Its function reply answers the request that started the execution, if its sender waits, and sends its input on. It needs no data: the
// message says what to answer.
//
//	{"responseBody": {"ok": true}, "statusCode": 201, "contentType": "application/json", "customHeaders": {"x-a": "1"}}
//
// A body without responseBody is the answer itself. When nobody waits, the message just goes on.
package reply

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/components/internal/builtin"
)

// Component describes the reply.
func Component() builtin.Component {
	return builtin.Component{
		Name:      "reply",
		Images:    []string{"elasticio/request-reply", "elasticio/request-reply-component"},
		Functions: map[string]component.Function{"reply": Reply},
		Check: builtin.Checks(map[string]func(json.RawMessage) []builtin.Problem{
			"reply": func(data json.RawMessage) []builtin.Problem { return builtin.Decode(data, new(Config)) },
		}),
	}
}

// Config is the node's data.
type Config struct {
	CustomHeaders map[string]string `json:"customHeaders"` // of every answer; those of a message win
}

// body is what a message may say about the answer. StatusCode is 200 to 999, as a number or as text; 200 if absent.
type body struct {
	ResponseBody  json.RawMessage   `json:"responseBody"`
	ContentType   string            `json:"contentType"`
	StatusCode    json.RawMessage   `json:"statusCode"`
	CustomHeaders map[string]string `json:"customHeaders"`
}

// Reply is the function reply.
func Reply(step *component.Step) (component.Process, error) {
	var config Config
	if err := builtin.Error(builtin.Decode(step.Config, &config)); err != nil {
		return nil, err
	}
	return func(_ context.Context, in *component.Message, out component.Output) error {
		answer, err := config.answer(in)
		if err != nil {
			return err
		}
		if err := out.Reply(answer); err != nil && !errors.Is(err, component.ErrNoReply) {
			return err
		}
		return out.Emit(&component.Message{Body: in.Body, Attachments: in.Attachments, Metadata: in.Metadata})
	}, nil
}

// answer makes the HTTP answer out of a message.
func (c Config) answer(in *component.Message) (component.Reply, error) {
	var b body
	if err := in.DecodeBody(&b); err != nil {
		return component.Reply{}, err
	}
	answer := component.Reply{Status: http.StatusOK, Header: http.Header{}, Body: in.Body}
	if b.ResponseBody != nil {
		answer.Body = b.ResponseBody
	}
	kind := "application/json"
	if text, ok := unquote(answer.Body); ok {
		answer.Body, kind = []byte(text), "text/plain; charset=utf-8"
	}
	answer.Header.Set("Content-Type", kind)
	for _, headers := range []map[string]string{c.CustomHeaders, b.CustomHeaders} {
		for _, name := range slices.Sorted(maps.Keys(headers)) {
			answer.Header.Set(name, headers[name])
		}
	}
	if b.ContentType != "" {
		answer.Header.Set("Content-Type", b.ContentType)
	}
	if len(b.StatusCode) == 0 || string(b.StatusCode) == "null" {
		return answer, nil
	}
	status, err := strconv.Atoi(strings.Trim(string(b.StatusCode), `"`))
	if err != nil || status < 200 || status > 999 {
		return component.Reply{}, fmt.Errorf("statusCode: expected 200 to 999, found %s", b.StatusCode)
	}
	answer.Status = status
	return answer, nil
}

// unquote returns the text of a JSON string.
func unquote(value json.RawMessage) (text string, ok bool) {
	if value = bytes.TrimSpace(value); len(value) == 0 || value[0] != '"' {
		return "", false
	}
	return text, json.Unmarshal(value, &text) == nil
}
