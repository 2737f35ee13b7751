package main

import (
	"fmt"
	"runtime"

	"github.com/openintegrationhub/leat/internal/program"
)

type versionCommand struct{}

func (versionCommand) Run(std program.Streams) error {
	fmt.Fprintf(std.Out, "leat %s %s %s/%s\n", program.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
