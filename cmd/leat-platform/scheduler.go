package main

import (
	"context"

	"github.com/openintegrationhub/leat/internal/cluster"
	"github.com/openintegrationhub/leat/internal/program"
)

type schedulerCommand struct{ service }

func (c *schedulerCommand) Run(ctx context.Context, std program.Streams) error {
	options, err := c.options("scheduler", std)
	if err != nil {
		return err
	}
	return cluster.RunScheduler(ctx, options)
}
