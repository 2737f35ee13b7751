package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Who deletes the platform before its flows gets both away as the guide says, and can install again.
func TestPlatformDeletedBeforeItsFlows(t *testing.T) {
	f := chain("left-behind", hook("in"))
	create(t, f)
	ready(t, f.Name)
	must(t, "kubectl delete -f platform/platform.json --wait=false")
	until(t, patience, "the operator is gone", func() (bool, string) {
		out := must(t, "kubectl get pods --namespace=platform --output=name")
		return !strings.Contains(out, "flows-operator"), out
	})
	if out := must(t, "kubectl get flows --namespace=flows --output=name --ignore-not-found"); out != "" { // else the operator was in time
		must(t, wayOut(t))
	}
	until(t, patience, "nothing of the platform is left", func() (bool, string) {
		out := must(t, "kubectl get namespace/platform namespace/flows crd/flows.elastic.io --output=name --ignore-not-found")
		return out == "", out
	})
	must(t, "kubectl create -f platform/platform.json")
	if err := waitForPlatform(3 * time.Minute); err != nil {
		t.Fatal(err)
	}
	put(t, f)
	ready(t, f.Name)
}

// wayOut is the command of the guide that frees flows whose operator is gone.
func wayOut(t *testing.T) string {
	t.Helper()
	guide, err := os.ReadFile(filepath.Join(root(), "docs/guide/kubernetes.md"))
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^kubectl get flows .*finalizers.*$`).FindString(string(guide))
	if command == "" {
		t.Fatal("the guide doesn't say how flows get away without an operator")
	}
	return command
}
