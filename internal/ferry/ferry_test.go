package ferry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/brokertest"
	"github.com/openintegrationhub/leat/internal/ferry"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/polltest"
)

const mixed = `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: f, namespace: flows}
spec:
  nodes:
    - {id: in, image: acme/a, function: f, first: true}
    - {id: mid, image: oih/b, function: get, env: {LEAT_LIBRARY: ferryman}, data: {depth: 1}}
    - {id: out, image: acme/c, function: f}
  connections: [{from: in, to: mid}, {from: mid, to: out}]
`

// river is an embedded broker with the topology of a mixed flow.
type river struct {
	t      *testing.T
	dialer amqp.Dialer
	entry  plan.Entry
	cipher *message.Cipher

	mu    sync.Mutex // guards conns
	conns []net.Conn // of the ferry
}

func newRiver(t *testing.T) *river {
	t.Helper()
	_, dialer := brokertest.Start(t, "")
	flows, err := flow.Parse("f.yaml", []byte(mixed))
	if err != nil {
		t.Fatal(err)
	}
	p := plan.For(flows[0], plan.Seen{}, plan.Secrets{
		CryptoPassword: "password", CryptoIV: "0123456789abcdef", Steps: map[string]plan.StepSecrets{"mid": {APIKey: "k"}},
	}, plan.Platform{Builtin: func(string) string { return "" }, Broker: url.URL{Scheme: "amqp", Host: "broker"}})
	r := &river{t: t, dialer: dialer, entry: p.Entry}
	if r.cipher, err = message.NewCipher("password", "0123456789abcdef"); err != nil {
		t.Fatal(err)
	}
	if err := r.connect().Declare(p.Declare); err != nil {
		t.Fatal(err)
	}
	return r
}

// connect is a connection of the test's own.
func (r *river) connect() *amqp.Conn {
	r.t.Helper()
	conn, err := r.dialer.Connect(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return conn
}

// run runs a ferry until the test ends.
func (r *river) run() {
	f := ferry.New(ferry.Options{Logger: slog.New(slog.DiscardHandler), Connect: func(ctx context.Context, _ string) (*amqp.Conn, error) {
		counted := r.dialer
		counted.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := r.dialer.Dial(ctx, network, address)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.conns = append(r.conns, conn)
			return conn, err
		}
		return counted.Connect(ctx)
	}})
	f.Update([]plan.Entry{r.entry})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
}

// sink breaks the connection that the ferry has now, and tells how many it has had.
func (r *river) sink() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.conns); n > 0 {
		r.conns[n-1].Close()
	}
	return len(r.conns)
}

// consume calls take for each message of a queue until the test ends.
func (r *river) consume(queue string, take func(amqp.Delivery) error) {
	r.t.Helper()
	c, err := r.connect().Consume(queue, 10)
	if err != nil {
		r.t.Fatal(err)
	}
	go func() { // ends with the connection
		for d, ok := c.Next(); ok; d, ok = c.Next() {
			if err := take(d); err != nil {
				r.t.Error(err)
			}
			c.Ack(d)
		}
	}()
}

// component is a ferryman component: it wants a token and data, and emits what it got.
func (r *river) component() {
	p, err := r.connect().Publisher()
	if err != nil {
		r.t.Fatal(err)
	}
	r.consume("f:mid:messages", func(d amqp.Delivery) error {
		if strings.Count(d.Headers.Text("orchestratorToken"), ".") != 2 {
			return fmt.Errorf("message without token: %v", d.Headers)
		}
		plain, err := r.cipher.Decrypt(d.Body, 1)
		if err != nil {
			return err
		}
		var m struct{ Data json.RawMessage }
		if err := json.Unmarshal(plain, &m); err != nil || m.Data == nil {
			return fmt.Errorf("no data in %s: %v", plain, err)
		}
		body := fmt.Appendf(nil, `{"data":%s,"metadata":{},"headers":{},"passedCfg":{"n":1}}`, m.Data)
		headers := message.Headers{"messageId": d.Headers["messageId"], "stepId": "mid", "orchestratorToken": d.Headers["orchestratorToken"], "protocolVersion": int32(1)}
		return p.Publish(r.t.Context(), amqp.Publishing{Exchange: "f", Key: "f.mid.output", Headers: headers, Body: r.cipher.Encrypt(body)})
	})
}

// send emits messages as the step before.
func (r *river) send(n int, pause time.Duration) {
	r.t.Helper()
	p, err := r.connect().Publisher()
	if err != nil {
		r.t.Fatal(err)
	}
	for i := range n {
		m := amqp.Publishing{
			Exchange: "f", Key: "f.in.message", Headers: message.Headers{"messageId": fmt.Sprint("m", i)},
			Body: r.cipher.Encrypt(fmt.Appendf(nil, `{"body":{"n":%d}}`, i)),
		}
		if err := p.Publish(r.t.Context(), m); err != nil {
			r.t.Fatal(err)
		}
		<-time.After(pause)
	}
}

// Every message gets through a ferryman step to the next one, however often the ferry sinks; in order, but for what comes twice.
func TestKillNoMessageIsLostWhenTheFerrySinks(t *testing.T) {
	const messages, wrecks = 500, 5
	r := newRiver(t)
	r.run()
	r.component()
	var mu sync.Mutex
	seen, newest, disorder := map[string]int{}, -1, 0
	r.consume("f:out:messages", func(d amqp.Delivery) error {
		plain, err := r.cipher.Decrypt(d.Body, 1)
		if err != nil {
			return err
		}
		var m struct{ Body struct{ N *int } }
		if err := json.Unmarshal(plain, &m); err != nil || m.Body.N == nil || strings.Contains(string(plain), "passedCfg") || d.Headers["orchestratorToken"] != nil {
			return fmt.Errorf("the next step got %v %s", d.Headers, plain)
		}
		mu.Lock()
		defer mu.Unlock()
		id := d.Headers.Text("messageId")
		if seen[id]++; seen[id] == 1 {
			if *m.Body.N < newest {
				disorder++
			}
			newest = max(newest, *m.Body.N)
		}
		return nil
	})
	sunk := make(chan int)
	go func() {
		ticker := time.NewTicker(30 * time.Millisecond)
		defer ticker.Stop()
		n := 0
		for n < wrecks {
			<-ticker.C
			n = r.sink()
		}
		sunk <- n
	}()
	r.send(messages, 3*time.Millisecond)
	conns := <-sunk
	count := func() (n, twice int) {
		mu.Lock()
		defer mu.Unlock()
		for _, times := range seen {
			twice += times - 1
		}
		return len(seen), twice
	}
	polltest.Eventually(t, 30*time.Second, "all messages arrived", func() (bool, any) {
		n, _ := count()
		return n == messages, n
	})
	_, twice := count()
	t.Logf("%d messages, %d of them twice, over %d connections", messages, twice, conns)
	if disorder > 0 {
		t.Errorf("%d messages overtook others", disorder)
	}
}

// deaf is a connection whose other side hears nothing any more from a moment on.
type deaf struct {
	net.Conn
	from *atomic.Bool
}

func (d deaf) Write(p []byte) (int, error) {
	if d.from.Load() {
		return len(p), nil
	}
	return d.Conn.Write(p)
}

// A broker that takes the connection and then doesn't answer, though its heartbeats come, doesn't keep the ferry from ending.
func TestAFerryEndsWhileTheBrokerDoesNotAnswer(t *testing.T) {
	r := newRiver(t)
	var hung atomic.Bool
	connected := make(chan struct{}, 1)
	f := ferry.New(ferry.Options{Logger: slog.New(slog.DiscardHandler), Connect: func(ctx context.Context, _ string) (*amqp.Conn, error) {
		dialer := r.dialer
		dialer.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := r.dialer.Dial(ctx, network, address)
			return deaf{conn, &hung}, err
		}
		conn, err := dialer.Connect(ctx)
		hung.Store(true)
		connected <- struct{}{}
		return conn, err
	}})
	f.Update([]plan.Entry{r.entry})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	<-connected
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it still waits for the broker")
	}
}
