package jsonata_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dop251/goja"
	"github.com/openintegrationhub/leat/jsonata"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mapping(t testing.TB) (*jsonata.Expr, []byte) {
	t.Helper()
	e, err := jsonata.Compile(string(read(t, "mapping.jsonata")))
	if err != nil {
		t.Fatal(err)
	}
	return e, read(t, "message.json")
}

// BenchmarkMapping is a mapping of ten fields over a message of 1 KiB: /eval on the parsed message, /json from bytes to
// bytes, /compile the expression alone. BenchmarkReference and BenchmarkGoja run the same with the reference.
func BenchmarkMapping(b *testing.B) {
	e, message := mapping(b)
	ctx := context.Background()
	b.Run("eval", func(b *testing.B) {
		in, err := jsonata.ParseJSON(message)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := e.EvalValue(ctx, in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := e.EvalJSON(ctx, message); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("compile", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := jsonata.Compile(e.String()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkReference measures within Node (oracle/bench.js), where a timer of ours would add the pipe.
func BenchmarkReference(b *testing.B) {
	if _, err := os.Stat(filepath.Join("oracle", "node_modules", "jsonata")); err != nil {
		b.Skip("the reference isn't installed: npm ci in test/jsonata/oracle")
	}
	for _, what := range []string{"eval", "json", "compile"} {
		b.Run(what, func(b *testing.B) {
			cmd := exec.CommandContext(b.Context(), "node", "bench.js", what, fmt.Sprint(max(b.N, 2000)))
			cmd.Dir = "oracle"
			out, err := cmd.Output()
			if err != nil {
				b.Fatal(err)
			}
			var nanos float64
			if _, err := fmt.Sscan(string(out), &nanos); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(nanos, "ns/op")
		})
	}
}

// BenchmarkGoja runs the reference's bundle in a JavaScript engine in Go.
func BenchmarkGoja(b *testing.B) {
	bundle, err := os.ReadFile(filepath.Join("oracle", "node_modules", "jsonata", "jsonata-es5.min.js"))
	if err != nil {
		b.Skip("the reference isn't installed: npm ci in test/jsonata/oracle")
	}
	e, message := mapping(b)
	vm := goja.New()
	if _, err := vm.RunString(string(bundle)); err != nil {
		b.Fatal(err)
	}
	vm.Set("expr", e.String())
	vm.Set("message", string(message))
	if _, err := vm.RunString(`var e = jsonata(expr), input = JSON.parse(message), out, failed;
		function run() { e.evaluate(input).then(function (r) { out = JSON.stringify(r) }, function (x) { failed = String(x) }) }`); err != nil {
		b.Fatal(err)
	}
	run, _ := goja.AssertFunction(vm.Get("run"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := run(goja.Undefined()); err != nil {
			b.Fatal(err)
		}
	}
	if vm.Get("out") == goja.Undefined() {
		b.Fatalf("no result: %v", vm.Get("failed"))
	}
}

func TestMappingAgreesWithReference(t *testing.T) {
	o := startOracle(t)
	e, message := mapping(t)
	got, err := e.EvalJSON(t.Context(), message)
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, message); err != nil {
		t.Fatal(err)
	}
	want := o.ask(t, []question{{Expr: e.String(), Input: compact.Bytes()}})[0]
	if string(got) != string(want.Result) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// BenchmarkLinear shows that a path over an array grows with its length.
func BenchmarkLinear(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		var doc strings.Builder
		w := bufio.NewWriter(&doc)
		fmt.Fprint(w, `{"items":[`)
		for i := range n {
			if i > 0 {
				fmt.Fprint(w, ",")
			}
			fmt.Fprintf(w, `{"id":%d,"price":%d.5,"tags":["a","b"],"sub":{"x":%d}}`, i, i%100, i%7)
		}
		fmt.Fprint(w, `]}`)
		w.Flush()
		in, err := jsonata.ParseJSON([]byte(doc.String()))
		if err != nil {
			b.Fatal(err)
		}
		for _, expr := range []string{"items.sub.x", "items[price > 50].tags", "$sum(items.(price * 2))", "items^(>price).id", "items{$string(sub.x): $sum(price)}"} {
			e, err := jsonata.Compile(expr)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%s/%d", strings.ReplaceAll(expr, " ", ""), n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := e.EvalValue(context.Background(), in); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/item")
			})
		}
	}
}
