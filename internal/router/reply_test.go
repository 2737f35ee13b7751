package router_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/router"
)

// answering is a broker and a flow behind it that replies to each message.
type answering struct {
	rt    *router.Router
	reply func(rt *router.Router, key string)
	keys  []string
}

func (a *answering) Publish(_ context.Context, _ string, p amqp.Publishing) error {
	key := p.Headers.Text("reply_to")
	a.keys = append(a.keys, key)
	if key != "" && a.reply != nil {
		a.reply(a.rt, key)
	}
	return nil
}

func newAnswering(t *testing.T, change func(*router.Options), reply func(rt *router.Router, key string)) *answering {
	t.Helper()
	a := &answering{reply: reply}
	a.rt = newRouter(t, a, func(o *router.Options) {
		o.Replies = true
		if change != nil {
			change(o)
		}
	})
	sync, secret := entry("sync"), entry("secret")
	sync.HTTPReply, secret.HTTPReply = true, true
	secret.CryptoPassword, secret.CryptoIV = password, iv
	a.rt.Update([]plan.Entry{sync, secret, entry("async")})
	return a
}

func TestRepliesOfAllShapesReachTheClient(t *testing.T) {
	data := message.Headers{"protocolVersion": int32(1)}
	failed := message.Headers{"x-eio-error-response": true, "protocolVersion": 2}
	for name, test := range map[string]struct {
		headers message.Headers
		body    string
		status  int
		want    string
		header  http.Header // those that are there besides the usual
	}{
		"httpReply": {data, `{"statusCode":201,"body":"{\"ok\":true}","headers":{"content-type":"text/x","X-Own":"1","Set-Cookie":"a=b"},"passedCfg":{"secret":1}}`,
			201, `{"ok":true}`, http.Header{"Content-Type": {"text/x"}, "X-Own": {"1"}}},
		"httpReply with an object": {data, `{"statusCode":"404","body":{"a":[1]},"headers":{}}`, 404, `{"a":[1]}`, http.Header{"Content-Type": {"application/json"}}},
		"httpReply without a body": {data, `{"statusCode":204,"headers":{}}`, 204, ``, http.Header{"Content-Type": {"application/json"}}},
		"the request-reply component": {data,
			`{"id":"x","attachments":{},"body":{"a":1},"headers":{"Content-Type":"application/json","x-eio-status-code":202,"X-EIO-Routing-Key":"k"},"metadata":{},"passthrough":{"s":{"secret":1}}}`,
			202, `{"a":1}`, http.Header{"Content-Type": {"application/json"}}},
		"a step's error": {failed, `{"name":"TypeError","message":"it \"broke\"","stack":"at secret"}`, 500, `{"error":"it \"broke\"","name":"TypeError"}` + "\n",
			http.Header{"Content-Type": {"application/json"}}},
		"no JSON":           {data, `x`, 502, `{"error":"the flow's reply can't be read: the message was accepted"}` + "\n", http.Header{"Content-Type": {"application/json"}}},
		"a bad status code": {data, `{"statusCode":100}`, 502, `{"error":"the flow's reply can't be read: the message was accepted"}` + "\n", http.Header{"Content-Type": {"application/json"}}},
		"a stored object": {data, `{"body":{},"headers":{"x-ipaas-object-storage-id":"1"}}`, 502, `{"error":"the flow's reply can't be read: the message was accepted"}` + "\n",
			http.Header{"Content-Type": {"application/json"}}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, flow := range []string{"sync", "secret"} {
				c, err := message.NewCipher(password, iv)
				if err != nil {
					t.Fatal(err)
				}
				if flow == "sync" {
					c = nil
				}
				a := newAnswering(t, nil, func(rt *router.Router, key string) { rt.Reply(key, test.headers, c.Encrypt([]byte(test.body))) })
				w := serve(a.rt, request("POST", "/flow/"+flow, typeJSON, `{}`))
				if w.Code != test.status || w.Body.String() != test.want {
					t.Errorf("%s: got %d %q, want %d %q", flow, w.Code, w.Body, test.status, test.want)
				}
				h := w.Header()
				if w.Code != 502 && (h.Get("Content-Security-Policy") != "sandbox" || h.Get("X-Content-Type-Options") != "nosniff") {
					t.Errorf("%s: a page of the reply could act as one of ours: %v", flow, h)
				}
				for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Cache-Control", "X-Execution-Id"} {
					h.Del(name)
				}
				if diff := cmp.Diff(test.header, h); diff != "" {
					t.Errorf("%s: headers (-want +got):\n%s", flow, diff)
				}
			}
		})
	}
}

func TestStacksAreShownInDevelopmentOnly(t *testing.T) {
	a := newAnswering(t, func(o *router.Options) { o.ReplyStacks = true }, func(rt *router.Router, key string) {
		rt.Reply(key, message.Headers{"x-eio-error-response": true}, []byte(`{"name":"Error","message":"boom","stack":"at x"}`))
	})
	if got := serve(a.rt, request("GET", "/flow/sync", "", "")).Body.String(); got != `{"error":"boom","name":"Error","stack":"at x"}`+"\n" {
		t.Errorf("got %s", got)
	}
}

func TestWhoWaitsForAReply(t *testing.T) {
	for name, test := range map[string]struct {
		flow, prefer string
		replies      bool
		waits        time.Duration
	}{
		"a flow that always replies":        {"sync", "", true, 30 * time.Second},
		"a client that asks for it":         {"async", "wait=5", true, 5 * time.Second},
		"a client that asks among other":    {"async", `respond-async, Wait="7"; x=1`, true, 7 * time.Second},
		"a client that asks with a quote":   {"async", `handling=lenient, Wait = "7"`, true, 7 * time.Second},
		"a client that asks for too long":   {"async", "wait=99999", true, 30 * time.Second},
		"a client that asks for less":       {"sync", "wait=2", true, 2 * time.Second},
		"a client that asks for nonsense":   {"async", "wait=soon", true, 0},
		"nobody where it isn't asked for":   {"async", "", true, 0},
		"nobody where nobody feeds replies": {"sync", "wait=2", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAnswering(t, func(o *router.Options) { o.Replies = test.replies }, nil)
				r := request("GET", "/flow/"+test.flow, "", "")
				if test.prefer != "" {
					r.Header.Set("Prefer", test.prefer)
				}
				begin := time.Now()
				w := serve(a.rt, r)
				if waited := time.Since(begin); waited != test.waits {
					t.Errorf("waited %v, want %v", waited, test.waits)
				}
				if test.waits == 0 && (w.Code != 200 || a.keys[0] != "") {
					t.Errorf("got %d, reply_to %q", w.Code, a.keys[0])
				}
				if test.waits > 0 {
					wantAnswer(t, w, 504, "no reply from the flow within "+test.waits.String()+": the message was accepted")
				}
			})
		})
	}
}

func TestOnlyTheFirstReplyCounts(t *testing.T) {
	reg := prometheus.NewRegistry()
	a := newAnswering(t, func(o *router.Options) { o.Registerer, o.Instance = reg, "router-1" }, func(rt *router.Router, key string) {
		for _, body := range []string{`{"body":"first"}`, `{"body":"second"}`} {
			rt.Reply(key, nil, []byte(body))
		}
	})
	if got := serve(a.rt, request("GET", "/flow/sync", "", "")).Body.String(); got != "first" {
		t.Errorf("got %s", got)
	}
	a.rt.Reply(a.keys[0], nil, []byte(`{"body":"late"}`))
	a.rt.Reply("reply.router-1.other", nil, []byte(`{}`))
	if a.rt.ReplyKey() != "reply.router-1.#" || !strings.HasPrefix(a.keys[0], "reply.router-1.") || len(a.keys[0]) > 255 {
		t.Errorf("keys are %s and %s", a.rt.ReplyKey(), a.keys[0])
	}
	got := counters(t, reg, "leat_router_replies_total", "fate")
	if diff := cmp.Diff(map[string]float64{"delivered": 1, "dropped": 3}, got); diff != "" {
		t.Errorf("replies (-want +got):\n%s", diff)
	}
}

func TestClientThatLeavesIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		a := newAnswering(t, func(o *router.Options) { o.Registerer = reg }, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan bool)
		go func() {
			defer close(done)
			a.rt.ServeHTTP(httptest.NewRecorder(), request("GET", "/flow/sync", "", "").WithContext(ctx))
		}()
		synctest.Wait()
		cancel()
		<-done
		a.rt.Reply(a.keys[0], nil, []byte(`{}`))
		if got := counters(t, reg, "leat_router_replies_total", "fate"); got["dropped"] != 1 {
			t.Errorf("replies: %v", got)
		}
		if got := counters(t, reg, "leat_router_requests_total", "code"); got["499"] != 1 {
			t.Errorf("requests: %v", got)
		}
	})
}
