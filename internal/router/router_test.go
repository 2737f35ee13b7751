package router_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/router"
)

// broker is a Publisher that keeps what it's given.
type broker struct {
	publish func(ctx context.Context) error // nil takes everything

	mu   sync.Mutex // guards sent and host
	sent []amqp.Publishing
	host []string
}

func (b *broker) Publish(ctx context.Context, vhost string, p amqp.Publishing) error {
	if b.publish != nil {
		if err := b.publish(ctx); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, p)
	b.host = append(b.host, vhost)
	return nil
}

func (b *broker) last(t *testing.T) amqp.Publishing {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.sent) == 0 {
		t.Fatal("nothing was published")
	}
	return b.sent[len(b.sent)-1]
}

func entry(flow string) plan.Entry {
	return plan.Entry{Namespace: "flows", Flow: flow, Step: "step_1", VHost: "flows", Exchange: flow, InputKey: flow + ".step_1.input",
		HTTP: true, UserID: "leat"}
}

const password, iv = "k8HO8UurPfKUNjECNAbvLRjBHWkIWz", "1gmpybK4iLRRyyu0"

func entries() []plan.Entry {
	secret := entry("secret")
	secret.CryptoPassword, secret.CryptoIV = password, iv
	timer := entry("timer")
	timer.HTTP, timer.Polling = false, true
	other := entry("own")
	other.HTTP = false
	asleep := entry("asleep")
	asleep.Suspended = true
	twin := entry("twin")
	twin2 := entry("twin")
	twin2.Namespace, twin2.VHost = "more", "more"
	broken := entry("broken")
	broken.CryptoPassword, broken.CryptoIV = password, "short"
	return []plan.Entry{entry("wh-flow"), secret, timer, other, asleep, twin, twin2, broken}
}

func newRouter(t testing.TB, p router.Publisher, change ...func(*router.Options)) *router.Router {
	t.Helper()
	opts := router.Options{Publisher: p, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&opts)
	}
	rt, err := router.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	rt.Update(entries())
	return rt
}

func request(method, target, contentType, body string) *http.Request {
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, in)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func serve(rt http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	rt.ServeHTTP(w, r)
	return w
}

const typeJSON, typeForm = "application/json", "application/x-www-form-urlencoded"

func TestRequestsBecomeMessages(t *testing.T) {
	for name, test := range map[string]struct {
		request *http.Request
		want    string // members of the envelope, without id and headers
	}{
		"a GET's body is its query": {
			request("GET", "/flow/wh-flow?arg1=val1&arg2=val2", "", ""),
			`{"body":{"arg1":"val1","arg2":"val2"},"query":{"arg1":"val1","arg2":"val2"},"method":"GET",
			  "url":"/flow/wh-flow?arg1=val1&arg2=val2","originalUrl":"/flow/wh-flow?arg1=val1&arg2=val2"}`},
		"a POST's JSON body is passed on as it is": {
			request("POST", "/flow/wh-flow", typeJSON, ` {"n": 1.00, "s": "<ä\u00e4>", "deep": [{"x": null}]} `),
			`{"body":{"n":1.00,"s":"<ää>","deep":[{"x":null}]},"query":{},"method":"POST","url":"/flow/wh-flow","originalUrl":"/flow/wh-flow"}`},
		"a POST has body and query": {
			request("POST", "/flow/wh-flow?q=1", typeJSON, `{"a":1}`),
			`{"body":{"a":1},"query":{"q":"1"},"method":"POST","url":"/flow/wh-flow?q=1","originalUrl":"/flow/wh-flow?q=1"}`},
		"a POST without body has an empty one": {
			request("POST", "/flow/wh-flow/", "", ""),
			`{"body":{},"query":{},"method":"POST","url":"/flow/wh-flow/","originalUrl":"/flow/wh-flow/"}`},
		"a body of blanks is an empty one": {
			request("POST", "/flow/wh-flow", typeJSON, " \n"),
			`{"body":{},"query":{},"method":"POST","url":"/flow/wh-flow","originalUrl":"/flow/wh-flow"}`},
		"a byte order mark is dropped": {
			request("POST", "/flow/wh-flow", typeJSON, "\ufeff{}"),
			`{"body":{},"query":{},"method":"POST","url":"/flow/wh-flow","originalUrl":"/flow/wh-flow"}`},
		"other JSON types count too": {
			request("POST", "/flow/wh-flow", "application/cloudevents+json; charset=UTF-8", `{"a":1}`),
			`{"body":{"a":1},"query":{},"method":"POST","url":"/flow/wh-flow","originalUrl":"/flow/wh-flow"}`},
		"forms keep order and repeated names": {
			request("POST", "/flow/wh-flow", typeForm, `a=1&b=two+words&a=%C3%A4&c&=x&100%=y&a=3`),
			`{"body":{"a":["1","ä","3"],"b":"two words","c":"","":"x","100%":"y"},"query":{},"method":"POST","url":"/flow/wh-flow","originalUrl":"/flow/wh-flow"}`},
		"more path is handed on": {
			request("GET", "/flow/wh-flow/some%2Fwhere/else", "", ""),
			`{"body":{},"query":{},"method":"GET","url":"/flow/wh-flow/some%2Fwhere/else","originalUrl":"/flow/wh-flow/some%2Fwhere/else",
			  "additionalUrlPath":"/some%2Fwhere/else"}`},
		"a flow may be named with its namespace": {
			request("GET", "/flow/wh-flow.flows", "", ""),
			`{"body":{},"query":{},"method":"GET","url":"/flow/wh-flow.flows","originalUrl":"/flow/wh-flow.flows"}`},
	} {
		t.Run(name, func(t *testing.T) {
			b := new(broker)
			w := serve(newRouter(t, b), test.request)
			if w.Code != 200 || w.Body.String() != `{"status":"OK"}` {
				t.Fatalf("got %d %s, want 200", w.Code, w.Body)
			}
			p := b.last(t)
			got := object(t, p.Body)
			want := object(t, []byte(test.want))
			for name, value := range object(t, []byte(`{"attachments":{},"metadata":{},"params":{},"taskId":"wh-flow"}`)) {
				want[name] = value
			}
			delete(got, "id")
			delete(got, "headers")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("envelope (-want +got):\n%s", diff)
			}
			if p.Exchange != "wh-flow" || p.Key != "wh-flow.step_1.input" {
				t.Errorf("published to %s %s", p.Exchange, p.Key)
			}
		})
	}
}

func object(t *testing.T, data []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return v
}

var isUUID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestHeadersCarryTheIDsOfAMessage(t *testing.T) {
	b := new(broker)
	w := serve(newRouter(t, b), request("GET", "/flow/wh-flow", "", ""))
	h := b.last(t).Headers
	execution := h.Text("x-eio-meta-trace-id")
	envelope := object(t, b.last(t).Body)["id"].(string)
	for _, id := range []string{execution, h.Text("messageId"), envelope} {
		if !isUUID.MatchString(id) {
			t.Errorf("%q is no UUID", id)
		}
	}
	if h.Text("messageId") == envelope {
		t.Error("the message's id is the envelope's: the webhook component would send on a message that is its own parent")
	}
	want := message.Headers{"taskId": "wh-flow", "userId": "leat", "execId": strings.ReplaceAll(execution, "-", ""), "messageId": h["messageId"],
		"threadId": execution, "x-eio-meta-trace-id": execution}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if got := w.Header().Get("X-Execution-Id"); got != execution {
		t.Errorf("X-Execution-Id is %q, want %q", got, execution)
	}
	serve(newRouter(t, b), request("GET", "/flow/wh-flow", "", ""))
	if b.last(t).Headers.Text("messageId") == h.Text("messageId") {
		t.Error("two messages have the same id")
	}
}

func TestHeadersOfTheRequestAreCleaned(t *testing.T) {
	b := new(broker)
	r := request("POST", "/flow/wh-flow", typeJSON, `{}`)
	for name, values := range map[string][]string{
		"Accept":                    {"text/html", "*/*"},
		"X-Custom":                  {`say "hi"\` + "\x01\xff"},
		"X-Forwarded-For":           {"10.0.0.1"},
		"X-Hub-Signature-256":       {"sha256=00"},
		"Authorization":             {"Basic Zm9vOmJhcg=="},
		"Proxy-Authorization":       {"Basic Zm9vOmJhcg=="},
		"Cookie":                    {"a=b"},
		"X-Api-Key":                 {"k"},
		"Connection":                {"keep-alive, X-Hop"},
		"X-Hop":                     {"1"},
		"Te":                        {"trailers"},
		"Transfer-Encoding":         {"chunked"},
		"Content-Length":            {"2"},
		"Reply_to":                  {"other.step.input"},
		"X-Eio-Routing-Key":         {"wh-flow.step_9.input"},
		"x-EIO-routing-key":         {"wh-flow.step_9.input"},
		"X-Ipaas-Object-Storage-Id": {"0"},
		"X-Eio-Meta-Trace-Id":       {"mine"},
		"X-Eio-Meta-Tenant":         {"t1"},
	} {
		r.Header[name] = values
	}
	if w := serve(newRouter(t, b), r); w.Code != 200 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	p := b.last(t)
	want := map[string]any{"host": "example.com", "content-type": "application/json", "accept": "text/html, */*", "x-forwarded-for": "10.0.0.1",
		"x-custom": "say \"hi\"\\\x01\ufffd", "x-hub-signature-256": "sha256=00"}
	if diff := cmp.Diff(want, object(t, p.Body)["headers"]); diff != "" {
		t.Errorf("headers of the message (-want +got):\n%s", diff)
	}
	if got := p.Headers["x-eio-meta-tenant"]; got != "t1" {
		t.Errorf("x-eio-meta-tenant is %v, want t1", got)
	}
	if p.Headers.Text("x-eio-meta-trace-id") == "mine" {
		t.Error("a client chose the id of the execution")
	}
	if len(p.Headers) != 7 {
		t.Errorf("AMQP headers are %v", p.Headers)
	}
}

func TestBodiesAreEncryptedWhereTheFlowIs(t *testing.T) {
	b := new(broker)
	serve(newRouter(t, b), request("POST", "/flow/secret", typeJSON, `{"a":1}`))
	c, err := message.NewCipher(password, iv)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := c.Decrypt(b.last(t).Body, 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"a": json.Number("1")}, object(t, plain)["body"]); diff != "" {
		t.Error(diff)
	}
}

func TestWrongRequestsAreRefused(t *testing.T) {
	const array = `: components take nothing else, so wrap it, for instance as {"data": ...}`
	meta := request("GET", "/flow/wh-flow", "", "")
	meta.Header.Set("X-Eio-Meta-Big", strings.Repeat("x", 5000))
	big := request("GET", "/flow/wh-flow", "", "")
	big.Header.Set("X-Big", strings.Repeat("x", 33<<10))
	brotli := request("POST", "/flow/wh-flow", typeJSON, "{}")
	brotli.Header.Set("Content-Encoding", "br")
	notGzip := request("POST", "/flow/wh-flow", typeJSON, "{}")
	notGzip.Header.Set("Content-Encoding", "gzip")
	bomb := request("POST", "/flow/wh-flow", typeJSON, zipped(strings.Repeat(" ", 2<<20)))
	bomb.Header.Set("Content-Encoding", "gzip")
	chunked := request("POST", "/flow/wh-flow", typeJSON, "")
	chunked.Body, chunked.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat(" ", 1<<20+1))), -1
	short := request("POST", "/flow/wh-flow", typeJSON, `{"a":`)
	short.ContentLength = 100
	for name, test := range map[string]struct {
		request *http.Request
		status  int
		text    string
	}{
		"unknown flow":          {request("POST", "/flow/nobody", typeJSON, "{}"), 404, `unknown flow "nobody"`},
		"no flow":               {request("GET", "/flow/", "", ""), 404, `no flow named: use /flow/FLOW`},
		"other path":            {request("GET", "/flows", "", ""), 404, `no flow named: use /flow/FLOW`},
		"path tricks":           {request("GET", "/flow/..%2fwh-flow", "", ""), 404, `unknown flow "..%2fwh-flow"`},
		"polling flow":          {request("GET", "/flow/timer", "", ""), 409, `flow "timer" takes no HTTP requests: its first step is driven by a schedule`},
		"flow with own source":  {request("GET", "/flow/own", "", ""), 409, `flow "own" takes no HTTP requests`},
		"suspended flow":        {request("GET", "/flow/asleep", "", ""), 409, `flow "asleep" is suspended`},
		"name of two flows":     {request("GET", "/flow/twin", "", ""), 409, `2 namespaces have a flow "twin": use /flow/twin.flows or /flow/twin.more`},
		"flow with a bad key":   {request("GET", "/flow/broken", "", ""), 500, `flow has no valid message encryption`},
		"PUT":                   {request("PUT", "/flow/wh-flow", typeJSON, "{}"), 405, `method PUT isn't allowed: use GET or POST`},
		"GET with a body":       {request("GET", "/flow/wh-flow", typeJSON, "{}"), 400, `body: a GET has none here, its query is the message: use POST`},
		"bad JSON":              {request("POST", "/flow/wh-flow", typeJSON, `{"a":1,}`), 400, `body: bad JSON: unexpected '}' at offset 7, expected a member name (of 8 bytes)`},
		"JSON that breaks off":  {request("POST", "/flow/wh-flow", typeJSON, `{"a":`), 400, `body: bad JSON: unexpected end of JSON (of 5 bytes)`},
		"bad UTF-8":             {request("POST", "/flow/wh-flow", typeJSON, "{\"a\":\"\xff\"}"), 400, `body: bad JSON: not UTF-8`},
		"JSON array":            {request("POST", "/flow/wh-flow", typeJSON, `[1]`), 400, `body: expected a JSON object, found an array` + array},
		"JSON text":             {request("POST", "/flow/wh-flow", typeJSON, `"x"`), 400, `body: expected a JSON object, found a string` + array},
		"JSON null":             {request("POST", "/flow/wh-flow", typeJSON, `null`), 400, `body: expected a JSON object, found null` + array},
		"too short":             {short, 400, `body: it ends too early`},
		"not gzip":              {notGzip, 400, `body: it ends too early`},
		"too many parameters":   {request("POST", "/flow/wh-flow", typeForm, strings.Repeat("a&", 1000)), 400, `body: more than 1000 parameters`},
		"too long query":        {request("GET", "/flow/wh-flow?"+strings.Repeat("a&", 1000), "", ""), 400, `query: more than 1000 parameters`},
		"too long address":      {request("GET", "/flow/wh-flow?"+strings.Repeat("a", 33<<10), "", ""), 414, `address: more than the limit of 32768 bytes`},
		"large body":            {request("POST", "/flow/wh-flow", typeJSON, strings.Repeat(" ", 1<<20+1)), 413, `body: more than the limit of 1048576 bytes`},
		"large chunked body":    {chunked, 413, `body: more than the limit of 1048576 bytes`},
		"decompression bomb":    {bomb, 413, `body: more than the limit of 1048576 bytes`},
		"text":                  {request("POST", "/flow/wh-flow", "text/plain", "x"), 415, `Content-Type "text/plain" isn't supported: use application/json or application/x-www-form-urlencoded`},
		"no type":               {request("POST", "/flow/wh-flow", "", "x"), 415, `body: its Content-Type is missing: use application/json or application/x-www-form-urlencoded`},
		"bad type":              {request("POST", "/flow/wh-flow", "a/b/c", "x"), 415, `Content-Type "a/b/c": mime: unexpected content after media subtype`},
		"other charset":         {request("POST", "/flow/wh-flow", "application/json; charset=latin1", "{}"), 415, `charset "latin1" isn't supported: use UTF-8`},
		"other compression":     {brotli, 415, `Content-Encoding "br" isn't supported: use gzip or none`},
		"large headers":         {big, 431, `headers: more than the limit of 32768 bytes`},
		"large meta headers":    {meta, 431, `headers x-eio-meta-*: more than the limit of 32, or 4096 bytes`},
		"HEAD of unknown flow":  {request("HEAD", "/flow/nobody", "", ""), 404, `unknown flow "nobody"`},
		"HEAD of polling flow":  {request("HEAD", "/flow/asleep", "", ""), 409, `flow "asleep" is suspended`},
		"a name with a newline": {request("GET", "/flow/a%0ab", "", ""), 404, `unknown flow "a%0ab"`},
	} {
		t.Run(name, func(t *testing.T) {
			b := new(broker)
			w := serve(newRouter(t, b), test.request)
			wantAnswer(t, w, test.status, test.text)
			if len(b.sent) != 0 {
				t.Errorf("a message was sent: %+v", b.sent)
			}
			if got := w.Header().Get("Allow"); (got == "GET, HEAD, OPTIONS, POST") != (test.status == 405) {
				t.Errorf("Allow is %q", got)
			}
		})
	}
}

func wantAnswer(t *testing.T, w *httptest.ResponseRecorder, status int, text string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("status is %d, want %d", w.Code, status)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q", got)
	}
	if diff := cmp.Diff(map[string]any{"error": text}, object(t, w.Body.Bytes())); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

func zipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func TestCompressedBodiesAreRead(t *testing.T) {
	b := new(broker)
	r := request("POST", "/flow/wh-flow", typeJSON, zipped(`{"a":"b"}`))
	r.Header.Set("Content-Encoding", "gzip")
	if w := serve(newRouter(t, b), r); w.Code != 200 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if diff := cmp.Diff(map[string]any{"a": "b"}, object(t, b.last(t).Body)["body"]); diff != "" {
		t.Error(diff)
	}
}

func TestHeadAndOptionsSendNothing(t *testing.T) {
	b := new(broker)
	rt := newRouter(t, b)
	if w := serve(rt, request("HEAD", "/flow/wh-flow", "", "")); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD: got %d %s, want 200", w.Code, w.Body)
	}
	if w := serve(rt, request("OPTIONS", "/flow/wh-flow", "", "")); w.Code != 204 || w.Header().Get("Allow") == "" {
		t.Errorf("OPTIONS: got %d with Allow %q, want 204", w.Code, w.Header().Get("Allow"))
	}
	if len(b.sent) != 0 {
		t.Errorf("%d messages were sent", len(b.sent))
	}
}

func TestUpdateReplacesTheFlows(t *testing.T) {
	b := new(broker)
	rt := newRouter(t, b)
	moved := entry("moved")
	moved.VHost = "elsewhere"
	rt.Update([]plan.Entry{moved})
	if w := serve(rt, request("GET", "/flow/wh-flow", "", "")); w.Code != 404 {
		t.Errorf("a removed flow answers %d, want 404", w.Code)
	}
	if w := serve(rt, request("GET", "/flow/moved", "", "")); w.Code != 200 || b.host[0] != "elsewhere" {
		t.Errorf("a new flow answers %d, sent to %v", w.Code, b.host)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	for want, opts := range map[string]router.Options{
		"router options: Publisher: missing":                                 {Logger: logger},
		"router options: Logger: missing":                                    {Publisher: new(broker)},
		"router options: BodyBytesMax: 99999999 isn't between 1 and 8388608": {Publisher: new(broker), Logger: logger, BodyBytesMax: 99999999},
		"router options: Timeout: -1s is negative":                           {Publisher: new(broker), Logger: logger, Timeout: -time.Second},
	} {
		if _, err := router.New(opts); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestFlowsThatExistAndTakeNothingSayWhy(t *testing.T) {
	rt := newRouter(t, &broker{})
	rt.Update([]plan.Entry{entry("open")},
		router.Refusal{Namespace: "flows", Flow: "new", Reason: "the broker doesn't have its queues yet", Soon: true},
		router.Refusal{Namespace: "flows", Flow: "wrong", Reason: "its specification is wrong"},
		router.Refusal{Namespace: "more", Flow: "open", Reason: "it is being deleted"})
	for path, want := range map[string]struct {
		status int
		text   string
		retry  string
	}{
		"/flow/new":        {503, "flow \\\"new\\\": the broker doesn't have its queues yet", "1"},
		"/flow/new.flows":  {503, "the broker doesn't have its queues yet", "1"},
		"/flow/wrong":      {409, "flow \\\"wrong\\\": its specification is wrong", ""},
		"/flow/open":       {409, "2 namespaces have a flow", ""},
		"/flow/open.flows": {200, "OK", ""},
		"/flow/open.more":  {409, "it is being deleted", ""},
	} {
		w := serve(rt, request(http.MethodGet, path, "", ""))
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.text) || w.Header().Get("Retry-After") != want.retry {
			t.Errorf("%s: %d %s, Retry-After %q, want %d with %q, %q", path, w.Code, w.Body, w.Header().Get("Retry-After"), want.status, want.text, want.retry)
		}
	}
}
