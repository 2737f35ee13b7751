package jsonata_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/openintegrationhub/leat/jsonata"
)

// TestDifferencesFound replays what test/jsonata found to differ from the reference at some time, with the reference's
// answers. Results are compared as text: number formats and the order of keys count.
func TestDifferencesFound(t *testing.T) {
	f, err := os.Open("testdata/differences.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	count := 0
	for ; lines.Scan(); count++ {
		var c struct {
			Expr          string
			Input, Result json.RawMessage
			Code          string
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		got, err := evalText(t.Context(), c.Expr, c.Input)
		var fault *jsonata.Error
		switch {
		case c.Code != "":
			if !errors.As(err, &fault) || fault.Code != c.Code {
				t.Errorf("%s on %s: got %s, %v, want %s", c.Expr, c.Input, got, err, c.Code)
			}
		case err != nil || string(got) != string(c.Result):
			t.Errorf("%s on %s: got %s, %v, want %s", c.Expr, c.Input, got, err, c.Result)
		}
	}
	if count < 100 {
		t.Errorf("only %d lines", count)
	}
}

func evalText(ctx context.Context, expr string, input []byte) ([]byte, error) {
	e, err := jsonata.Compile(expr)
	if err != nil {
		return nil, err
	}
	var in jsonata.Value
	if input != nil {
		if in, err = jsonata.ParseJSON(input); err != nil {
			return nil, err
		}
	}
	v, err := e.EvalValue(ctx, in)
	if err != nil {
		return nil, err
	}
	return jsonata.AppendJSON(nil, v)
}
