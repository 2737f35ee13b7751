// Package api is the platform API that components call over HTTP (contract.md section 4): step information, renewed account keys, the data of
// startup hooks, files, secrets and snapshots. Each step has credentials of its own, for Basic or Bearer authentication, and reaches just what is
// its own.
//
// It leaves to others: listening, which steps there are (Update), and where documents and files are kept (Documents, Objects).
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

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
	Objects    Objects               // files of components; nil for none
	Logger     *slog.Logger          // required
	Registerer prometheus.Registerer // of the metrics; nil for none

	BodyBytesMax   int   // largest document that a component may store; default 1 MiB
	ObjectBytesMax int64 // largest file; default 100 MiB

	// PieceTimeout is how long a sender or a receiver may rest in the middle of a body; default 30 s.
	PieceTimeout time.Duration
}

// DefaultOptions returns what an empty Options means. Documents and Logger remain to be set.
func DefaultOptions() Options {
	return Options{BodyBytesMax: 1 << 20, ObjectBytesMax: 100 << 20, PieceTimeout: 30 * time.Second}
}

func (o *Options) validate() error {
	if o.BodyBytesMax == 0 {
		o.BodyBytesMax = DefaultOptions().BodyBytesMax
	}
	if o.ObjectBytesMax == 0 {
		o.ObjectBytesMax = DefaultOptions().ObjectBytesMax
	}
	if o.PieceTimeout <= 0 {
		o.PieceTimeout = DefaultOptions().PieceTimeout
	}
	switch {
	case o.ObjectBytesMax < 0:
		return fmt.Errorf("api options: ObjectBytesMax: %d is negative", o.ObjectBytesMax)
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
	key      atomic.Pointer[[]byte] // of signed addresses; nil until it's needed
}

var _ http.Handler = (*API)(nil)

// Prefixes are where an API wants to be mounted. Mount does it.
func Prefixes() []string {
	return []string{"/v1/", "/v2/", "/sailor-support/", "/objects", "/objects/", storagePath, "/secrets/", "/snapshots/"}
}

// Mount puts a in front of other: it gets what is below its prefixes as it came. A http.ServeMux would redirect paths such as a//b or a/../b,
// which no component means.
func Mount(a, other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, prefix := range Prefixes() {
			if r.URL.Path == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(r.URL.Path, prefix) {
				a.ServeHTTP(w, r)
				return
			}
		}
		other.ServeHTTP(w, r)
	})
}

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

	// An object in place of a body.
	object  store.Object
	content io.Reader
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
	r.Body = newSteady(w, r, a.opts.PieceTimeout)
	route, res := a.serve(r)
	a.requests.WithLabelValues(route, strconv.Itoa(res.status)).Inc()
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(a.opts.PieceTimeout)) // a long upload has used up the server's
	if res.content != nil {
		a.writeObject(w, r, res)
		return
	}
	h.Set("Content-Type", "application/json")
	if res.allow != "" {
		h.Set("Allow", res.allow)
	}
	if res.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="leat", charset="UTF-8"`)
	}
	w.WriteHeader(res.status)
	w.Write(res.body) // an error means that the client has gone
}

// serve also names the route, for the metrics.
func (a *API) serve(r *http.Request) (string, answer) {
	if strings.HasPrefix(r.URL.Path, storagePath) {
		res, err := a.serveStorage(r)
		if err != nil {
			res = a.failed(r, nil, err)
		}
		return "storage", res
	}
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
		if !ok || known.objects && a.opts.Objects == nil {
			continue
		}
		if known.check != nil {
			if res := known.check(s, ids); res.status != 0 {
				return known.name, res
			}
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

// failed is where an error becomes an answer; s may be nil.
func (a *API) failed(r *http.Request, s *step, err error) answer {
	tooLarge, bad := new(http.MaxBytesError), badRequest{}
	switch {
	case errors.As(err, &tooLarge):
		return refusal(http.StatusRequestEntityTooLarge, "body: more than the limit of %d bytes", tooLarge.Limit)
	case errors.Is(err, errSlow):
		return refusal(http.StatusRequestTimeout, "%v", errSlow)
	case errors.As(err, &bad):
		return refusal(http.StatusBadRequest, "%s", bad.text)
	case errors.Is(err, store.ErrNoObject):
		return refusal(http.StatusNotFound, "%v", store.ErrNoObject)
	case errors.Is(err, store.ErrObjectsFull):
		a.opts.Logger.Error("object storage is full")
		return refusal(http.StatusInsufficientStorage, "%v", store.ErrObjectsFull)
	}
	if r.Context().Err() == nil {
		logger := a.opts.Logger
		if s != nil { // else the path is a signed address, which gives access
			logger = logger.With("flow", s.Flow, "step", s.ID, "path", r.URL.Path)
		}
		logger.Error("answer component", "err", err)
	}
	return refusal(http.StatusInternalServerError, "can't answer now, the platform's log says why")
}

// badRequest is an error of the client.
type badRequest struct{ text string }

func (b badRequest) Error() string { return b.text }
