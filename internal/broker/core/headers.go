package core

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// headersIndex tries one binding after another.
type headersIndex struct{ bindings []*Binding }

// headerMatch is a binding's arguments prepared for matching: x-match all, any, all-with-x or any-with-x, and the fields to compare.
type headerMatch struct {
	any    bool
	fields wire.Table
}

func newHeaderMatch(args wire.Table) (*headerMatch, *Error) {
	m := &headerMatch{}
	withX := false
	if v, ok := args.Get("x-match"); ok {
		switch v {
		case "all":
		case "any":
			m.any = true
		case "all-with-x":
			withX = true
		case "any-with-x":
			m.any, withX = true, true
		default:
			if s, ok := v.(string); ok {
				return nil, Errorf(CodePreconditionFailed, "Invalid x-match field value <<%q>>; expected all, any, all-with-x, or any-with-x", s)
			}
			return nil, Errorf(CodePreconditionFailed, "Invalid x-match field type %s (value %s); expected longstr", wire.TypeName(v), erlang(v))
		}
	}
	for _, f := range args {
		if f.Name == "x-match" || !withX && strings.HasPrefix(f.Name, "x-") {
			continue
		}
		m.fields = append(m.fields, f)
	}
	return m, nil
}

func (m *headerMatch) matches(headers wire.Table) bool {
	for _, f := range m.fields {
		v, found := headers.Get(f.Name)
		ok := found && (f.Value == nil || equalValue(f.Value, v))
		if ok == m.any {
			return ok
		}
	}
	return !m.any
}

// equalValue compares two field values; integers of different width are equal when their values are.
func equalValue(a, b any) bool {
	if x, ok := wire.Integer(a); ok {
		y, ok := wire.Integer(b)
		return ok && x == y
	}
	return reflect.DeepEqual(a, b)
}

func (h *headersIndex) add(b *Binding) { h.bindings = append(h.bindings, b) }

func (h *headersIndex) remove(b *Binding) {
	h.bindings = slices.DeleteFunc(h.bindings, func(o *Binding) bool { return o == b })
}

func (h *headersIndex) find(_, headers []byte, to []target) []target {
	table, err := wire.ParseTable(headers)
	if err != nil {
		return to
	}
	for _, b := range h.bindings {
		if b.match.matches(table) {
			to = append(to, b.to)
		}
	}
	return to
}

// erlang writes v as RabbitMQ's error texts do.
func erlang(v any) string {
	switch v := v.(type) {
	case nil:
		return "undefined"
	case float64:
		if v == math.Trunc(v) {
			return fmt.Sprintf("%.1f", v)
		}
	}
	return fmt.Sprint(v)
}
