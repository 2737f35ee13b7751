package rabbitmq_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/internal/rabbitmq"
	"github.com/openintegrationhub/leat/internal/rabbitmq/rabbitmqtest"
	server "github.com/openintegrationhub/leat/test/rabbitmq"
)

func TestOnRabbitMQ(t *testing.T) {
	s := server.Start(t)
	rabbitmqtest.Run(t, rabbitmqtest.Target{AMQP: s.AMQP, Management: s.Management})
}

func TestErrorsReadWell(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"code and reason":       {401, `{"error":"not_authorised","reason":"Access refused."}`, `rabbitmq: put user "x": 401 not authorised: Access refused.`},
		"reason that's no text": {400, `{"error":"bad_request","reason":["not_base64","zz"]}`, `rabbitmq: put user "x": 400 bad request: ["not_base64","zz"]`},
		"no body":               {503, ``, `rabbitmq: put user "x": 503 service unavailable`},
		"not JSON":              {502, `<html>`, `rabbitmq: put user "x": 502 bad gateway`},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				w.Write([]byte(test.body))
			}, rabbitmq.Options{})
			err := c.PutUser(t.Context(), rabbitmq.User{Name: "x"})
			if err == nil || err.Error() != test.want {
				t.Errorf("err = %v\nwant  %s", err, test.want)
			}
		})
	}
}

func TestAnswersAreBounded(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`["` + strings.Repeat("x", 2000) + `"]`)) }, rabbitmq.Options{BodyMax: 1000})
	if _, err := c.VHosts(t.Context()); err == nil || !strings.Contains(err.Error(), "more than 1000 bytes") {
		t.Errorf("err = %v, want a complaint about the size", err)
	}
}

func TestRequestsEndWithContextAndTimeout(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	c := serve(t, hang, rabbitmq.Options{Timeout: 50 * time.Millisecond})
	if _, err := c.VHosts(t.Context()); err == nil {
		t.Error("no error after the timeout")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := serve(t, hang, rabbitmq.Options{}).VHosts(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want %v", err, context.Canceled)
	}
}

func TestErrorsDoNotShowThePassword(t *testing.T) {
	_, err := rabbitmq.New(rabbitmq.Options{URL: "http://u:hunter2@host:port/"})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("err = %v, want one without the password", err)
	}
	c, err := rabbitmq.New(rabbitmq.Options{URL: "http://u:hunter2@127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.VHosts(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("err = %v, want one without the password", err)
	}
}

func TestURLsAreChecked(t *testing.T) {
	for _, url := range []string{"", "amqp://host", "http://", "host:15672"} {
		if _, err := rabbitmq.New(rabbitmq.Options{URL: url}); err == nil {
			t.Errorf("New took URL %q", url)
		}
	}
}

func TestAPathBeforeTheAPIIsKept(t *testing.T) {
	var path string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { path = r.URL.EscapedPath(); w.Write([]byte("{}")) }, rabbitmq.Options{})
	if _, err := c.Queue(t.Context(), "/", "a/b"); err != nil || path != "/prefix/api/queues/%2F/a%2Fb" {
		t.Errorf("path = %q, %v", path, err)
	}
}

func serve(t *testing.T, h http.HandlerFunc, opts rabbitmq.Options) *rabbitmq.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	opts.URL = s.URL + "/prefix"
	c, err := rabbitmq.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
