package main

import (
	"context"

	"github.com/openintegrationhub/leat/internal/cluster"
	"github.com/openintegrationhub/leat/internal/program"
)

type apiCommand struct {
	service
	HTTP     string `name:"http" default:":3000" env:"LEAT_HTTP" placeholder:"ADDR" help:"Address for components and people (default ${default})."`
	Database string `default:"/data/leat.db" env:"DATABASE_URL" placeholder:"FILE|URL" help:"SQLite file, or postgres:// URL for more than one replica (default ${default})."`
	Token    string `name:"api-token" env:"API_TOKEN" placeholder:"TEXT" help:"Bearer token that opens everything, besides the tokens of the cluster. None by default."`
}

func (c *apiCommand) Run(ctx context.Context, std program.Streams) error {
	options, err := c.options("api", std)
	if err != nil {
		return err
	}
	options.HTTP = c.HTTP
	return cluster.RunAPI(ctx, options, cluster.APIOptions{Database: c.Database, Token: c.Token})
}
