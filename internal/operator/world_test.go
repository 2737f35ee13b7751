package operator_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/broker/management"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/kubetest"
	"github.com/openintegrationhub/leat/internal/logtest"
	"github.com/openintegrationhub/leat/internal/operator"
	"github.com/openintegrationhub/leat/internal/polltest"
)

func TestMain(m *testing.M) {
	if os.Getenv("LEAT_OPERATOR_PROCESS") != "" { // of TestScale
		if err := runProcess(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	log.SetLogger(logr.Discard()) // of what is outside of any operator
	os.Exit(kubetest.Main{M: m}.Run())
}

// world is a namespace with an operator, a broker, and something that plays the kubelet.
type world struct {
	client.Client
	t         testing.TB
	config    *rest.Config
	namespace string
	current   atomic.Pointer[bus]
	web       *httptest.Server // the broker's management API
	settings  []string
	log       *logtest.Buffer
	nodes     *nodes
	stop      func() // ends the operator
	away      *gate  // closed: the broker can't be reached
}

const operatorPassword = "operator-password"

// newWorld makes a world whose operator runs.
func newWorld(t testing.TB, settings ...string) *world {
	t.Helper()
	w := &world{t: t, config: kubetest.Config(t), settings: settings, log: new(logtest.Buffer), away: new(gate), namespace: "t-" + strings.ToLower(rand.Text()[:10])}
	var err error
	if w.Client, err = client.New(w.config, client.Options{Scheme: kube.Scheme()}); err != nil {
		t.Fatal(err)
	}
	if err := w.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}); err != nil {
		t.Fatal(err)
	}
	w.forget()
	w.serve()
	w.start()
	w.nodes = newNodes(w)
	t.Cleanup(func() {
		w.stop()
		w.nodes.stop()
		w.web.Close()
		w.broker().Close()
		if t.Failed() {
			t.Logf("log of the operator:\n%s", w.log)
		}
	})
	return w
}

// bus is a broker with its management API.
type bus struct {
	broker     *broker.Broker
	management http.Handler
}

func (w *world) broker() *broker.Broker { return w.current.Load().broker }

// forget puts a broker that knows nothing but the accounts of the platform in the place of the one that is there.
func (w *world) forget() {
	w.t.Helper()
	options := broker.DefaultOptions()
	options.LoopbackUsers = nil
	b, err := broker.New(options)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, user := range []string{"operator", "scheduler", "router", "api"} {
		var tags []string
		if user == "operator" {
			tags = []string{"administrator"}
		}
		if err := b.PutUser(user, operatorPassword, tags...); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := b.PutVhost("/"); err != nil {
		w.t.Fatal(err)
	}
	if before := w.current.Swap(&bus{b, management.New(b, management.Options{})}); before != nil {
		before.broker.Close()
	}
}

// serve starts the management API.
func (w *world) serve() {
	w.web = httptest.NewUnstartedServer(http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) { w.current.Load().management.ServeHTTP(to, r) }))
	w.web.Listener = w.away.listen(w.web.Listener)
	w.web.Start()
}

func (w *world) dial(context.Context, string, string) (net.Conn, error) {
	if w.away.closed() {
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	}
	return w.broker().Dial()
}

// start starts an operator.
func (w *world) start() {
	w.t.Helper()
	o := operator.Options{
		Config: w.config, Settings: w.readSettings(), Logger: slog.New(slog.NewTextHandler(w.log, nil)),
		BrokerEvery: 200 * time.Millisecond, Patience: 3 * time.Second, BackOff: 100 * time.Millisecond, StatisticsEvery: 100 * time.Millisecond,
		DialBroker: w.dial,
	}
	op, err := operator.New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- op.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				w.t.Errorf("run: %v", err)
			}
		case <-time.After(30 * time.Second):
			w.t.Error("the operator doesn't stop")
		}
	})
}

func (w *world) readSettings() kube.Settings {
	w.t.Helper()
	all := map[string]string{
		"RABBITMQ_URI": "amqp://operator:" + operatorPassword + "@broker", "RABBITMQ_MANAGEMENT_URI": "http://operator:" + operatorPassword + "@" + w.web.Listener.Addr().String(),
		"NAMESPACES": w.namespace,
	}
	for i := 0; i < len(w.settings); i += 2 {
		all[w.settings[i]] = w.settings[i+1]
	}
	s, err := kube.ReadSettings(func(name string) string { return all[name] }, func(image string) string {
		name, ok := strings.CutPrefix(image, "elasticio/")
		name, _, _ = strings.Cut(name, ":")
		if !ok {
			return ""
		}
		return name
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// threeSteps is a flow; %s is more of the spec.
const threeSteps = `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: shop}
spec:
  nodes:
    - {id: in, image: elasticio/webhook, function: receive, first: true}
    - {id: "map:1", image: acme/map:1, function: map, data: {depth: 1}}
    - {id: out, image: acme/out:1, function: send}
  connections: [{from: in, to: "map:1"}, {from: "map:1", to: out}]
`

// change returns threeSteps with something replaced.
func change(t testing.TB, pairs ...string) string {
	t.Helper()
	text := threeSteps
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the flow has no %q", pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

func parseFlow(t testing.TB, text string) *v1.Flow {
	t.Helper()
	f := new(v1.Flow)
	if err := yaml.UnmarshalStrict([]byte(text), f); err != nil {
		t.Fatal(err)
	}
	return f
}

// apply creates a flow, or changes the spec and annotations of the one there is.
func (w *world) apply(text string) *v1.Flow {
	w.t.Helper()
	f := parseFlow(w.t, text)
	f.Namespace = w.namespace
	err := w.Create(w.t.Context(), f)
	if !apierrors.IsAlreadyExists(err) {
		if err != nil {
			w.t.Fatal(err)
		}
		return f
	}
	w.update(f.Name, func(is *v1.Flow) { is.Spec = f.Spec })
	return w.flow(f.Name)
}

// update changes a flow.
func (w *world) update(name string, change func(*v1.Flow)) {
	w.t.Helper()
	w.eventually("updated", func() (bool, any) {
		f := w.flow(name)
		change(f)
		err := w.Update(w.t.Context(), f)
		return err == nil, err
	})
}

func (w *world) flow(name string) *v1.Flow {
	w.t.Helper()
	f := new(v1.Flow)
	if err := w.Get(w.t.Context(), types.NamespacedName{Namespace: w.namespace, Name: name}, f); err != nil {
		w.t.Fatal(err)
	}
	return f
}

// until waits until a condition of a flow, about its newest spec, is as wanted; reason "" is any.
func (w *world) until(name, condition string, is metav1.ConditionStatus, reason string) *v1.Flow {
	w.t.Helper()
	var f *v1.Flow
	w.eventually(fmt.Sprintf("%s=%s %s", condition, is, reason), func() (bool, any) {
		f = w.flow(name)
		c := meta.FindStatusCondition(f.Status.Conditions, condition)
		ok := c != nil && c.Status == is && (reason == "" || c.Reason == reason) && c.ObservedGeneration == f.Generation
		return ok, text(f.Status)
	})
	return f
}

func (w *world) ready(name string) *v1.Flow {
	w.t.Helper()
	return w.until(name, v1.ConditionReady, metav1.ConditionTrue, "")
}

// jobs lists the jobs of a step.
func (w *world) jobs(step string) []batchv1.Job {
	w.t.Helper()
	var list batchv1.JobList
	if err := w.List(w.t.Context(), &list, client.InNamespace(w.namespace), client.MatchingLabels{kube.LabelStep: kube.StepLabel(step)}); err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}

// onlyJob is the only job of a step.
func (w *world) onlyJob(step string) batchv1.Job {
	w.t.Helper()
	var jobs []batchv1.Job
	w.eventually("one job of "+step, func() (bool, any) {
		jobs = w.jobs(step)
		return len(jobs) == 1, len(jobs)
	})
	return jobs[0]
}

// step is a step in a flow's status.
func step(f *v1.Flow, id string) v1.StepStatus {
	for _, s := range f.Status.Steps {
		if s.ID == id {
			return s
		}
	}
	return v1.StepStatus{}
}

// publish sends a message to a flow's exchange with the operator's account.
func (w *world) publish(key, id string) error {
	exchange, _, _ := strings.Cut(key, ".")
	c := amqp.NewClient(amqp.Dialer{URL: "amqp://operator:" + operatorPassword + "@broker/", Name: "test", Dial: w.dial}, slog.New(slog.DiscardHandler))
	defer c.Close()
	return c.Publish(w.t.Context(), w.namespace, amqp.Publishing{Exchange: exchange, Key: key, Headers: map[string]any{"messageId": id}, Body: []byte(id)})
}

// held is how many messages a queue has; -1 if there's no such queue.
func (w *world) held(queue string) int {
	for _, q := range w.broker().Queues(w.namespace) {
		if q.Name == queue {
			return q.Ready + q.Unacked
		}
	}
	return -1
}

// eventually asks until it's true, with a bound that only a broken program reaches.
func (w *world) eventually(what string, done func() (ok bool, state any)) {
	w.t.Helper()
	polltest.Eventually(w.t, 40*time.Second, what, done)
}

func text(v any) string {
	data, _ := json.MarshalIndent(v, "", " ")
	return string(data)
}

// gate lets connections through while it's open.
type gate struct {
	mu    sync.Mutex // guards shut and conns
	shut  bool
	conns []net.Conn
}

func (g *gate) closed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	if shut {
		for _, c := range g.conns {
			c.Close()
		}
		g.conns = nil
	}
}

func (g *gate) listen(l net.Listener) net.Listener { return gated{l, g} }

type gated struct {
	net.Listener
	gate *gate
}

func (g gated) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g.gate.mu.Lock()
		shut := g.gate.shut
		if !shut {
			g.gate.conns = append(g.gate.conns, c)
		}
		g.gate.mu.Unlock()
		if !shut {
			return c, nil
		}
		c.Close()
	}
}
