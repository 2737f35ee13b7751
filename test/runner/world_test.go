package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/runner"
	"github.com/openintegrationhub/leat/internal/topology"
	"github.com/openintegrationhub/leat/test/rabbitmq"
)

const patience = 15 * time.Second

// target is a broker to run the tests on.
type target struct {
	url  string
	dial func(context.Context, string, string) (net.Conn, error)
}

// onBrokers runs a test on every broker.
func onBrokers(t *testing.T, test func(t *testing.T, b target)) {
	t.Run("rabbitmq", func(t *testing.T) {
		t.Parallel()
		test(t, target{url: rabbitmq.Start(t).AMQP})
	})
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, embedded(t))
	})
}

// world is a flow of one step under test, "work", and one behind it, "next", whose queue the test reads.
type world struct {
	t      *testing.T
	broker target
	conn   *amqp.Conn
	name   string
	cipher *message.Cipher
	env    map[string]string
	info   runner.Info
}

func newWorld(t *testing.T, b target) *world {
	t.Helper()
	w := &world{t: t, broker: b, name: "t" + strings.ReplaceAll(uuid.NewString()[:13], "-", "")}
	var err error
	if w.conn, err = (amqp.Dialer{URL: b.url, Dial: b.dial}).Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.conn.Close() })
	f := &flow.Flow{Name: w.name, Namespace: "/", Nodes: []*flow.Node{
		{ID: "work", Image: "x", Function: "f", First: true, Replicas: 1, Prefetch: 1, Data: json.RawMessage(`{"greeting":"hello"}`)},
		{ID: "next", Image: "x", Function: "f", Replicas: 1, Prefetch: 1},
	}, Connections: []flow.Connection{{From: "work", To: "next"}}}
	declared := topology.For(f, topology.Options{DeliveryLimit: 20})
	if err := w.conn.Declare(declared); err != nil {
		t.Fatal(err)
	}
	secrets := plan.Secrets{CryptoPassword: "secret", CryptoIV: "0123456789abcdef", Steps: map[string]plan.StepSecrets{"work": {BrokerPassword: "p", APIKey: "k"}}}
	if w.cipher, err = message.NewCipher(secrets.CryptoPassword, secrets.CryptoIV); err != nil {
		t.Fatal(err)
	}
	w.info = runner.Info{ID: "work", Function: "f", Config: f.Nodes[0].Data}
	api := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if user, key, _ := r.BasicAuth(); r.URL.Path != "/v1/tasks/"+w.name+"/steps/work" || user == "" || key != "k" {
			http.Error(rw, "not found", http.StatusNotFound)
			return
		}
		json.NewEncoder(rw).Encode(w.info)
	}))
	t.Cleanup(api.Close)
	p := plan.For(f, plan.Seen{}, secrets, plan.Platform{Builtin: func(string) string { return "" }, APIURI: api.URL, Broker: url.URL{Scheme: "amqp", Host: "x"}})
	w.env = map[string]string{}
	for _, v := range p.Steps[0].Variables {
		w.env[v.Name] = v.Value
	}
	w.env["ELASTICIO_AMQP_URI"] = b.url
	return w
}

// run runs the step until the test ends, or stop is called; stop returns what Run returned.
func (w *world) run(f component.Function) (stop func() error) {
	w.t.Helper()
	settings, err := runner.FromEnvironment(func(name string) string { return w.env[name] })
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- runner.Run(ctx, runner.Options{
			Settings: settings,
			Open:     component.Opener(map[string]component.Function{"f": f}, slog.New(slog.DiscardHandler)),
			Logger:   slog.New(slog.DiscardHandler),
			Dial:     w.broker.dial,
		})
	}()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("the runner doesn't stop")
		}
	})
	w.t.Cleanup(func() {
		if err := stop(); err != nil {
			w.t.Error(err)
		}
	})
	return stop
}

// send sends a message into the step.
func (w *world) send(headers message.Headers, body string) {
	w.t.Helper()
	p, err := w.conn.Publisher()
	if err != nil {
		w.t.Fatal(err)
	}
	w.publish(p, headers, body)
}

func (w *world) publish(p *amqp.Publisher, headers message.Headers, body string) {
	w.t.Helper()
	all := message.Headers{"taskId": w.name, "execId": "exec", "userId": "user", "messageId": uuid.NewString(), "x-eio-meta-trace-id": "trace"}
	for name, value := range headers {
		all[name] = value
	}
	m := message.Message{ID: uuid.NewString(), Body: json.RawMessage(body)}
	plain, err := m.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	err = p.Publish(w.t.Context(), amqp.Publishing{Exchange: w.name, Key: w.name + ".work.input", Headers: all, Body: w.cipher.Encrypt(plain)})
	if err != nil {
		w.t.Fatal(err)
	}
}

// receive takes one message from a queue.
func (w *world) receive(queue string) amqp.Delivery {
	w.t.Helper()
	return w.receiveMany(queue, 1)[0]
}

func (w *world) receiveMany(queue string, n int) []amqp.Delivery {
	w.t.Helper()
	c, err := w.conn.Consume(queue, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	timer := time.AfterFunc(patience, func() { c.Cancel() })
	defer timer.Stop()
	var all []amqp.Delivery
	for len(all) < n {
		d, ok := c.Next()
		if !ok {
			w.t.Fatalf("queue %s: %d messages came, want %d", queue, len(all), n)
		}
		if err := c.Ack(d); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, d)
	}
	if err := c.Cancel(); err != nil {
		w.t.Fatal(err)
	}
	return all
}

func (w *world) decrypt(text string) string {
	w.t.Helper()
	plain, err := w.cipher.Decrypt([]byte(text), 1)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(plain)
}

// each makes a function out of what it does with a message.
func each(p component.Process) component.Function {
	return func(*component.Step) (component.Process, error) { return p, nil }
}

// noneLeft fails unless the step's queue is empty and nothing is unacknowledged: closing the step's connection would bring it back.
func (w *world) noneLeft(stop func() error) {
	w.t.Helper()
	if err := stop(); err != nil {
		w.t.Fatal(err)
	}
	n, _, err := w.conn.Pending(topology.StepQueue(w.name, "work"))
	if err != nil || n != 0 {
		w.t.Errorf("%d messages are left in the queue (%v), want none", n, err)
	}
}
