package jsonata_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/openintegrationhub/leat/jsonata"
)

func compile(t *testing.T, expr string, opts ...jsonata.Option) *jsonata.Expr {
	t.Helper()
	e, err := jsonata.Compile(expr, opts...)
	if err != nil {
		t.Fatalf("compile %s: %v", expr, err)
	}
	return e
}

func TestEvalTakesAndGivesWhatEncodingJSONDoes(t *testing.T) {
	for name, c := range map[string]struct {
		expr        string
		input, want any
	}{
		"a map":       {"a.b", map[string]any{"a": map[string]any{"b": 1.5}}, 1.5},
		"an array":    {"$[1]", []any{1.0, "x"}, "x"},
		"no result":   {"a", map[string]any{}, jsonata.Undefined},
		"null":        {"a", map[string]any{"a": nil}, nil},
		"no input":    {"$exists($)", jsonata.Undefined, false},
		"an integer":  {"$ + 1", 41, 42.0},
		"json.Number": {"$ * 2", json.Number("21"), 42.0},
		"a struct": {"name", struct {
			Name string `json:"name"`
		}{"x"}, "x"},
		"an ordered object":  {"$keys($)", jsonata.Object{{Key: "z", Value: 1}, {Key: "a", Value: 2}}, []any{"z", "a"}},
		"an object":          {`{"a": [1, {"b": null}]}`, nil, map[string]any{"a": []any{1.0, map[string]any{"b": nil}}}},
		"a function":         {"$sum", nil, jsonata.Undefined},
		"functions left out": {`{"a": $sum, "b": 1}`, nil, map[string]any{"b": 1.0}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := compile(t, c.expr).Eval(t.Context(), c.input)
			if err != nil {
				t.Fatal(err)
			}
			if got == jsonata.Undefined || c.want == jsonata.Undefined {
				if got != c.want {
					t.Fatalf("got %v, want %v", got, c.want)
				}
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEvalJSON(t *testing.T) {
	for name, c := range map[string]struct{ expr, input, want string }{
		"keys keep their order":          {"$", `{"z":1,"a":2,"1":3}`, `{"z":1,"a":2,"1":3}`},
		"numbers print as in JavaScript": {"$", `[1.0,1e21,1E-7,-0,0.1,123456789012345680000]`, `[1,1e+21,1e-7,0,0.1,123456789012345680000]`},
		"strings are escaped":            {"$", `"\u0001\n\"\\/\u00e9\ud83d\ude00\u2028"`, "\"\\u0001\\n\\\"\\\\/é😀\u2028\""},
		"a lone surrogate survives":      {"$", `"\ud800x"`, `"\ud800x"`},
		"halves meet":                    {`a & b`, `{"a":"\ud83d","b":"\ude00"}`, `"😀"`},
		"undefined gives nothing":        {"x", `{}`, ``},
		"the last of a double key wins":  {"$", `{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`},
		"infinity has no JSON":           {"1/0", `{}`, `null`},
		"many keys":                      {"n", `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":14}`, `14`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := compile(t, c.expr).EvalJSON(t.Context(), []byte(c.input))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if c.want == "" && got != nil {
				t.Errorf("got %q, want nil", got)
			}
		})
	}
}

func TestParseJSONRefuses(t *testing.T) {
	for _, doc := range []string{"", " ", "{", "[1,]", `{"a"}`, `{"a":1,}`, `{a:1}`, "01", "1.", "1e", "-", "+1", "tru", `"`, `"\x"`, `"\u12"`, "\"\n\"", "1 2",
		"[1 2]", "nul", "'a'", "\x00", strings.Repeat("[", 20_000)} {
		if v, err := jsonata.ParseJSON([]byte(doc)); err == nil {
			t.Errorf("%.20q: got %v, want an error", doc, v)
		}
	}
}

func TestSeveralExpressionsShareOneInput(t *testing.T) {
	in, err := jsonata.ParseJSON([]byte(`{"items":[{"n":1},{"n":2}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for _, expr := range []string{"$sum(items.n)", "items ~> |$|{'n': 9}|", "items[0]"} {
		v, err := compile(t, expr).EvalValue(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if out, err = jsonata.AppendJSON(out, v); err != nil {
			t.Fatal(err)
		}
		out = append(out, ' ')
	}
	if want := `3 [{"n":9},{"n":9}] {"n":1} `; string(out) != want {
		t.Errorf("got %s, want %s", out, want)
	}
}

func TestOneExpressionServesManyGoroutines(t *testing.T) {
	e := compile(t, `($f := function($n){$n = 0 ? 0 : $f($n - 1)}; {"a": $f(50), "s": $join(words, "-"), "m": $match(words[0], /o+/).match})`)
	in, err := jsonata.ParseJSON([]byte(`{"words":["foo","bar"]}`))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				v, err := e.EvalValue(context.Background(), in)
				if err != nil {
					t.Error(err)
					return
				}
				got, _ := jsonata.AppendJSON(nil, v)
				if want := `{"a":0,"s":"foo-bar","m":"oo"}`; string(got) != want {
					t.Errorf("got %s, want %s", got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestCustomFunctionsAndVariables(t *testing.T) {
	double := jsonata.WithFunction("double", "<n-:n>", func(_ context.Context, args []any) (any, error) {
		return args[0].(float64) * 2, nil
	})
	count := jsonata.WithFunction("arity", "", func(_ context.Context, args []any) (any, error) { return len(args), nil })
	broken := jsonata.WithFunction("broken", "", func(context.Context, []any) (any, error) { return nil, errors.New("no luck") })
	rate := jsonata.WithVariable("rate", map[string]any{"eur": 0.5})
	for expr, want := range map[string]any{
		"$double(4)":                  8.0,
		"[1,2].$double()":             []any{2.0, 4.0},
		"$map([1,2], $double)":        []any{2.0, 4.0},
		"10 * $rate.eur":              5.0,
		"$arity(1, 2, 3)":             3.0,
		"($double := 1; $double)":     1.0,
		"$arity($nothing) & $arity()": "10",
	} {
		got, err := compile(t, expr, double, count, broken, rate).Eval(t.Context(), nil)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", expr, diff)
		}
	}
	_, err := compile(t, "1 + $broken()", broken).Eval(t.Context(), nil)
	var e *jsonata.Error
	if !errors.As(err, &e) || e.Message != "no luck" || e.Column() != 12 {
		t.Errorf("got %v at column %d", err, e.Column())
	}
	if _, err := compile(t, `$double("x")`, double).Eval(t.Context(), nil); !errors.As(err, &e) || e.Code != "T0410" {
		t.Errorf("got %v, want T0410", err)
	}
	if _, err := jsonata.Compile("1", jsonata.WithFunction("f", "<n<n>>", nil)); !errors.As(err, &e) || e.Code != "S0401" {
		t.Errorf("got %v, want S0401", err)
	}
}

func TestClock(t *testing.T) {
	now := jsonata.WithClock(func() time.Time { return time.UnixMilli(1521801216617) })
	got, err := compile(t, `$now() & " " & $millis() & " " & $now("[Y]", "+0100")`, now).Eval(t.Context(), nil)
	if err != nil || got != "2018-03-23T10:33:36.617Z 1521801216617 2018" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestErrorsTellWhere(t *testing.T) {
	for expr, want := range map[string]struct {
		code, token       string
		pos, line, column int
	}{
		"1 + ":               {"S0207", "(end)", 4, 1, 5},
		"{\n  \"a\": 1 +\n}": {"S0211", "}", 14, 3, 1},
		"a\n  !b":            {"S0204", "!", 5, 2, 3},
		"\"é😀\" ~> $foo()":   {"T1006", "foo", 14, 1, 13},
		"1 +\n \"a\"":        {"T2002", "+", 3, 1, 3},
		"$sum([1,\"a\"])":    {"T0412", "sum", 5, 1, 5},
		"$map([1], function($v)\n{$v & ($v + \"\")})": {"T2002", "+", 5, 2, 11},
		"\"abc": {"S0101", "", 4, 1, 5},
	} {
		e, err := jsonata.Compile(expr)
		if err == nil {
			_, err = e.Eval(t.Context(), nil)
		}
		var f *jsonata.Error
		if !errors.As(err, &f) {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if f.Code != want.code || f.Token != want.token || f.Position != want.pos || f.Line() != want.line || f.Column() != want.column {
			t.Errorf("%q: got %s %q at %d, %d:%d (%v), want %+v", expr, f.Code, f.Token, f.Position, f.Line(), f.Column(), f, want)
		}
	}
}

func TestExplain(t *testing.T) {
	got := compile(t, "orders[price > 10]^(>date).{\"n\": $uppercase(name)}").Explain()
	want := `path  1:1
  step: name orders  1:1
    filter: operator >  1:14
      path  1:8
        step: name price  1:8
      number 10  1:16
  step: operator ^  1:19
    descending: path  1:22
      step: name date  1:22
  step: object  1:28
    key: string "n"  1:29
    value: call  1:44
      function: variable $uppercase  1:34
      argument: path  1:45
        step: name name  1:45
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
