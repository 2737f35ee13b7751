package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/store"
)

var _ api.Objects = (*store.Store)(nil)

// files is an API with a store behind it, on a server: limits of time and size are the connection's.
type files struct {
	*httptest.Server
	t     *testing.T
	store *store.Store
	log   *bytes.Buffer
}

// Keys of three steps: two of one flow, and one of a flow of the same name in another namespace.
const one, two, other = "key-1", "key-2", "key-3"

func newFiles(t *testing.T) *files {
	t.Helper()
	f := &files{t: t, log: new(bytes.Buffer)}
	logger := slog.New(slog.NewTextHandler(f.log, nil))
	var err error
	if f.store, err = store.New(store.Options{Database: filepath.Join(t.TempDir(), "db"), Logger: logger}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.store.Close() })
	a, err := api.New(api.Options{Documents: f.store, Objects: f.store, Logger: logger, ObjectBytesMax: 1 << 20, PieceTimeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	a.Update([]api.Step{
		{Namespace: "flows", Flow: "f", ID: "one", User: "one", Key: one, Config: json.RawMessage(`{"secretId":"bank"}`)},
		{Namespace: "flows", Flow: "f", ID: "two", User: "two", Key: two},
		{Namespace: "other", Flow: "f", ID: "one", User: "other", Key: other, Config: json.RawMessage(`{"secretId":"bank"}`)},
	})
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }) // not the API's
	mux.Handle("/api/secrets/", api.NewSecretAPI(f.store, logger))
	f.Server = httptest.NewServer(api.Mount(a, mux))
	t.Cleanup(f.Close)
	return f
}

// do sends a request with a step's key, "" for none.
func (f *files) do(method, target, key string, body io.Reader) (int, string, http.Header) {
	f.t.Helper()
	if !strings.HasPrefix(target, "http") {
		target = f.URL + target
	}
	r, err := http.NewRequestWithContext(f.t.Context(), method, target, body)
	if err != nil {
		f.t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := f.Client().Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return response.StatusCode, string(text), response.Header
}

// put stores an object and returns its id.
func (f *files) put(path, key, body string) string {
	f.t.Helper()
	code, text, _ := f.do("POST", path, key, strings.NewReader(body))
	var answer struct{ ObjectID string }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || code != http.StatusCreated || answer.ObjectID == "" {
		f.t.Fatalf("POST %s: %d %s", path, code, text)
	}
	return answer.ObjectID
}

func TestObjectsOfAFlowAreItsOwn(t *testing.T) {
	f := newFiles(t)
	id := f.put("/objects", one, "hello")
	f.put("/objects/", one, "with a slash, as the JVM library has it")
	for _, step := range []struct {
		method, key, body string
		code              int
		text              string
	}{
		{"GET", one, "", 200, "hello"},
		{"GET", two, "", 200, "hello"},
		{"HEAD", two, "", 200, ""},
		{"GET", other, "", 404, `{"error":"no such object"}`},
		{"GET", "", "", 401, ""},
		{"GET", "wrong", "", 401, ""},
		{"PUT", two, "mine", 403, ""},
		{"PUT", other, "mine", 404, ""},
		{"DELETE", two, "", 403, ""},
		{"GET", one, "", 200, "hello"},
		{"PUT", one, "changed", 200, ""},
		{"GET", two, "", 200, "changed"},
		{"DELETE", other, "", 200, "{}"}, // which says nothing about whether there is one
		{"GET", one, "", 200, "changed"},
		{"DELETE", one, "", 200, "{}"},
		{"GET", one, "", 404, ""},
		{"PUT", one, "again", 404, ""},
		{"PATCH", one, "", 405, ""},
	} {
		code, text, header := f.do(step.method, "/objects/"+id, step.key, strings.NewReader(step.body))
		if code != step.code || step.text != "" && text != step.text {
			t.Errorf("%s as %q: %d %s, want %d %s", step.method, step.key, code, text, step.code, step.text)
		}
		if code == 200 && step.method == "GET" && (header.Get("Content-Security-Policy") != "sandbox" || header.Get("X-Content-Type-Options") != "nosniff") {
			t.Errorf("a browser may run it: %v", header)
		}
	}
}

func TestTooLargeBodiesAreRefused(t *testing.T) {
	f := newFiles(t)
	large := func() io.Reader { return io.LimitReader(zeros{}, 100<<20) }
	known := bytes.NewReader(make([]byte, 1<<20+1))
	for name, test := range map[string]struct {
		method, path string
		body         io.Reader
	}{
		"an object of a known length":   {"POST", "/objects", known},
		"an object of unknown length":   {"POST", "/objects", io.LimitReader(zeros{}, 1<<20+1)},
		"a document of 100 MB":          {"PUT", "/sailor-support/hooks/task/f/startup/data", large()},
		"startup data of 100 MB":        {"POST", "/sailor-support/hooks/task/f/startup/data", large()},
		"a secret of 100 MB":            {"PUT", "/api/secrets/a", large()},
		"a request for a pair of 100MB": {"POST", "/v2/resources/storage/signed-url", large()},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), test.method, f.URL+test.path, test.body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+one)
			response, err := f.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			want := http.StatusRequestEntityTooLarge
			switch {
			case strings.Contains(test.path, "signed-url"): // its body doesn't matter, and isn't read
				want = http.StatusOK
			case test.method == "PUT" && strings.Contains(test.path, "startup"):
				want = http.StatusMethodNotAllowed
			}
			if response.StatusCode != want {
				t.Errorf("got %d, want %d", response.StatusCode, want)
			}
		})
	}
}

// zeros is without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A sender that rests gets an answer, and leaves nothing.
func TestASlowSenderIsToldSo(t *testing.T) {
	f := newFiles(t)
	for _, target := range []string{"POST /objects", "POST /sailor-support/hooks/task/f/startup/data"} {
		conn, err := net.Dial("tcp", f.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\nonly this", target, one)
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") || !strings.Contains(string(answer), "the body didn't arrive in time") {
			t.Errorf("%s: %v, %s", target, err, answer)
		}
	}
}

// A sender that goes on isn't slow, however long it takes.
func TestASteadySenderIsNotSlow(t *testing.T) {
	f := newFiles(t)
	reader, writer := io.Pipe()
	go func() {
		for range 8 {
			<-time.After(50 * time.Millisecond)
			writer.Write([]byte("piece "))
		}
		writer.Close()
	}()
	code, text, _ := f.do("POST", "/objects", one, reader)
	if code != http.StatusCreated || !strings.Contains(text, `"contentLength":48`) {
		t.Errorf("got %d %s", code, text)
	}
}

func TestPathTricksLeadNowhere(t *testing.T) {
	f := newFiles(t)
	id := f.put("/objects", one, "hello")
	for path, want := range map[string]int{
		"/objects/../v1/tasks/f/steps/one":    400,
		"/objects/" + id + "/../" + id:        400,
		"/objects/%2e%2e/" + id:               400,
		"/objects/..%2f" + id:                 400,
		"/objects/" + id + "%2f..%2f" + id:    400,
		"/objects//" + id:                     400,
		"/objects/" + id + "/":                400,
		"/objects/%00":                        400,
		"/objects/" + id + "%5c":              400,
		"/objects/" + strings.Repeat("x", 9):  404,
		"/v1/../objects/" + id:                400,
		"/v1/tasks/f/steps/../../f/steps/two": 400,
		"/v1/tasks/f/steps/two":               403,
		"/v1/tasks/f/steps/one%2f..%2ftwo":    400,
		"/snapshots/flows/f/steps/two":        403,
		"/snapshots/flows/f/steps/one":        404, // none yet
		"/secrets/other":                      403,
		"/secrets/bank%2f..":                  400,
		"/storage/":                           403,
		"/storage/..%2fobjects":               403,
		"/storage/x.y":                        403,
	} {
		conn, err := net.Dial("tcp", f.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n", path, one)
		answer, err := io.ReadAll(conn)
		conn.Close()
		if err != nil || !strings.HasPrefix(string(answer), fmt.Sprintf("HTTP/1.1 %d ", want)) || strings.Contains(string(answer), "hello") {
			t.Errorf("%s: %v, %s, want %d", path, err, answer, want)
		}
	}
}

func TestSignedAddressesNeedNoCredentials(t *testing.T) {
	f := newFiles(t)
	for _, path := range []string{"/v1/resources/storage/signed-url", "/v2/resources/storage/signed-url", "/v1/resources/s3/signed-url"} {
		code, text, _ := f.do("POST", path, one, nil)
		var pair struct {
			Put     string `json:"put_url"`
			Get     string `json:"get_url"`
			Expires int
		}
		if err := json.Unmarshal([]byte(text), &pair); err != nil || code != 200 || pair.Expires != 3600 {
			t.Fatalf("%s: %d %s", path, code, text)
		}
		for _, step := range []struct {
			method, target, body string
			code                 int
			text                 string
		}{
			{"GET", pair.Get, "", 404, ""},
			{"PUT", pair.Put, "attachment", 200, ""},
			{"GET", pair.Get, "", 200, "attachment"},
			{"HEAD", pair.Get, "", 200, ""},
			{"PUT", pair.Get, "overwritten", 405, ""},
			{"GET", pair.Put, "", 405, ""},
			{"DELETE", pair.Put, "", 405, ""},
			{"GET", pair.Get + "x", "", 403, ""},
			{"GET", strings.Replace(pair.Get, "/storage/", "/storage/x", 1), "", 403, ""},
			{"GET", pair.Get[:strings.LastIndexByte(pair.Get, '.')], "", 403, ""},
			{"GET", pair.Get, "", 200, "attachment"},
		} {
			if code, text, _ := f.do(step.method, step.target, "", strings.NewReader(step.body)); code != step.code || step.text != "" && text != step.text {
				t.Errorf("%s %s: %d %s, want %d %s", step.method, step.target, code, text, step.code, step.text)
			}
		}
		if strings.Contains(f.log.String(), "/storage/") {
			t.Errorf("the log gives access: %s", f.log)
		}
	}
	if code, text, _ := f.do("POST", "/v2/resources/storage/signed-url", "", nil); code != 401 {
		t.Errorf("without credentials: %d %s", code, text)
	}
}

func TestSecretsAreReadByTheirStepsAndByNobodyElse(t *testing.T) {
	f := newFiles(t)
	const credentials = `{"user":"me","password":"12345"}`
	for _, step := range []struct {
		method, path, key, body string
		code                    int
		text                    string
	}{
		{"GET", "/secrets/bank", one, "", 404, `{"error":"nobody has stored the secret \"bank\" in namespace \"flows\""}`},
		{"PUT", "/api/secrets/bank?namespace=flows", "", `[1]`, 400, `{"error":"body: expected a JSON object of credentials"}`},
		{"PUT", "/api/secrets/b%20k?namespace=flows", "", credentials, 400, `{"error":"id: expected 1 to 128 of A-Z a-z 0-9 _ . -"}`},
		{"PUT", "/api/secrets/bank?namespace=flows", "", credentials, 200, `{"id":"bank","namespace":"flows"}`},
		{"GET", "/api/secrets/bank?namespace=flows", "", "", 405, ""},
		{"GET", "/v2/workspaces/w/secrets/bank", one, "", 200,
			`{"data":{"attributes":{"name":"bank","credentials":{"user":"me","password":"12345"}},"id":"bank","type":"secret"}}`},
		{"POST", "/v2/workspaces/w/secrets/bank/refresh", one, "", 200,
			`{"data":{"attributes":{"name":"bank","credentials":{"user":"me","password":"12345"}},"id":"bank","type":"secret"}}`},
		{"GET", "/secrets/bank", one, "", 200,
			`{"data":{"_id":"bank","name":"bank","type":"MIXED","value":{"payload":"{\"user\":\"me\",\"password\":\"12345\"}"}}}`},
		{"GET", "/secrets/bank", two, "", 404, `{"error":"step \"two\" has no secret: its data has no secretId"}`},
		{"GET", "/secrets/bank", other, "", 404, `{"error":"nobody has stored the secret \"bank\" in namespace \"other\""}`},
		{"GET", "/secrets/other", one, "", 403, ""},
		{"DELETE", "/api/secrets/bank?namespace=flows", "", "", 200, ""},
		{"GET", "/v2/workspaces/w/secrets/bank", one, "", 404, ""},
	} {
		code, text, _ := f.do(step.method, step.path, step.key, strings.NewReader(step.body))
		if text = strings.TrimSpace(text); code != step.code || step.text != "" && text != step.text {
			t.Errorf("%s %s: %d %s, want %d %s", step.method, step.path, code, text, step.code, step.text)
		}
	}
}

func TestFerrymanReadsItsSnapshot(t *testing.T) {
	f := newFiles(t)
	key := store.Key{Kind: store.Snapshot, Namespace: "flows", Flow: "f", Name: "one"}
	if err := f.store.Update(t.Context(), key, func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage(`{"a":1}`), nil }); err != nil {
		t.Fatal(err)
	}
	if code, text, _ := f.do("GET", "/snapshots/flows/f/steps/one", one, nil); code != 200 || text != `{"data":{"a":1}}` {
		t.Errorf("got %d %s", code, text)
	}
}
