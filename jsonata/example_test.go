package jsonata_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/openintegrationhub/leat/jsonata"
)

func Example() {
	e, err := jsonata.Compile(`{"customer": name, "total": $sum(lines.(price * quantity))}`)
	if err != nil {
		panic(err)
	}
	out, err := e.EvalJSON(context.Background(), []byte(`{"name":"Ada","lines":[{"price":2.5,"quantity":4},{"price":1,"quantity":3}]}`))
	fmt.Println(string(out), err)
	// Output: {"customer":"Ada","total":13} <nil>
}

// Several expressions over one message: it is parsed once.
func ExampleExpr_EvalValue() {
	message, err := jsonata.ParseJSON([]byte(`{"sku":"A-1","tags":["new","red"]}`))
	if err != nil {
		panic(err)
	}
	for _, expr := range []string{"sku", "'red' in tags", "missing"} {
		e, err := jsonata.Compile(expr)
		if err != nil {
			panic(err)
		}
		v, err := e.EvalValue(context.Background(), message)
		if err != nil {
			panic(err)
		}
		out, _ := jsonata.AppendJSON(nil, v)
		fmt.Println(string(out), v.IsUndefined())
	}
	// Output:
	// "A-1" false
	// true false
	//  true
}

// The signature checks the arguments, and puts in the context item where an argument with - is missing.
func ExampleWithFunction() {
	shout := jsonata.WithFunction("shout", "<s-:s>", func(_ context.Context, args []any) (any, error) {
		return strings.ToUpper(args[0].(string)) + "!", nil
	})
	e, err := jsonata.Compile("names.$shout()", shout)
	if err != nil {
		panic(err)
	}
	out, err := e.Eval(context.Background(), map[string]any{"names": []any{"ada", "grace"}})
	fmt.Println(out, err)
	// Output: [ADA! GRACE!] <nil>
}

// Expressions of strangers: time ends with the context, the rest with the limits.
func ExampleWithLimits() {
	e, err := jsonata.Compile("($f := function($x){$f($x & $x)}; $f('a'))", jsonata.WithLimits(jsonata.Limits{Memory: 1 << 20, Depth: 500}))
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err = e.Eval(ctx, nil)
	var fault *jsonata.Error
	fmt.Println(errors.As(err, &fault), fault.Code, err)
	// Output: true U1003 the evaluation builds more than 1048576 bytes (U1003)
}

func ExampleCheck() {
	for _, e := range jsonata.Check("$uper(name) & $missing\n & sum(prices)") {
		fmt.Printf("%d:%d: %v\n", e.Line(), e.Column(), e)
	}
	// Output:
	// 1:1: uper is not a function (T1006)
	// 1:15: variable $missing is not bound anywhere (U2001)
	// 2:4: sum is not a function; did you mean $sum? (T1005)
}
