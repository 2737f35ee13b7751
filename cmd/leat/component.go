package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/components"
	"github.com/openintegrationhub/leat/internal/program"
)

type componentCommand struct {
	Name string `arg:"" help:"Name of the component: ${components}."`
}

func (c *componentCommand) Run(ctx context.Context, std program.Streams) error {
	for _, b := range components.Builtin() {
		if b.Name == c.Name {
			return component.Run(ctx, b.Functions, slog.New(slog.NewTextHandler(std.Err, nil)))
		}
	}
	return program.Wrong(fmt.Errorf("no built-in component %q; there are %s", c.Name, componentNames()))
}

func componentNames() string {
	names := ""
	for i, b := range components.Builtin() {
		if i > 0 {
			names += ", "
		}
		names += b.Name
	}
	return names
}
