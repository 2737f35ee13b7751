package mapper

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/openintegrationhub/leat/components/internal/builtin"
	"github.com/openintegrationhub/leat/jsonata"
)

// limits keep one expression from taking the process down. A message has 10 MiB at most, and a million steps take some 50 ms.
var limits = jsonata.Limits{Memory: 128 << 20, Steps: 500_000_000}

// use is what is done with each expression of a node's data: compile when the step starts, examine when the flow is checked.
type use func(source string) (*jsonata.Expr, []error)

// compile refuses what can't be evaluated at all.
func compile(source string) (*jsonata.Expr, []error) {
	expression, err := jsonata.Compile(source, jsonata.WithLimits(limits))
	if err != nil {
		return nil, []error{err}
	}
	return expression, nil
}

// examine finds typos too: functions that don't exist, variables that nothing binds. It compiles nothing.
func examine(source string) (*jsonata.Expr, []error) {
	var errs []error
	for _, err := range jsonata.Check(source) {
		errs = append(errs, err)
	}
	return nil, errs
}

// expression does that with the one expression that value, JSON, holds. A problem's text begins with line and column of the mistake.
func (u use) expression(path string, value json.RawMessage) (*jsonata.Expr, []builtin.Problem) {
	var source string
	if err := json.Unmarshal(value, &source); err != nil || string(value) == "null" {
		return nil, []builtin.Problem{{Path: path, Text: "expected a JSONata expression, a string"}}
	}
	compiled, errs := u(source)
	var problems []builtin.Problem
	for _, err := range errs {
		problems = append(problems, builtin.Problem{Path: path, Text: place(err)})
	}
	return compiled, problems
}

// place writes an error of jsonata as line:column: message (code).
func place(err error) string {
	var e *jsonata.Error
	if errors.As(err, &e) && e.Line() > 0 {
		return fmt.Sprintf("%d:%d: %s", e.Line(), e.Column(), err)
	}
	return err.Error()
}
