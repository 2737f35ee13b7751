package jsonata_test

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/jsonata"
)

// fuzzLimits keep one execution short.
var fuzzLimits = jsonata.Limits{Depth: 300, Sequence: 10_000, Memory: 4 << 20, ResultBytes: 1 << 20, Steps: 200_000}

// FuzzCompile: whatever the text, compiling, checking and explaining it neither panic nor contradict each other.
func FuzzCompile(f *testing.F) {
	for _, c := range suiteCases(f) {
		f.Add(c.Expr)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		e, err := jsonata.Compile(expr)
		problems := jsonata.Check(expr)
		if err != nil {
			if len(problems) != 1 {
				t.Fatalf("%q: Compile says %v, Check says %v", expr, err, problems)
			}
			return
		}
		for _, p := range problems {
			if p.Message == "" || p.Line() < 1 || p.Column() < 1 || p.Line() > strings.Count(expr, "\n")+1 {
				t.Fatalf("%q: %+v at %d:%d", expr, p, p.Line(), p.Column())
			}
		}
		if e.Explain() == "" {
			t.Fatalf("%q: nothing to explain", expr)
		}
	})
}

// changing are the functions whose results never repeat.
var changing = regexp.MustCompile(`random|shuffle|now|millis|eval`)

// FuzzEval: whatever expression and input, evaluation ends within its limits, and its result is JSON, the same for the
// input read as far as needed and for the whole input.
func FuzzEval(f *testing.F) {
	for _, c := range suiteCases(f) {
		f.Add(c.Expr, string(c.Data))
	}
	f.Fuzz(func(t *testing.T, expr, input string) {
		e, err := jsonata.Compile(expr, jsonata.WithLimits(fuzzLimits))
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begun := time.Now()
		out, err := e.EvalJSON(ctx, []byte(input))
		if took := time.Since(begun); took > 10*time.Second {
			t.Fatalf("%q on %q took %v", expr, input, took)
		}
		if err != nil {
			if err.Error() == "" {
				t.Fatalf("%q: error without text", expr)
			}
			return
		}
		if out != nil && !json.Valid(out) {
			t.Fatalf("%q on %q gave %q", expr, input, out)
		}
		in, err := jsonata.ParseJSON([]byte(input))
		if err != nil {
			t.Fatal(err)
		}
		v, err := e.EvalValue(ctx, in)
		if err != nil {
			t.Fatalf("%q on %q: EvalJSON gives %q, EvalValue %v", expr, input, out, err)
		}
		if whole, err := jsonata.AppendJSON(nil, v); !bytes.Equal(whole, out) && !changing.MatchString(expr) {
			t.Fatalf("%q on %q: EvalJSON gives %q, EvalValue %q, %v", expr, input, out, whole, err)
		}
	})
}

// FuzzParseJSON: the same documents as encoding/json takes, with the same values; also where the reader skips.
func FuzzParseJSON(f *testing.F) {
	a, err := jsonata.Compile("a.b")
	if err != nil {
		f.Fatal(err)
	}
	for _, doc := range []string{`{"a":[1,-0.5e3,true,null,"\ud83d\ude00\n"],"a":2}`, `[[],{},""]`, "1e400", `"\ud800"`, " 01"} {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		v, err := jsonata.ParseJSON([]byte(doc))
		if valid := json.Valid([]byte(doc)); valid != (err == nil) {
			t.Fatalf("%q: valid %v, error %v", doc, valid, err)
		}
		part, skipped := a.EvalJSON(t.Context(), []byte(doc))
		if (err == nil) != (skipped == nil) || err != nil && err.Error() != skipped.Error() {
			t.Fatalf("%q: error %v, but %v where it is skipped", doc, err, skipped)
		}
		if err != nil {
			return
		}
		out, err := jsonata.AppendJSON(nil, v)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%q became %q, %v", doc, out, err)
		}
		again, err := jsonata.ParseJSON(out)
		if err != nil {
			t.Fatal(err)
		}
		if twice, _ := jsonata.AppendJSON(nil, again); string(twice) != string(out) {
			t.Fatalf("%q became %q, and then %q", doc, out, twice)
		}
		whole, err := a.EvalValue(t.Context(), v)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := jsonata.AppendJSON(nil, whole); err != nil || !bytes.Equal(part, want) {
			t.Fatalf("%q: a.b is %q, but %q of the whole document", doc, part, want)
		}
	})
}
