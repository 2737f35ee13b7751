package cluster_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/cluster"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/plan"
)

// Thousands of flows: known soon, with little memory each, and updates of their status pass by.
func TestThousandsOfFlows(t *testing.T) {
	flows := 100
	if os.Getenv("LEAT_CLUSTER") == "full" {
		flows = 2000
	}
	w := newWorld(t)
	config := rest.CopyConfig(w.config)
	config.QPS = -1
	var err error
	if w.Client, err = client.New(config, client.Options{Scheme: kube.Scheme()}); err != nil {
		t.Fatal(err)
	}
	all := make([]*v1.Flow, flows)
	each := func(do func(i int) error) {
		t.Helper()
		var group errgroup.Group
		group.SetLimit(16)
		for i := range flows {
			group.Go(func() error { return do(i) })
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	each(func(i int) error {
		f := with(resource("a", "b", "c"), brokerReady, func(f *v1.Flow) { f.Name, f.Namespace, f.UID = fmt.Sprint("f", i), w.namespace, "" })
		status := f.Status
		if err := w.Create(t.Context(), f); err != nil {
			return err
		}
		f.Status = status
		for c := range f.Status.Conditions {
			f.Status.Conditions[c].Reason = "Declared"
			f.Status.Conditions[c].LastTransitionTime = f.CreationTimestamp
		}
		if err := w.Status().Update(t.Context(), f); err != nil {
			return err
		}
		all[i] = f
		parsed, err := kube.FlowOf(f)
		if err != nil {
			return err
		}
		s := plan.Secrets{CryptoPassword: rand.Text(), CryptoIV: "0123456789abcdef", Steps: map[string]plan.StepSecrets{}}
		for _, n := range parsed.Nodes {
			s.Steps[n.ID] = plan.StepSecrets{BrokerPassword: rand.Text(), APIKey: rand.Text()}
		}
		return w.Create(t.Context(), kube.NewSecret(parsed, s))
	})
	before := heap()
	var open, updates atomic.Int64
	source, err := cluster.NewSource(cluster.SourceOptions{
		Config: w.config, Namespaces: []string{w.namespace}, Platform: plan.Platform{Builtin: func(string) string { return "" }}, Logger: w.logger,
		Update: func(flows []*cluster.Flow) {
			n := 0
			for _, f := range flows {
				if f.Open {
					n++
				}
			}
			open.Store(int64(n))
			updates.Add(1)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	begin := time.Now()
	go func() { done <- source.Run(ctx) }()
	w.eventually("all flows are open", time.Minute, func() (bool, any) { return open.Load() == int64(flows), fmt.Sprint(open.Load()) })
	took := time.Since(begin)
	size := heap() - before

	told := updates.Load()
	each(func(i int) error {
		all[i].Status.Steps = []v1.StepStatus{{ID: "a", State: "Running", Ready: 1, Wanted: 1}}
		return w.Status().Update(t.Context(), all[i])
	})
	// What comes after them in the same watch shows that they have been looked at.
	last := all[flows-1]
	last.Spec.Suspended = true
	if err := w.Update(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	w.eventually("the last change is told", time.Minute, func() (bool, any) { return updates.Load() > told, "" })
	if n := updates.Load() - told; n != 1 {
		t.Errorf("%d updates of status and one of a spec were told %d times, want once", flows, n)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	t.Logf("%d flows: known after %v, %d KiB of memory each", flows, took.Round(time.Millisecond), size/int64(flows)>>10)
	if each := size / int64(flows); each > 64<<10 {
		t.Errorf("%d bytes for each flow, want 64 KiB at most", each)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
