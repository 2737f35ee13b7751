package program

import "runtime/debug"

// version is set by the Makefile and the Dockerfile.
var version = ""

// Version is the version of the program, as git describes it, or "unknown".
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
