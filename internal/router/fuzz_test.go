package router_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/openintegrationhub/leat/internal/message"
)

// Whatever a client sends, it's refused with a reason, or becomes a message that every component can read.
func FuzzRequest(f *testing.F) {
	f.Add("a=1&a=%zz&&=&%00", "x/%2e%2e/\x00", "X-Y", "v\"\\\x01\xff", typeJSON, `{"a":[1,{"b":null}]}`)
	f.Add("", "", "Connection", "x-y, close", typeForm, "a=1&b[c]=%c3%28")
	f.Add("q", "a", "X-Eio-Meta-Q", "1", "application/x+json; charset=utf-8", " {} ")
	b := new(broker)
	rt := newRouter(f, b)
	f.Fuzz(func(t *testing.T, query, extra, name, value, contentType, body string) {
		r := httptest.NewRequest("POST", "/flow/wh-flow", strings.NewReader(body))
		r.URL.RawQuery, r.URL.Path, r.RequestURI = query, "/flow/wh-flow/"+extra, ""
		r.Header.Set(name, value)
		r.Header.Set("Content-Type", contentType)
		b.sent = nil
		w := serve(rt, r)
		if w.Code != 200 {
			var answer struct{ Error string }
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Error == "" || w.Code < 400 || w.Code == 500 || w.Code == 503 {
				t.Fatalf("got %d %q, %v", w.Code, w.Body, err)
			}
			return
		}
		p := b.last(t)
		var got map[string]any
		if err := json.Unmarshal(p.Body, &got); err != nil {
			t.Fatalf("%v in %q", err, p.Body)
		}
		for _, member := range []string{"body", "query", "headers", "params", "attachments", "metadata"} {
			if _, ok := got[member].(map[string]any); !ok {
				t.Errorf("%s is %v, want an object", member, got[member])
			}
		}
		if _, err := message.Decode(p.Body); err != nil {
			t.Error(err)
		}
		for name := range got["headers"].(map[string]any) {
			if strings.HasPrefix(name, "x-eio-") || name == "reply_to" || name == "authorization" || name == "cookie" {
				t.Errorf("header %q got through", name)
			}
		}
	})
}
