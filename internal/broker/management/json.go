package management

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// tableJSON is a field table as a JSON object.
func tableJSON(t wire.Table) object {
	out := object{}
	for _, field := range t {
		out[field.Name] = valueJSON(field.Value)
	}
	return out
}

// valueJSON is a field value as JSON has it. What JSON can't hold becomes a text.
func valueJSON(v any) any {
	switch v := v.(type) {
	case wire.Table:
		return tableJSON(v)
	case wire.Array:
		return listJSON(v)
	case wire.Timestamp:
		return uint64(v)
	case wire.Decimal:
		return float64(v.Value) / math.Pow10(int(v.Scale))
	case amqp.Table:
		out := object{}
		for name, value := range v {
			out[name] = valueJSON(value)
		}
		return out
	case amqp.Decimal:
		return float64(v.Value) / math.Pow10(int(v.Scale))
	case []any:
		return listJSON(v)
	case time.Time:
		return v.Unix()
	case []byte:
		return string(v)
	case float32:
		return valueJSON(float64(v))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v)
		}
		return v
	default:
		return v
	}
}

func listJSON(list []any) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = valueJSON(v)
	}
	return out
}

// tableOf makes a field table of a JSON object; integers are longs.
func tableOf(v any) (amqp.Table, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		table := amqp.Table{}
		for name, value := range v {
			field, err := fieldOf(value)
			if err != nil {
				return nil, err
			}
			table[name] = field
		}
		return table, nil
	case []any:
		if len(v) == 0 { // how PHP's clients write an empty object
			return nil, nil
		}
	}
	return nil, badRequest("arguments must be an object")
}

func fieldOf(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, badRequest([]any{"not_a_number", v})
		}
		return f, nil
	case map[string]any:
		return tableOf(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = fieldOf(v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	default:
		return v, nil
	}
}

// wireTable makes a field table of a JSON object, its fields in the order of their names; integers are longs.
func wireTable(v any) (wire.Table, error) {
	fields, isObject := v.(map[string]any)
	if list, isList := v.([]any); !isObject && v != nil && !(isList && len(list) == 0) {
		return nil, badRequest("arguments must be an object")
	}
	table := wire.Table{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value, err := wireValue(fields[name])
		if err != nil {
			return nil, err
		}
		table = append(table, wire.Field{Name: name, Value: value})
	}
	return table, nil
}

func wireValue(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		return wireTable(v)
	case []any:
		out := make(wire.Array, len(v))
		for i := range v {
			var err error
			if out[i], err = wireValue(v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	default:
		return fieldOf(v)
	}
}

// amqpTable is a field table for the client library.
func amqpTable(t wire.Table) amqp.Table {
	if len(t) == 0 {
		return nil
	}
	out := amqp.Table{}
	for _, field := range t {
		out[field.Name] = amqpValue(field.Value)
	}
	return out
}

func amqpValue(v any) any {
	switch v := v.(type) {
	case wire.Table:
		return amqpTable(v)
	case wire.Array:
		out := make([]any, len(v))
		for i := range v {
			out[i] = amqpValue(v[i])
		}
		return out
	case wire.Timestamp:
		return time.Unix(int64(v), 0)
	case wire.Decimal:
		return amqp.Decimal{Scale: v.Scale, Value: int32(v.Value)}
	default:
		return v
	}
}

// sameTable compares by what both are in JSON.
func sameTable(a wire.Table, b amqp.Table) bool {
	x, err := json.Marshal(tableJSON(a))
	if err != nil {
		return false
	}
	if b == nil {
		b = amqp.Table{}
	}
	y, err := json.Marshal(valueJSON(b))
	return err == nil && string(x) == string(y)
}

// arrange does what the query asks of an answer: name, sort, page and columns.
func arrange(body any, query url.Values) (any, error) {
	items, ok := body.([]object)
	if !ok {
		if one, ok := body.(object); ok {
			return pick(one, query.Get("columns")), nil
		}
		return body, nil
	}
	total := len(items)
	if name := query.Get("name"); name != "" {
		match := func(s string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(name)) }
		if query.Get("use_regex") == "true" {
			re, err := regexp.Compile(name)
			if err != nil {
				return nil, badRequest([]string{"invalid_regexp", err.Error()})
			}
			match = re.MatchString
		}
		items = slices.DeleteFunc(items, func(o object) bool { s, _ := o["name"].(string); return !match(s) })
	}
	if by := query.Get("sort"); by != "" {
		slices.SortStableFunc(items, func(x, y object) int { return compare(field(x, by), field(y, by)) })
		if query.Get("sort_reverse") == "true" {
			slices.Reverse(items)
		}
	}
	pages, err := paged(items, total, query)
	if err != nil {
		return nil, err
	}
	if pages != nil {
		items = pages["items"].([]object)
	}
	for i := range items {
		items[i] = pick(items[i], query.Get("columns"))
	}
	if pages != nil {
		return pages, nil
	}
	return items, nil
}

// paged cuts one page out, nil when none is asked for.
func paged(items []object, total int, query url.Values) (object, error) {
	if !query.Has("page") {
		return nil, nil
	}
	page, err := strconv.Atoi(query.Get("page"))
	if err != nil || page < 1 {
		return nil, refused(http.StatusBadRequest, "bad_request", "page_parse_error")
	}
	size := 100
	if query.Has("page_size") {
		if size, err = strconv.Atoi(query.Get("page_size")); err != nil || size < 1 || size > 500 {
			return nil, refused(http.StatusBadRequest, "bad_request", "page_size_parse_error")
		}
	}
	count := max(1, (len(items)+size-1)/size)
	if page > count {
		return nil, refused(http.StatusBadRequest, "page_out_of_range", fmt.Sprintf("page: %d size: %d", page, size))
	}
	cut := items[(page-1)*size : min(page*size, len(items))]
	return object{
		"items": cut, "item_count": len(cut), "filtered_count": len(items), "total_count": total, "page": page, "page_size": size, "page_count": count,
	}, nil
}

// field looks a name with dots up.
func field(o object, path string) any {
	name, rest, more := strings.Cut(path, ".")
	v := o[name]
	if inner, ok := v.(object); ok && more {
		return field(inner, rest)
	}
	return v
}

func compare(x, y any) int {
	a, aok := number(x)
	b, bok := number(y)
	if aok && bok {
		return cmp.Compare(a, b)
	}
	return cmp.Compare(fmt.Sprint(x), fmt.Sprint(y))
}

func number(v any) (float64, bool) {
	text, err := json.Marshal(v)
	if err != nil {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(text), 64)
	return f, err == nil
}

// pick keeps the named columns, all when there are none.
func pick(o object, columns string) object {
	if columns == "" {
		return o
	}
	out := object{}
	for column := range strings.SplitSeq(columns, ",") {
		put(out, o, column)
	}
	return out
}

func put(to, from object, path string) {
	name, rest, more := strings.Cut(path, ".")
	v, ok := from[name]
	if !ok {
		return
	}
	inner, isObject := v.(object)
	if !more || !isObject {
		to[name] = v
		return
	}
	sub, ok := to[name].(object)
	if !ok {
		sub = object{}
		to[name] = sub
	}
	put(sub, inner, rest)
}
