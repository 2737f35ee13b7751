package jsonata_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator makes expressions and inputs out of a seed. Expressions are mostly meaningful for the inputs: the same few
// field names, arguments mostly of the right type.
type generator struct {
	*rand.Rand
	vars   []string
	fields []string
}

func newGenerator(seed uint64) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 0x6a736f6e617461)), fields: fields}
}

func (g *generator) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g *generator) one(in int) bool { return g.IntN(in) == 0 }

var fields = []string{"a", "b", "c", "d", "name", "price"}

// input is a random JSON document.
func (g *generator) input(depth int) string {
	if depth == 0 || g.one(4) {
		return g.scalar()
	}
	n := g.IntN(4)
	parts := make([]string, 0, n)
	if g.one(2) {
		for range n {
			parts = append(parts, g.input(depth-1))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	for _, i := range g.Perm(len(fields))[:n] {
		parts = append(parts, fmt.Sprintf("%q:%s", fields[i], g.input(depth-1)))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func (g *generator) scalar() string {
	return g.pick("0", "1", "2", "-1", "3.5", "10", "1e3", "0.1", "true", "false", "null", `"a"`, `"b"`, `"x y"`, `""`, `"10"`, `"héllo 😀"`,
		`"2018-03-23"`, `"[]"`)
}

// literal is a constant of the language.
func (g *generator) literal() string {
	return g.pick("0", "1", "2", "3", "-1", "3.5", "1e3", "0.1", "true", "false", "null", `"a"`, `"b"`, `'x y'`, `""`, `"10"`, `"héllo 😀"`,
		"[]", "{}", "[1,2]", `["a","b"]`, `{"a":1}`, `[{"a":1},{"a":2}]`, "[1..3]", "[[1],[2,3]]")
}

func (g *generator) expr(depth int) string {
	if depth <= 0 {
		switch g.IntN(4) {
		case 0:
			return g.literal()
		case 1:
			return g.variable()
		}
		return g.field()
	}
	switch g.IntN(24) {
	case 0, 1, 2, 3, 4, 5:
		return g.path(depth)
	case 6, 7:
		return g.expr(depth-1) + " " + g.pick("+", "-", "*", "/", "%", "&", "=", "!=", "<", "<=", ">", ">=", "and", "or", "in", "??", "?:") + " " + g.expr(depth-1)
	case 8, 9, 10, 11, 12:
		return g.call(depth)
	case 13:
		return "[" + g.list(depth) + "]"
	case 14:
		return g.object(depth)
	case 15:
		return g.block(depth)
	case 16:
		return g.expr(depth-1) + " ? " + g.expr(depth-1) + g.pick("", " : "+g.expr(depth-1))
	case 17:
		return g.expr(depth-1) + " ~> " + g.pick(g.call(depth), g.function(depth), g.transform(depth))
	case 18:
		return "(" + g.expr(depth-1) + ")" + g.suffix(depth)
	case 19:
		return g.lambda(depth, 1) + "(" + g.expr(depth-1) + ")"
	case 20:
		return "-" + g.expr(depth-1)
	case 21:
		return "[" + g.pick("0", "1", g.expr(depth-1)) + ".." + g.pick("2", "5", g.expr(depth-1)) + "]"
	case 22:
		return g.joinPath(depth)
	}
	return g.expr(0)
}

func (g *generator) variable() string {
	if len(g.vars) > 0 && !g.one(4) {
		return "$" + g.vars[g.IntN(len(g.vars))]
	}
	return g.pick("$", "$$", "$", "$nothing")
}

func (g *generator) field() string { return g.fields[g.IntN(len(g.fields))] }

func (g *generator) list(depth int) string {
	var parts []string
	for range g.IntN(4) {
		parts = append(parts, g.expr(depth-1))
	}
	return strings.Join(parts, ", ")
}

func (g *generator) object(depth int) string {
	var parts []string
	for range g.IntN(3) {
		key := g.pick(`"x"`, `"y"`, `"a"`, `"k" & $string(`+g.expr(depth-1)+`)`)
		parts = append(parts, key+": "+g.expr(depth-1))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (g *generator) block(depth int) string {
	name := g.pick("v", "w")
	value := g.expr(depth - 1)
	g.vars = append(g.vars, name)
	body := g.expr(depth - 1)
	if g.one(3) {
		body = g.expr(depth-2) + "; " + body
	}
	g.vars = g.vars[:len(g.vars)-1]
	return "($" + name + " := " + value + "; " + body + ")"
}

// suffix is a predicate, grouping, order-by or nothing.
func (g *generator) suffix(depth int) string {
	switch g.IntN(11) {
	case 0:
		return "[" + g.pick("0", "1", "-1", "0.5", "[0,1]", "true", "$ > 1", "a", "$="+g.literal()) + "]"
	case 1:
		return "[" + g.expr(depth-1) + "]"
	case 2:
		return "[]"
	case 3:
		return "^(" + g.pick("", "<", ">") + g.pick("$", g.field(), g.expr(depth-1)) + g.pick("", ", >"+g.field()) + ")"
	case 4:
		return g.object(depth)
	}
	return ""
}

func (g *generator) path(depth int) string {
	steps := []string{g.pick(g.field(), g.field(), g.variable(), g.literal(), "("+g.expr(depth-1)+")", "*", "**") + g.suffix(depth)}
	for range g.IntN(3) {
		steps = append(steps, g.pick(g.field(), g.field(), g.field(), "*", "**", "$", "("+g.expr(depth-1)+")", "["+g.list(depth-1)+"]",
			g.object(depth-1), g.call(depth-1), "%", `"a"`)+g.suffix(depth))
	}
	return strings.Join(steps, ".")
}

// joinPath is a path with variables for context and position.
func (g *generator) joinPath(depth int) string {
	before := len(g.vars)
	out := g.pick(g.field(), "$", "*")
	for i := range 1 + g.IntN(3) {
		name := fmt.Sprintf("j%d", i)
		out += g.pick("@$", "#$") + name
		g.vars = append(g.vars, name)
		out += g.pick("", "", "["+g.expr(depth-2)+"]", "[0]", "^("+g.field()+")")
		if !g.one(3) {
			out += "." + g.pick(g.field(), "$", "%", "{'k': $"+name+"}", "["+g.list(depth-1)+"]", "("+g.expr(depth-1)+")")
		}
	}
	out += g.pick("", "", "", "{'k' & $string($): $count($"+g.vars[len(g.vars)-1]+")}")
	g.vars = g.vars[:before]
	return out
}

func (g *generator) lambda(depth, params int) string {
	names := []string{"p", "q", "r", "s"}[:params]
	before := len(g.vars)
	g.vars = append(g.vars, names...)
	body := g.expr(depth - 1)
	g.vars = g.vars[:before]
	sig := ""
	if g.one(6) {
		sig = g.pick("<x-:x>", "<n:n>", "<s-:s>", "<a<n>:n>", "<a:a>", "<x?:x>", "<(sn)-:x>")
	}
	return "function($" + strings.Join(names, ", $") + ")" + sig + "{" + body + "}"
}

func (g *generator) function(depth int) string {
	switch g.IntN(6) {
	case 0:
		return "$" + g.pick("sum", "string", "count", "keys", "uppercase", "number", "boolean", "not", "exists", "type", "spread", "append")
	case 1:
		return g.pick("$append(?, "+g.expr(depth-1)+")", "$substring(?, 1)", "$contains(?, 'a')", "$join(?, '-')")
	}
	return g.lambda(depth, 1+g.IntN(2))
}

func (g *generator) transform(depth int) string {
	return "|" + g.pick("a", "**", "$", g.path(depth-1)) + "|" + g.object(depth-1) + g.pick("", ", 'b'", ", ['a','c']", ", "+g.expr(depth-1)) + "|"
}

// arg is an argument of a kind: n, s, a, o, f, r (regular expression), x; sometimes of another.
func (g *generator) arg(kind byte, depth int) string {
	if g.one(12) {
		return g.expr(depth)
	}
	switch kind {
	case 'n':
		return g.pick("0", "1", "2", "-1", "3.5", "12345.678", "-0.5", "1e21", "0.1", "price", "$count("+g.expr(depth)+")")
	case 's':
		return g.pick(`"abc"`, `"a b"`, `""`, `"héllo 😀"`, `"10"`, `"ab-ab"`, "name", "$string("+g.expr(depth)+")")
	case 'a':
		return g.pick("[]", "[1,2,3]", "[3,1,2]", `["b","a"]`, "[[1],[2]]", `[{"a":1},{"b":2}]`, "a", "$", "*", g.path(depth))
	case 'o':
		return g.pick(`{"a":1,"b":"x"}`, "{}", "$", "a", `{"b":{"c":[1]}}`)
	case 'f':
		return g.function(depth)
	case 'r':
		return g.pick(`/a/`, `/[ab]+/i`, `/(b)|(c)/`, `/(a)(b)?/`, `/\s*-?/`, `/^./`, `"a"`, `"b"`, `"-"`, `""`, `/\d+(?=0)/`)
	case 'p':
		return g.pick(`"#,##0.00"`, `"0"`, `"000"`, `"#0.0#"`, `"0.0e0"`, `"w"`, `"W;o"`, `"I"`, `"a"`, `"A"`, `"0;o"`, `"#,##0"`, `"00%"`, `"0.00;(0.00)"`, `"x0y"`, `"Ww"`)
	case 'q':
		return g.pick(`{"decimal-separator": ",", "grouping-separator": "."}`, `{"zero-digit": "٠"}`, `{"minus-sign": "~", "percent": "pc"}`, `{"exponent-separator": "E"}`, "{}",
			`{"digit": "x", "pattern-separator": "!"}`, `{"per-mille": "pm", "infinity": "oo", "NaN": "no"}`)
	case 't':
		return g.pick(`"[Y0001]-[M01]-[D01]"`, `"[H01]:[m01]:[s01].[f001]"`, `"[FNn], [D1o] [MNn] [Y]"`, `"[h]:[m] [P]"`, `"[Y]-W[W01]-[F1]"`, `"[d] [w] [x] [X]"`,
			`"[Z] [z] [Z0]"`, `"[Dwo] of [MN,3-3], [Yw]"`, `"[YI] [Y,2] [M#1]"`, `"[[[Y]]]"`, `"[q]"`, `"[Y"`)
	case 'm':
		return g.pick("0", "1521801216617", "-1", "951782400000", "1230768000000", "1483228799999", "253402300799999")
	case 'z':
		return g.pick(`"+0100"`, `"-0530"`, `"0000"`, `"+1400"`)
	}
	return g.expr(depth)
}

// calls lists the built-in functions with the kinds of their arguments; after ? they are optional.
var calls = []string{"sum a", "count a", "max a", "min a", "average a", "string x?b", "substring s?nn", "substringBefore ss", "substringAfter ss",
	"lowercase s", "uppercase s", "length s", "trim s", "pad sn?s", "match sr?n", "contains sr", "replace sr?sn", "split sr?n", "join a?s",
	"formatNumber np?q", "min a", "formatBase n?n", "formatInteger np", "parseInteger sp", "number x", "floor n", "ceil n", "round n?n", "abs n", "sqrt n",
	"power nn", "boolean x", "not x", "map af", "filter af", "single a?f", "reduce a?x", "sift of", "each of", "zip a?aa", "keys o", "lookup os",
	"append xx", "exists x", "spread x", "merge a", "reverse a", "type x", "sort a?f", "distinct a", "base64encode s", "base64decode s",
	"encodeUrlComponent s", "encodeUrl s", "decodeUrlComponent s", "decodeUrl s", "toMillis s?t", "fromMillis mt?z", "eval s?x", "clone o", "assert b?s", "sift o?f",
	"error s"}

func (g *generator) call(depth int) string {
	name, kinds, _ := strings.Cut(calls[g.IntN(len(calls))], " ")
	if name == "reduce" {
		return "$reduce(" + g.arg('a', depth-1) + ", " + g.lambda(depth, 2+g.IntN(2)) + g.pick("", ", "+g.expr(depth-1)) + ")"
	}
	var args []string
	optional := false
	for i := range len(kinds) {
		if kinds[i] == '?' {
			optional = true
			continue
		}
		if optional && g.one(2) || g.one(40) {
			break
		}
		args = append(args, g.arg(kinds[i], depth-1))
	}
	if g.one(10) && len(args) > 0 { // leave the context to fill in
		args = args[1:]
	}
	return "$" + name + "(" + strings.Join(args, ", ") + ")"
}
