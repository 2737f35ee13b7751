package flow_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/internal/flow"
)

func TestHostileFilesAreRefusedSoon(t *testing.T) {
	const mib = 1 << 20
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 12 {
		bomb += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 9), i)
	}
	many := func(n int, item string) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	tests := map[string]struct{ name, text, want string }{
		"too large":            {"a.json", strings.Repeat(" ", mib+1), "the file is too large"},
		"not UTF-8":            {"a.yaml", "kind: \xff", "a.yaml:1:7: the file isn't UTF-8 text"},
		"alias bomb":           {"a.yaml", bomb, "aliases make the file too large"},
		"alias bomb of text":   {"a.yaml", "a: &a " + strings.Repeat("x", mib/2) + "\nb: [" + many(mib/8, "*a") + "]", "aliases make the file too large"},
		"alias bomb of names":  {"a.yaml", "a: &a {" + strings.Repeat("x", mib/2) + ": 1}\nb: [" + many(mib/8, "*a") + "]", "aliases make the file too large"},
		"alias of itself":      {"a.yaml", "a: &x [*x]", "nested too deep"},
		"deep JSON":            {"a.json", strings.Repeat("[", mib/2) + strings.Repeat("]", mib/2), "nested too deep"},
		"rather deep JSON":     {"a.json", strings.Repeat("[", 200) + strings.Repeat("]", 200), "nested too deep"},
		"open JSON":            {"a.json", strings.Repeat("[", mib), ""},
		"open JSON objects":    {"a.json", strings.Repeat(`{"a":`, mib/5), ""},
		"deep YAML":            {"a.yaml", strings.Repeat("- ", mib/2), ""},
		"deep flow YAML":       {"a.yaml", strings.Repeat("[", mib), ""},
		"deep mappings":        {"a.yaml", strings.Repeat("{a: ", mib/4), ""},
		"many question marks":  {"a.yaml", strings.Repeat("? ", mib/2), ""},
		"many anchors":         {"a.yaml", strings.Repeat("&a ", mib/3), ""},
		"many documents":       {"a.yaml", strings.Repeat("---\n", mib/4), "the file is empty"},
		"many scalars":         {"a.yaml", strings.Repeat("--- a\n", mib/6), "expected a flow"},
		"one long name":        {"a.yaml", strings.Repeat("a", mib-2) + ": b", ""},
		"many names":           {"a.yaml", "{" + many(mib/8, "a: 1") + "}", ""},
		"many JSON names":      {"a.json", `{` + many(mib/6, `"":1`) + `}`, "more mistakes"},
		"many JSON values":     {"a.json", strings.Repeat("1 ", mib/2), "expected a flow"},
		"an edge too many":     {"a.json", strings.Replace(minimal(""), `}]}}`, `}], "connections": [`+many(10_001, `{"from":"a","to":"a"}`)+`]}}`, 1), "10001 connections; at most 10000 are allowed"},
		"a node too many":      {"a.json", strings.Replace(minimal(""), `}]}}`, `},`+many(1000, `{"id":"b"}`)+`]}}`, 1), "1001 nodes; at most 1000 are allowed"},
		"long wrong field":     {"a.json", minimal(`, "` + strings.Repeat("x", mib/2) + `": 1`), "unknown field"},
		"many unknown fields":  {"a.json", minimal(numbered(40_000, `, "functio%x": 1`)), "and more mistakes"},
		"many bad variables":   {"a.json", minimal(`, "env": {"A": ""` + numbered(70_000, `,"1%x":""`) + `}`), "and more mistakes"},
		"many unknown ends":    {"a.json", strings.Replace(minimal(numbered(999, `}, {"id": "b%x"`)), `}]}}`, `}], "connections": [{}`+numbered(9_000, `,{"from":"%x","to":"x%[1]x"}`)+`]}}`, 1), "and more mistakes"},
		"many bad words":       {"a.yaml", strings.Replace(minimal(`, data: {`+strings.Repeat("x", mib/2)+`: [`+many(mib/8, "n")+`]}`), "{", "{ # YAML\n", 1), "and more mistakes"},
		"long name of names":   {"a.json", minimal(`, "data": {"` + strings.Repeat("x", mib/2) + `": {"":1` + numbered(30_000, `,"%x":[1]`) + `,"a": 1, "a": 2}}`), `"a" is there twice`},
		"long dotted variable": {"a.json", minimal(`, "env": {"1` + strings.Repeat(".a", mib/3) + `": ""}`), "is no name of a variable"},
		"long number":          {"a.yaml", strings.Replace(minimal(`, data: {m: 0x`+strings.Repeat("0", mib/2)+`}`), "{", "{ # YAML\n", 1), "is no number in JSON"},
		"huge exponent":        {"a.json", minimal(`, "resources": {"limits": {"cpu": "1e999999999", "memory": "1e-999999999"}, "requests": {"cpu": "9e999999999"}}`), "quantity"},
		"long first id":        {"a.json", strings.Replace(minimal(numbered(999, `}, {"id": "b%x", "image": "i", "function": "f"`)), `"id": "a"`, `"id": "`+strings.Repeat("a", mib/2)+`"`, 1), "no message can reach"},
		"a control character":  {"a.yaml", "kind: \x01", "control characters are not allowed"},
		"a list of many names": {"a.yaml", strings.Repeat("a:\n", mib/3), "is there twice"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := flow.Parse(tt.name, []byte(tt.text))
			if err != nil && len(err.Error()) > 2*mib {
				t.Errorf("got %d bytes of messages", len(err.Error()))
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %.300v, want ... %s ...", err, tt.want)
			}
			// Far more than it takes, on a machine that has other things to do.
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
			t.Logf("took %s", time.Since(start))
		})
	}
}

// numbered repeats an item with numbers from 0 on put in.
func numbered(n int, item string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, item, i)
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	f.Add("a.json", []byte(minimal("")))
	f.Add("a.yaml", []byte(full))
	f.Add("a.yaml", []byte("a: &x [1]\nb: {<<: *x}\n? [c]\n: d\n--- !x\n- -"))
	f.Add("", []byte(`{"kind": "List", "items": [{"kind": "Flow"}, 1]}{`))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		check := func(n *flow.Node) []flow.Mistake { return nil }
		flows, err := flow.Parse(name, data, check)
		if (err == nil) != (len(flows) > 0) {
			t.Fatalf("got %d flows and error %v", len(flows), err)
		}
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		for _, fl := range flows {
			if fl.First() == nil || fl.Node(fl.First().ID) != fl.First() {
				t.Fatalf("no first node in %+v", fl)
			}
		}
	})
}

func BenchmarkParse100Nodes(b *testing.B) {
	var nodes, connections []string
	for i := range 100 {
		nodes = append(nodes, fmt.Sprintf(`{"id": "step_%d", "image": "elasticio/mapper:c9e011c", "function": "jsonataMap", "first": %t,
			"env": {"LOG_LEVEL": "info"}, "data": {"mapper": {"to": "\"someone@example.com\"", "subject": "$.fireTime"}}}`, i, i == 0))
		if i > 0 {
			connections = append(connections, fmt.Sprintf(`{"from": "step_%d", "to": "step_%d"}`, i-1, i))
		}
	}
	text := []byte(`{"apiVersion": "elastic.io/v1", "kind": "Flow", "metadata": {"name": "a"}, "spec": {"nodes": [` +
		strings.Join(nodes, ",\n") + `], "connections": [` + strings.Join(connections, ",\n") + `]}}`)
	for _, name := range []string{"json", "yaml"} {
		data := text
		if name == "yaml" {
			data = append([]byte("# YAML\n"), text...)
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := flow.Parse("a."+name, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
