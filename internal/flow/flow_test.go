package flow_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/flow"
)

// parse reads one right flow.
func parse(t *testing.T, name, text string) *flow.Flow {
	t.Helper()
	flows, err := flow.Parse(name, []byte(text))
	if err != nil || len(flows) != 1 {
		t.Fatalf("got %d flows and error %v, want one flow", len(flows), err)
	}
	return flows[0]
}

const full = `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: orders, namespace: shop, labels: {team: a}, uid: 0f1c}
status: {anything: 1}
spec:
  suspended: true
  podTemplate: {metadata: {}}
  allowCycles: true
  drainTimeout: 90s
  imagePullSecrets: [{name: registry}]
  resources: {limits: {cpu: 1, memory: 128Mi}, requests: {cpu: 200m}}
  nodes:
    - id: step_1
      image: elasticio/timer:1
      function: timer
      first: true
      isPolling: true
      schedule: "0 9 * * mon-fri"
      timeZone: Europe/Berlin
    - id: step_2
      image: shop/orders:2
      function: next
      isPolling: false
      env: {PORT: "25", EMPTY: ""}
      data: {z: 1.50, a: [1e3, 12345678901234567890123, -0.0], m: {"<b>": null}}
      command: [node]
      args: [run.js, "--fast"]
      prefetch: 10
      replicas: 0
      rateLimit: 2.5
      resources: {limits: {cpu: 100m}}
      imagePullSecrets: [{name: other}]
      imagePullPolicy: Never
      workload: Deployment
      podTemplate: {spec: {nodeSelector: {disk: ssd}}}
      valueFrom: {TOKEN: {secretKeyRef: {name: s, key: k, optional: true}}}
      envFrom: [{prefix: P_, configMapRef: {name: m}}]
  connections:
    - {from: step_1, to: step_2}
    - {from: step_2, to: step_2}
`

func TestEveryFieldArrives(t *testing.T) {
	f := parse(t, "orders.yaml", full)
	schedule, err := flow.NewSchedule("0 9 * * mon-fri", "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	var want v1.Flow
	if err := json.Unmarshal([]byte(`{"spec": {"resources": {"limits": {"cpu": "1", "memory": "128Mi"}, "requests": {"cpu": "200m"}},
		"nodes": [{"resources": {"limits": {"cpu": "100m", "memory": "128Mi"}, "requests": {"cpu": "100m"}}}]}}`), &want); err != nil {
		t.Fatal(err)
	}
	diff := cmp.Diff(&flow.Flow{
		Name: "orders", Namespace: "shop", File: "orders.yaml", Line: 4,
		Suspended: true, AllowCycles: true, DrainTimeout: 90 * time.Second,
		Resources: want.Spec.Resources,
		Nodes: []*flow.Node{
			{
				ID: "step_1", Image: "elasticio/timer:1", Function: "timer", First: true, Polling: true, Schedule: schedule,
				Data: json.RawMessage(`{}`), Prefetch: 1, Replicas: 1,
				Resources: want.Spec.Resources, ImagePullSecrets: []string{"registry"},
				Workload: "Job", PodTemplate: json.RawMessage(`{"metadata":{}}`),
			},
			{
				ID: "step_2", Image: "shop/orders:2", Function: "next",
				Env:     map[string]string{"PORT": "25", "EMPTY": ""},
				Data:    json.RawMessage(`{"z":1.50,"a":[1e3,12345678901234567890123,-0.0],"m":{"<b>":null}}`),
				Command: []string{"node"}, Args: []string{"run.js", "--fast"},
				Prefetch: 10, Replicas: 0, RateLimit: 2.5,
				Resources: want.Spec.Nodes[0].Resources, ImagePullSecrets: []string{"other"}, ImagePullPolicy: "Never",
				Workload: "Deployment", PodTemplate: json.RawMessage(`{"spec":{"nodeSelector":{"disk":"ssd"}}}`),
				ValueFrom: map[string]v1.ValueSource{"TOKEN": {SecretKeyRef: &v1.KeyRef{Name: "s", Key: "k", Optional: true}}},
				EnvFrom:   []v1.EnvSource{{Prefix: "P_", ConfigMapRef: &v1.Ref{Name: "m"}}},
			},
		},
		Connections: []flow.Connection{{From: "step_1", To: "step_2"}, {From: "step_2", To: "step_2"}},
	}, f)
	if diff != "" {
		t.Errorf("flow differs (-want +got):\n%s", diff)
	}
}

// Each field of the resource, wherever it is, must be one that Parse knows.
func TestNoFieldOfTheResourceIsForgotten(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var sample func(typ reflect.Type) any
	sample = func(typ reflect.Type) any {
		switch typ.Kind() {
		case reflect.Pointer:
			return sample(typ.Elem())
		case reflect.Slice:
			return []any{sample(typ.Elem())}
		case reflect.Map:
			return map[string]any{"X": sample(typ.Elem())}
		}
		if !strings.HasSuffix(typ.PkgPath(), "/api/v1") || typ.Kind() != reflect.Struct {
			return map[string]any{} // of a wrong type for most, which is no unknown field
		}
		seen[typ] = true
		object := map[string]any{}
		for f := range typ.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name == "status" {
				continue
			}
			object[name] = sample(f.Type)
		}
		return object
	}
	data, err := json.Marshal(sample(reflect.TypeFor[v1.Flow]()))
	if err != nil {
		t.Fatal(err)
	}
	data = append([]byte(`{"kind": "Flow",`), data[1:]...)
	_, err = flow.Parse("a.json", data)
	if err == nil || len(seen) < 8 {
		t.Fatalf("got error %v after %d types", err, len(seen))
	}
	if strings.Contains(err.Error(), "unknown field") {
		t.Error(err)
	}
}

func TestAFlowKnowsItsNeighbours(t *testing.T) {
	f := parse(t, "", full)
	if f.Key() != "shop/orders" || f.First() != f.Node("step_1") || f.Node("step_3") != nil {
		t.Errorf("got key %q, first %v", f.Key(), f.First())
	}
	if diff := cmp.Diff([]string{"step_1", "step_2"}, f.Previous("step_2")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"step_2"}, f.Next("step_1")); diff != "" {
		t.Error(diff)
	}
}

// minimal is the least that a flow can be, with something more in its node.
func minimal(more string) string {
	return `{"apiVersion": "elastic.io/v1", "kind": "Flow", "metadata": {"name": "a"}, "spec": {"nodes": [
		{"id": "a", "image": "i", "function": "f", "first": true` + more + `}]}}`
}

func TestDefaults(t *testing.T) {
	f := parse(t, "", minimal(`, "isPolling": true, "data": null, "env": null`))
	n := f.First()
	if f.Namespace != "default" || f.DrainTimeout != 5*time.Minute || string(n.Data) != "{}" || n.Prefetch != 1 || n.Replicas != 1 {
		t.Errorf("got %+v, node %+v", f, n)
	}
	if got, want := n.Schedule.String(), "* * * * * UTC"; got != want {
		t.Errorf("got schedule %q, want %q", got, want)
	}
}

func TestDataIsKeptAsWritten(t *testing.T) {
	tests := map[string]struct{ name, data, want string }{
		"JSON: order, numbers, escapes": {"a.json", `{"b": 1.0, "a": 1E+400, "n": 12345678901234567890, "u": "\u00e9\ud83d\ude00\/\n", "<": "&"}`,
			`{"b":1.0,"a":1E+400,"n":12345678901234567890,"u":"é😀/\n","<":"&"}`},
		"JSON: half a surrogate":                     {"a.json", `{"u": "\ud83d"}`, `{"u":"�"}`},
		"JSON: tabs":                                 {"a.json", "{\n\t\"a\":\t[\n\t\t1]\n}", `{"a":[1]}`},
		"JSON: yes and no are text":                  {"a.json", `{"yes": "no", "y": "on"}`, `{"yes":"no","y":"on"}`},
		"JSON in a file called YAML":                 {"a.yaml", "{\n\t\"u\": \"\\ud83d\\ude00\"}", `{"u":"😀"}`},
		"JSON: a name of more than 1,024 characters": {"a.json", `{"` + strings.Repeat("x", 2000) + `": 1}`, `{"` + strings.Repeat("x", 2000) + `":1}`},
		"YAML: numbers JSON can't write":             {"a.yaml", `{a: 0x1F, b: 0o17, c: 1_000, d: .5, e: +1, f: 1., g: 010, h: 9_223_372_036_854_775_808}`, `{"a":31,"b":15,"c":1000,"d":0.5,"e":1,"f":1,"g":8,"h":9223372036854775808}`},
		"YAML: words":                                {"a.yaml", `{a: True, b: ~, c: 2018-01-01, d: "yes", 1: x, true: y!, e: !!str 5}`, `{"a":true,"b":null,"c":"2018-01-01","d":"yes","1":"x","true":"y!","e":"5"}`},
		"YAML: aliases":                              {"a.yaml", `{a: &x {k: 1}, b: *x, c: {<<: *x, l: 2}, d: {k: 0, <<: [*x]}}`, `{"a":{"k":1},"b":{"k":1},"c":{"l":2,"k":1},"d":{"k":0}}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := minimal(`, "data": ` + tt.data)
			if got := string(parse(t, tt.name, text).First().Data); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestAFileMayHoldSeveralFlows(t *testing.T) {
	one := func(name string) string { return strings.Replace(minimal(""), `"a"`, `"`+name+`"`, 1) }
	tests := map[string]string{
		"JSON after JSON":                 one("a") + "\n" + one("b"),
		"JSON between YAML separators":    one("a") + "\n---\n" + one("b"),
		"YAML documents and empty ones":   "---\n---\n# x\n" + one("a") + "\n...\n---\n" + one("b") + "\n---\n",
		"List":                            `{"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [` + one("a") + "," + one("b") + "]}",
		"FlowList, whose items are flows": `{"apiVersion": "elastic.io/v1", "kind": "FlowList", "items": [` + one("a") + "," + strings.Replace(one("b"), `"apiVersion": "elastic.io/v1", "kind": "Flow", `, "", 1) + "]}",
		"a byte order mark":               "\ufeff" + one("a") + one("b"),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			flows, err := flow.Parse("", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range flows {
				got = append(got, f.Name)
			}
			if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestACheckOfAComponentPointsIntoTheFile(t *testing.T) {
	const text = `apiVersion: elastic.io/v1
kind: Flow
metadata: {name: a}
spec:
  nodes:
    - id: a
      image: elasticio/mapper:1
      function: jsonataMap
      first: true
      data:
        mapper:
          to: good
          subject.line: bad
`
	checked := 0
	check := func(n *flow.Node) []flow.Mistake {
		checked++
		return []flow.Mistake{{Path: "data.mapper.subject.line", Text: "no expression"}, {Path: "data.mapper.body", Text: "missing"}, {Text: "and so on"}}
	}
	want := `a.yaml:6:7: spec.nodes[0]: and so on
a.yaml:12:11: spec.nodes[0].data.mapper.body: missing
a.yaml:13:25: spec.nodes[0].data.mapper.subject.line: no expression`
	if _, err := flow.Parse("a.yaml", []byte(text), check); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if _, err := flow.Parse("a.yaml", []byte(strings.Replace(text, "good", "!x good", 1)), check); err == nil || checked != 2 {
		t.Errorf("got error %v, and %d checks; want a mistake and 2", err, checked)
	}
}

func TestAResourceIsCheckedAlike(t *testing.T) {
	r := &v1.Flow{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "flows"}}
	r.Spec.Nodes = []v1.Node{
		{ID: "a", Image: "i", Function: "f", First: true, Data: runtime.RawExtension{Raw: []byte(`{ "b": 1.0, "a": "<" }`)}},
		{ID: "b", Image: "i", Function: "f", Data: runtime.RawExtension{Raw: []byte("null")}},
	}
	r.Spec.Connections = []v1.Connection{{From: "a", To: "b"}}
	f, err := flow.FromResource(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(f.Node("a").Data) + string(f.Node("b").Data); got != `{"b":1.0,"a":"<"}{}` || f.Key() != "flows/a" {
		t.Errorf("got data %s of %s", got, f.Key())
	}

	r.Spec.Nodes[1].Image = ""
	r.Spec.Nodes[1].Data.Raw = []byte("[1]")
	r.Spec.Connections = append(r.Spec.Connections, v1.Connection{From: "c", To: "b"})
	_, err = flow.FromResource(r)
	want := `spec.nodes[1].data: expected a JSON object
spec.nodes[1].image: missing; name the container image of the component
spec.connections[1].from: unknown node "c"`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	var m flow.Mistake
	if !errors.As(err, &m) || m.Line != 0 || m.Path != "spec.nodes[1].data" {
		t.Errorf("got first mistake %#v", m)
	}
}

func TestAFileMeansTheSameAsAResource(t *testing.T) {
	var r v1.Flow
	// The API server turns YAML into JSON; this is full in that form.
	data := `{"apiVersion": "elastic.io/v1", "kind": "Flow", "metadata": {"name": "a", "namespace": "flows"}, "spec": {
		"resources": {"limits": {"cpu": 1, "memory": "1Gi"}}, "http": {"reply": true}, "drainTimeout": "1m30s", "podTemplate": {"spec": {}},
		"nodes": [{"id": "a", "image": "i", "function": "f", "first": true, "replicas": 0, "data": {"x": [1.0]}, "rateLimit": 0.5,
			"envFrom": [{"secretRef": {"name": "s"}}], "valueFrom": {"A": {"configMapKeyRef": {"name": "n", "key": "k"}}}}]}}`
	if err := json.Unmarshal([]byte(data), &r); err != nil {
		t.Fatal(err)
	}
	fromResource, err := flow.FromResource(&r)
	if err != nil {
		t.Fatal(err)
	}
	fromFile := parse(t, "", data)
	fromFile.Line = 0
	if diff := cmp.Diff(fromFile, fromResource); diff != "" {
		t.Errorf("the resource differs from the file (-file +resource):\n%s", diff)
	}
}

func TestSeveralFilesMayNotShareAName(t *testing.T) {
	a, b := parse(t, "a.yaml", full), parse(t, "b.yaml", full)
	err := flow.Unique([]*flow.Flow{a, b})
	want := `b.yaml:4:1: metadata.name: flow "shop/orders" is also defined in a.yaml:4; rename one`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	b.Namespace = "other"
	if err := flow.Unique([]*flow.Flow{a, b}); err != nil {
		t.Errorf("got %v for two namespaces", err)
	}
}

func TestExamplesAreRight(t *testing.T) {
	polled := map[string]bool{"example-flow": true, "example-flow2": true, "wh-flow": false}
	var files []string
	for _, pattern := range []string{"../../example/*.json", "../../example/*/*.json"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	seen := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		flows, err := flow.Parse(filepath.Base(file), data)
		if err != nil {
			t.Error(err)
		}
		for _, f := range flows {
			want, known := polled[f.Name]
			if known {
				seen++
			}
			if known && f.First().Polling != want || f.Namespace != "flows" {
				t.Errorf("%s: polled %v in namespace %q", f.Name, f.First().Polling, f.Namespace)
			}
		}
	}
	if seen != len(polled) {
		t.Errorf("got %d of the %d examples in %v", seen, len(polled), files)
	}
}

func TestLongCyclesAreShortened(t *testing.T) {
	var b strings.Builder
	b.WriteString("apiVersion: elastic.io/v1\nkind: Flow\nmetadata: {name: a}\nspec:\n  connections:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "  - {from: s%d, to: s%d}\n", i, (i+1)%1000)
	}
	b.WriteString("  nodes:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "  - {id: s%d, image: i, function: f, first: %t}\n", i, i == 0)
	}
	_, err := flow.Parse("a.yaml", []byte(b.String()))
	want := "a.yaml:1005:5: spec.connections[999]: closes a cycle: s0 -> s1 -> s2 -> s3 -> s4 -> s5 -> (990 more) -> s996 -> s997 -> s998 -> s999 -> s0; " +
		"remove a connection, or write allowCycles: true in spec"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
