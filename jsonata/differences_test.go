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

// recorded is a question with the reference's answer.
type recorded struct {
	Expr          string
	Input, Result json.RawMessage
	Code          string
	Token         *string // nil where only the code counts
	Position      int
}

// TestDifferencesFound replays what test/jsonata found to differ from the reference at some time.
func TestDifferencesFound(t *testing.T) { replay(t, "testdata/differences.jsonl", 600) }

// TestOwnCases has some cases for each group of the reference's suite: its public cases, changed at random, and parents
// (%), of which no public case has more than a few.
func TestOwnCases(t *testing.T) { replay(t, "testdata/own.jsonl", 800) }

// replay compares results as text: number formats and the order of keys count.
func replay(t *testing.T, name string, least int) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	count := 0
	for ; lines.Scan(); count++ {
		var c recorded
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		got, err := evalText(t.Context(), c.Expr, c.Input)
		var fault *jsonata.Error
		switch {
		case c.Code == "":
			if err != nil || string(got) != string(c.Result) {
				t.Errorf("%s on %s: got %s, %v, want %s", c.Expr, c.Input, got, err, c.Result)
			}
		case !errors.As(err, &fault) || fault.Code != c.Code:
			t.Errorf("%s on %s: got %s, %v, want %s", c.Expr, c.Input, got, err, c.Code)
		case c.Token != nil && (fault.Token != *c.Token || fault.Position != c.Position):
			t.Errorf("%s on %s: got %q at %d, want %q at %d", c.Expr, c.Input, fault.Token, fault.Position, *c.Token, c.Position)
		}
	}
	if count < least || lines.Err() != nil {
		t.Errorf("only %d lines, %v", count, lines.Err())
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
