package jsonata_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openintegrationhub/leat/jsonata"
)

func TestCheck(t *testing.T) {
	for expr, want := range map[string][]string{
		"a.b[$sum(c) > 1]":                           nil,
		"($x := 1; function($y){$x + $y}(2))":        nil,
		"a@$x#$i.{\"n\": $x, \"i\": $i}":             nil,
		"a.b.%.c":                                    nil,
		"$custom($given)":                            nil,
		"$uper(name)":                                {"T1006 uper 1:1"},
		"{\n \"a\": $uper(name),\n \"b\": $missing}": {"T1006 uper 2:7", "U2001 missing 3:7"},
		"$foo($bar(1)) & a.$baz(2)\n ~> $qux":        {"T1006 foo 1:1", "T1006 bar 1:6", "T1006 baz 1:19", "U2001 qux 2:5"},
		"($x := 1; $y)":                              {"U2001 y 1:11"},
		"(function(){$x := 1}; $x)":                  {"U2001 x 1:23"},
		"sum(a)":                                     {"T1005 sum 1:1"},
		"a.foo(b)":                                   nil,
		"$sum(1, 2)":                                 {"T0410 sum 1:1"},
		"1 ~> $sum(2)":                               {"T0410 sum 1:6"},
		"$map(a, $nope)":                             {"U2001 nope 1:9"},
		"a +":                                        {"S0207 (end) 1:4"},
		"/(/":                                        {"S0302  1:4"},
		"/a**/":                                      {"S0303 /a**/ 1:1"},
	} {
		custom := jsonata.WithFunction("custom", "", func(context.Context, []any) (any, error) { return nil, nil })
		var got []string
		for _, e := range jsonata.Check(expr, custom, jsonata.WithVariable("given", 1)) {
			got = append(got, fmt.Sprintf("%s %s %d:%d", e.Code, e.Token, e.Line(), e.Column()))
			if e.Message == "" {
				t.Errorf("%s: no message for %s", expr, e.Code)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", expr, diff)
		}
	}
}
