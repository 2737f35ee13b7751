package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/kube"
)

// A step has to be up again within this, on a machine of two cores that does everything.
const patience = 90 * time.Second

// must runs a command line as a user types it, in the project's folder, and fails the test if it fails.
func must(t *testing.T, line string) string {
	t.Helper()
	out, err := run(t.Context(), "bash", "-c", line)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// apply applies a manifest as kubectl does.
func apply(t *testing.T, manifest string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, "kubectl apply -f "+file)
}

// until asks again and again until what is wanted is so. The text tells what is there instead.
func until(t *testing.T, most time.Duration, want string, ask func() (bool, string)) {
	t.Helper()
	end := time.Now().Add(most)
	for {
		ok, got := ask()
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s\nfound: %s", most, want, got)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// create applies a flow and deletes it when the test ends.
func create(t *testing.T, f *v1.Flow) {
	t.Helper()
	t.Cleanup(func() { remove(t, f.Name) })
	put(t, f)
}

// put applies a flow as it is now.
func put(t *testing.T, f *v1.Flow) {
	t.Helper()
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, string(text))
}

// remove deletes a flow and waits until it's gone.
func remove(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := run(ctx, "kubectl", "delete", "flow", name, "-n", flows, "--ignore-not-found"); err != nil {
		t.Error(err)
	}
}

// flowNamed returns a flow without steps.
func flowNamed(name string) *v1.Flow {
	return &v1.Flow{
		TypeMeta:   metav1.TypeMeta{APIVersion: "elastic.io/v1", Kind: "Flow"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: flows},
	}
}

// chain makes a flow of nodes one behind the other; the first is the entry.
func chain(name string, nodes ...v1.Node) *v1.Flow {
	f := flowNamed(name)
	for i := range nodes {
		nodes[i].First = i == 0
		f.Spec.Nodes = append(f.Spec.Nodes, nodes[i])
		if i > 0 {
			f.Spec.Connections = append(f.Spec.Connections, v1.Connection{From: nodes[i-1].ID, To: nodes[i].ID})
		}
	}
	return f
}

// node returns a node with data.
func node(id, image, function string, data any) v1.Node {
	n := v1.Node{ID: id, Image: image, Function: function}
	if data != nil {
		text, err := json.Marshal(data)
		if err != nil {
			panic(err)
		}
		n.Data.Raw = text
	}
	return n
}

// hook takes HTTP requests; to posts what it gets to an address.
func hook(id string) v1.Node { return node(id, "elasticio/webhook", "receive", nil) }

func to(id string, url string) v1.Node {
	return node(id, "elasticio/webhook", "post", map[string]string{"uri": url})
}

// relay runs a component on elastic.io's library for Node: its image is loaded into the cluster.
func relay(id, word string) v1.Node {
	return node(id, "acme/sailor:1", "relay", map[string]string{"word": word})
}

// flow returns a flow as it is in the cluster.
func flow(t *testing.T, name string) *v1.Flow {
	t.Helper()
	f := new(v1.Flow)
	if err := world.client.Get(t.Context(), client.ObjectKey{Namespace: flows, Name: name}, f); err != nil {
		t.Fatal(err)
	}
	return f
}

// ready waits until the newest spec of a flow runs.
func ready(t *testing.T, name string) *v1.Flow {
	t.Helper()
	var f *v1.Flow
	until(t, patience, name+" is ready", func() (bool, string) {
		f = flow(t, name)
		c := meta.FindStatusCondition(f.Status.Conditions, v1.ConditionReady)
		ok := c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == f.Generation
		return ok, status(f)
	})
	return f
}

// status is a flow's status for a person.
func status(f *v1.Flow) string {
	text, err := json.MarshalIndent(f.Status, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// step returns the status of a step.
func step(f *v1.Flow, id string) v1.StepStatus {
	i := slices.IndexFunc(f.Status.Steps, func(s v1.StepStatus) bool { return s.ID == id })
	if i < 0 {
		return v1.StepStatus{}
	}
	return f.Status.Steps[i]
}

// pods lists the pods of a step that aren't about to end.
func pods(t *testing.T, flow, step string) []corev1.Pod {
	t.Helper()
	var list corev1.PodList
	labels := client.MatchingLabels{kube.LabelFlow: flow, kube.LabelStep: kube.StepLabel(step)}
	if err := world.client.List(t.Context(), &list, client.InNamespace(flows), labels); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool {
		return p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	})
}

// pod returns the one pod of a step.
func pod(t *testing.T, flow, step string) corev1.Pod {
	t.Helper()
	all := pods(t, flow, step)
	if len(all) != 1 {
		t.Fatalf("step %s of %s has %d pods, want one", step, flow, len(all))
	}
	return all[0]
}

// router is the address of the communication router's NodePort.
func router(t *testing.T) string {
	t.Helper()
	var s corev1.Service
	if err := world.client.Get(t.Context(), client.ObjectKey{Namespace: platform, Name: "communication-router-service"}, &s); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("http://%s:%d", world.nodeIP, s.Spec.Ports[0].NodePort)
}

// send posts a body to a flow, and again as long as the answer says that it may work later.
func send(t *testing.T, flow string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	address := router(t) + "/flow/" + flow
	until(t, patience, "the router takes a message for "+flow, func() (bool, string) {
		response, err := http.Post(address, "application/json", strings.NewReader(string(text)))
		if err != nil {
			return false, err.Error()
		}
		defer response.Body.Close()
		answer, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20))
		return response.StatusCode == http.StatusOK, response.Status + " " + string(answer)
	})
}

// sink is an HTTP server of the test that remembers the JSON objects posted to it.
type sink struct {
	url string

	mu  sync.Mutex // guards got
	got []map[string]any
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := new(sink)
	s.url = serve(t, s)
	return s
}

// serve serves HTTP where pods can reach it, until the test ends.
func serve(t *testing.T, handler http.Handler) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(world.hostIP, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return "http://" + listener.Addr().String() + "/"
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, body)
	w.WriteHeader(http.StatusOK)
}

func (s *sink) all() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// wait waits for a body for which match is true, and returns it.
func (s *sink) wait(t *testing.T, want string, match func(map[string]any) bool) map[string]any {
	t.Helper()
	var found map[string]any
	until(t, patience, "a message arrives: "+want, func() (bool, string) {
		all := s.all()
		for _, body := range all {
			if match(body) {
				found = body
				return true, ""
			}
		}
		return false, fmt.Sprintf("%d messages, the last: %v", len(all), all[max(0, len(all)-2):])
	})
	return found
}

// waitFor waits for a body with a member of this value.
func (s *sink) waitFor(t *testing.T, member string, value any) map[string]any {
	t.Helper()
	return s.wait(t, fmt.Sprintf("%s is %v", member, value), func(body map[string]any) bool { return fmt.Sprint(body[member]) == fmt.Sprint(value) })
}
