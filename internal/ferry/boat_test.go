package ferry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
)

// mixed is a flow in -> (left, right, out), left -> right, right -> out; left and right are ferryman steps.
func mixed() plan.Entry {
	return plan.Entry{
		Namespace: "flows", Flow: "f", Exchange: "f", UserID: "leat", CryptoPassword: "password", CryptoIV: "0123456789abcdef",
		Ferrymen: []plan.Ferryman{
			{Step: "left", Function: "get", Config: json.RawMessage(`{"a":12345678901234567890,"secretId":"bank","nodeSettings":{"governance":true}}`), APIKey: "key-left", Previous: []string{"in"}},
			{Step: "right", Function: "put", APIKey: "key-right", Previous: []string{"in", "left"}},
		},
	}
}

func newTestBoat(t *testing.T) *boat {
	t.Helper()
	b, err := newBoat(mixed())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sent is a publishing that a person can read: "key body", with the flow's key taken off.
func sent(t *testing.T, b *boat, all []amqp.Publishing) (list []string) {
	t.Helper()
	for _, p := range all {
		body := string(p.Body)
		if plain, err := b.cipher.Decrypt([]byte(body), 1); err == nil {
			body = string(plain)
		}
		list = append(list, p.Exchange+" "+p.Key+" "+body)
	}
	return list
}

const uuid1 = "0b3f0c3e-0000-4000-8000-000000000001"

func TestMessagesAreMadeOverByTheirKeys(t *testing.T) {
	b := newTestBoat(t)
	emitted := `{"body":{"n":1.0},"headers":{"X":"1"},"id":"` + uuid1 + `"}`
	got := `{"data":{"n":1.0},"headers":{"X":"1"},"id":"` + uuid1 + `"}`
	for name, test := range map[string]struct {
		key, body string
		headers   message.Headers
		want      []string
	}{
		"of a sailor, for all ferryman steps behind it": {"f.in.message", emitted, nil, []string{"f f.left.deliver " + got, "f f.right.deliver " + got}},
		"of a ferryman step, for the one behind it":     {"f.left.message", emitted, nil, []string{"f f.right.deliver " + got}},
		"a replay":                               {"f.left.input", emitted, nil, []string{"f f.left.deliver " + got}},
		"a replay of a message that was here":    {"f.left.input", got, nil, []string{"f f.left.deliver " + got}},
		"a tick":                                 {"f.right.tick", `{"id":"` + uuid1 + `","body":{}}`, nil, []string{`f f.right.deliver {"data":{},"id":"` + uuid1 + `"}`}},
		"what a ferryman step emits":             {"f.left.output", `{"data":{"n":1.0},"id":"` + uuid1 + `","metadata":{},"passedCfg":{"password":"1"},"attachments":null}`, nil, []string{`f f.left.message {"body":{"n":1.0},"id":"` + uuid1 + `","metadata":{}}`}},
		"an error for whoever waits for a reply": {"f.left.error", "", message.Headers{"reply_to": "reply.r.1"}, []string{"f reply.r.1 BOOM"}},
		"an error that nobody waits for":         {"f.left.error", "", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			body := b.cipher.Encrypt([]byte(test.body))
			if strings.HasSuffix(test.key, ".error") {
				body = []byte(`{"error":"BOOM","errorInput":"..."}`)
			}
			made, err := b.carry(amqp.Delivery{Key: test.key, Headers: test.headers, Body: body})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, sent(t, b, made)); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAMessageForNobodyIsNotDropped(t *testing.T) {
	b := newTestBoat(t)
	for _, key := range []string{"f.out.message", "f.gone.input", "f.gone.output", "f.left.strange", "other.left.input", "f"} {
		if made, err := b.carry(amqp.Delivery{Key: key, Body: b.cipher.Encrypt([]byte("{}"))}); !errors.Is(err, errUnknown) {
			t.Errorf("%s: %v, %v", key, made, err)
		}
	}
}

func TestATokenTellsAStepWhatToDo(t *testing.T) {
	b := newTestBoat(t)
	in := message.Headers{"taskId": "f", "x-eio-meta-trace-id": "trace", "reply_to": "r", "orchestratorToken": "another's", "protocolVersion": int32(2), "x-death": "gone"}
	plain := []byte(`{"body":{}}`)
	made, err := b.carry(amqp.Delivery{Key: "f.left.input", Headers: in, Body: mustRaw(t, b, plain)})
	if err != nil || len(made) != 1 {
		t.Fatal(made, err)
	}
	headers := made[0].Headers
	token, id := headers.Text("orchestratorToken"), headers.Text("messageId")
	if id == "" {
		t.Error("no messageId")
	}
	delete(headers, "orchestratorToken")
	delete(headers, "messageId")
	want := message.Headers{"taskId": "f", "x-eio-meta-trace-id": "trace", "reply_to": "r", "protocolVersion": int32(1)}
	if diff := cmp.Diff(want, headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	parts := strings.Split(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || len(parts) != 3 {
		t.Fatalf("token %s: %v", token, err)
	}
	const claims = `{"flowId":"f","stepId":"left","userId":"leat","tenant":"flows","function":"get","fields":{"a":12345678901234567890,"secretId":"bank"},` +
		`"nodeSettings":{"governance":true},"secretId":"bank","apiKey":"key-left","flowExecId":"trace"}`
	if diff := cmp.Diff(claims, string(text)); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

// mustRaw encrypts as protocol version 2 does: the bytes as they are.
func mustRaw(t *testing.T, b *boat, plain []byte) []byte {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(string(b.cipher.Encrypt(plain)))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// The token has the step's configuration and key: it's for that step only.
func TestATokenStaysWithItsStep(t *testing.T) {
	b := newTestBoat(t)
	for key, body := range map[string][]byte{
		"f.left.output": b.cipher.Encrypt([]byte(`{"data":{}}`)),
		"f.left.error":  []byte(`{"error":"x"}`),
		"f.right.input": []byte("can't be read"),
	} {
		in := message.Headers{"reply_to": "r", "messageId": "m", "orchestratorToken": "secret", "x-eio-routing-key": "f.left.deliver", "cid": 1}
		made, err := b.carry(amqp.Delivery{Key: key, Headers: in, Body: body})
		if err != nil || len(made) != 1 || made[0].Headers["orchestratorToken"] != nil {
			t.Errorf("%s: %v, %v", key, made, err)
		}
	}
}

func TestWhatCannotBeMadeOverIsADeadLetter(t *testing.T) {
	b := newTestBoat(t)
	large := mixed()
	large.Ferrymen[0].Config = json.RawMessage(`{"mapping":"` + strings.Repeat("x", 100<<10) + `"}`)
	tooLarge, err := newBoat(large)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"f.left.input", "f.left.output"} {
		made, err := b.carry(amqp.Delivery{Key: key, Body: b.cipher.Encrypt([]byte(" null"))})
		if err != nil || len(made) != 1 || made[0].Key != "f.left.deadletter" || made[0].Headers["x-leat-reason"] != "decode message: want an object, found null" {
			t.Errorf("null by %s: %v, %v", key, made, err)
		}
	}
	for reason, test := range map[string]struct {
		boat *boat
		body string
	}{
		"decrypt message: not base64":            {b, "plain text"},
		"decode message: ":                       {b, string(b.cipher.Encrypt([]byte(`{"body":`)))},
		"decode message: json: cannot unmarshal": {b, string(b.cipher.Encrypt([]byte(`[1]`)))},
		"the step's data makes a token of 136":   {tooLarge, string(b.cipher.Encrypt([]byte(`{}`)))},
	} {
		made, err := test.boat.carry(amqp.Delivery{Key: "f.left.input", Headers: message.Headers{"messageId": "m"}, Body: []byte(test.body)})
		if err != nil || len(made) != 1 {
			t.Fatalf("%s: %v, %v", reason, made, err)
		}
		if p := made[0]; p.Key != "f.left.deadletter" || string(p.Body) != test.body || !strings.HasPrefix(p.Headers.Text("x-leat-reason"), reason) {
			t.Errorf("%s: got %s, %q, %.50s", reason, p.Key, p.Headers.Text("x-leat-reason"), p.Body)
		}
	}
}

// The JVM library behind a ferryman step wants an id, and no null.
func TestOutputHasWhatOtherLibrariesWant(t *testing.T) {
	b := newTestBoat(t)
	for _, body := range []string{`{"data":{}}`, `{"data":{},"id":null}`, `{"data":{},"id":"not a UUID"}`} {
		made, err := b.carry(amqp.Delivery{Key: "f.left.output", Body: b.cipher.Encrypt([]byte(body))})
		if err != nil {
			t.Fatal(err)
		}
		plain, err := b.cipher.Decrypt(made[0].Body, 1)
		if err != nil {
			t.Fatal(err)
		}
		m, err := message.Decode(plain)
		if err != nil || len(m.ID) != 36 || string(m.Body) != "{}" {
			t.Errorf("%s became %s", body, plain)
		}
	}
}

// A message whose step isn't known waits for an update, and is given up when none comes: it's in the errors list then.
func TestAMessageForAnUnknownStepIsGivenUpAfterAWhile(t *testing.T) {
	b := newTestBoat(t)
	f := New(Options{Logger: slog.New(slog.DiscardHandler)})
	d := amqp.Delivery{Key: "f.gone.input", Headers: message.Headers{"messageId": "m"}, Body: []byte("body")}
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		made, err := f.strand(t.Context(), b, d)
		if err != nil || len(made) != 1 || time.Since(started) != strandAfter {
			t.Fatalf("after %v: %v, %v", time.Since(started), made, err)
		}
		if p := made[0]; p.Key != "f.gone.deadletter" || p.Headers.Text("x-leat-reason") != errUnknown.Error() || string(p.Body) != "body" || !p.Unchecked {
			t.Errorf("got %+v", p)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if made, err := f.strand(ctx, b, d); !errors.Is(err, context.Canceled) {
			t.Errorf("when an update comes: %v, %v", made, err)
		}
	})
}
