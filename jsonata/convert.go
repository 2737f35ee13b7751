package jsonata

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
)

type undefined struct{}

// Undefined is what Eval returns when the expression selects nothing, which is not the same as null. Custom functions
// get it for missing arguments and may return it.
var Undefined any = undefined{}

// MarshalJSON writes undefined as null, as JavaScript does within arrays.
func (undefined) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// String names the value in messages.
func (undefined) String() string { return "undefined" }

// Member is one key and value of an Object.
type Member struct {
	Key   string
	Value any
}

// Object is an object whose keys have an order. Eval takes it as input, but returns maps: use EvalValue and AppendJSON
// where the order of the result matters.
type Object []Member

// ValueOf converts what encoding/json makes of a document (map[string]any, []any, string, float64, bool, nil), integers,
// json.Number, Object, Undefined and Value into a Value. Keys of maps are sorted.
func ValueOf(v any) (Value, error) {
	out, err := fromAny(v, 0)
	if err != nil {
		return Value{}, err.finish("")
	}
	return out, nil
}

// Any converts v into what Eval returns: map[string]any, []any, string, float64, bool, nil or Undefined. A function
// becomes Undefined. A value nested too deep, or of more than 10 million parts, is cut off.
func (v Value) Any() any { return toAny(v, mostParts) }

// mostParts bounds conversions outside of an evaluation.
const mostParts = 10_000_000

func fromAny(in any, depth int) (Value, *Error) {
	if depth > maxValueDepth {
		return Value{}, tooDeep()
	}
	switch x := in.(type) {
	case nil:
		return null, nil
	case undefined:
		return Value{}, nil
	case Value:
		return x, nil
	case bool:
		return boolean(x), nil
	case string:
		return text(x), nil
	case float64:
		return number(x), nil
	case float32:
		return number(float64(x)), nil
	case int:
		return number(float64(x)), nil
	case int32:
		return number(float64(x)), nil
	case int64:
		return number(float64(x)), nil
	case json.Number:
		f, err := strconv.ParseFloat(string(x), 64)
		if err != nil && f == 0 {
			return Value{}, limitError("U1004", "input: %v", err)
		}
		return number(f), nil
	case []any:
		items := make([]Value, len(x))
		for i := range x {
			v, err := fromAny(x[i], depth+1)
			if err != nil {
				return v, err
			}
			items[i] = v
		}
		return plain(items), nil
	case []string:
		items := make([]Value, len(x))
		for i := range x {
			items[i] = text(x[i])
		}
		return plain(items), nil
	case map[string]any:
		keys := make([]string, 0, len(x))
		for k := range x {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		list := make(Object, len(keys))
		for i, k := range keys {
			list[i] = Member{k, x[k]}
		}
		return fromMembers(list, depth)
	case Object:
		return fromMembers(x, depth)
	case json.RawMessage:
		v, err := ParseJSON(x)
		if err != nil {
			return v, limitError("U1004", "%v", err)
		}
		return v, nil
	}
	return fromMarshaled(in)
}

// fromMarshaled takes any other type by way of JSON.
func fromMarshaled(in any) (Value, *Error) {
	b, err := json.Marshal(in)
	if err != nil {
		return Value{}, limitError("U1004", "convert %s: %v", fmt.Sprintf("%T", in), err)
	}
	v, err := ParseJSON(b)
	if err != nil {
		return Value{}, limitError("U1004", "convert %T: %v", in, err)
	}
	return v, nil
}

func fromMembers(list Object, depth int) (Value, *Error) {
	o := &object{members: make([]member, 0, len(list))}
	for _, m := range list {
		v, err := fromAny(m.Value, depth+1)
		if err != nil {
			return v, err
		}
		o.set(m.Key, v)
	}
	return objectValue(o), nil
}

// converter bounds what toAny builds: values may share parts, so that few of them stand for very many.
type converter struct{ left int }

// toAny converts v into what encoding/json would decode, up to most values; what is beyond that is cut off.
func toAny(v Value, most int) any {
	c := &converter{left: most}
	return c.any(v, 0)
}

func (c *converter) any(v Value, depth int) any {
	if c.left--; c.left < 0 || depth > maxValueDepth {
		c.left = -1
		return nil
	}
	switch v.k {
	case kNull:
		return nil
	case kBool:
		return v.n == 1
	case kNumber:
		return v.num()
	case kString:
		return v.str()
	case kArray:
		a := v.array()
		list := make([]any, 0, min(a.len(), c.left))
		for i := 0; i < a.len() && c.left >= 0; i++ {
			list = append(list, c.any(a.at(i), depth+1))
		}
		return list
	case kObject:
		m := make(map[string]any, len(v.object().members))
		for _, e := range v.object().members {
			if e.val.k != kUndefined && e.val.k != kFunc && c.left >= 0 {
				m[e.key] = c.any(e.val, depth+1)
			}
		}
		return m
	}
	return Undefined
}

// measure charges what toAny would build of v.
func (ev *evaluator) measure(v Value, depth int) *Error {
	if depth > maxValueDepth {
		return tooDeep()
	}
	if err := ev.tick(); err != nil {
		return err
	}
	if err := ev.charge(valueBytes); err != nil {
		return err
	}
	switch v.k {
	case kArray:
		a := v.array()
		for i := range a.len() {
			if err := ev.measure(a.at(i), depth+1); err != nil {
				return err
			}
		}
	case kObject:
		for _, m := range v.object().members {
			if err := ev.measure(m.val, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
