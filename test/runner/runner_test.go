// Package runner_test proves on real brokers that steps written with the Go SDK keep the contract of components: what goes out, what
// becomes of errors and rebounds, and that nothing is lost when a connection breaks.
package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/runner"
	"github.com/openintegrationhub/leat/internal/topology"
)

func TestAnEmittedMessageCarriesWhatTheContractSays(t *testing.T) {
	onBrokers(t, func(t *testing.T, b target) {
		w := newWorld(t, b)
		stop := w.run(func(step *component.Step) (component.Process, error) {
			var config struct{ Greeting string }
			if err := step.DecodeConfig(&config); err != nil {
				return nil, err
			}
			return func(_ context.Context, in *component.Message, out component.Output) error {
				var body struct{ Name string }
				if err := in.DecodeBody(&body); err != nil {
					return err
				}
				return out.Emit(component.NewMessage(map[string]any{"text": config.Greeting + " " + body.Name}))
			}, nil
		})
		w.send(message.Headers{"messageId": "m-1", "reply_to": "r", "X-Eio-Meta-Foo": "bar", "other": "dropped"}, `{"name":"wörld"}`)
		d := w.receive(topology.StepQueue(w.name, "next"))
		var m message.Message
		if err := json.Unmarshal([]byte(w.decrypt(string(d.Body))), &m); err != nil {
			t.Fatal(err)
		}
		if got := string(m.Body); got != `{"text":"hello wörld"}` {
			t.Errorf("body %s", got)
		}
		id := d.Headers.Text("messageId")
		if _, err := uuid.Parse(id); err != nil || m.ID != id {
			t.Errorf("messageId %q, id %q: want the same UUID", id, m.ID)
		}
		for _, name := range []string{"start", "end"} {
			if d.Headers.Int(name) == 0 {
				t.Errorf("header %s is missing", name)
			}
			delete(d.Headers, name)
		}
		want := message.Headers{
			"taskId": w.name, "execId": "exec", "userId": "leat", "messageId": id, "parentMessageId": "m-1", "threadId": "trace",
			"x-eio-meta-trace-id": "trace", "x-eio-meta-foo": "bar", "reply_to": "r", "stepId": "work", "compId": "x", "function": "f",
			"workspaceId": "leat", "containerId": "/." + w.name + ".work", "protocolVersion": int32(1),
		}
		if diff := cmp.Diff(want, d.Headers); diff != "" {
			t.Errorf("headers (-want +got)\n%s", diff)
		}
		w.noneLeft(stop)
	})
}

func TestAFailureIsReportedAndTheMessageBecomesADeadLetter(t *testing.T) {
	tests := map[string]struct {
		process component.Process
		name    string
		message string
	}{
		"error": {func(context.Context, *component.Message, component.Output) error { return errors.New("boom") }, "Error", "boom"},
		"panic": {func(context.Context, *component.Message, component.Output) error { panic("ouch") }, "panic", "panic: ouch"},
		"body without a JSON form": {func(_ context.Context, _ *component.Message, out component.Output) error {
			return out.Emit(component.NewMessage(func() {}))
		}, "Error", "emit: encode message: body: unexpected '!' at offset 0, expected a value"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			onBrokers(t, func(t *testing.T, b target) {
				w := newWorld(t, b)
				stop := w.run(each(tt.process))
				w.send(message.Headers{"messageId": "m-1", "reply_to": "reply.x"}, `{"a":1}`)
				d := w.receive(topology.ErrorQueue(w.name))
				var report struct{ Error, ErrorInput string }
				if err := json.Unmarshal(d.Body, &report); err != nil {
					t.Fatal(err)
				}
				var failure struct{ Name, Message, Stack string }
				if err := json.Unmarshal([]byte(w.decrypt(report.Error)), &failure); err != nil {
					t.Fatal(err)
				}
				if failure.Name != tt.name || !strings.HasPrefix(failure.Message, tt.message) || failure.Stack == "" {
					t.Errorf("got %+v", failure)
				}
				if input := w.decrypt(report.ErrorInput); !strings.Contains(input, `"body":{"a":1}`) {
					t.Errorf("error input %s", input)
				}
				if parent := d.Headers.Text("parentMessageId"); parent != "m-1" {
					t.Errorf("parentMessageId %q", parent)
				}
				dead := w.receive(topology.DeadLetterQueue(w.name))
				if id := dead.Headers.Text("messageId"); id != "m-1" {
					t.Errorf("dead letter has messageId %q", id)
				}
				reply := w.receive(topology.UnroutableQueue(w.name)) // nobody is bound to the reply's key
				if reply.Key != "reply.x" || reply.Headers["x-eio-error-response"] != true || string(reply.Body) != report.Error {
					t.Errorf("error reply: key %q, headers %v", reply.Key, reply.Headers)
				}
				w.noneLeft(stop)
			})
		})
	}
}

func TestAMessageThatCannotBeReadIsReportedAndBecomesADeadLetter(t *testing.T) {
	onBrokers(t, func(t *testing.T, b target) {
		w := newWorld(t, b)
		stop := w.run(each(func(context.Context, *component.Message, component.Output) error { return nil }))
		p, err := w.conn.Publisher()
		if err != nil {
			t.Fatal(err)
		}
		bodies := []string{"not base64!", "", string(w.cipher.Encrypt([]byte(`[1]`)))}
		for _, body := range bodies {
			err := p.Publish(t.Context(), amqp.Publishing{Exchange: w.name, Key: w.name + ".work.input", Headers: message.Headers{"messageId": uuid.NewString()}, Body: []byte(body)})
			if err != nil {
				t.Fatal(err)
			}
		}
		for i, d := range w.receiveMany(topology.DeadLetterQueue(w.name), len(bodies)) {
			if string(d.Body) != bodies[i] {
				t.Errorf("dead letter %d: got %q, want %q", i, d.Body, bodies[i])
			}
		}
		w.receiveMany(topology.ErrorQueue(w.name), len(bodies))
		w.noneLeft(stop)
	})
}

func TestAReboundComesAgainUntilItsLimit(t *testing.T) {
	onBrokers(t, func(t *testing.T, b target) {
		w := newWorld(t, b)
		w.env["ELASTICIO_REBOUND_INITIAL_EXPIRATION"] = "10"
		w.env["ELASTICIO_REBOUND_LIMIT"] = "3"
		var mu sync.Mutex
		var ids []string
		stop := w.run(each(func(_ context.Context, in *component.Message, _ component.Output) error {
			mu.Lock()
			defer mu.Unlock()
			ids = append(ids, in.ID)
			return component.Rebound(errors.New("try later"))
		}))
		w.send(message.Headers{"messageId": "m-1"}, `{"a":1}`)
		dead := w.receive(topology.DeadLetterQueue(w.name))
		if n := dead.Headers.Int("reboundIteration"); n != 3 {
			t.Errorf("dead letter after %d rounds, want 3", n)
		}
		if id := dead.Headers.Text("messageId"); id != "m-1" {
			t.Errorf("dead letter has messageId %q", id)
		}
		report := w.receive(topology.ErrorQueue(w.name))
		var r struct{ Error string }
		if err := json.Unmarshal(report.Body, &r); err != nil {
			t.Fatal(err)
		}
		if text := w.decrypt(r.Error); !strings.Contains(text, "rebound limit exceeded: given up after 3 rounds: try later") {
			t.Errorf("error %s", text)
		}
		w.noneLeft(stop)
		mu.Lock()
		defer mu.Unlock()
		if len(ids) != 4 || ids[0] != ids[3] {
			t.Errorf("processed ids %v: want the same four times", ids)
		}
	})
}

func TestSnapshotsRepliesAndRoutingKeys(t *testing.T) {
	onBrokers(t, func(t *testing.T, b target) {
		w := newWorld(t, b)
		stop := w.run(each(func(_ context.Context, _ *component.Message, out component.Output) error {
			m := component.NewMessage(map[string]any{"to": "next"})
			m.Headers = json.RawMessage(`{"X-EIO-Routing-Key":"` + w.name + `.next.input","Kept":"1"}`)
			return errors.Join(
				out.Snapshot(map[string]int{"a": 1}),
				out.UpdateSnapshot(map[string]int{"b": 2}),
				out.Reply(component.Reply{Status: 201, Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte("done")}),
				out.Emit(m),
			)
		}))
		w.send(message.Headers{"reply_to": "reply.me"}, `{}`)
		snapshots := w.receiveMany(topology.SnapshotQueue(w.name), 2)
		got := []string{snapshots[0].Headers.Text("snapshotEvent"), string(snapshots[0].Body), snapshots[1].Headers.Text("snapshotEvent"), string(snapshots[1].Body)}
		if diff := cmp.Diff([]string{"snapshot", `{"a":1}`, "updateSnapshot", `{"b":2}`}, got); diff != "" {
			t.Error(diff)
		}
		reply := w.receive(topology.UnroutableQueue(w.name))
		if reply.Key != "reply.me" {
			t.Errorf("reply went to %q", reply.Key)
		}
		if text := w.decrypt(string(reply.Body)); text != `{"statusCode":201,"body":"done","headers":{"content-type":"text/plain"}}` {
			t.Errorf("reply %s", text)
		}
		d := w.receive(topology.StepQueue(w.name, "next"))
		if d.Key != w.name+".next.input" {
			t.Errorf("routing key %q", d.Key)
		}
		if text := w.decrypt(string(d.Body)); !strings.Contains(text, `"headers":{"Kept":"1"}`) {
			t.Errorf("message %s", text)
		}
		w.noneLeft(stop)
	})
}

func TestMessagesStayInOrder(t *testing.T) {
	onBrokers(t, func(t *testing.T, b target) {
		w := newWorld(t, b)
		const n = 500
		p, err := w.conn.Publisher()
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			w.publish(p, nil, fmt.Sprintf(`{"n":%d}`, i))
		}
		stop := w.run(each(func(_ context.Context, in *component.Message, out component.Output) error {
			return out.Emit(&component.Message{Body: in.Body})
		}))
		for i, d := range w.receiveMany(topology.StepQueue(w.name, "next"), n) {
			if text := w.decrypt(string(d.Body)); !strings.Contains(text, fmt.Sprintf(`{"n":%d}`, i)) {
				t.Fatalf("message %d is %s", i, text)
			}
		}
		w.noneLeft(stop)
	})
}

func TestPrefetchProcessesSeveralAtOnce(t *testing.T) {
	onBrokers(t, func(t *testing.T, b target) {
		w := newWorld(t, b)
		w.env["ELASTICIO_RABBITMQ_PREFETCH_SAILOR"] = "3"
		together := make(chan struct{}, 3)
		release := make(chan struct{})
		stop := w.run(each(func(ctx context.Context, in *component.Message, out component.Output) error {
			together <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
			}
			return nil
		}))
		for range 3 {
			w.send(nil, `{}`)
		}
		for range 3 {
			select {
			case <-together:
			case <-time.After(patience):
				t.Fatal("three messages are not in work at once")
			}
		}
		close(release)
		w.noneLeft(stop)
	})
}

func TestALostConnectionLosesNothingAndADuplicateCanBeTold(t *testing.T) {
	onBrokers(t, func(t *testing.T, b target) {
		w := newWorld(t, b)
		var mu sync.Mutex
		var conns []net.Conn
		dial := b.dial
		if dial == nil {
			dial = new(net.Dialer).DialContext
		}
		w.broker.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			mu.Lock()
			defer mu.Unlock()
			conns = append(conns, c)
			return c, err
		}
		stop := w.run(each(func(_ context.Context, in *component.Message, out component.Output) error {
			return out.Emit(&component.Message{Body: in.Body})
		}))
		const n = 3000
		p, err := w.conn.Publisher()
		if err != nil {
			t.Fatal(err)
		}
		var confirms []amqp.Confirm
		for i := range n {
			m := message.Message{ID: uuid.NewString(), Body: json.RawMessage(fmt.Sprintf(`{"n":%d}`, i))}
			plain, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			c, err := p.Send(t.Context(), amqp.Publishing{Exchange: w.name, Key: w.name + ".work.input", Headers: message.Headers{"messageId": uuid.NewString()}, Body: w.cipher.Encrypt(plain)})
			if err != nil {
				t.Fatal(err)
			}
			confirms = append(confirms, c)
			if i%300 == 299 { // cut the step's connection in the middle of its work
				mu.Lock()
				for _, c := range conns {
					c.Close()
				}
				conns = nil
				mu.Unlock()
			}
		}
		for _, c := range confirms {
			if err := c.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		seen := map[string]string{} // body -> message id
		consumer, err := w.conn.Consume(topology.StepQueue(w.name, "next"), 100)
		if err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(2*patience, func() { consumer.Cancel() })
		defer timer.Stop()
		duplicates := 0
		for len(seen) < n {
			d, ok := consumer.Next()
			if !ok {
				t.Fatalf("%d of %d messages came through", len(seen), n)
			}
			consumer.Ack(d)
			m, err := message.Decode([]byte(w.decrypt(string(d.Body))))
			if err != nil {
				t.Fatal(err)
			}
			id := d.Headers.Text("messageId")
			if before, again := seen[string(m.Body)]; again {
				duplicates++
				if before != id {
					t.Fatalf("%s came twice with the ids %s and %s: a duplicate can't be told", m.Body, before, id)
				}
			}
			seen[string(m.Body)] = id
		}
		t.Logf("%d messages, %d duplicates", n, duplicates)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAStepThatCannotStartSaysWhy(t *testing.T) {
	onBrokers(t, func(t *testing.T, b target) {
		w := newWorld(t, b)
		open := func(f component.Function) error {
			settings, err := runner.FromEnvironment(func(name string) string { return w.env[name] })
			if err != nil {
				return err
			}
			return runner.Run(t.Context(), runner.Options{Settings: settings, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
				Open: component.Opener(map[string]component.Function{"f": f}, slog.New(slog.DiscardHandler)), Dial: b.dial})
		}
		err := open(func(*component.Step) (component.Process, error) { return nil, errors.New("no such account") })
		if err == nil || err.Error() != `open function "f": no such account` {
			t.Errorf("got %v", err)
		}
		err = open(func(*component.Step) (component.Process, error) { panic("ouch") })
		if err == nil || err.Error() != `open function "f": panic: ouch` {
			t.Errorf("got %v", err)
		}
		w.env["ELASTICIO_API_KEY"] = "wrong"
		err = open(nil)
		if err == nil || !strings.Contains(err.Error(), "404 Not Found") {
			t.Errorf("got %v", err)
		}
		delete(w.env, "ELASTICIO_API_KEY")
		delete(w.env, "ELASTICIO_FLOW_ID")
		err = open(nil)
		want := "environment variable ELASTICIO_FLOW_ID is missing or empty\nenvironment variable ELASTICIO_API_KEY is missing or empty"
		if err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
	})
}

func TestARateLimitSlowsWhatAStepEmits(t *testing.T) {
	onBrokers(t, func(t *testing.T, b target) {
		w := newWorld(t, b)
		w.env["ELASTICIO_DATA_RATE_LIMIT"] = "1"
		w.env["ELASTICIO_RATE_INTERVAL"] = "20"
		var mu sync.Mutex
		var times []time.Time
		stop := w.run(each(func(_ context.Context, in *component.Message, out component.Output) error {
			for range 10 {
				if err := out.Emit(component.NewMessage(map[string]int{})); err != nil {
					return err
				}
				mu.Lock()
				times = append(times, time.Now())
				mu.Unlock()
			}
			return nil
		}))
		w.send(nil, `{}`)
		w.receiveMany(topology.StepQueue(w.name, "next"), 10)
		w.noneLeft(stop)
		mu.Lock()
		defer mu.Unlock()
		if took := times[9].Sub(times[0]); took < 170*time.Millisecond {
			t.Errorf("10 messages took %v, want about 180 ms", took)
		}
	})
}

func TestALastStepSendsNoDataButAllElse(t *testing.T) {
	onBrokers(t, func(t *testing.T, b target) {
		w := newWorld(t, b)
		w.env["LEAT_LAST_STEP"] = "true"
		stop := w.run(each(func(_ context.Context, in *component.Message, out component.Output) error {
			if err := out.Emit(component.NewMessage(func() {})); err == nil {
				return errors.New("a message without a JSON form was accepted")
			}
			keyed := component.NewMessage(map[string]int{"keyed": 1})
			keyed.Headers = json.RawMessage(`{"X-EIO-Routing-Key":"` + w.name + `.next.input"}`)
			return errors.Join(out.Emit(component.NewMessage(map[string]int{"plain": 1})), out.Emit(keyed), out.Snapshot(map[string]int{"a": 1}))
		}))
		w.send(nil, `{}`)
		w.receive(topology.SnapshotQueue(w.name)) // it was sent last: what else was sent is there
		d := w.receive(topology.StepQueue(w.name, "next"))
		if text := w.decrypt(string(d.Body)); !strings.Contains(text, `"keyed"`) {
			t.Errorf("got %s", text)
		}
		w.noneLeft(stop)
		if n, _, err := w.conn.Pending(topology.StepQueue(w.name, "next")); err != nil || n != 0 {
			t.Errorf("%d more messages were sent, %v", n, err)
		}
	})
}
