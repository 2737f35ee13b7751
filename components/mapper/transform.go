package mapper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/components/internal/builtin"
	"github.com/openintegrationhub/leat/jsonata"
)

// TransformComponent describes the component with the function transform.
func TransformComponent() builtin.Component {
	return builtin.Component{
		Name:      "jsonata-transform",
		Images:    []string{"elasticio/jsonata-transform-component"},
		Functions: map[string]component.Function{"transform": Transform},
		Check: builtin.Checks(map[string]func(json.RawMessage) []builtin.Problem{
			"transform": func(data json.RawMessage) []builtin.Problem {
				_, problems := parseTransform(data, examine)
				return problems
			},
		}),
	}
}

// TransformConfig is the data of transform.
type TransformConfig struct {
	Expression json.RawMessage `json:"expression"` // JSONata, a string
}

// Transform is the function transform (contract.md section 9). Its expression's input is the body. Its result decides what is emitted:
//
//	an object                  one message with that body
//	an array                   one message for each of its items, which have to be objects
//	nothing, null, {} or []    no message
//
// Any other result is an error. If the message has passthrough, what earlier steps emitted is at elasticio.<step id> in the input, and a body
// with a member elasticio of its own is an error. New messages have a body only.
func Transform(step *component.Step) (component.Process, error) {
	expression, problems := parseTransform(step.Config, compile)
	if err := builtin.Error(problems); err != nil {
		return nil, err
	}
	return func(ctx context.Context, in *component.Message, out component.Output) error {
		bodies, err := transform(ctx, expression, in)
		if err != nil {
			return err
		}
		for _, body := range bodies {
			if err := out.Emit(&component.Message{Body: body}); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

func parseTransform(data json.RawMessage, u use) (*jsonata.Expr, []builtin.Problem) {
	var config TransformConfig
	if problems := builtin.Decode(data, &config); problems != nil {
		return nil, problems
	}
	if len(config.Expression) == 0 {
		return nil, []builtin.Problem{{Path: "data.expression", Text: "missing: a JSONata expression"}}
	}
	return u.expression("data.expression", config.Expression)
}

func transform(ctx context.Context, expression *jsonata.Expr, in *component.Message) ([]json.RawMessage, error) {
	input, err := withPassthrough(in.Body, in.Passthrough)
	if err != nil {
		return nil, err
	}
	parsed, err := jsonata.ParseJSON(input)
	if err != nil {
		return nil, fmt.Errorf("decode body: %w", err)
	}
	value, err := expression.EvalValue(ctx, parsed)
	if err != nil {
		return nil, fmt.Errorf("expression:%s", place(err))
	}
	if value.IsUndefined() {
		return nil, nil
	}
	result, err := jsonata.AppendJSON(nil, value)
	if err != nil {
		return nil, fmt.Errorf("expression: encode result: %w", err)
	}
	switch {
	case string(result) == "null" || string(result) == "{}":
		return nil, nil
	case result[0] == '{':
		return []json.RawMessage{result}, nil
	case result[0] != '[':
		return nil, errors.New("expression: its result is neither an object nor an array")
	}
	var items []json.RawMessage
	if err := json.Unmarshal(result, &items); err != nil {
		return nil, fmt.Errorf("expression: split result: %w", err)
	}
	for i, item := range items {
		if item[0] != '{' {
			return nil, fmt.Errorf("expression: item %d of its result is no object", i)
		}
	}
	return items, nil
}

// withPassthrough puts the passthrough of a message into its body.
func withPassthrough(body, passthrough json.RawMessage) (json.RawMessage, error) {
	body, passthrough = bytes.TrimSpace(body), bytes.TrimSpace(passthrough)
	if len(body) == 0 {
		body = json.RawMessage("{}")
	}
	if len(passthrough) <= len("{}") {
		return body, nil
	}
	var before map[string]json.RawMessage
	if err := json.Unmarshal(body, &before); err != nil {
		return nil, fmt.Errorf("decode body: %w", err)
	}
	if _, ok := before["elasticio"]; ok {
		return nil, errors.New("the body's member elasticio is reserved in flows with passthrough")
	}
	input := make([]byte, 0, len(body)+len(passthrough)+16)
	input = append(input, body[:len(body)-1]...)
	if len(before) > 0 {
		input = append(input, ',')
	}
	input = append(input, `"elasticio":`...)
	input = append(input, passthrough...)
	return append(input, '}'), nil
}
