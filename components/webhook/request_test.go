package webhook_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/component/componenttest"
	"github.com/openintegrationhub/leat/components/webhook"
)

// seen is what the server got.
type seen struct{ Method, URL, Body, ContentType, Secret string }

// serve starts a server that answers with answer, and returns its address and what it saw.
func serve(t *testing.T, answer http.HandlerFunc) (string, *[]seen) {
	t.Helper()
	requests := new([]seen)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*requests = append(*requests, seen{r.Method, r.URL.String(), string(body), r.Header.Get("Content-Type"), r.Header.Get("X-Api-Secret")})
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

func open(t *testing.T, function, config string) *componenttest.Step {
	t.Helper()
	return componenttest.Open(t, webhook.Component().Functions[function], componenttest.Options{Config: config})
}

func TestRequestsCarryTheBody(t *testing.T) {
	const json8 = "application/json;charset=UTF-8"
	for name, test := range map[string]struct {
		function, config, body string
		want                   seen
	}{
		"post":                      {"post", `"secret":"s3"`, `{"a":1}`, seen{"POST", "/in", `{"a":1}`, json8, "s3"}},
		"put":                       {"put", ``, `{"a":1}`, seen{"PUT", "/in", `{"a":1}`, json8, ""}},
		"post with another method":  {"post", `"method":"delete"`, `{"a":1}`, seen{"DELETE", "/in", `{"a":1}`, json8, ""}},
		"post without body":         {"post", ``, ``, seen{"POST", "/in", `{}`, json8, ""}},
		"get sends it as the query": {"get", ``, `{"a":"x y","n":1,"l":["1","2"],"z":null}`, seen{"GET", "/in?a=x+y&l=1&l=2&n=1&z=", ``, ``, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			address, requests := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
			config := `{"uri":"` + address + `/in"`
			if test.config != "" {
				config += "," + test.config
			}
			in := componenttest.Message(test.body)
			in.Body = raw(test.body)
			if got := open(t, test.function, config+"}").Process(t, in); got.Err != nil {
				t.Fatal(got.Err)
			}
			if diff := cmp.Diff([]seen{test.want}, *requests); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestAnAnswerBecomesAMessage(t *testing.T) {
	for name, test := range map[string]struct{ kind, text, want string }{
		"a JSON object":     {"application/json; charset=utf-8", `{"ok": true}`, `{"ok":true}`},
		"a JSON array":      {"application/json", `[1,2]`, `{"responseBody":[1,2]}`},
		"a problem":         {"application/problem+json", `{"title":"x"}`, `{"title":"x"}`},
		"empty JSON":        {"application/json", ``, `{"responseBody":""}`},
		"text":              {"text/plain", `hello`, `{"responseBody":"hello"}`},
		"no type that says": {"", `{"ok":true}`, `{"responseBody":"{\"ok\":true}"}`},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{test.kind}
				w.Header().Set("X-Request-Id", "7")
				w.Header().Set("X-EIO-Routing-Key", "f.step_9.input")
				w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
				_, _ = io.WriteString(w, test.text)
			})
			got := open(t, "post", `{"uri":"`+address+`"}`).Process(t, componenttest.Message(`{}`))
			if got.Err != nil {
				t.Fatal(got.Err)
			}
			if diff := cmp.Diff(test.want, string(got.Messages[0].Body)); diff != "" {
				t.Errorf("body: (-want +got)\n%s", diff)
			}
			var headers map[string]any
			if err := json.Unmarshal(got.Messages[0].Headers, &headers); err != nil {
				t.Fatal(err)
			}
			if headers["x-request-id"] != "7" || headers["x-eio-routing-key"] != nil {
				t.Errorf("headers: got %v", headers)
			}
			if diff := cmp.Diff([]any{"a=1", "b=2"}, headers["set-cookie"]); diff != "" {
				t.Errorf("set-cookie: (-want +got)\n%s", diff)
			}
		})
	}
}

func TestFailedRequests(t *testing.T) {
	elsewhere, _ := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed to another host") })
	for name, test := range map[string]struct {
		function string
		answer   http.HandlerFunc
		rebound  bool
		want     string // in the error
	}{
		"503 comes back later":           {"post", status(503, "try later"), true, "503 Service Unavailable: try later"},
		"429 comes back later":           {"post", status(429, ""), true, "429"},
		"400 is final":                   {"post", status(400, "no such field"), false, "400 Bad Request: no such field"},
		"304 is final":                   {"get", status(304, ""), false, "304"},
		"a broken connection comes back": {"post", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true, "EOF"},
		"JSON that is none is final": {"post", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, "<html>")
		}, false, "is not: <html>"},
		"an endless answer is final": {"post", func(w http.ResponseWriter, _ *http.Request) {
			for range 9 << 10 {
				_, _ = w.Write(make([]byte, 1<<10))
			}
		}, false, "larger than"},
		"a POST isn't redirected":                {"post", redirect("/other"), false, "307"},
		"a GET isn't redirected to another host": {"get", redirect(elsewhere), false, "307"},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := serve(t, test.answer)
			got := open(t, test.function, `{"uri":"`+address+`/x?key=hidden","secret":"s3"}`).Process(t, componenttest.Message(`{}`))
			if got.Err == nil {
				t.Fatal("no error")
			}
			if component.IsRebound(got.Err) != test.rebound {
				t.Errorf("got %v; comes back: %v, want %v", got.Err, !test.rebound, test.rebound)
			}
			if !strings.Contains(got.Err.Error(), test.want) || strings.Contains(got.Err.Error(), "hidden") {
				t.Errorf("got %q; want %q in it, and no query", got.Err, test.want)
			}
		})
	}
}

func status(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusTemporaryRedirect) }
}

func TestCheck(t *testing.T) {
	for data, want := range map[string]string{
		`{"uri":"https://example.com/a"}`: ``,
		`{}`:                              `data.uri: missing: the address to send to`,
		`{"uri":5}`:                       `data.uri: expected a string, found a number`,
		`{"uri":"example.com"}`:           `data.uri: "example.com" is no http or https URL`,
		`{"uri":"http://a b"}`:            `data.uri: "http://a b" is no URL`,
		`{"uri":"http://example.com","method":"TELEPORT"}`: `data.method: unknown method "TELEPORT"; known: GET, POST, PUT, PATCH, DELETE`,
	} {
		var got []string
		for _, p := range webhook.Component().Check("post", raw(data)) {
			got = append(got, p.String())
		}
		if diff := cmp.Diff(want, strings.Join(got, "\n")); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", data, diff)
		}
		_, err := componenttest.New(webhook.Component().Functions["post"], componenttest.Options{Config: data})
		if (err == nil) != (want == "") {
			t.Errorf("open with %s: got %v", data, err)
		}
	}
	if got := webhook.Component().Check("receive", nil); got != nil {
		t.Errorf("receive: got %v", got)
	}
}
