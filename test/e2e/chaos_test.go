package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	chaosKills = 50
	chaosRate  = 500 // messages a second
	chaosPause = 4 * time.Second
)

// A flow under load loses nothing while everything around it is killed, and ticks come once a minute.
func TestChaosLosesNothing(t *testing.T) {
	out, clock := newTally(t), newSink(t)
	in := hook("in")
	end := to("out", out.url)
	many := int32(50)
	in.Prefetch, end.Prefetch = &many, &many
	f := chain("chaos", in, end)
	ticks := chain("ticks", relay("timer", "tick"), to("out", clock.url))
	ticks.Spec.Nodes[0].IsPolling = true
	create(t, f)
	create(t, ticks)
	ready(t, f.Name)
	ready(t, ticks.Name)
	clock.wait(t, "the first tick", func(map[string]any) bool { return true })
	first := time.Now()

	kills := chaosKills
	if n, err := strconv.Atoi(os.Getenv("LEAT_E2E_KILLS")); err == nil {
		kills = n
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	victims := []string{"chaos/in", "chaos/out", "flows-operator", "scheduler", "communication-router", "api", "rabbitmq", "kubelet"}
	killed := map[string]int{}
	l := startLoad(t, f.Name, chaosRate)
	start := time.Now()
	for n := range kills {
		if n%len(victims) == 0 {
			random.Shuffle(len(victims), func(i, k int) { victims[i], victims[k] = victims[k], victims[i] })
		}
		<-time.After(chaosPause)
		if victim := victims[n%len(victims)]; kill(t, victim, random) {
			killed[victim]++
		}
	}
	<-time.After(chaosPause)
	n := l.Stop()
	took := time.Since(start)
	again := out.wait(t, n, 3*time.Minute)
	t.Logf("%v killed; %d messages in %s (%.0f a second), %d requests sent again, 0 lost, %d came more than once",
		killed, n, took.Round(time.Second), float64(n)/took.Seconds(), l.retries.Load(), again)
	ready(t, f.Name)
	if err := waitForPlatform(2 * time.Minute); err != nil {
		t.Error(err)
	}
	// One tick at once, and one at each full minute since; the last one may still be on its way.
	want := 1 + int(time.Now().Truncate(time.Minute).Sub(first.Truncate(time.Minute)).Minutes())
	until(t, 30*time.Second, fmt.Sprintf("%d ticks", want), func() (bool, string) {
		got := different(clock, "message")
		return got == want, fmt.Sprint(got)
	})
}

// different is how many different values of a member came to a sink.
func different(s *sink, member string) int {
	seen := map[string]bool{}
	for _, body := range s.all() {
		seen[fmt.Sprint(body[member])] = true
	}
	return len(seen)
}

// kill ends a pod of what victim names, the kubelet, or a step's: by SIGKILL to its container, or by deleting the pod without grace. It tells
// whether there was one.
func kill(t *testing.T, victim string, random *rand.Rand) bool {
	t.Helper()
	if victim == "kubelet" {
		must(t, "test/cluster/restart.sh kubelet 1")
		return true
	}
	var list corev1.PodList
	options := []client.ListOption{client.InNamespace(platform), client.MatchingLabels{"app.kubernetes.io/name": victim}}
	if flow, step, ok := strings.Cut(victim, "/"); ok {
		options = []client.ListOption{client.InNamespace(flows), client.MatchingLabels{"leat.io/flow": flow, "leat.io/step": step}}
	}
	if err := world.client.List(t.Context(), &list, options...); err != nil {
		t.Fatal(err)
	}
	var running []corev1.Pod
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil && len(p.Status.ContainerStatuses) > 0 && p.Status.ContainerStatuses[0].State.Running != nil {
			running = append(running, p)
		}
	}
	if len(running) == 0 {
		return false // its last death isn't over yet
	}
	p := running[random.IntN(len(running))]
	if random.IntN(2) == 0 {
		must(t, "kubectl delete pod --grace-period=0 --force --wait=false -n "+p.Namespace+" "+p.Name)
		return true
	}
	id := strings.TrimPrefix(p.Status.ContainerStatuses[0].ContainerID, "containerd://")
	must(t, "test/cluster/kill.sh "+id)
	return true
}
