package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/runner"
	"github.com/openintegrationhub/leat/internal/topology"
)

// world is a flow of steps in a row, s1, s2 and so on, on a broker, with what it needs to run; the steps themselves are run by run.
type world struct {
	target *target
	flow   *flow.Flow
	plan   plan.Plan
	cipher *message.Cipher
	conn   *amqp.Conn
	api    *http.Server
	window chan struct{} // holds a token for each message on its way
	done   atomic.Int64  // messages that have reached the end
	failed atomic.Pointer[error]

	end     int    // index of the step that is the end
	goal    int64  // when so many have reached the end,
	reached func() // this is called
}

// windowSize is how many messages are on their way through the whole flow at a time.
const windowSize = 300

// newWorld declares a flow of n steps, with durable classic queues. It has a name of its own.
func newWorld(t *target, n int) (*world, error) {
	w := &world{target: t, window: make(chan struct{}, windowSize), end: n - 1}
	w.flow = &flow.Flow{Name: "bench" + strings.ReplaceAll(uuid.NewString()[:13], "-", ""), Namespace: "/"}
	secrets := plan.Secrets{CryptoPassword: "secret", CryptoIV: "0123456789abcdef", Steps: map[string]plan.StepSecrets{}}
	for i := range n {
		id := stepID(i)
		w.flow.Nodes = append(w.flow.Nodes, &flow.Node{ID: id, Image: "echo", Function: "echo", First: i == 0, Replicas: 1, Prefetch: 1})
		if i > 0 {
			w.flow.Connections = append(w.flow.Connections, flow.Connection{From: stepID(i - 1), To: id})
		}
		secrets.Steps[id] = plan.StepSecrets{BrokerPassword: "p", APIKey: "k"}
	}
	var err error
	if w.cipher, err = message.NewCipher(secrets.CryptoPassword, secrets.CryptoIV); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w.api = &http.Server{Handler: http.HandlerFunc(w.info)}
	go w.api.Serve(listener)
	w.plan = plan.For(w.flow, plan.Seen{}, secrets, plan.Platform{
		Builtin: func(string) string { return "" }, APIURI: "http://" + listener.Addr().String(), Broker: url.URL{Scheme: "amqp", Host: "x"},
	})
	if w.conn, err = t.connect(); err != nil {
		return nil, errors.Join(err, w.api.Close())
	}
	if err := w.conn.Declare(w.plan.Declare); err != nil {
		return nil, errors.Join(err, w.conn.Close(), w.api.Close())
	}
	return w, nil
}

func stepID(i int) string { return fmt.Sprintf("s%d", i+1) }

// info is the platform API as far as a step needs it.
func (w *world) info(rw http.ResponseWriter, r *http.Request) {
	id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	json.NewEncoder(rw).Encode(runner.Info{ID: id, Comp: "echo", Function: "echo", Config: json.RawMessage("{}")})
}

// close removes what the flow has on the broker.
func (w *world) close() error {
	return errors.Join(w.conn.Remove(w.plan.Declare), w.conn.Close(), w.api.Close())
}

// arrive notes that a message has reached the end.
func (w *world) arrive() {
	if w.done.Add(1) == w.goal {
		w.reached()
	}
	select {
	case <-w.window:
	default: // the window isn't in use, or it came a second time
	}
}

func (w *world) fail(err error) {
	if err != nil {
		w.failed.CompareAndSwap(nil, &err)
	}
}

// stage is something that works on messages until ctx is done.
type stage func(ctx context.Context) error

// sdkStage is a step written with the SDK. The last one of the flow emits too: what it emits ends there.
func (w *world) sdkStage(i int) stage {
	last := i == w.end
	echo := func(*component.Step) (component.Process, error) {
		return func(_ context.Context, in *component.Message, out component.Output) error {
			err := out.Emit(&component.Message{Body: in.Body})
			if last {
				w.arrive()
			}
			return err
		}, nil
	}
	variables := map[string]string{}
	for _, v := range w.plan.Steps[i].Variables {
		variables[v.Name] = v.Value
	}
	variables["ELASTICIO_AMQP_URI"] = w.target.url
	return func(ctx context.Context) error {
		settings, err := runner.FromEnvironment(func(name string) string { return variables[name] })
		if err != nil {
			return err
		}
		logger := slog.New(slog.DiscardHandler)
		return runner.Run(ctx, runner.Options{
			Settings: settings,
			Open:     component.Opener(map[string]component.Function{"echo": echo}, logger),
			Logger:   logger,
			Dial:     w.target.dial,
		})
	}
}

// result of one measurement.
type result struct {
	rate   float64 // messages a second through the whole flow
	cpu    cpuTime // of this process, a message
	broker cpuTime // of the broker's own process, a message

	// Of requests only.
	count    int
	p50, p99 time.Duration
}

// measure runs the stages and keeps window messages on their way, and returns how many reach the end.
func (w *world) measure(s *settings, stages []stage) (result, error) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, run := range stages {
		group.Go(func() { w.fail(run(ctx)) })
	}
	feeding, stopFeeding := context.WithCancel(ctx)
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		w.fail(w.feed(feeding))
	}()
	time.Sleep(s.warmup)
	begin, done, own, other := time.Now(), w.done.Load(), ownCPU(), w.target.cpu()
	time.Sleep(s.length)
	n := float64(w.done.Load() - done)
	r := result{rate: n / time.Since(begin).Seconds()}
	if n > 0 {
		r.cpu, r.broker = (ownCPU()-own)/cpuTime(n), (w.target.cpu()-other)/cpuTime(n)
	}
	stopFeeding()
	<-fed
	for end := time.Now().Add(10 * time.Second); len(w.window) > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	left := len(w.window)
	cancel()
	group.Wait()
	switch err := w.failed.Load(); {
	case err != nil:
		return r, *err
	case left > 0:
		return r, fmt.Errorf("%d messages didn't come through", left)
	case n == 0:
		return r, errors.New("no message came through")
	}
	return r, nil
}

// feed sends messages into the first step, as long as there's room in the window.
func (w *world) feed(ctx context.Context) error {
	return w.send(func(send func() (amqp.Confirm, error)) error {
		for {
			select {
			case w.window <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			if _, err := send(); err != nil {
				return err
			}
		}
	})
}

// fill sends n messages into the first step and returns when all are on disk.
func (w *world) fill(n int) error {
	return w.send(func(send func() (amqp.Confirm, error)) error {
		var confirms []amqp.Confirm
		for range n {
			c, err := send()
			if err != nil {
				return err
			}
			confirms = append(confirms, c)
		}
		for _, c := range confirms {
			if err := c.Wait(context.Background()); err != nil {
				return err
			}
		}
		return nil
	})
}

// send gives do a function that sends a message with a body of 1 KiB into the first step.
func (w *world) send(do func(send func() (amqp.Confirm, error)) error) error {
	conn, err := w.target.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	publisher, err := conn.Publisher()
	if err != nil {
		return err
	}
	m := message.Message{ID: uuid.NewString(), Body: payload()}
	plain, err := m.Encode()
	if err != nil {
		return err
	}
	body := w.cipher.Encrypt(plain)
	key := topology.Key(w.flow.Name, stepID(0), topology.Input)
	return do(func() (amqp.Confirm, error) {
		id := uuid.NewString()
		headers := message.Headers{"taskId": w.flow.Name, "execId": id, "userId": "leat", "messageId": id, "x-eio-meta-trace-id": id,
			"protocolVersion": int32(message.ProtocolBase64)}
		return publisher.Send(context.Background(), amqp.Publishing{Exchange: w.flow.Name, Key: key, Headers: headers, Body: body})
	})
}

// payload is a JSON object of 1 KiB.
func payload() json.RawMessage {
	const begin, end = `{"id":1,"name":"bench","text":"`, `"}`
	return json.RawMessage(begin + strings.Repeat("x", 1024-len(begin)-len(end)) + end)
}
