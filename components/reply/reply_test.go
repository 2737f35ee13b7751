package reply_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/component/componenttest"
	"github.com/openintegrationhub/leat/components/reply"
)

func TestTheMessageSaysWhatToAnswer(t *testing.T) {
	answer := func(status int, contentType, body string, headers ...string) component.Reply {
		h := http.Header{"Content-Type": {contentType}}
		for i := 0; i < len(headers); i += 2 {
			h.Set(headers[i], headers[i+1])
		}
		return component.Reply{Status: status, Header: h, Body: []byte(body)}
	}
	tests := map[string]struct {
		config, body string
		want         component.Reply
	}{
		"the whole body":              {`{}`, `{"a":1}`, answer(200, "application/json", `{"a":1}`)},
		"a response body":             {`{}`, `{"responseBody":{"ok":true},"statusCode":201}`, answer(201, "application/json", `{"ok":true}`)},
		"text":                        {`{}`, `{"responseBody":"hi\n","statusCode":"404"}`, answer(404, "text/plain; charset=utf-8", "hi\n")},
		"a content type":              {`{}`, `{"responseBody":"<p>","contentType":"text/html"}`, answer(200, "text/html", "<p>")},
		"headers, the message's win":  {`{"customHeaders":{"x-a":"1","x-b":"1"}}`, `{"customHeaders":{"x-b":"2"},"responseBody":0}`, answer(200, "application/json", "0", "x-a", "1", "x-b", "2")},
		"a null is an answer as well": {`{}`, `{"responseBody":null,"statusCode":null}`, answer(200, "application/json", "null")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			step := componenttest.Open(t, reply.Reply, componenttest.Options{Config: tt.config, ReplyExpected: true})
			got := step.Process(t, componenttest.Message(tt.body))
			if got.Err != nil {
				t.Fatal(got.Err)
			}
			if diff := cmp.Diff(&tt.want, got.Reply); diff != "" {
				t.Error(diff)
			}
			if len(got.Messages) != 1 || string(got.Messages[0].Body) != tt.body {
				t.Errorf("sent on %v", got.Messages)
			}
		})
	}
}

func TestWithoutAnybodyWaitingTheMessageGoesOn(t *testing.T) {
	got := componenttest.Open(t, reply.Reply, componenttest.Options{}).Process(t, componenttest.Message(`{"a":1}`))
	if got.Err != nil || got.Reply != nil || len(got.Messages) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestABadStatusIsAnError(t *testing.T) {
	for _, status := range []string{`100`, `1000`, `"x"`, `[]`} {
		step := componenttest.Open(t, reply.Reply, componenttest.Options{})
		got := step.Process(t, componenttest.Message(`{"statusCode":`+status+`}`))
		if want := "statusCode: expected 200 to 999, found " + status; got.Err == nil || got.Err.Error() != want {
			t.Errorf("got %v, want %s", got.Err, want)
		}
	}
}

func TestTheDataIsChecked(t *testing.T) {
	problems := reply.Component().Check("reply", json.RawMessage(`{"customHeaders":7}`))
	if len(problems) != 1 || problems[0].Path != "data.customHeaders" {
		t.Errorf("got %v", problems)
	}
}
