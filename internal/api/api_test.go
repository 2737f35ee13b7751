package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/store"
)

// documents is a store in memory.
type documents struct {
	mu  sync.Mutex // guards all
	all map[store.Key]json.RawMessage
	err error // of every call
}

func (d *documents) Get(_ context.Context, key store.Key) (json.RawMessage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all[key], d.err
}

func (d *documents) Update(_ context.Context, key store.Key, change func(json.RawMessage) (json.RawMessage, error)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	next, err := change(d.all[key])
	switch {
	case err != nil:
		return err
	case next == nil:
		delete(d.all, key)
	default:
		d.all[key] = next
	}
	return nil
}

func newAPI(t testing.TB) (*api.API, *documents) {
	t.Helper()
	docs := &documents{all: make(map[store.Key]json.RawMessage)}
	a, err := api.New(api.Options{Documents: docs, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	a.Update([]api.Step{
		{Namespace: "flows", Flow: "f1", ID: "step_1", Component: "elasticio/timer:1", Function: "timer", User: "f1.step_1", Key: "key-1",
			Config: json.RawMessage(`{"interval":"minute","_account":"acc-1","user":"old"}`), Variables: map[string]string{"k": "v"}},
		{Namespace: "flows", Flow: "f1", ID: "mapper:step_1:step_2", Component: "elasticio/mapper:1", Function: "jsonataMap", User: "f1.mapper", Key: "key-2",
			Passthrough: true},
		{Namespace: "other", Flow: "f1", ID: "step_1", Component: "c", Function: "f", User: "other.f1.step_1", Key: "key-3", Config: json.RawMessage(`null`)},
		{Namespace: "flows", Flow: "nokey", ID: "step_1", User: "nokey", Key: ""},
	})
	return a, docs
}

// request as step_1 of f1, unless change says otherwise.
func request(method, target, body string, change ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.SetBasicAuth("f1.step_1", "key-1")
	for _, c := range change {
		c(r)
	}
	return r
}

func basic(user, key string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, key) }
}

func authorization(text string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", text) }
}

func serve(t *testing.T, a *api.API, r *http.Request) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q", got)
	}
	if !json.Valid(w.Body.Bytes()) {
		t.Errorf("answer isn't JSON: %q", w.Body)
	}
	return w.Code, w.Body.String()
}

func TestStepInfo(t *testing.T) {
	const path = "/v1/tasks/f1/steps/step_1"
	const config = `"config":{"interval":"minute","_account":"acc-1","user":"old"}`
	const step1 = `{"id":"step_1","comp_id":"elasticio/timer:1","function":"timer","is_passthrough":false,"variables":{"k":"v"},`
	const mapper = `{"id":"mapper:step_1:step_2","comp_id":"elasticio/mapper:1","function":"jsonataMap","is_passthrough":true,"variables":{},"config":{}}`
	for name, test := range map[string]struct {
		request *http.Request
		want    string
	}{
		"with Basic authentication":  {request("GET", path, ""), step1 + config + `}`},
		"with Bearer authentication": {request("GET", path, "", authorization("bearer key-1")), step1 + config + `}`},
		"of the second version":      {request("GET", "/v2/tasks/f1/steps/step_1", ""), step1 + config + `}`},
		"ids with colons":            {request("GET", "/v1/tasks/f1/steps/mapper:step_1:step_2", "", basic("f1.mapper", "key-2")), mapper},
		"ids with escaped colons":    {request("GET", "/v1/tasks/f1/steps/mapper%3Astep_1%3Astep_2", "", basic("f1.mapper", "key-2")), mapper},
		"of another namespace's flow of that name": {request("GET", path, "", basic("other.f1.step_1", "key-3")),
			`{"id":"step_1","comp_id":"c","function":"f","is_passthrough":false,"variables":{},"config":{}}`},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := newAPI(t)
			status, body := serve(t, a, test.request)
			if status != 200 || body != test.want {
				t.Errorf("got %d %s\nwant %s", status, body, test.want)
			}
		})
	}
}

func TestStepInfoHoldsTheSnapshot(t *testing.T) {
	a, _ := newAPI(t)
	for _, sent := range [][2]string{{"snapshot", `{"a":1,"b":2}`}, {"updateSnapshot", `{"b":3}`}} {
		if err := a.StoreSnapshot(t.Context(), "flows", "f1", "step_1", sent[0], []byte(sent[1])); err != nil {
			t.Fatal(err)
		}
	}
	_, body := serve(t, a, request("GET", "/v1/tasks/f1/steps/step_1", ""))
	var got struct{ Snapshot map[string]int }
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"a": 1, "b": 3}, got.Snapshot); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
	_, body = serve(t, a, request("GET", "/v1/tasks/f1/steps/step_1", "", basic("other.f1.step_1", "key-3")))
	if strings.Contains(body, "snapshot") {
		t.Errorf("a step of the same name in another namespace sees it too: %s", body)
	}
}

func TestWrongRequestsAreRefused(t *testing.T) {
	const unauthorized = `wrong or missing credentials: send the step's own ELASTICIO_API_USERNAME and ELASTICIO_API_KEY`
	const forbidden = `these are the credentials of step "step_1" of flow "f1": it can read only its own configuration`
	const path = "/v1/tasks/f1/steps/step_1"
	large := strings.Repeat(" ", 1<<20+1)
	for name, test := range map[string]struct {
		request *http.Request
		status  int
		text    string
	}{
		"no credentials":           {request("GET", path, "", func(r *http.Request) { r.Header.Del("Authorization") }), 401, unauthorized},
		"wrong key":                {request("GET", path, "", basic("f1.step_1", "key-2")), 401, unauthorized},
		"wrong user":               {request("GET", path, "", basic("f1.mapper", "key-1")), 401, unauthorized},
		"no key":                   {request("GET", path, "", basic("nokey", "")), 401, unauthorized},
		"empty token":              {request("GET", path, "", authorization("Bearer ")), 401, unauthorized},
		"wrong token":              {request("GET", path, "", authorization("Bearer f1.step_1:key-1")), 401, unauthorized},
		"token as Basic":           {request("GET", path, "", authorization("Basic key-1")), 401, unauthorized},
		"unknown path and no key":  {request("GET", "/v1/secret", "", authorization("")), 401, unauthorized},
		"another step":             {request("GET", "/v1/tasks/f1/steps/mapper:step_1:step_2", ""), 403, forbidden},
		"another flow":             {request("GET", "/v1/tasks/f2/steps/step_1", ""), 403, forbidden},
		"an unknown step":          {request("GET", "/v1/tasks/f1/steps/nobody", ""), 403, forbidden},
		"another account":          {request("PUT", "/v1/accounts/acc-2", `{"keys":{}}`), 403, `step "step_1" can change only its own account, the one in _account of its data`},
		"no account":               {request("PUT", "/v1/accounts/acc-1", `{"keys":{}}`, basic("f1.mapper", "key-2")), 404, `step "mapper:step_1:step_2" has no account: its data has no _account`},
		"another flow's data":      {request("GET", "/sailor-support/hooks/task/f2/startup/data", ""), 403, `these are the credentials of step "step_1" of flow "f1": it can reach only its own flow`},
		"unknown path":             {request("GET", "/v1/tasks", ""), 404, "no such path"},
		"a path with dots":         {request("GET", "/v1/tasks/f1/steps/../steps/step_1", ""), 400, "bad path"},
		"a path with hidden dots":  {request("GET", "/v1/tasks/f1/steps/%2e%2e", ""), 400, "bad path"},
		"a path with hidden slash": {request("GET", "/v1/tasks/f1%2fsteps%2fstep_1", ""), 400, "bad path"},
		"a path with a backslash":  {request("GET", `/v1/tasks/f1/steps/..%5cstep_1`, ""), 400, "bad path"},
		"a path with two slashes":  {request("GET", "/v1/tasks//steps/step_1", ""), 400, "bad path"},
		"wrong method":             {request("POST", path, ""), 405, "method POST isn't allowed"},
		"keys that are no JSON":    {request("PUT", "/v1/accounts/acc-1", `{`), 400, "body: unexpected end of JSON input"},
		"no keys":                  {request("PUT", "/v1/accounts/acc-1", `{}`), 400, "body: expected an object in keys, found nothing"},
		"keys that are no object":  {request("PUT", "/v1/accounts/acc-1", `{"keys":[]}`), 400, "body: expected an object in keys, found an array"},
		"large keys":               {request("PUT", "/v1/accounts/acc-1", large), 413, "body: more than the limit of 1048576 bytes"},
		"large chunked data": {request("POST", "/sailor-support/hooks/task/f1/startup/data", large, func(r *http.Request) { r.ContentLength = -1 }),
			413, "body: more than the limit of 1048576 bytes"},
		"data that's no JSON": {request("POST", "/sailor-support/hooks/task/f1/startup/data", `{"a"}`), 400, `body: bad JSON: unexpected '}' at offset 4, expected a colon`},
	} {
		t.Run(name, func(t *testing.T) {
			a, docs := newAPI(t)
			status, body := serve(t, a, test.request)
			var got struct{ Error string }
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatal(err)
			}
			if status != test.status || got.Error != test.text {
				t.Errorf("got %d %s\nwant %d %s", status, got.Error, test.status, test.text)
			}
			if len(docs.all) != 0 {
				t.Errorf("something was stored: %v", docs.all)
			}
		})
	}
}

func TestRenewedKeysReplaceThoseOfTheConfig(t *testing.T) {
	a, _ := newAPI(t)
	status, body := serve(t, a, request("PUT", "/v1/accounts/acc-1", `{"keys":{"user":"new","token":"<t>"}}`))
	if status != 200 || body != `{"id":"acc-1"}` {
		t.Errorf("got %d %s", status, body)
	}
	_, body = serve(t, a, request("GET", "/v1/tasks/f1/steps/step_1", ""))
	var got struct{ Config map[string]string }
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"interval": "minute", "_account": "acc-1", "user": "new", "token": "<t>"}
	if diff := cmp.Diff(want, got.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

func TestStartupDataIsNeverInConflictNorEmpty(t *testing.T) {
	const path = "/sailor-support/hooks/task/f1/startup/data"
	a, docs := newAPI(t)
	for i, step := range []struct{ method, body, want string }{
		{"GET", "", `{}`},
		{"POST", `{"id":1}`, `{"id":1}`},
		{"GET", "", `{"id":1}`},
		{"POST", `{"id":2}`, `{"id":2}`},
		{"GET", "", `{"id":2}`},
		{"DELETE", "", `{}`},
		{"GET", "", `{}`},
		{"DELETE", "", `{}`},
		{"POST", "", `{}`},
		{"POST", "null", `{}`},
		{"POST", `"text"`, `"text"`},
	} {
		if status, body := serve(t, a, request(step.method, path, step.body)); status != 200 || body != step.want {
			t.Errorf("call %d, %s: got %d %s, want %s", i, step.method, status, body, step.want)
		}
	}
	if _, body := serve(t, a, request("GET", path, "", basic("f1.mapper", "key-2"))); body != `{}` {
		t.Errorf("another step sees %s", body)
	}
	want := map[store.Key]json.RawMessage{{Kind: store.StartupData, Namespace: "flows", Flow: "f1", Name: "step_1"}: json.RawMessage(`"text"`)}
	if diff := cmp.Diff(want, maps.Clone(docs.all)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func TestTroubleWithTheStoreTellsNothingToClients(t *testing.T) {
	a, docs := newAPI(t)
	docs.err = errors.New("password of the database is 123")
	for _, r := range []*http.Request{
		request("GET", "/v1/tasks/f1/steps/step_1", ""),
		request("PUT", "/v1/accounts/acc-1", `{"keys":{}}`),
		request("GET", "/sailor-support/hooks/task/f1/startup/data", ""),
		request("POST", "/sailor-support/hooks/task/f1/startup/data", ""),
		request("DELETE", "/sailor-support/hooks/task/f1/startup/data", ""),
	} {
		if status, body := serve(t, a, r); status != 500 || body != `{"error":"can't answer now, the platform's log says why"}` {
			t.Errorf("%s: got %d %s", r.Method, status, body)
		}
	}
}

func TestUpdateReplacesTheSteps(t *testing.T) {
	a, _ := newAPI(t)
	a.Update([]api.Step{{Namespace: "flows", Flow: "f2", ID: "s", User: "u", Key: "k"}})
	if status, _ := serve(t, a, request("GET", "/v1/tasks/f1/steps/step_1", "")); status != 401 {
		t.Errorf("credentials of a removed step get %d, want 401", status)
	}
	if status, _ := serve(t, a, request("GET", "/v1/tasks/f2/steps/s", "", basic("u", "k"))); status != 200 {
		t.Errorf("a new step gets %d, want 200", status)
	}
}

func BenchmarkStepInfo(b *testing.B) {
	a, _ := newAPI(b)
	r := request("GET", "/v1/tasks/f1/steps/step_1", "")
	b.ReportAllocs()
	for b.Loop() {
		a.ServeHTTP(httptest.NewRecorder(), r)
	}
}
