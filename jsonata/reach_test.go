package jsonata_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/openintegrationhub/leat/jsonata"
)

// TestEvalJSONReadsWhatItNeeds: the parts of the input that an expression can't reach make no difference, and those that it
// can do, however they are reached. Each input is evaluated whole as well.
func TestEvalJSONReadsWhatItNeeds(t *testing.T) {
	const input = `{"a":{"b":[{"c":1,"d":"x"},{"c":2,"d":"y","e":{"f":[[{"c":7}]]}}],"s":"text","n":null,"o":{},"l":[]},"z":[1,[2],{"c":3}],"é":{"q":"\u00e9"}}`
	in, err := jsonata.ParseJSON([]byte(input))
	if err != nil {
		t.Fatal(err)
	}
	for _, expr := range []string{
		"a.b.c", "a.b[0].c", "a.b[c=2].d", "a.b[d].c", "$count(a.b)", "a.b.e.f.c", "a.*", "a.**.c", "**.c", "*.c", "$.a.s", "$$.a.s", "a.($$.z)",
		"a{s: b.c}", "a.b{d: c}", "a.b{d: $}", "a.b^(>c).d", "a.b^(>c)", "a.b.{'k': d, 'all': $}", "a.b.$string()", "a.b.$string(c)", "a.b.$keys()",
		"$keys(a)", "a.b.$lookup('d')", "$lookup(a, 's')", "a.b ~> $count", "a.b ~> $map(function($v){$v.d})", "$map(a.b, function($v, $i){$v.c + $i})",
		"($x := a; $x.b.d)", "($f := function(){a.s}; $f())", "a.($f := function(){s}; $f())", "a.b.(c ? d : 'no')", "a.b.(e ? d : 'no')",
		"a.(q ?: s)", "a.(q ?? s)", "(a.q ?? a).s", "(a.o ?? a).s", "a.(l ?? s)", "a.b#$i.{'i': $i, 'd': d}", "a.b@$x.{'d': $x.d}", "a.b.e.%.d", "a.b.c.%.%.s",
		"a.b[1][0].c", "a.b.[c, d]", "[a.b].c", "[a, z].c", "a ~> |b|{'d': 1}|", "$ ~> |a.b|{'d': $$.z}|", "a.b.$substring(d, 0)", "a.b.$substring(0)",
		"a.b.d.$uppercase()", "a.b.(d ~> $uppercase)", "$eval('a.b.d')", "($e := $eval; $e('a.s'))", "a.b.$sift(function($v, $k){$k = 'd'})", "$spread(a).s",
		"a.$exists(o)", "a.n", "a.o", "a.l", "a.b[]", "a[].b.c", "$type(a.n)", "$sum(z[0])", "z.c", "z[2].c", "z[-1]", "é.q", "a.b.c & a.s", "-a.b[0].c",
		"a.b[c in [1]].d", "a.(function($x)<x-:x>{$x}())", "a.s.$length()", "a.b.($.c)", "a.b.c^($)", "$reduce(a.b.c, function($i,$j){$i+$j})", "a = a", "$$ = $",
		"a.b.$formatNumber(c, '0.0')", "a.b.$formatNumber(c * 2, '0.0')", "a.b.c.$round()", "a.b.$pad(d, 3)", "$zip(a.b.c, a.b.d)", "a.\"s\"", "a.b.`c`", "nothing", "$", "1", "$now() = 1",
	} {
		e := compile(t, expr)
		v, err := e.EvalValue(t.Context(), in)
		var want []byte
		if err == nil {
			want, err = jsonata.AppendJSON(nil, v)
		}
		got, direct := e.EvalJSON(t.Context(), []byte(input))
		if string(got) != string(want) || (err == nil) != (direct == nil) || err != nil && err.Error() != direct.Error() {
			t.Errorf("%s: got %s, %v, want %s, %v", expr, got, direct, want, err)
		}
	}
}

func TestEvalJSONRefusesWhatIsNoJSONEvenWhereItSkips(t *testing.T) {
	e := compile(t, "a.b")
	for _, part := range []string{``, `1`, `-0.5e+3`, `"\n\u00e9\ud800"`, `[]`, `[1,{"x":[true,false,null]}]`, `{"a":{}}`, ` [ 1 , 2 ] `, `01`, `1.`, `1e`, `-`, `tru`, `nul`,
		`"`, "\"\x01\"", `"\x"`, `"\u12"`, `"\`, `[`, `[1`, `[1,]`, `[,]`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{a:1}`, `}`, `1 2`, "\x00", strings.Repeat("[", 20_000)} {
		doc := []byte(`{"a":{"c":` + part + `,"b":5}}`)
		_, want := jsonata.ParseJSON(doc)
		out, err := e.EvalJSON(t.Context(), doc)
		switch {
		case want != nil && (err == nil || err.Error() != want.Error()):
			t.Errorf("%.30q: got %s, %v, want %v", part, out, err, want)
		case want == nil && string(out) != "5":
			t.Errorf("%.30q: got %s, %v", part, out, err)
		}
	}
}

// TestEvalJSONKeepsNothing: what an evaluation leaves behind for the next one has nothing of it.
func TestEvalJSONKeepsNothing(t *testing.T) {
	e := compile(t, "a")
	docs := map[string]string{
		`{"a":[1,2,3],"b":{}}`:  `[1,2,3]`,
		`{"b":[1,2,{"a":"x"}]}`: ``,
		`{"a":{"a":"é"}}`:       `{"a":"é"}`,
		`[{"a":1},{"a":[2]}]`:   `[1,2]`,
		`{"a":`:                 `error`,
		`7`:                     ``,
	}
	for range 3 {
		for doc, want := range docs {
			out, err := e.EvalJSON(t.Context(), []byte(doc))
			if err != nil {
				out = []byte("error")
			}
			if string(out) != want {
				t.Errorf("%s: got %s, %v, want %s", doc, out, err, want)
			}
		}
	}
}

// TestEvalJSONGivesErrorsTheirValue even where the value is of the input.
func TestEvalJSONGivesErrorsTheirValue(t *testing.T) {
	_, err := compile(t, "a.b + 1").EvalJSON(t.Context(), []byte(`{"a":{"b":{"c":[1,2]},"d":3}}`))
	var e *jsonata.Error
	if !errors.As(err, &e) || e.Code != "T2001" || !strings.Contains(e.Message, `{"c":[1,2]}`) {
		t.Errorf("got %v", err)
	}
}

// TestCompilingTakesNoLongerThanTheExpression where a value may come from more places with every step.
func TestCompilingTakesNoLongerThanTheExpression(t *testing.T) {
	const steps = 800
	for name, step := range map[string]string{
		"conditions":      ".(c ? $ : $)",
		"different ones":  ".(c ? x : y)",
		"fallbacks":       ".($ ?? $)",
		"arrays":          ".[$, x, y]",
		"nested":          ".(c ? (d ? x : y) : [z, $])",
		"groups":          ".{'a': $}",
		"sorted":          "^($)",
		"root":            ".($$ ?? x)",
		"names":           ".x",
		"names and twins": ".[x, y].x",
	} {
		e := compile(t, "a"+strings.Repeat(step, steps))
		if _, err := e.EvalJSON(t.Context(), []byte(`{"b":1}`)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
