package main

import (
	"path/filepath"
	"slices"
	"strings"
)

// pluginFile is the name under which kubectl finds this program as its command `kubectl flows`: a link to it, anywhere in PATH.
const pluginFile = "kubectl-flows"

// commandLine returns the name to show and the arguments to read, given how the program was called. As kubectl's plugin it means the cluster in
// any case, and without a command it lists the flows.
func commandLine(called string, args []string) (name string, read []string) {
	if strings.TrimSuffix(filepath.Base(called), ".exe") != pluginFile {
		return "leat", args
	}
	name = "kubectl flows"
	switch {
	case slices.Contains(args, "--help") || slices.Contains(args, "-h"):
		return name, args
	case len(args) == 0 || strings.HasPrefix(args[0], "-"):
		args = append([]string{"get", "flows"}, args...)
	case !slices.Contains([]string{"get", "send", "errors", "replay", "discard"}, args[0]):
		return name, args
	}
	return name, append(slices.Clone(args), "--cluster")
}
