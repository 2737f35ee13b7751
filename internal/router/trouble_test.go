package router_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/router"
)

func TestTroubleWithTheBrokerIsToldApart(t *testing.T) {
	waits := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	fails := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	for name, test := range map[string]struct {
		publish func(context.Context) error
		status  int
		retry   string
		text    string
	}{
		"away":          {fails(amqp.ErrUnavailable), 503, "1", "the message broker is not available: nothing was accepted, try again"},
		"no queue":      {fails(amqp.ErrUnroutable), 503, "1", "the flow isn't ready to take messages: nothing was accepted, try again"},
		"queue is full": {fails(amqp.ErrRefused), 503, "1", "the message broker takes no more messages for this flow now: nothing was accepted, try again"},
		"lost":          {fails(errors.New("eof")), 503, "1", "the connection to the message broker was lost: the message may or may not have been accepted"},
		"slow":          {waits, 504, "", "no confirm from the message broker within 10ms: the message may or may not have been accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			rt := newRouter(t, &broker{publish: test.publish}, func(o *router.Options) { o.Timeout = 10 * time.Millisecond })
			w := serve(rt, request("POST", "/flow/wh-flow", typeJSON, "{}"))
			wantAnswer(t, w, test.status, test.text)
			if got := w.Header().Get("Retry-After"); got != test.retry {
				t.Errorf("Retry-After is %q, want %q", got, test.retry)
			}
		})
	}
}

func TestClientThatSendsTooSlowlyGetsATimeout(t *testing.T) {
	b := new(broker)
	server := httptest.NewUnstartedServer(newRouter(t, b))
	server.Config.ReadTimeout = 50 * time.Millisecond
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /flow/wh-flow HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 408 || string(text) != `{"error":"the body didn't arrive in time"}`+"\n" {
		t.Errorf("got %d %s, %v", res.StatusCode, text, err)
	}
	if len(b.sent) != 0 {
		t.Error("half a request was sent")
	}
}

func TestStoppedRouterSendsClientsAway(t *testing.T) {
	b := new(broker)
	rt := newRouter(t, b)
	rt.Stop()
	w := serve(rt, request("GET", "/flow/wh-flow", "", ""))
	wantAnswer(t, w, 503, "shutting down: nothing was accepted, try again")
	if w.Header().Get("Retry-After") == "" || w.Header().Get("Connection") != "close" || len(b.sent) != 0 {
		t.Errorf("headers are %v, and %d messages were sent", w.Header(), len(b.sent))
	}
}

func TestRequestsAreBounded(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	rt := newRouter(t, &broker{publish: func(context.Context) error { entered <- true; <-leave; return nil }},
		func(o *router.Options) { o.RequestsMax = 1 })
	first := make(chan int)
	go func() { first <- serve(rt, request("GET", "/flow/wh-flow", "", "")).Code }()
	<-entered
	wantAnswer(t, serve(rt, request("GET", "/flow/wh-flow", "", "")), 503, "too many requests at a time")
	close(leave)
	if code := <-first; code != 200 {
		t.Errorf("the first request got %d", code)
	}
}
