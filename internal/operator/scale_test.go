package operator_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof" // of the operator's process
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/kubetest"
	"github.com/openintegrationhub/leat/internal/operator"
	"github.com/openintegrationhub/leat/internal/polltest"
)

// Limits that a thousand flows of three steps have to keep.
const (
	appliedWithin = 60 * time.Second
	settledWithin = 20 * time.Second
	memoryMaxMB   = 100
)

// TestScale runs with LEAT_SCALE=1000, which is how many flows there are. The operator is a process of its own, so that its memory is just its.
func TestScale(t *testing.T) {
	flows, _ := strconv.Atoi(os.Getenv("LEAT_SCALE"))
	if flows == 0 {
		t.Skip("LEAT_SCALE says how many flows; 1000 takes some minutes")
	}
	w := newWorld(t)
	w.stop()
	w.nodes.stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go w.broker().Serve(listener)
	p := startProcess(t, w, listener.Addr().String())
	begin := time.Now()
	w.createMany(flows)
	created := time.Since(begin)
	applied := w.applied(p, flows).Sub(begin)
	memory, withFile := p.memoryMB(t)
	writes := p.writes(t)
	t.Logf("%d flows of 3 steps: created in %v, applied in %v, %d writes (%.1f a flow), memory %d MB (%d with the program's file), %d ms of processor time, %d MB of live heap", flows,
		created.Round(time.Millisecond), applied.Round(time.Millisecond), writes, float64(writes)/float64(flows), memory, withFile, p.ask(t, "cpu"), p.ask(t, "heap"))
	if scale := max(1, float64(flows)/1000); applied > time.Duration(scale*float64(appliedWithin)) || memory > int(scale*memoryMaxMB) {
		t.Errorf("applied in %v, want %v for 1000; %d MB, want %d", applied, appliedWithin, memory, memoryMaxMB)
	}
	before := p.writes(t)
	if polltest.Within(30*time.Second, func() bool { return p.writes(t) != before }) {
		t.Errorf("%d writes in 30 s of steady state", p.writes(t)-before)
	}
	p.end(t)
	begin = time.Now()
	p = startProcess(t, w, listener.Addr().String())
	p.settled(t, flows)
	settled := time.Since(begin)
	polltest.Within(5*time.Second, func() bool { return p.writes(t) > 0 }) // none is right
	memory, withFile = p.memoryMB(t)
	t.Logf("a restart settles in %v with %d writes, memory %d MB (%d with the program's file)", settled.Round(time.Millisecond), p.writes(t), memory, withFile)
	if settled > settledWithin || p.writes(t) > 0 {
		t.Errorf("a restart settled in %v with %d writes, want %v and none", settled, p.writes(t), settledWithin)
	}
	p.end(t)
}

func (w *world) createMany(flows int) {
	work := make(chan int)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for i := range work {
				f := parseFlow(w.t, threeSteps)
				f.Name, f.Namespace = fmt.Sprintf("shop-%d", i), w.namespace
				if err := w.Create(w.t.Context(), f); err != nil {
					w.t.Error(err)
				}
			}
		})
	}
	for i := range flows {
		work <- i
	}
	close(work)
	group.Wait()
}

// applied returns when the operator did its last write, after which each flow has its jobs and a status. It asks the operator while it waits: lists
// of everything, again and again, would be most of what the API server does.
func (w *world) applied(p *process, flows int) time.Time {
	w.t.Helper()
	last := p.quiet(w.t)
	var jobs batchv1.JobList
	var list v1.FlowList
	if err := errors.Join(w.List(w.t.Context(), &jobs, client.InNamespace(w.namespace)), w.List(w.t.Context(), &list, client.InNamespace(w.namespace))); err != nil {
		w.t.Fatal(err)
	}
	told := 0
	for i := range list.Items {
		if len(list.Items[i].Status.Steps) == 3 {
			told++
		}
	}
	if len(jobs.Items) != 3*flows || told != flows {
		w.t.Fatalf("%d jobs and %d flows with a status, want 3 and 1 for each of %d", len(jobs.Items), told, flows)
	}
	return last
}

// process is an operator in a process of its own.
type process struct {
	command *exec.Cmd
	url     string
}

func startProcess(t *testing.T, w *world, broker string) *process {
	t.Helper()
	kubeconfig := t.TempDir() + "/kubeconfig"
	kubetest.Kubeconfig(t, kubeconfig, w.config, "", nil)
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "LEAT_OPERATOR_PROCESS=1", "KUBECONFIG="+kubeconfig, "NAMESPACES="+w.namespace,
		"RABBITMQ_URI=amqp://operator:"+operatorPassword+"@"+broker, "RABBITMQ_MANAGEMENT_URI=http://operator:"+operatorPassword+"@"+w.web.Listener.Addr().String())
	command.Stderr = w.log
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("start operator: %v\n%s", err, w.log)
	}
	return &process{command, "http://" + strings.TrimSpace(line)}
}

// ask reads one of the process's numbers.
func (p *process) ask(t testing.TB, what string) int {
	t.Helper()
	answer, err := http.Get(p.url + "/" + what)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var n int
	if _, err := fmt.Fscan(answer.Body, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func (p *process) writes(t testing.TB) int { t.Helper(); return p.ask(t, "writes") }

// memoryMB is what the process holds itself, which Kubernetes calls container_memory_rss, and with the pages of its program's file, which the kernel
// may drop at any time.
func (p *process) memoryMB(t *testing.T) (own, withFile int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kb int
		name, value, _ := strings.Cut(line, ":")
		fmt.Sscan(value, &kb)
		switch name {
		case "RssAnon":
			own = kb / 1024
		case "VmRSS":
			withFile = kb / 1024
		}
	}
	return own, withFile
}

// quiet waits until the process has nothing to do and hasn't written for 5 s, and returns when that began.
func (p *process) quiet(t testing.TB) (since time.Time) {
	t.Helper()
	last, since := p.writes(t), time.Now()
	polltest.Eventually(t, 20*time.Minute, "no writes for 5 s", func() (bool, any) {
		if n := p.writes(t); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) >= 5*time.Second && p.ask(t, "reconciles") > 0, last
	})
	return since
}

// settled waits until the process has looked at each flow.
func (p *process) settled(t *testing.T, flows int) {
	t.Helper()
	polltest.Eventually(t, 5*time.Minute, fmt.Sprintf("%d flows were looked at", flows), func() (bool, any) {
		n := p.ask(t, "reconciles")
		return n >= flows, n
	})
}

func (p *process) end(t *testing.T) {
	t.Helper()
	p.command.Process.Signal(syscall.SIGTERM)
	p.command.Wait()
}

// runProcess is what the process does: an operator that counts what it writes.
func runProcess() error {
	debug.SetGCPercent(operator.GCPercent)
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	var writes atomic.Int64
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodGet {
				writes.Add(1)
			}
			return next.RoundTrip(r)
		})
	})
	settings, err := kube.ReadSettings(os.Getenv, func(string) string { return "" })
	if err != nil {
		return err
	}
	op, err := operator.New(operator.Options{
		Config: config, Settings: settings, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Patience: time.Hour, // no pod ever runs, which would be told after a while
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	http.HandleFunc("/writes", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, writes.Load()) })
	http.HandleFunc("/cpu", func(w http.ResponseWriter, _ *http.Request) {
		var used syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &used)
		fmt.Fprintln(w, (used.Utime.Nano()+used.Stime.Nano())/1e6)
	})
	http.HandleFunc("/heap", func(w http.ResponseWriter, _ *http.Request) {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		fmt.Fprintln(w, m.HeapAlloc>>20, m.Sys>>20)
	})
	http.HandleFunc("/reconciles", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, reconciles()) })
	go http.Serve(listener, nil)
	fmt.Println(listener.Addr())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return op.Run(ctx)
}

// reconciles is how many looks there were, and 0 while some wait.
func reconciles() int {
	families, err := metrics.Registry.Gather()
	if err != nil {
		return 0
	}
	sums := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			sums[f.GetName()] += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	if sums["workqueue_depth"] > 0 || sums["controller_runtime_active_workers"] > 0 {
		return 0
	}
	return int(sums["controller_runtime_reconcile_total"])
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
