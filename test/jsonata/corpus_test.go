package jsonata_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/openintegrationhub/leat/jsonata"
)

// corpus is the public part of the reference's suite, to make new questions of.
type corpus struct {
	cases     []suiteCase
	fragments []string // expressions within the cases' expressions
	functions []string
}

type suiteCase struct {
	expr  string
	input json.RawMessage
	parts [][2]int // where the expression has fragments
	names []string // of the input's fields
}

func readCorpus(t testing.TB) *corpus {
	t.Helper()
	const dir = "../../jsonata/testdata/suite"
	f, err := os.Open(filepath.Join(dir, "cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := &corpus{}
	datasets := map[string]json.RawMessage{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var s struct {
			Expr, Dataset string
			Data          json.RawMessage
			Bindings      map[string]any
		}
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		if len(s.Bindings) > 0 || len(s.Expr) > 1000 || strings.ContainsRune(s.Expr, utf8.RuneError) {
			continue
		}
		if s.Dataset != "" && datasets[s.Dataset] == nil {
			b, err := os.ReadFile(filepath.Join(dir, "datasets", s.Dataset+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, b); err != nil {
				t.Fatal(err)
			}
			datasets[s.Dataset] = compact.Bytes()
		}
		if s.Dataset != "" {
			s.Data = datasets[s.Dataset]
		}
		c.add(s.Expr, s.Data)
	}
	for _, call := range calls {
		name, _, _ := strings.Cut(call, " ")
		c.functions = append(c.functions, name)
	}
	return c
}

// add keeps a case and the expressions within it.
func (c *corpus) add(expr string, input json.RawMessage) {
	s := suiteCase{expr: expr, input: input, names: names(input)}
	for _, p := range pieces(expr) {
		text := expr[p[0]:p[1]]
		if _, err := jsonata.Compile(text); err != nil {
			continue
		}
		s.parts = append(s.parts, p)
		if len(text) < 200 {
			c.fragments = append(c.fragments, text)
		}
	}
	c.cases = append(c.cases, s)
}

// fieldName finds the keys of JSON.
var fieldName = regexp.MustCompile(`"([^"\\` + "`" + `]*)"\s*:`)

// names lists the keys of a document as an expression has them, some fields of others among them.
func names(input json.RawMessage) []string {
	list := slices.Clone(fields[:2])
	for _, m := range fieldName.FindAllSubmatch(input, -1) {
		name := "`" + string(m[1]) + "`"
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// fresh is an expression of its own for the input of a case.
func (c *corpus) fresh(g *generator) question {
	s := c.cases[g.IntN(len(c.cases))]
	for len(s.names) < 4 {
		s = c.cases[g.IntN(len(c.cases))]
	}
	g.fields = s.names
	return question{Expr: g.expr(1 + g.IntN(4)), Input: s.input}
}

// pieces cuts an expression at brackets, separators and dots outside of strings: everything between two cuts of the same
// depth may be an expression of its own.
func pieces(expr string) [][2]int {
	var list [][2]int
	open := [][]int{{0}} // cuts at each depth
	end := func(at int) {
		cuts := open[len(open)-1]
		for i, from := range cuts {
			if i >= len(cuts)-3 || i == 0 {
				list = append(list, [2]int{from, at})
			}
		}
	}
	for i := 0; i < len(expr); i++ {
		switch ch := expr[i]; ch {
		case '"', '\'', '`':
			for i++; i < len(expr) && expr[i] != ch; i++ {
				if expr[i] == '\\' {
					i++
				}
			}
		case '(', '[', '{':
			open = append(open, []int{i + 1})
		case ')', ']', '}':
			end(i)
			if len(open) > 1 {
				open = open[:len(open)-1]
			}
		case ',', ';', ':', '.', '+', '-', '*', '/', '=', '<', '>', '&', '~', '?':
			end(i)
			top := len(open) - 1
			open[top] = append(open[top], i+1)
		}
	}
	end(len(expr))
	return list
}

// mutant is a case with some changes: other literals, other parts, other functions, something more, another input.
func (c *corpus) mutant(g *generator) question {
	s := c.cases[g.IntN(len(c.cases))]
	expr, input := s.expr, s.input
	parts := s.parts
	g.fields = s.names
	for range 1 + g.IntN(3) {
		switch g.IntN(9) {
		case 0, 1:
			if len(parts) > 0 {
				p := parts[g.IntN(len(parts))]
				expr, parts = expr[:p[0]]+c.fragments[g.IntN(len(c.fragments))]+expr[p[1]:], nil
			}
		case 2:
			if len(parts) > 0 {
				p := parts[g.IntN(len(parts))]
				expr, parts = expr[:p[0]]+"("+expr[p[0]:p[1]]+")"+g.suffix(1)+expr[p[1]:], nil
			}
		case 3:
			expr, parts = c.otherFunction(g, expr), nil
		case 4, 5:
			expr, parts = otherLiteral(g, expr), nil
		case 6:
			expr, parts = otherText(g, expr), nil
		case 7:
			expr, parts = expr+g.pick(g.suffix(1), "."+g.field(), ".%", ".*", "[0]", "[]", "^($)", " ~> $"+c.functions[g.IntN(len(c.functions))]+"()", ".{'k': $}", ".$string()"), nil
		case 8:
			if input = c.cases[g.IntN(len(c.cases))].input; g.one(3) {
				input = []byte(g.input(3))
			}
		}
	}
	return question{Expr: expr, Input: input}
}

// otherFunction puts another function's name in the place of one.
func (c *corpus) otherFunction(g *generator, expr string) string {
	var at [][2]int
	for i := 0; i < len(expr); i++ {
		if expr[i] != '$' {
			continue
		}
		j := i + 1
		for j < len(expr) && (expr[j] >= 'a' && expr[j] <= 'z' || expr[j] >= 'A' && expr[j] <= 'Z' || expr[j] >= '0' && expr[j] <= '9') {
			j++
		}
		if j > i+2 {
			at = append(at, [2]int{i + 1, j})
		}
	}
	if len(at) == 0 {
		return expr
	}
	p := at[g.IntN(len(at))]
	return expr[:p[0]] + c.functions[g.IntN(len(c.functions))] + expr[p[1]:]
}

// otherLiteral changes one number, or one character that is an operator or sign.
func otherLiteral(g *generator, expr string) string {
	var at []int
	for i := range len(expr) {
		if strings.IndexByte("0123456789+-*/%<>=&.", expr[i]) >= 0 {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return expr
	}
	i := at[g.IntN(len(at))]
	if expr[i] >= '0' && expr[i] <= '9' {
		return expr[:i] + g.pick("0", "1", "2", "-1", "12", "0.5", "1e3", "100", "") + expr[i+1:]
	}
	return expr[:i] + g.pick("+", "-", "*", "/", "%", "<", ">=", "=", "!=", "&", ".", " and ", " or ", " in ", "~>", "..", "?:", "??", "") + expr[i+1:]
}

// otherText changes one character of one string.
func otherText(g *generator, expr string) string {
	var at []int
	for i := 0; i < len(expr); i++ {
		if ch := expr[i]; ch == '"' || ch == '\'' {
			for i++; i < len(expr) && expr[i] != ch; i++ {
				if expr[i] < utf8.RuneSelf {
					at = append(at, i)
				}
			}
		}
	}
	if len(at) == 0 {
		return expr
	}
	i := at[g.IntN(len(at))]
	with := g.pick("", "0", "1", "#", ",", ".", ";", "[", "]", "a", "A", "Y", "M", "D", "H", "m", "n", "w", "W", "I", "o", "t", "-", "*", "é", "٠", "$1", "%", "e", " ", expr[i:i+1]+expr[i:i+1])
	return expr[:i] + with + expr[i+1:]
}
