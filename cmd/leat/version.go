package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the Makefile.
var version = ""

type versionCommand struct{}

func (versionCommand) Run(std streams) error {
	fmt.Fprintf(std.out, "leat %s %s %s/%s\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
