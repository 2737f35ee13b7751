// Package mapper is the built-in mapper, a drop-in for elasticio/mapper and elasticio/jsonata-transform-component: it reshapes messages
// with JSONata (https://jsonata.org).
//
// The function jsonataMap takes an expression for each member of the new body:
//
//	{"mapper": {"to": "\"ann@example.com\"", "subject": "\"Test at: \" & $.fireTime", "textBody": "$string($$)"}}
//
// See Map. The function transform takes one expression for the whole body:
//
//	{"expression": "orders.{\"id\": id, \"total\": $sum(lines.price)}"}
//
// See Transform. Expressions are compiled once, when the step starts. A mistake in one keeps the flow from being accepted, even if it's just
// the name of a function or a variable that doesn't exist.
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

// Component describes the mapper.
func Component() builtin.Component {
	return builtin.Component{
		Name:      "mapper",
		Images:    []string{"elasticio/mapper"},
		Functions: map[string]component.Function{"jsonataMap": Map},
		Check: builtin.Checks(map[string]func(json.RawMessage) []builtin.Problem{
			"jsonataMap": func(data json.RawMessage) []builtin.Problem { _, problems := parseMap(data, examine); return problems },
		}),
	}
}

// Config is the data of jsonataMap.
type Config struct {
	Mapper json.RawMessage `json:"mapper"` // object: member of the new body -> JSONata expression, a string
}

// field is a member of the new body.
type field struct {
	name       string
	key        []byte // the name as JSON, with the colon
	expression *jsonata.Expr
}

// bodyBytesMin is the first size of a new body; mappings rarely make a smaller one.
const bodyBytesMin = 512

// Map is the function jsonataMap. Each message becomes one with a new body: its members are those of data.mapper, in that order, with the
// values of their expressions. An expression's input, $ and $$, is the body of the incoming message. A member whose expression finds nothing
// is left out; null stays null. An expression that fails makes the message fail.
//
// It's only the body that changes: attachments, headers and metadata are those of the incoming message, so that a mapper can be put between
// any two steps. The message is a new one, with an id of its own.
func Map(step *component.Step) (component.Process, error) {
	fields, problems := parseMap(step.Config, compile)
	if err := builtin.Error(problems); err != nil {
		return nil, err
	}
	return func(ctx context.Context, in *component.Message, out component.Output) error {
		body, err := evaluate(ctx, fields, in.Body)
		if err != nil {
			return err
		}
		return out.Emit(&component.Message{Body: body, Attachments: in.Attachments, Headers: in.Headers, Metadata: in.Metadata})
	}, nil
}

// evaluate makes the new body. The old one is parsed once, and the new one written once: this runs for every message.
func evaluate(ctx context.Context, fields []field, body json.RawMessage) (json.RawMessage, error) {
	if len(body) == 0 {
		body = json.RawMessage("{}")
	}
	input, err := jsonata.ParseJSON(body)
	if err != nil {
		return nil, fmt.Errorf("decode body: %w", err)
	}
	dst := append(make([]byte, 0, max(bodyBytesMin, len(body))), '{')
	for _, f := range fields {
		value, err := f.expression.EvalValue(ctx, input)
		if err != nil {
			return nil, fmt.Errorf("mapper.%s:%s", f.name, place(err))
		}
		if value.IsUndefined() {
			continue
		}
		if len(dst) > 1 {
			dst = append(dst, ',')
		}
		dst = append(dst, f.key...)
		if dst, err = jsonata.AppendJSON(dst, value); err != nil {
			return nil, fmt.Errorf("mapper.%s: encode result: %w", f.name, err)
		}
	}
	return append(dst, '}'), nil
}

// parseMap reads the expressions of data, in the order in which they're written there.
func parseMap(data json.RawMessage, u use) ([]field, []builtin.Problem) {
	var config Config
	if problems := builtin.Decode(data, &config); problems != nil {
		return nil, problems
	}
	if len(config.Mapper) == 0 {
		return nil, []builtin.Problem{{Path: "data.mapper", Text: "missing: an object with a JSONata expression for each member of the new body"}}
	}
	var (
		fields   []field
		problems []builtin.Problem
		at       = map[string]int{}
	)
	err := members(config.Mapper, func(name string, value json.RawMessage) {
		path := builtin.Path("data.mapper", name)
		expression, wrong := u.expression(path, value)
		if wrong != nil {
			problems = append(problems, wrong...)
			return
		}
		key, err := json.Marshal(name)
		if err != nil {
			panic(err) // a string always has a JSON form
		}
		f := field{name: name, key: append(key, ':'), expression: expression}
		if i, again := at[name]; again {
			fields[i] = f // as everywhere in JSON, the last one counts
			return
		}
		at[name] = len(fields)
		fields = append(fields, f)
	})
	if err != nil {
		problems = append(problems, builtin.Problem{Path: "data.mapper", Text: err.Error()})
	}
	return fields, problems
}

// members calls f with each member of an object, in order.
func members(object json.RawMessage, f func(name string, value json.RawMessage)) error {
	d := json.NewDecoder(bytes.NewReader(object))
	open, err := d.Token()
	if err != nil {
		return err
	}
	if open != json.Delim('{') {
		return errors.New("expected an object with a JSONata expression for each member of the new body")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		f(name.(string), value) // in an object, that's what comes before a value
	}
	return nil
}
