// Package api is the platform API that components call over HTTP (contract.md section 4): step information, renewed account keys, and the data of
// startup hooks. Each step has credentials of its own, for Basic or Bearer authentication, and reaches just what is its own.
//
// It leaves to others: listening, which steps there are (Update), and where documents are kept (Documents).
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openintegrationhub/leat/internal/store"
)

// Documents keeps JSON documents. It's safe for concurrent use.
type Documents interface {
	// Get returns a document, nil if there's none.
	Get(ctx context.Context, key store.Key) (json.RawMessage, error)
	// Update replaces a document by what change makes of it, in one transaction. Both are nil for none; an error of change is returned
	// as it is, and changes nothing.
	Update(ctx context.Context, key store.Key, change func(json.RawMessage) (json.RawMessage, error)) error
}

// Options of an API.
type Options struct {
	Documents  Documents             // required
	Logger     *slog.Logger          // required
	Registerer prometheus.Registerer // of the metrics; nil for none

	BodyBytesMax int // largest document that a component may store; default 1 MiB
}

// DefaultOptions returns what an empty Options means. Documents and Logger remain to be set.
func DefaultOptions() Options { return Options{BodyBytesMax: 1 << 20} }

func (o *Options) validate() error {
	if o.BodyBytesMax == 0 {
		o.BodyBytesMax = DefaultOptions().BodyBytesMax
	}
	switch {
	case o.BodyBytesMax < 0:
		return fmt.Errorf("api options: BodyBytesMax: %d is negative", o.BodyBytesMax)
	case o.Documents == nil:
		return errors.New("api options: Documents: missing")
	case o.Logger == nil:
		return errors.New("api options: Logger: missing")
	}
	return nil
}

// Step is what the API tells a step about itself.
type Step struct {
	Namespace string
	Flow      string
	ID        string

	Component   string            // comp_id
	Function    string            //
	Config      json.RawMessage   // the node's data, a JSON object; nil for {}
	Passthrough bool              // is_passthrough
	Variables   map[string]string // of the flow

	User string // of its Basic authentication, without a colon
	Key  string // its password, and its bearer token; a step without one can't log in
}

// API is the http.Handler for the paths below Prefixes. It's safe for concurrent use.
type API struct {
	opts     Options
	accounts atomic.Pointer[accounts]
	routes   []route
	requests *prometheus.CounterVec
}

var _ http.Handler = (*API)(nil)

// Prefixes are where an API wants to be mounted. A http.ServeMux in front of it redirects paths such as a//b or a/../b by itself.
func Prefixes() []string { return []string{"/v1/", "/v2/", "/sailor-support/"} }

// New returns an API that knows no step until Update is called.
func New(opts Options) (*API, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	a := &API{opts: opts, routes: routes(), requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "leat_api_requests_total",
		Help: "Answered requests of components by route and status code.",
	}, []string{"route", "code"})}
	if opts.Registerer != nil {
		if err := opts.Registerer.Register(a.requests); err != nil {
			return nil, fmt.Errorf("register api metrics: %w", err)
		}
	}
	a.Update(nil)
	return a, nil
}

// Update replaces the steps that the API knows. Of steps with the same credentials the last one counts.
func (a *API) Update(steps []Step) {
	a.accounts.Store(newAccounts(steps))
}

// answer is what a request gets.
type answer struct {
	status int
	body   []byte // JSON
	allow  string // header Allow
}

// refusal is an answer with an error.
func refusal(status int, format string, args ...any) answer {
	text, err := json.Marshal(map[string]string{"error": fmt.Sprintf(format, args...)})
	if err != nil {
		panic(err) // texts always have a JSON form
	}
	return answer{status: status, body: text}
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	route, res := a.serve(r)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if res.allow != "" {
		h.Set("Allow", res.allow)
	}
	if res.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="leat", charset="UTF-8"`)
	}
	w.WriteHeader(res.status)
	w.Write(res.body) // an error means that the client has gone
	a.requests.WithLabelValues(route, strconv.Itoa(res.status)).Inc()
}

// serve also names the route, for the metrics.
func (a *API) serve(r *http.Request) (string, answer) {
	s := a.accounts.Load().find(r)
	if s == nil {
		a.opts.Logger.Debug("request without valid credentials", "path", r.URL.Path)
		return "", refusal(http.StatusUnauthorized, "wrong or missing credentials: send the step's own ELASTICIO_API_USERNAME and ELASTICIO_API_KEY")
	}
	path, ok := segments(r)
	if !ok {
		return "", refusal(http.StatusBadRequest, "bad path")
	}
	for _, known := range a.routes {
		ids, ok := known.match(path)
		if !ok {
			continue
		}
		if res := known.check(s, ids); res.status != 0 {
			return known.name, res
		}
		do, ok := known.methods[r.Method]
		if !ok {
			res := refusal(http.StatusMethodNotAllowed, "method %s isn't allowed", r.Method)
			res.allow = known.allow()
			return known.name, res
		}
		res, err := do(a, r, s, ids)
		if err != nil {
			return known.name, a.failed(r, s, err)
		}
		return known.name, res
	}
	return "", refusal(http.StatusNotFound, "no such path")
}

// failed is where an error becomes an answer.
func (a *API) failed(r *http.Request, s *step, err error) answer {
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return refusal(http.StatusRequestEntityTooLarge, "body: more than the limit of %d bytes", tooLarge.Limit)
	}
	if bad := (badRequest{}); errors.As(err, &bad) {
		return refusal(http.StatusBadRequest, "%s", bad.text)
	}
	if r.Context().Err() == nil {
		a.opts.Logger.Error("answer component", "flow", s.Flow, "step", s.ID, "path", r.URL.Path, "err", err)
	}
	return refusal(http.StatusInternalServerError, "can't answer now, the platform's log says why")
}

// badRequest is an error of the client.
type badRequest struct{ text string }

func (b badRequest) Error() string { return b.text }
