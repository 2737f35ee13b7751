package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/brokertest"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/polltest"
	"github.com/openintegrationhub/leat/internal/store"
	"github.com/openintegrationhub/leat/internal/topology"
)

// world is an embedded broker with the topology of one flow, and a collector that stores what it finds there.
type world struct {
	store     *store.Store
	publisher *amqp.Publisher
	conn      *amqp.Conn
	cipher    *message.Cipher
}

const password, iv = "k8HO8UurPfKUNjECNAbvLRjBHWkIWz", "1gmpybK4iLRRyyu0"

func newWorld(t *testing.T) *world {
	t.Helper()
	_, dialer := brokertest.Start(t, "")
	conn, err := dialer.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	publisher, err := conn.Publisher()
	if err != nil {
		t.Fatal(err)
	}
	flows, err := flow.Parse("f1.json", []byte(`{"apiVersion":"elastic.io/v1","kind":"Flow","metadata":{"name":"f1","namespace":"flows"},"spec":{
		"nodes":[{"id":"step_1","image":"a","function":"f","first":true},{"id":"mapper:1","image":"a","function":"f"}],
		"connections":[{"from":"step_1","to":"mapper:1"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Declare(topology.For(flows[0], topology.Options{})); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	s, err := store.New(store.Options{Database: filepath.Join(t.TempDir(), "leat.db"), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	a, err := api.New(api.Options{Documents: s, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	connect := func(ctx context.Context, _ string) (*amqp.Conn, error) { return dialer.Connect(ctx) }
	c := api.NewCollector(api.CollectorOptions{Connect: connect, API: a, Errors: s, Logger: logger})
	c.Update([]plan.Entry{{Namespace: "flows", Flow: "f1", VHost: "flows", Exchange: "f1", CryptoPassword: password, CryptoIV: iv}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	cipher, err := message.NewCipher(password, iv)
	if err != nil {
		t.Fatal(err)
	}
	return &world{store: s, publisher: publisher, conn: conn, cipher: cipher}
}

func (w *world) publish(t *testing.T, key string, headers message.Headers, body []byte) {
	t.Helper()
	if err := w.publisher.Publish(t.Context(), amqp.Publishing{Exchange: "f1", Key: key, Headers: headers, Body: body}); err != nil {
		t.Fatal(err)
	}
}

// await polls until ready is true, ten seconds at most.
func await(t *testing.T, what string, ready func() bool) {
	t.Helper()
	if !polltest.Within(10*time.Second, ready) {
		t.Fatalf("not within ten seconds: %s", what)
	}
}

func (w *world) errors(t *testing.T) []store.Error {
	t.Helper()
	list, err := w.store.Errors(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if list[i], err = w.store.Error(t.Context(), list[i].ID); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

func TestSnapshotsAreCollected(t *testing.T) {
	w := newWorld(t)
	w.publish(t, "f1.mapper:1.snapshot", message.Headers{"snapshotEvent": "snapshot"}, []byte(`{"a":1}`))
	w.publish(t, "f1.mapper:1.snapshot", message.Headers{"snapshotEvent": "snapshot"}, []byte(`[]`)) // can't be kept
	w.publish(t, "f1.mapper:1.snapshot", message.Headers{"snapshotEvent": "updateSnapshot"}, []byte(`{"b":2}`))
	key := store.Key{Kind: store.Snapshot, Namespace: "flows", Flow: "f1", Name: "mapper:1"}
	await(t, "the second snapshot", func() bool {
		got, err := w.store.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return string(got) == `{"a":1,"b":2}`
	})
}

// A failed message as a sailor of 2.7.8 reports it (contract.md 7.1): an error message, and the message itself as a dead letter.
func TestFailedMessageIsOneErrorWithItsInput(t *testing.T) {
	w := newWorld(t)
	input := []byte(`{"id":"0b3f0c3e-0000-4000-8000-000000000001","body":{"hello":"wörld"}}`)
	original := message.Headers{"taskId": "f1", "execId": "e", "userId": "u", "messageId": "m-1", "threadId": "t-1", "x-eio-meta-trace-id": "tr-1"}
	report, err := json.Marshal(map[string]string{
		"error":      string(w.cipher.Encrypt([]byte(`{"name":"TypeError","message":"boom","stack":"at x"}`))),
		"errorInput": string(w.cipher.Encrypt(input)),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.publish(t, "f1.step_1.error", message.Headers{"messageId": "m-2", "parentMessageId": "m-1", "x-eio-meta-trace-id": "tr-1"}, report)
	w.publish(t, "f1.step_1.input", original, w.cipher.Encrypt(input))
	consumer, err := w.conn.Consume("f1:step_1:messages", 1)
	if err != nil {
		t.Fatal(err)
	}
	d, ok := consumer.Next()
	if !ok {
		t.Fatal("no message")
	}
	if err := consumer.Reject(d); err != nil {
		t.Fatal(err)
	}
	var list []store.Error
	await(t, "one error with headers and stack", func() bool {
		list = w.errors(t)
		return len(list) > 0 && list[0].Headers != nil && list[0].Stack != ""
	})
	if len(list) != 1 {
		t.Fatalf("%d errors, want 1: %+v", len(list), list)
	}
	e := list[0]
	if e.Step != "step_1" || e.Execution != "tr-1" || e.Message != "m-1" || e.Reason != "TypeError: boom" || e.Stack != "at x" || e.Times != 1 {
		t.Errorf("error is %+v", e)
	}
	if diff := cmp.Diff(string(input), string(e.Input)); diff != "" {
		t.Errorf("input (-want +got):\n%s", diff)
	}
	if e.Headers.Text("messageId") != "m-1" || e.Headers.Text("taskId") != "f1" {
		t.Errorf("headers are %v", e.Headers)
	}
}

// A message that the Java library gives up after rebounds: they have cost it its messageId, and neither the report nor the dead letter has one
// in its headers (contract.md 2.7).
func TestFailedMessageWithoutAnIDInItsHeadersIsOneError(t *testing.T) {
	w := newWorld(t)
	const id = "0b3f0c3e-0000-4000-8000-000000000002"
	input := []byte(`{"id":"` + id + `","body":{"hello":"wörld"}}`)
	report, err := json.Marshal(map[string]string{
		"error":      string(w.cipher.Encrypt([]byte(`{"name":"java.lang.RuntimeException","message":"Rebound limit exceeded","stack":"at x"}`))),
		"errorInput": string(w.cipher.Encrypt(input)),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.publish(t, "f1.step_1.error", message.Headers{"messageId": "m-2", "x-eio-meta-trace-id": "tr-1"}, report)
	w.publish(t, "f1.step_1.deadletter", message.Headers{"taskId": "f1", "x-eio-meta-trace-id": "tr-1"}, w.cipher.Encrypt(input))
	w.publish(t, "f1.step_1.deadletter", message.Headers{"messageId": "m-3"}, w.cipher.Encrypt(input)) // another message
	var list []store.Error
	await(t, "both, and the other one", func() bool { // they come by two queues, in any order
		list = w.errors(t)
		known := map[string]bool{}
		for _, e := range list {
			known[e.Message] = e.Headers != nil && (e.Message != id || strings.HasPrefix(e.Reason, "java."))
		}
		return known[id] && known["m-3"]
	})
	got := map[string]string{}
	for _, e := range list {
		got[e.Message] = e.Reason
	}
	want := map[string]string{id: "java.lang.RuntimeException: Rebound limit exceeded", "m-3": "given up: for an unknown reason"}
	if diff := cmp.Diff(want, got); diff != "" || len(list) != len(want) {
		t.Errorf("%d errors, reasons (-want +got):\n%s", len(list), diff)
	}
}

func TestWhatCannotBeReadIsListedAsItIs(t *testing.T) {
	w := newWorld(t)
	w.publish(t, "f1.step_1.error", nil, []byte(`no JSON`))
	w.publish(t, "f1.step_1.error", nil, []byte(`{"error":"`+base64.StdEncoding.EncodeToString([]byte("sixteen bytes!!!"))+`"}`))
	w.publish(t, "f1.step_1.deadletter", message.Headers{"messageId": "m-1"}, []byte("plain text"))
	w.publish(t, "reply.router-1.late", message.Headers{"messageId": "m-3"}, w.cipher.Encrypt([]byte(`{}`)))
	w.publish(t, "f1.step_9.nowhere", message.Headers{"messageId": "m-2"}, w.cipher.Encrypt([]byte(`{"body":{}}`)))
	var list []store.Error
	await(t, "four errors", func() bool { list = w.errors(t); return len(list) >= 4 }) // the late reply isn't one, and came before the last
	got := map[string]string{}                                                         // start of the reason -> input
	for _, e := range list {
		reason, _, _ := strings.Cut(e.Reason, ":")
		got[reason] = string(e.Input)
	}
	want := map[string]string{
		"the step sent an error report that can't be read":      "",
		"the step sent an error report that can't be decrypted": "",
		"given up": "plain text",
		`no queue takes messages with the routing key "f1.step_9.nowhere"`: `{"body":{}}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}
