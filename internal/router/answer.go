package router

import (
	"net/http"
	"strconv"
)

// executionHeader tells the client the id of the execution that its request began.
const executionHeader = "X-Execution-Id"

const methods = "GET, HEAD, OPTIONS, POST"

// statusClientGone is counted, and never seen by anyone: 499 is what other servers use for it.
const statusClientGone = 499

// Values of headers, shared by all answers; net/http doesn't change them.
var (
	typeJSON = []string{"application/json"}
	noStore  = []string{"no-store"}
	bodyOK   = []byte(`{"status":"OK"}`)
)

// failure is an answer other than 200.
type failure struct {
	status int
	text   string // for a person
	retry  bool   // with the header Retry-After: the same request may do later
}

func (f *failure) Error() string { return f.text }

func unknown(id string) *failure {
	if id == "" {
		return &failure{status: http.StatusNotFound, text: "no flow named: use " + Prefix + "FLOW"}
	}
	return &failure{status: http.StatusNotFound, text: "unknown flow " + strconv.Quote(id)}
}

// refuse writes the answer f and counts it for t, which is nil for an unknown flow.
func (rt *Router) refuse(w http.ResponseWriter, t *target, f *failure) {
	h := w.Header()
	h["Content-Type"] = typeJSON
	h["Cache-Control"] = noStore
	if f.retry {
		h.Set("Retry-After", "1")
	}
	if f.status == http.StatusMethodNotAllowed {
		h.Set("Allow", methods)
	}
	body := appendText([]byte(`{"error":`), f.text)
	w.WriteHeader(f.status)
	w.Write(append(body, '}', '\n')) // an error means that the client has gone
	rt.metrics.count(t, f.status)
}
