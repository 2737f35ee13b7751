package e2e_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Every command that the platform's page of 2018 told its users, in its order.
func TestCommandsOfTheOriginPage(t *testing.T) {
	shows := func(line string, words ...string) {
		t.Helper()
		until(t, patience, line+" shows "+strings.Join(words, ", "), func() (bool, string) {
			out := must(t, line)
			for _, word := range words {
				if !strings.Contains(out, word) {
					return false, out
				}
			}
			return true, out
		})
	}
	shows("kubectl get deployments --namespace=platform", "flows-operator", "scheduler", "communication-router")
	shows("kubectl get pods --namespace=platform", "flows-operator-", "rabbitmq-", "scheduler-", "communication-router-")
	must(t, "kubectl create -f example/flow.json")
	must(t, "kubectl create -f example/flow2.json") // several at a time
	must(t, "kubectl create -f example/wh-flow.json")
	shows("kubectl get flows --namespace=flows", "example-flow ", "example-flow2", "wh-flow")
	for _, name := range []string{"example-flow", "example-flow2", "wh-flow"} {
		ready(t, name)
	}
	// Flow steps are mapped to Kubernetes jobs.
	shows("kubectl get jobs --namespace=flows", "example-flow-step-1-", "example-flow-step-2-", "example-flow-mapper-step-1-step-2-")
	shows("kubectl get pods --namespace=flows", "example-flow-step-1-", "example-flow-step-2-", "example-flow-mapper-step-1-step-2-")

	// The example sends a mail each minute: without a mail server the step writes it down, and says so.
	shows("kubectl logs --namespace=flows --selector leat.io/flow=example-flow --tail=-1", "someone@example.com")

	out := must(t, "kubectl get services communication-router-service --namespace=platform")
	port, _, _ := strings.Cut(out[strings.Index(out, "1234:")+len("1234:"):], "/")
	url := fmt.Sprintf("http://%s:%s", world.nodeIP, port)
	must(t, "curl -sSf '"+url+"/flow/wh-flow?arg1=val1&arg2=val2'")
	must(t, "curl -sSf -H 'Content-Type: application/json' '"+url+`/flow/wh-flow' -d '{"arg1": "val1", "arg2": "val2"}'`)
	shows("kubectl logs --namespace=flows --selector leat.io/flow=wh-flow --tail=-1", "someone@example.com")

	must(t, "kubectl delete -f example/flow.json")
	must(t, "kubectl delete flow --namespace=flows example-flow2")
	must(t, "kubectl delete -f example/wh-flow.json")
	shows("kubectl get flows --namespace=flows 2>&1", "No resources found")

	// Clean out the installation, and install it again.
	must(t, "kubectl delete -f platform/platform.json --timeout=120s")
	must(t, "kubectl create -f platform/platform.json")
	if err := waitForPlatform(3 * time.Minute); err != nil {
		t.Fatal(err)
	}
	f := chain("reinstalled", hook("in"))
	create(t, f)
	ready(t, f.Name)
}

// What each service account may do, as the cluster sees it.
func TestRightsOfServiceAccounts(t *testing.T) {
	var got bytes.Buffer
	for _, account := range []string{"platform:flows-operator", "platform:scheduler", "platform:communication-router", "platform:api", "platform:platform-accounts", "flows:default"} {
		for _, namespace := range []string{flows, platform, "default", "kube-system"} {
			list := must(t, fmt.Sprintf("kubectl auth can-i --list --as=system:serviceaccount:%s -n %s --no-headers", account, namespace))
			fmt.Fprintf(&got, "# %s in namespace %s\n", account, namespace)
			for _, line := range strings.Split(strings.TrimSpace(list), "\n") {
				if fields := strings.Join(strings.Fields(line), " "); !everybody(fields) {
					fmt.Fprintln(&got, fields)
				}
			}
			fmt.Fprintln(&got)
		}
	}
	file := filepath.Join("testdata", "rights.txt")
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("rights of the platform's service accounts (-want +got):\n%s", diff)
	}
}

// everybody tells whether a line is of the rights that Kubernetes gives to all: to ask about oneself, and to see what the server can do.
func everybody(line string) bool {
	return strings.HasPrefix(line, "selfsubject") || strings.HasPrefix(line, "[/") || strings.HasPrefix(line, "clustertrustbundles")
}

// An installation is the same through kustomize.
func TestKustomizeGivesTheSame(t *testing.T) {
	got := must(t, "kubectl kustomize platform | kubectl create --dry-run=client -o name -f - | sort")
	want := must(t, "kubectl create --dry-run=client -o name -f platform/platform.json | sort")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-platform.json +kustomize):\n%s", diff)
	}
}
