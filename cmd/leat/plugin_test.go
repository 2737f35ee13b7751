package main

import (
	"strings"
	"testing"
)

func TestAsKubectlPluginItMeansTheCluster(t *testing.T) {
	for line, want := range map[string]string{
		"/usr/bin/leat errors":                         "leat: errors",
		"kubectl-flows":                                "kubectl flows: get flows --cluster",
		"/usr/local/bin/kubectl-flows":                 "kubectl flows: get flows --cluster",
		"kubectl-flows.exe -A":                         "kubectl flows: get flows -A --cluster",
		"kubectl-flows -n orders":                      "kubectl flows: get flows -n orders --cluster",
		"kubectl-flows get flows":                      "kubectl flows: get flows --cluster",
		"kubectl-flows errors shop":                    "kubectl flows: errors shop --cluster",
		"kubectl-flows replay --flow shop --context c": "kubectl flows: replay --flow shop --context c --cluster",
		"kubectl-flows --help":                         "kubectl flows: --help",
		"kubectl-flows errors -h":                      "kubectl flows: errors -h",
		"kubectl-flows validate flow.json":             "kubectl flows: validate flow.json",
	} {
		words := strings.Fields(line)
		name, args := commandLine(words[0], words[1:])
		if got := name + ": " + strings.Join(args, " "); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}
