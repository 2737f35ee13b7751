package operator_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openintegrationhub/leat/internal/kubetest"
)

// admit asks the API server whether it would take a flow, as its author wrote it.
func admit(t *testing.T, k client.Client, text []byte) error {
	t.Helper()
	u := new(unstructured.Unstructured)
	if err := yaml.Unmarshal(text, &u.Object); err != nil {
		t.Fatal(err)
	}
	if u.GetNamespace() == "" {
		u.SetNamespace("default")
	}
	return k.Create(t.Context(), u, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
}

// anyClient has no types, as kubectl.
func anyClient(t *testing.T) client.Client {
	t.Helper()
	k, err := client.New(kubetest.Config(t), client.Options{Scheme: runtime.NewScheme()})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestTheExamplesAreTakenUnchanged(t *testing.T) {
	k := anyClient(t)
	typed, err := client.New(kubetest.Config(t), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := typed.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "flows"}}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../example/*.json")
	if err != nil || len(files) < 4 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := admit(t, k, text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestTheAPIServerRefusesWhatNoFlowCanBe(t *testing.T) {
	k := anyClient(t)
	for name, c := range map[string]struct{ from, to, say string }{
		"no first node":          {", first: true", "", "exactly one node must have first"},
		"two first nodes":        {"function: send}", "function: send, first: true}", "exactly one node must have first"},
		"an id twice":            {"id: out", "id: in", "Duplicate value"},
		"no such source":         {`{from: in, to: "map:1"}`, `{from: inn, to: "map:1"}`, "comes from a node that doesn't exist"},
		"no such destination":    {`to: out}`, `to: outt}`, "leads to a node that doesn't exist"},
		"no image":               {"image: acme/out:1, ", "", "image: Required"},
		"a bad id":               {"id: out", "id: o.ut", "should match"},
		"a name with dots":       {"name: shop", "name: shop.eu", "the name must be"},
		"another workload":       {"function: send}", "function: send, workload: Pod}", "Unsupported value"},
		"an endless quantity":    {"function: send}", "function: send, resources: {limits: {cpu: 1e999999999}}}", "cpu"},
		"an endless text":        {"function: send}", `function: send, resources: {limits: {cpu: "1e999999999"}}}`, "should match"},
		"too many replicas":      {"function: send}", "function: send, replicas: 1001}", "less than or equal to 1000"},
		"a time that isn't one":  {"spec:\n", "spec:\n  drainTimeout: soon\n", "drainTimeout"},
		"a variable that isn't":  {"function: send}", "function: send, env: {A: 1}}", "must be of type string"},
		"a pod template of text": {"function: send}", "function: send, podTemplate: x}", "must be of type object"},
		"an unknown field":       {"function: send}", "function: send, iamge: x}", "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			err := admit(t, k, []byte(change(t, c.from, c.to)))
			if err == nil || !strings.Contains(err.Error(), c.say) {
				t.Errorf("got %v, want %q in it", err, c.say)
			}
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("the answer took %v", took)
			}
		})
	}
	if err := admit(t, k, []byte(threeSteps)); err != nil {
		t.Errorf("a good flow: %v", err)
	}
}

// chain is a flow of n nodes one after the other, and a second connection from the first to each.
func chain(n int) []byte {
	var nodes, connections []any
	for i := range n {
		node := map[string]any{"id": fmt.Sprintf("%059d_step", i), "image": "acme/x", "function": "x"}
		if i == 0 {
			node["first"] = true
		} else {
			connections = append(connections, map[string]any{"from": nodes[i-1].(map[string]any)["id"], "to": node["id"]})
		}
		if i > 1 {
			connections = append(connections, map[string]any{"from": nodes[0].(map[string]any)["id"], "to": node["id"]})
		}
		nodes = append(nodes, node)
	}
	text, _ := json.Marshal(map[string]any{
		"apiVersion": "elastic.io/v1", "kind": "Flow", "metadata": map[string]any{"name": "chain"}, "spec": map[string]any{"nodes": nodes, "connections": connections},
	})
	return text
}

func TestLargeFlowsStayWithinTheCostOfTheChecks(t *testing.T) {
	k := anyClient(t)
	for _, n := range []int{2, 300, 316, 317, 1000} {
		if err := admit(t, k, chain(n)); err != nil {
			t.Errorf("%d nodes: %.300v", n, err)
		}
	}
	last := fmt.Sprintf(`"to":"%059d_step"`, 299)
	bad := strings.Replace(string(chain(300)), last, `"to":"nowhere"`, 1)
	if err := admit(t, k, []byte(bad)); err == nil || !strings.Contains(err.Error(), "leads to a node that doesn't exist") {
		t.Errorf("a connection to nowhere among 300 nodes: %.300v", err)
	}
}
