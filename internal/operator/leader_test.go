package operator_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openintegrationhub/leat/internal/operator"
)

func TestAnotherOperatorTakesOverWhenTheLeaderStops(t *testing.T) {
	w := newWorld(t)
	w.stop() // the one without election
	start := func() (stop func()) {
		op, err := operator.New(operator.Options{
			Config: w.config, Settings: w.readSettings(), Logger: slog.New(slog.NewTextHandler(w.log, nil)), DialBroker: w.dial,
			LeaderElection: true, Namespace: w.namespace, BrokerEvery: 200 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- op.Run(ctx) }()
		return func() {
			cancel()
			<-ended
		}
	}
	leases, err := client.New(w.config, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	leader := func() string {
		var lease coordinationv1.Lease
		if err := leases.Get(t.Context(), types.NamespacedName{Namespace: w.namespace, Name: "flows-operator"}, &lease); err != nil || lease.Spec.HolderIdentity == nil {
			return ""
		}
		return *lease.Spec.HolderIdentity
	}
	stopFirst := start()
	w.eventually("first leads", func() (bool, any) { return leader() != "", leader() })
	first := leader()
	stopSecond := start()
	defer stopSecond()
	w.apply(threeSteps)
	w.ready("shop")
	stopFirst()
	w.eventually("second leads", func() (bool, any) { now := leader(); return now != "" && now != first, now })
	w.apply(change(t, "data: {depth: 1}", "data: {depth: 2}"))
	w.ready("shop")
}
