package webhook_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/component/componenttest"
	"github.com/openintegrationhub/leat/components/webhook"
)

func TestReceivePutsTheRequestIntoTheBody(t *testing.T) {
	for name, test := range map[string]struct {
		in   component.Message
		want string
	}{
		"a POST": {
			in: component.Message{Body: raw(`{"arg1": "val1"}`), Method: "POST", URL: "/flow/wh-flow?dry=1", TaskID: "wh-flow",
				Query: raw(`{"dry":"1"}`), Headers: raw(`{"content-type":"application/json"}`)},
			want: `{"arg1": "val1","_query":{"dry":"1"},"_headers":{"content-type":"application/json"},"_method":"POST","_url":"/flow/wh-flow?dry=1"}`,
		},
		"a GET, whose body is the query already": {
			in:   component.Message{Body: raw(`{"a":"1"}`), Method: "GET", URL: "/flow/f?a=1", Query: raw(`{"a":"1"}`), Headers: raw(`{}`)},
			want: `{"a":"1","_query":{"a":"1"},"_headers":{},"_method":"GET","_url":"/flow/f?a=1"}`,
		},
		"a GET without body": {
			in:   component.Message{Method: "GET", URL: "/flow/f?a=1", Query: raw(`{"a":"1"}`)},
			want: `{"a":"1","_query":{"a":"1"},"_method":"GET","_url":"/flow/f?a=1"}`,
		},
		"a GET without query": {
			in:   component.Message{Body: raw(`{ }`), Method: "GET", URL: "/flow/f", Query: raw(`{}`)},
			want: `{"_query":{},"_method":"GET","_url":"/flow/f"}`,
		},
		"an empty POST keeps its query apart": {
			in:   component.Message{Body: raw(`{}`), Method: "POST", Query: raw(`{"a":"1"}`)},
			want: `{"_query":{"a":"1"},"_method":"POST"}`,
		},
		"a tick":                      {in: component.Message{Body: raw(`{}`), Headers: raw(`{}`)}, want: `{"_headers":{}}`},
		"nothing at all":              {want: `{}`},
		"a body that is no object":    {in: component.Message{Body: raw(`[1]`), Method: "POST"}, want: `[1]`},
		"a body with other members _": {in: component.Message{Body: raw(`{"_id":5}`), Method: "POST"}, want: `{"_id":5,"_method":"POST"}`},
		"a sender who claims another method": {
			in:   component.Message{Body: raw(`{"_method":"DELETE","_headers":{"x":"1"},"b":1,"a":2}`), Method: "POST"},
			want: `{"a":2,"b":1,"_method":"POST"}`,
		},
		"a longer path": {
			in:   component.Message{Method: "POST", URL: "/flow/wh-flow/orders/5?x=/y", TaskID: "wh-flow"},
			want: `{"_method":"POST","_url":"/flow/wh-flow/orders/5?x=/y","_additionalUrlPath":"/orders/5"}`,
		},
		"the path of a flow with a longer name": {
			in:   component.Message{Method: "POST", URL: "/flow/wh-flow-2/orders", TaskID: "wh-flow"},
			want: `{"_method":"POST","_url":"/flow/wh-flow-2/orders"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.in.ID = "3fe0a0c8-6d7e-4a0a-9e6b-111111111111"
			test.in.Attachments = raw(`{"a.txt":{"url":"http://example.com/a"}}`)
			got := componenttest.Open(t, webhook.Receive, componenttest.Options{}).Process(t, &test.in)
			if got.Err != nil {
				t.Fatal(got.Err)
			}
			if len(got.Messages) != 1 {
				t.Fatalf("got %d messages, want 1", len(got.Messages))
			}
			m := got.Messages[0]
			if m.ID != test.in.ID {
				t.Errorf("id: got %s, want %s", m.ID, test.in.ID)
			}
			if diff := cmp.Diff(test.want, string(m.Body)); diff != "" {
				t.Errorf("body: (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(string(test.in.Attachments), string(m.Attachments)); diff != "" {
				t.Errorf("attachments: (-want +got)\n%s", diff)
			}
		})
	}
}

func TestReceiveDropsTheRoutingHeader(t *testing.T) {
	for _, name := range []string{"x-eio-routing-key", "X-EIO-Routing-Key"} {
		in := componenttest.Message(`{}`)
		in.Headers = raw(`{"accept":"*/*","` + name + `":"f.step_9.input"}`)
		got := componenttest.Open(t, webhook.Receive, componenttest.Options{}).Process(t, in)
		if got.Err != nil {
			t.Fatal(got.Err)
		}
		if diff := cmp.Diff(`{"accept":"*/*"}`, string(got.Messages[0].Headers)); diff != "" {
			t.Errorf("%s: headers: (-want +got)\n%s", name, diff)
		}
		if diff := cmp.Diff(`{"_headers":{"accept":"*/*"}}`, string(got.Messages[0].Body)); diff != "" {
			t.Errorf("%s: body: (-want +got)\n%s", name, diff)
		}
	}
}

func TestReceiveLeavesItsInputAlone(t *testing.T) {
	body := `{"a":1}         `
	in := componenttest.Message(body)
	in.Body, in.Method = raw(body), "POST"
	componenttest.Open(t, webhook.Receive, componenttest.Options{}).Process(t, in)
	if got := string(in.Body); got != body {
		t.Errorf("got %q, want %q", got, body)
	}
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func BenchmarkReceive(b *testing.B) {
	step := componenttest.Open(b, webhook.Receive, componenttest.Options{})
	in := componenttest.Message(`{"arg1":"val1","arg2":"val2"}`)
	in.Method, in.URL, in.Query = "POST", "/flow/wh-flow", raw(`{}`)
	in.Headers = raw(`{"host":"localhost:8080","user-agent":"curl/7.88.1","accept":"*/*","content-type":"application/json","content-length":"31"}`)
	b.ReportAllocs()
	for b.Loop() {
		if got := step.Process(b, in); got.Err != nil {
			b.Fatal(got.Err)
		}
	}
}
