package jsonata_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/openintegrationhub/leat/jsonata"
)

// suiteCase is one case of the reference's own suite (testdata/suite/README.md).
type suiteCase struct {
	Name      string
	Source    json.RawMessage `json:"expr"` // may hold lone surrogates, which encoding/json replaces
	Expr      string          `json:"-"`
	Data      json.RawMessage
	Dataset   string
	Bindings  map[string]any
	Timelimit int
	Depth     int
	Result    json.RawMessage
	Undefined bool `json:"undefinedResult"`
	Code      string
	Token     string
	Fault     *struct{ Code, Token, Message string } `json:"error"`
	Unordered bool
}

func suiteCases(t testing.TB) []suiteCase {
	t.Helper()
	f, err := os.Open("testdata/suite/cases.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []suiteCase
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var c suiteCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		expr, err := jsonata.ParseJSON(c.Source)
		if err != nil {
			t.Fatal(err)
		}
		c.Expr, _ = expr.Any().(string)
		cases = append(cases, c)
	}
	if len(cases) < 1000 {
		t.Fatalf("only %d cases", len(cases))
	}
	return cases
}

func TestReferenceSuite(t *testing.T) {
	for _, c := range suiteCases(t) {
		t.Run(c.Name, func(t *testing.T) { runCase(t, c) })
	}
}

func runCase(t *testing.T, c suiteCase) {
	input := c.Data
	if c.Dataset != "" {
		var err error
		if input, err = os.ReadFile(filepath.Join("testdata/suite/datasets", c.Dataset+".json")); err != nil {
			t.Fatal(err)
		}
	}
	want := suiteOutcome(c)
	got, err := evalCase(t, c, input)
	if want.code != "" {
		var e *jsonata.Error
		if !errors.As(err, &e) {
			t.Fatalf("%s: got %s, error %v, want code %s", c.Expr, got, err, want.code)
		}
		if e.Code != want.code || want.token != "" && e.Token != want.token {
			t.Errorf("%s: got code %s token %q, want %s %q (%v)", c.Expr, e.Code, e.Token, want.code, want.token, err)
		}
		if want.message != "" && e.Message != want.message {
			t.Errorf("%s: got message %q, want %q", c.Expr, e.Message, want.message)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s: %v, want %s", c.Expr, err, c.Result)
	}
	if c.Undefined {
		if got != nil {
			t.Errorf("%s: got %s, want undefined", c.Expr, got)
		}
		return
	}
	if diff := cmp.Diff(decode(t, c.Result, c.Unordered), decode(t, got, c.Unordered)); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", c.Expr, diff)
	}
}

type outcome struct{ code, token, message string }

func suiteOutcome(c suiteCase) outcome {
	if c.Fault != nil {
		return outcome{c.Fault.Code, c.Fault.Token, c.Fault.Message}
	}
	return outcome{c.Code, c.Token, ""}
}

func evalCase(t *testing.T, c suiteCase, input []byte) ([]byte, error) {
	limits := jsonata.Limits{Depth: c.Depth}
	opts := []jsonata.Option{jsonata.WithLimits(limits)}
	for name, v := range c.Bindings {
		opts = append(opts, jsonata.WithVariable(name, v))
	}
	e, err := jsonata.Compile(c.Expr, opts...)
	if err != nil {
		return nil, err
	}
	ctx := context.Context(t.Context())
	if c.Timelimit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(c.Timelimit)*time.Millisecond)
		defer cancel()
	}
	if len(input) == 0 {
		v, err := e.EvalValue(ctx, jsonata.Value{})
		if err != nil || v.IsUndefined() {
			return nil, err
		}
		return jsonata.AppendJSON(nil, v)
	}
	return e.EvalJSON(ctx, input)
}

func decode(t *testing.T, b []byte, unordered bool) any {
	t.Helper()
	var v any
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&v); err != nil {
		t.Fatalf("decode %q: %v", b, err)
	}
	if list, ok := v.([]any); ok && unordered {
		slices.SortFunc(list, func(a, b any) int {
			x, _ := json.Marshal(a)
			y, _ := json.Marshal(b)
			return strings.Compare(string(x), string(y))
		})
	}
	return v
}
