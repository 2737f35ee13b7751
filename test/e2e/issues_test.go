package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/openintegrationhub/leat/api/v1"
)

// The ten known issues of the platform's page of 2018, one test each. What the page says is above each test.

// "Platform does not handle changes in task. So to apply changes you need to delete and then recreate flow."
func TestChangesNeedNoRecreate(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	f := chain("changes", hook("in"), relay("work", "before"), to("out", out.url))
	create(t, f)
	ready(t, f.Name)
	send(t, f.Name, map[string]any{"n": 1})
	if got := out.waitFor(t, "n", 1); got["word"] != "before" {
		t.Fatalf("message is %v, want the word of the first configuration", got)
	}
	before := map[string]corev1.Pod{"in": pod(t, f.Name, "in"), "out": pod(t, f.Name, "out"), "work": pod(t, f.Name, "work")}

	f.Spec.Nodes[1] = relay("work", "after")
	put(t, f)
	ready(t, f.Name)
	send(t, f.Name, map[string]any{"n": 2})
	if got := out.waitFor(t, "n", 2); got["word"] != "after" {
		t.Errorf("message is %v, want the word of the changed configuration", got)
	}
	until(t, patience, "one pod of each step is left", func() (bool, string) {
		n := len(pods(t, f.Name, "work"))
		return n == 1, fmt.Sprint(n)
	})
	for step, old := range before {
		if changed := pod(t, f.Name, step).UID != old.UID; changed != (step == "work") {
			t.Errorf("step %s has another pod: %v", step, changed)
		}
	}
}

// "Platform does not handle task failure. So if component fails, and kubernetes failed to start it within retries defined by standart restart
// policy, than component will be broken, and the whole flow will be broken"
func TestFailedStepComesBack(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	f := chain("failures", hook("in"), relay("work", "w"), to("out", out.url))
	create(t, f)
	ready(t, f.Name)
	for _, end := range []string{"pod deleted", "job deleted", "killed"} {
		t.Log(end)
		until(t, patience, "one pod of step work", func() (bool, string) { // a message may have gone through one that was about to end
			n := len(pods(t, f.Name, "work"))
			return n == 1, fmt.Sprint(n)
		})
		old := pod(t, f.Name, "work")
		switch end {
		case "pod deleted":
			must(t, "kubectl delete pod --grace-period=0 --force -n flows "+old.Name)
		case "job deleted":
			must(t, "kubectl delete job -n flows "+old.Labels["job-name"])
		case "killed":
			must(t, "kubectl exec -n flows "+old.Name+" -- node -e 'process.kill(1, 15)' || true") // it ends with code 0, and so does kubectl, or not
		}
		send(t, f.Name, map[string]any{"after": end})
		out.waitFor(t, "after", end)
	}
	send(t, f.Name, map[string]any{"crash": 3})
	until(t, patience, "the status says how the step failed", func() (bool, string) {
		f := flow(t, f.Name)
		last := step(f, "work").LastFailure
		return last != nil && last.ExitCode != nil && *last.ExitCode == 3, status(f)
	})
}

// "Platform does not define resource limits on components. This confuses kubernetes' distribution mechanisms, and in worst case all components may
// be started at same node, and overload it."
func TestResourceLimits(t *testing.T) {
	t.Parallel()
	amount := func(text string) *resource.Quantity {
		q := resource.MustParse(text)
		return &q
	}
	f := chain("limits", hook("own"), node("flows", "elasticio/webhook", "receive", nil))
	f.Spec.Resources.Limits.Memory = amount("100Mi")
	f.Spec.Nodes[0].Resources.Limits.Memory = amount("80Mi")
	f.Spec.Nodes[0].Resources.Requests.CPU = amount("20m")
	create(t, f)
	ready(t, f.Name)
	var settings corev1.ConfigMap
	if err := world.client.Get(t.Context(), client.ObjectKey{Namespace: platform, Name: "settings"}, &settings); err != nil {
		t.Fatal(err)
	}
	for step, want := range map[string]string{
		"own":   "80Mi of memory, 20m of CPU requested, at most " + settings.Data["DEFAULT_CPU_LIMIT"],
		"flows": "100Mi of memory, " + settings.Data["DEFAULT_CPU_REQUEST"] + " of CPU requested, at most " + settings.Data["DEFAULT_CPU_LIMIT"],
	} {
		r := pod(t, f.Name, step).Spec.Containers[0].Resources
		got := fmt.Sprintf("%s of memory, %s of CPU requested, at most %s", r.Limits.Memory(), r.Requests.Cpu(), r.Limits.Cpu())
		if got != want {
			t.Errorf("step %s has %s, want %s", step, got, want)
		}
	}
}

// "Platform does not provide a way to inject some input data into flow. But this may be done by first step itself"
func TestInputIntoFlow(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	f := chain("input", hook("in"), to("out", out.url))
	create(t, f)
	ready(t, f.Name)
	address := router(t) + "/flow/" + f.Name
	if got := must(t, "curl -sS '"+address+"?arg1=val1&arg2=val2'"); !strings.Contains(got, "OK") {
		t.Errorf("answer is %s", got)
	}
	out.waitFor(t, "arg2", "val2")
	must(t, "curl -sS -H 'Content-Type: application/json' '"+address+`' -d '{"arg1": "val3"}'`)
	out.waitFor(t, "arg1", "val3")

	// A flow may answer, too.
	reply := chain("answer", hook("in"), node("reply", "elasticio/request-reply-component", "reply", nil))
	reply.Spec.HTTP.Reply = true
	create(t, reply)
	ready(t, reply.Name)
	until(t, patience, "the flow answers", func() (bool, string) {
		got := must(t, "curl -sS '"+router(t)+"/flow/"+reply.Name+"?name=World'")
		return strings.Contains(got, "World"), got
	})
}

// "There may be race condition between scheduler and job start. First timer tick may be lost."
func TestFirstTickArrives(t *testing.T) {
	t.Parallel()
	for n := range 5 {
		out := newSink(t)
		f := chain("tick", node("timer", "elasticio/timer", "timer", map[string]string{"interval": "minute"}), to("out", out.url))
		f.Spec.Nodes[0].IsPolling = true
		f.Spec.Nodes[0].Schedule = "0 0 1 1 *" // the first tick comes at once, the next on New Year's Day
		put(t, f)
		out.wait(t, fmt.Sprintf("the first tick of flow %d", n), func(body map[string]any) bool { return body["fireTime"] != nil })
		remove(t, f.Name)
		if got := len(out.all()); got != 1 {
			t.Errorf("%d ticks arrived, want one", got)
		}
	}
}

// "There may be race condition between external world and service. So fast delete/creation of flow may be ignored"
func TestFastDeleteAndCreate(t *testing.T) {
	out := newSink(t)
	f := chain("fast", hook("in"), to("out", out.url))
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	create(t, f)
	for n := range 100 {
		if err := world.client.Delete(t.Context(), flowNamed(f.Name)); err != nil {
			t.Fatal(err)
		}
		until(t, patience, "the name is free again", func() (bool, string) {
			again := new(v1.Flow)
			if err := json.Unmarshal(text, again); err != nil {
				t.Fatal(err)
			}
			err := world.client.Create(t.Context(), again)
			return err == nil, fmt.Sprint(err)
		})
		if n%10 != 9 { // the other times it's deleted while it starts
			continue
		}
		ready(t, f.Name)
		send(t, f.Name, map[string]any{"n": n})
		out.waitFor(t, "n", n)
		for _, step := range []string{"in", "out"} {
			until(t, patience, "one pod of step "+step, func() (bool, string) {
				n := len(pods(t, f.Name, step))
				return n == 1, fmt.Sprint(n)
			})
		}
		for _, body := range out.all() {
			if body["n"] == nil {
				t.Errorf("a message of nobody: %v", body)
			}
		}
	}
	if got := len(out.all()); got < 10 {
		t.Errorf("%d messages, want 10", got)
	}
	until(t, 10*time.Second, "nothing is left of the earlier ones", func() (bool, string) {
		var jobs, pods int
		_, err := fmt.Sscan(must(t, "kubectl get jobs -n flows -l leat.io/flow=fast --no-headers | wc -l; kubectl get pods -n flows -l leat.io/flow=fast --no-headers | wc -l"), &jobs, &pods)
		return err == nil && jobs == 2 && pods == 2, fmt.Sprint(jobs, " jobs, ", pods, " pods")
	})
}
