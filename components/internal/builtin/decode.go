package builtin

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Decode decodes a node's data into the struct at v, whose fields need json tags, and returns what's wrong with it, in the words of a person who writes JSON.
// No data at all is the same as {}.
func Decode(data json.RawMessage, v any) []Problem {
	if len(data) == 0 {
		return nil
	}
	err := json.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	var mismatch *json.UnmarshalTypeError
	if !errors.As(err, &mismatch) {
		return []Problem{{Path: "data", Text: err.Error()}}
	}
	path := "data"
	if mismatch.Field != "" {
		for name := range strings.SplitSeq(mismatch.Field, ".") {
			path = Path(path, name)
		}
	}
	value, _, _ := strings.Cut(mismatch.Value, " ") // "number 1.5" is a number
	return []Problem{{Path: path, Text: fmt.Sprintf("expected %s, found %s", kind(mismatch.Type), article(value))}}
}

// Error returns problems as the one error that keeps a step from starting; nil if there are none.
func Error(problems []Problem) error {
	var errs []error
	for _, p := range problems {
		errs = append(errs, errors.New(p.String()))
	}
	return errors.Join(errs...)
}

func kind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Slice:
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	}
	return "a number"
}

// article gives encoding/json's name of a value the article that kind has.
func article(value string) string {
	switch value {
	case "array", "object":
		return "an " + value
	case "bool":
		return "a boolean"
	}
	return "a " + value
}
