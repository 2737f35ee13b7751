package main

import (
	"fmt"

	"github.com/openintegrationhub/leat/internal/program"
)

type validateCommand struct {
	Files []string `arg:"" name:"file" help:"Flow files, or folders with flow files."`
}

func (c *validateCommand) Run(std program.Streams) error {
	flows, err := readFlows(c.Files)
	if err != nil {
		return err
	}
	for _, f := range flows {
		fmt.Fprintf(std.Out, "%s: flow %s is right: %d nodes, %d connections\n", f.File, f.Name, len(f.Nodes), len(f.Connections))
	}
	return nil
}
