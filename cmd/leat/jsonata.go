package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/openintegrationhub/leat/internal/program"
	"github.com/openintegrationhub/leat/jsonata"
)

type jsonataCommand struct {
	Expr    string        `arg:"" help:"Expression, or @FILE to read it from a file."`
	File    string        `arg:"" optional:"" help:"JSON document to evaluate it on; - for standard input, which is also read if it's no terminal. Without one there is no input."`
	Explain bool          `help:"Print how the expression is understood instead of evaluating it."`
	Compact bool          `short:"c" help:"Print the result in one line."`
	Timeout time.Duration `default:"10s" help:"How long the evaluation may take (default ${default})."`
}

const jsonataInputBytes = 256 << 20

func (c *jsonataCommand) Run(ctx context.Context, std program.Streams) error {
	source := c.Expr
	if file, ok := bytes.CutPrefix([]byte(source), []byte("@")); ok {
		text, err := os.ReadFile(string(file))
		if err != nil {
			return program.Wrong(err)
		}
		source = string(text)
	}
	expr, err := jsonata.Compile(source)
	if err != nil {
		return program.Wrong(place(err))
	}
	if c.Explain {
		fmt.Fprint(std.Out, expr.Explain())
		return nil
	}
	input, err := c.input(std.In)
	if err != nil {
		return program.Wrong(err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	result, err := evaluate(ctx, expr, input)
	var fault *jsonata.Error
	switch {
	case errors.As(err, &fault):
		return place(err)
	case err != nil: // the document is no JSON
		return program.Wrong(err)
	}
	if result == nil {
		return nil // undefined prints nothing
	}
	if !c.Compact {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, result, "", "  "); err != nil {
			return err
		}
		result = pretty.Bytes()
	}
	_, err = fmt.Fprintf(std.Out, "%s\n", result)
	return err
}

// evaluate evaluates without an input if there is no document.
func evaluate(ctx context.Context, expr *jsonata.Expr, input []byte) ([]byte, error) {
	if input != nil {
		return expr.EvalJSON(ctx, input)
	}
	v, err := expr.EvalValue(ctx, jsonata.Value{})
	if err != nil {
		return nil, err
	}
	return jsonata.AppendJSON(nil, v)
}

// input is the document to work on, nil if there is none.
func (c *jsonataCommand) input(in io.Reader) ([]byte, error) {
	if c.File != "" && c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	if c.File == "" && isTerminal(in) {
		return nil, nil
	}
	input, err := io.ReadAll(io.LimitReader(in, jsonataInputBytes))
	if err != nil {
		return nil, fmt.Errorf("read input: %w", err)
	}
	if c.File == "" && len(input) == 0 {
		return nil, nil
	}
	return input, nil
}

// isTerminal tells whether somebody would have to type what is read. So is /dev/null, where there's nothing to read either.
func isTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// place puts line and column before an error of the expression.
func place(err error) error {
	var e *jsonata.Error
	if errors.As(err, &e) && e.Line() > 0 {
		return fmt.Errorf("%d:%d: %w", e.Line(), e.Column(), err)
	}
	return err
}
