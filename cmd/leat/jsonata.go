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
	File    string        `arg:"" optional:"" help:"JSON document to evaluate it on; - or nothing for standard input."`
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
	result, err := expr.EvalJSON(ctx, input)
	if err != nil {
		return place(err)
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

// input is the document to work on.
func (c *jsonataCommand) input(in io.Reader) ([]byte, error) {
	if c.File != "" && c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	input, err := io.ReadAll(io.LimitReader(in, jsonataInputBytes))
	if err != nil {
		return nil, fmt.Errorf("read input: %w", err)
	}
	return input, nil
}

// place puts line and column before an error of the expression.
func place(err error) error {
	var e *jsonata.Error
	if errors.As(err, &e) && e.Line() > 0 {
		return fmt.Errorf("%d:%d: %w", e.Line(), e.Column(), err)
	}
	return err
}
