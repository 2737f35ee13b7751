package jsonata_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/jsonata"
)

// TestLimits lets expressions loose that would take all time, memory or stack there is.
func TestLimits(t *testing.T) {
	small := jsonata.Limits{Memory: 16 << 20, ResultBytes: 1 << 20}
	for name, c := range map[string]struct {
		expr   string
		input  string
		limits jsonata.Limits
		code   string
	}{
		"endless recursion":            {"($f := function($n){1 + $f($n)}; $f(1))", "{}", small, "U1001"},
		"endless tail calls":           {"($f := function($n){$f($n)}; $f(1))", "{}", small, "U1002|U1003"},
		"mutual recursion by $map":     {"($f := function($n){$map([1], $f)}; $f(1))", "{}", small, "U1001"},
		"recursion by $eval":           {"($s := '$eval($s)'; $eval($s))", "{}", small, "U1001"},
		"recursion by chains":          {"($f := function($x){($x ~> $f ~> $f)[0]}; $f(1))", "{}", small, "U1001"},
		"recursion by partials":        {"($f := function($x,$y){$f(?,1)($x)+1}; $f(1,1))", "{}", small, "U1001"},
		"recursion by sort":            {"($f := function($x,$y){$sort([1,2],$f)[0]=1}; $f(1,1))", "{}", small, "U1001"},
		"strings that double":          {"($f := function($s,$n){$n = 0 ? $s : $f($s & $s, $n - 1)}; $length($f('aaaaaaaa', 60)))", "{}", small, "U1003"},
		"arrays that double":           {"($f := function($s,$n){$n = 0 ? $s : $f($append($s,$s), $n - 1)}; $count($f([1,2,3], 60)))", "{}", small, "U1003"},
		"arrays of arrays that double": {"($f := function($s,$n){$n = 0 ? $s : $f([$s,$s], $n - 1)}; $string($f([1], 60)))", "{}", small, "U1003"},
		"a product of ranges":          {"$count([1..100000].([1..100000]))", "{}", small, "U1003"},
		"a product in a join":          {"$count($$#$a.($$)#$b.($$)#$c)", "[" + strings.Repeat("1,", 999) + "1]", small, "U1003"},
		"a long sequence":              {"[1..1000]", "{}", jsonata.Limits{Sequence: 999}, "U1003"},
		"a result of shared parts":     {"($f := function($s,$n){$n = 0 ? $s : $f([$s,$s], $n - 1)}; $f([1], 60))", "{}", small, "U1003"},
		"equality of shared parts":     {"($f := function($s,$n){$n = 0 ? $s : $f([$s,$s], $n - 1)}; $f([1], 60) = $f([1], 60))", "{}", small, "U1003|U1002"},
		"descendants of shared parts":  {"($f := function($s,$n){$n = 0 ? $s : $f({'a':$s,'b':$s}, $n - 1)}; $count($f({'x':1}, 60).**))", "{}", small, "U1003|U1002"},
		"padding":                      {"$length($pad('a', 1e15, 'xyz'))", "{}", small, "U1003"},
		"replacement":                  {"($s := $pad('', 1000000, 'a'); $length($replace($s, 'a', $s)))", "{}", small, "U1003"},
		"replacement by regex":         {"($s := $pad('', 1000000, 'a'); $length($replace($s, /a/, $s)))", "{}", small, "U1003"},
		"a regex that backtracks":      {"$contains($pad('', 60, 'a') & 'b', /^(a+)+$/)", "{}", small, "U1002"},
		"a regex that fills its stack": {"$contains($pad('', 9000000, 'a'), /^(?:a|b)*c/)", "{}", small, "U1003|U1002"},
		"a value that contains itself": {"$ ~> |$|{'a': $}|", "{}", small, "U1001"},
		"a deep result":                {"$reduce([1..100000], function($a,$b){[[$a]]})", "{}", small, "U1001"},
		"a deep string":                {"$string($reduce([1..100000], function($a,$b){{'a':$a}}))", "{}", small, "U1001"},
		"a deep flattening":            {"{'a': $reduce([1..100000], function($a,$b){[[$a]]})}.*", "{}", small, "U1001"},
		"a big result":                 {"[$pad('', 2000000, 'a')]", "{}", small, "U1003"},
		"a nested big result":          {"[1..1000].[$pad('', 2000, 'a')]", "{}", small, "U1003"},
		"steps":                        {"[1..1000].($*$)", "{}", jsonata.Limits{Steps: 100}, "U1002"},
		"joining":                      {"($f := function($s,$n){$n = 0 ? $s : $f($join([$s,$s,$s,$s]), $n - 1)}; $length($f('aaaaaaaa', 30)))", "{}", small, "U1003"},
		"grouping":                     {"[1..1000000]{$string($): $$}", "{}", small, "U1003|U1002"},
		"sorting":                      {"$count([1..5000000]^($))", "{}", small, "U1003"},
		"splitting":                    {"$count($split($pad('', 2000000, 'a'), ''))", "{}", small, "U1003"},
		"truth of shared parts":        {"($f := function($s,$n){$n = 0 ? $s : $f([[$s],[$s]], $n - 1)}; $boolean($f([0], 60)))", "{}", small, "U1002"},
		"truth of a deep value":        {"$boolean($reduce([1..50000], function($a,$b){[[],[$a]]}))", "{}", small, "U1001"},
		"a predicate of many numbers":  {"$count([1..100000][[1..10000000]])", "{}", small, "U1002"},
		"a predicate that multiplies":  {"($z := [1..100000].(0); $count([1..1000][$z][$z]))", "{}", small, "U1003|U1002"},
		"a long picture":               {"$formatInteger(1, $pad('', 1000000, '0,'))", "{}", small, "U1003"},
		"a long picture of numbers":    {"$formatNumber(1, $pad('', 1000000, '0,'))", "{}", small, "U1003"},
		"a long picture of dates":      {"$toMillis($pad('', 1000000, '1'), $pad('', 9999, '[Y]'))", "{}", small, "U1003"},
		"a far item in a transform":    {"[[1]] ~> |$|{'4294967294': 1}|", "{}", small, "U1003"},
		"a long $eval":                 {"$eval('[' & $pad('', 1000000, '1,') & '1]')", "{}", small, "U1003"},
		"distinct values":              {"$count($distinct([1..1000000]))", "{}", small, "U1003"},
		"groups of one":                {"$count($keys([1..200000]{$string($): $}))", "{}", small, "U1003"},
		"spreading":                    {"[1..2000000].{'a':$} ~> $spread() ~> $count()", "{}", small, "U1003"},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := jsonata.Compile(c.expr, jsonata.WithLimits(c.limits))
			if err != nil {
				t.Fatal(err)
			}
			patience := 20 * time.Second
			if strings.Contains(c.code, "U1002") && c.limits.Steps == 0 { // time is what ends it, or may
				patience = time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			begun := time.Now()
			out, err := e.EvalJSON(ctx, []byte(c.input))
			var f *jsonata.Error
			if !errors.As(err, &f) || !strings.Contains(c.code, f.Code) {
				t.Errorf("got %.100s, %v, want %s", out, err, c.code)
			}
			// Generous, since the machine may be busy: the point is that it ends.
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestManyPartsEndSoon has what took time that grew with the square of the parts, or worse.
func TestManyPartsEndSoon(t *testing.T) {
	params, args := strings.Repeat("x?", 40), strings.Repeat("1,", 20)
	for name, c := range map[string]struct{ expr, want string }{
		"deleting members":    {"$merge([1..50000].{$string($): 1}) ~> |$|{}, $keys($)|", "{}"},
		"joining surrogates":  {`$length($join([1..500000].($ % 2 = 0 ? "\ude00" : "\ud83d")))`, "250000"},
		"optional parameters": {"function($a)<" + params + "f:x>{1}(" + args + "1)", "T0410"},
		"repeated parameters": {"function($a)<" + strings.ReplaceAll(params, "?", "+") + "f:x>{1}(" + args + args + args + "1)", "T0410"},
		"parameters that fit": {"function($a)<" + params + "f:x>{$a}(" + args + "$sum)", "1"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		out, err := compile(t, c.expr).EvalJSON(ctx, []byte("{}"))
		var f *jsonata.Error
		if errors.As(err, &f) {
			out = []byte(f.Code)
		}
		if string(out) != c.want {
			t.Errorf("%s: got %.100s, %v, want %s", name, out, err, c.want)
		}
	}
}

func TestDeepExpressionsAreRefused(t *testing.T) {
	for name, expr := range map[string]string{
		"parentheses": strings.Repeat("(", 1_000_000) + "1",
		"arrays":      strings.Repeat("[", 1_000_000),
		"objects":     strings.Repeat(`{"a":`, 1_000_000),
		"minus":       strings.Repeat("-", 1_000_000) + "1",
		"a chain":     strings.Repeat("1+", 1_000_000) + "1",
		"a path":      strings.Repeat("a.", 1_000_000) + "a",
		"filters":     "a" + strings.Repeat("[0]", 1_000_000),
		"lambdas":     strings.Repeat("function(){", 1_000_000),
		"conditions":  strings.Repeat("a?", 1_000_000) + "a",
		"bindings":    strings.Repeat("$a:=", 1_000_000) + "1",
	} {
		var f *jsonata.Error
		if _, err := jsonata.Compile(expr); !errors.As(err, &f) || f.Code != "U1001" {
			t.Errorf("%s: got %v, want U1001", name, err)
		}
	}
	if _, err := jsonata.Compile(strings.Repeat("(", 2000) + "1" + strings.Repeat(")", 2000)); err != nil {
		t.Errorf("2,000 parentheses: %v", err)
	}
	if _, err := jsonata.Compile("/" + strings.Repeat("(", 100_000) + strings.Repeat(")", 100_000) + "/"); err == nil {
		t.Error("nested regular expression: no error")
	}
}

func TestTheContextEndsAnEvaluation(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("stop it")
	cancel(why)
	_, err := compile(t, "1").Eval(ctx, nil)
	var f *jsonata.Error
	if !errors.As(err, &f) || f.Code != "U1002" || !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

func TestLongRangesCostNothing(t *testing.T) {
	e := compile(t, "[1..10000000] ~> $count()", jsonata.WithLimits(jsonata.Limits{Memory: 1 << 10}))
	if got, err := e.Eval(t.Context(), nil); err != nil || got != 10_000_000.0 {
		t.Errorf("got %v, %v", got, err)
	}
}
