package cluster_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	coordination "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/cluster"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/topology"
)

const everySecond = `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: clock}
spec:
  nodes: [{id: step_1, image: acme/clock, function: tick, first: true, isPolling: true, schedule: "* * * * * *"}]
`

// beScheduler is a scheduler in a process of its own, which can be killed.
func beScheduler(name string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	config, err := cluster.ServiceConfig(os.Getenv("KUBECONFIG"))
	if err == nil {
		err = cluster.RunScheduler(ctx, cluster.Options{
			Config: config, Namespaces: []string{os.Getenv("NAMESPACES")}, Platform: plan.Platform{Builtin: func(string) string { return "" }},
			Broker: amqp.Dialer{URL: os.Getenv("RABBITMQ_URI"), Name: name}, Listen: "127.0.0.1:0",
			LeaseNamespace: os.Getenv("NAMESPACES"), Identity: name, Logger: slog.New(slog.NewTextHandler(os.Stdout, nil)),
		})
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// startScheduler runs this test binary as a scheduler.
func (w *world) startScheduler(name, kubeconfig string) *exec.Cmd {
	w.t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "LEAT_TEST_SCHEDULER="+name, "KUBECONFIG="+kubeconfig, "NAMESPACES="+w.namespace, "RABBITMQ_URI="+w.brokerURL("scheduler"))
	c.Stdout, c.Stderr = w.t.Output(), w.t.Output()
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); c.Wait() }()
	w.t.Cleanup(func() {
		c.Process.Kill()
		<-ended
	})
	return c
}

// ticks collects what the first step of a flow gets.
type ticks struct {
	mu  sync.Mutex // guards all
	all []time.Time
}

func (k *ticks) collect(t testing.TB, conn *amqp.Conn, queue string) {
	consumer, err := conn.Consume(queue, 10)
	if err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the connection
		for d, ok := consumer.Next(); ok; d, ok = consumer.Next() {
			at, err := time.Parse(time.RFC3339Nano, d.Headers.Text(topology.TickHeader))
			if err != nil {
				t.Error(err)
			}
			k.mu.Lock()
			k.all = append(k.all, at)
			k.mu.Unlock()
			consumer.Ack(d)
		}
	}()
}

func (k *ticks) get() []time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.all)
}

// holder is the name of the process that holds a lease, "" for none.
func (w *world) holder(name string) string {
	w.t.Helper()
	lease := new(coordination.Lease)
	if err := w.leases().Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, lease); err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	holder, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
	return holder
}

func (w *world) leases() client.Client {
	w.t.Helper()
	s := runtime.NewScheme()
	if err := coordination.AddToScheme(s); err != nil {
		w.t.Fatal(err)
	}
	c, err := client.New(w.config, client.Options{Scheme: s})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// However a leader ends, another goes on from the very tick: none comes twice. One that just stood still for a while and goes on doesn't know that
// it no longer leads, and must not send one either.
func TestTicksComeOnceHoweverTheLeaderEnds(t *testing.T) {
	w := newWorld(t)
	f := w.apply(everySecond)
	w.prepare(f)
	w.declareReady(f)
	var got ticks
	got.collect(t, w.conn, topology.StepQueue("clock", "step_1"))
	kubeconfig := w.kubeconfig()
	schedulers := map[string]*exec.Cmd{}
	more := func() {
		name := fmt.Sprintf("s%d", len(got.get()))
		schedulers[name] = w.startScheduler(name, kubeconfig)
	}
	more()
	w.eventually("a first tick", 30*time.Second, func() (bool, any) { return len(got.get()) > 0, "" })
	more()
	goOn := func(what string) {
		t.Helper()
		n := len(got.get())
		w.eventually(what, 60*time.Second, func() (bool, any) { return len(got.get()) >= n+3, fmt.Sprint(len(got.get()) - n) })
	}
	lead := func() (name string) {
		t.Helper()
		w.eventually("somebody leads", 60*time.Second, func() (bool, any) {
			name = w.holder("leat-scheduler")
			return schedulers[name] != nil, name
		})
		return name
	}
	goOn("ticks with two schedulers")

	leader := lead()
	schedulers[leader].Process.Signal(syscall.SIGTERM)
	delete(schedulers, leader)
	goOn("ticks after the leader was asked to stop")
	more()

	leader = lead()
	schedulers[leader].Process.Kill()
	delete(schedulers, leader)
	goOn("ticks after the leader was killed")
	more()
	goOn("ticks with two schedulers again")

	leader = lead()
	frozen := schedulers[leader]
	frozen.Process.Signal(syscall.SIGSTOP)
	delete(schedulers, leader)
	goOn("ticks while the old leader stands still")
	frozen.Process.Signal(syscall.SIGCONT)
	schedulers[leader] = frozen
	goOn("ticks after it goes on")
	goOn("and for a while")

	all := got.get()
	for i := 1; i < len(all); i++ {
		if !all[i].After(all[i-1]) {
			t.Errorf("tick %v came after %v", all[i], all[i-1])
		}
	}
	t.Logf("%d ticks in %v", len(all), all[len(all)-1].Sub(all[0]))
}
