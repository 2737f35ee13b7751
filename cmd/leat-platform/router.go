package main

import (
	"context"

	"github.com/openintegrationhub/leat/internal/cluster"
	"github.com/openintegrationhub/leat/internal/program"
)

type routerCommand struct {
	service
	HTTP string `name:"http" default:":1234" env:"LEAT_HTTP" placeholder:"ADDR" help:"Address for requests to flows (default ${default})."`
}

func (c *routerCommand) Run(ctx context.Context, std program.Streams) error {
	options, err := c.options("communication-router", std)
	if err != nil {
		return err
	}
	options.HTTP = c.HTTP
	return cluster.RunRouter(ctx, options)
}
