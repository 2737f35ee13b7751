package cluster_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/cluster"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/kubetest"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/polltest"
	"github.com/openintegrationhub/leat/internal/topology"
)

// TestMain may also be a scheduler: see startScheduler.
func TestMain(m *testing.M) {
	if name := os.Getenv("LEAT_TEST_SCHEDULER"); name != "" {
		os.Exit(beScheduler(name))
	}
	os.Exit(kubetest.Main{M: m}.Run())
}

// world is a namespace of flows and an embedded broker. The test plays the operator.
type world struct {
	client.Client
	t         testing.TB
	config    *rest.Config
	namespace string
	broker    *broker.Broker
	address   string // of the broker, TCP
	conn      *amqp.Conn
	logger    *slog.Logger
}

const password = "secret"

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, config: kubetest.Config(t), namespace: "t-" + strings.ToLower(rand.Text()[:10]), logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	var err error
	if w.Client, err = client.New(w.config, client.Options{Scheme: kube.Scheme()}); err != nil {
		t.Fatal(err)
	}
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}})
	options := broker.DefaultOptions()
	options.LoopbackUsers = nil
	if w.broker, err = broker.New(options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.broker.Close() })
	for _, err := range []error{
		w.broker.PutUser("operator", password, "administrator"), w.broker.PutVhost(w.namespace),
		w.broker.PutPermissions(w.namespace, "operator", broker.Permissions{Configure: ".*", Write: ".*", Read: ".*"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range topology.ServiceAccounts(w.namespace) {
		for _, err := range []error{
			w.broker.PutUser(a.User, password),
			w.broker.PutPermissions(a.VHost, a.User, broker.Permissions{Configure: a.Configure, Write: a.Write, Read: a.Read}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go w.broker.Serve(listener) // ends with the listener
	w.address = listener.Addr().String()
	if w.conn, err = (amqp.Dialer{URL: w.brokerURL("operator") + "/" + w.namespace, Name: "test"}).Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.conn.Close() })
	return w
}

func (w *world) brokerURL(user string) string {
	return "amqp://" + user + ":" + password + "@" + w.address
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.Create(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}

// kubeconfig writes a file with which the API server can be reached as an administrator.
func (w *world) kubeconfig() string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "kubeconfig")
	kubetest.Kubeconfig(w.t, path, w.config, w.namespace, nil)
	return path
}

// apply creates a flow.
func (w *world) apply(text string) *v1.Flow {
	w.t.Helper()
	f := new(v1.Flow)
	if err := yaml.UnmarshalStrict([]byte(text), f); err != nil {
		w.t.Fatal(err)
	}
	f.Namespace = w.namespace
	f.Finalizers = []string{kube.Finalizer}
	w.create(f)
	return f
}

// prepare does what the operator does for a flow before its steps run.
func (w *world) prepare(f *v1.Flow) plan.Secrets {
	w.t.Helper()
	parsed, err := kube.FlowOf(f)
	if err != nil {
		w.t.Fatal(err)
	}
	s := plan.Secrets{CryptoPassword: rand.Text(), CryptoIV: "0123456789abcdef", Steps: map[string]plan.StepSecrets{}}
	for _, n := range parsed.Nodes {
		s.Steps[n.ID] = plan.StepSecrets{BrokerPassword: rand.Text(), APIKey: rand.Text()}
	}
	w.create(kube.NewSecret(parsed, s))
	if err := w.conn.Declare(topology.For(parsed, topology.Options{})); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// declareReady sets the condition that everybody waits for.
func (w *world) declareReady(f *v1.Flow) {
	w.t.Helper()
	f.Status.Conditions = []metav1.Condition{{Type: v1.ConditionBrokerReady, Status: metav1.ConditionTrue, Reason: "Declared",
		ObservedGeneration: f.Generation, LastTransitionTime: metav1.Now()}}
	if err := w.Status().Update(w.t.Context(), f); err != nil {
		w.t.Fatal(err)
	}
}

// options are those of a service with this broker account.
func (w *world) options(user string) cluster.Options {
	return cluster.Options{
		Config: w.config, Namespaces: []string{w.namespace}, Platform: plan.Platform{Builtin: func(string) string { return "" }},
		Broker: amqp.Dialer{URL: w.brokerURL(user), Name: user}, Listen: "127.0.0.1:0", HTTP: "127.0.0.1:0", Leave: time.Millisecond,
		LeaseNamespace: w.namespace, Logger: w.logger.With("service", user),
	}
}

// service is one that runs.
type service struct {
	health, http string // addresses, as URLs
	stop         func() // ends it and waits
}

// start runs a service until the end of the test, or until it's stopped.
func (w *world) start(o cluster.Options, run func(context.Context, cluster.Options) error) *service {
	w.t.Helper()
	s := new(service)
	ready := make(chan struct{})
	o.Ready = func(health, requests net.Addr) {
		s.health = "http://" + health.String()
		if requests != nil {
			s.http = "http://" + requests.String()
		}
		close(ready)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, o) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil && !errors.Is(err, context.Canceled) {
				w.t.Errorf("service ended: %v", err)
			}
		case <-time.After(30 * time.Second):
			w.t.Error("the service doesn't stop")
		}
	})
	w.t.Cleanup(s.stop)
	select {
	case <-ready:
	case err := <-ended:
		w.t.Fatalf("service ended at once: %v", err)
	}
	return s
}

// eventually waits until done is true.
func (w *world) eventually(what string, patience time.Duration, done func() (ok bool, state any)) {
	w.t.Helper()
	polltest.Eventually(w.t, patience, what, done)
}
