// Package router turns HTTP requests into messages for the first step of a flow (contract.md 3.4). It answers 200 only after the broker
// has confirmed the message, and everything else with a JSON body {"error": "..."}.
//
// It leaves to others: listening and its time-outs (the http.Server: with ReadTimeout set, a client that is too slow gets a 408), the
// connection to the broker (Publisher), and which flows there are (Update).
package router

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
)

// Publisher sends messages to the broker.
type Publisher interface {
	// Publish sends p and returns when the broker has confirmed it, or ctx is done. amqp.ErrUnavailable, amqp.ErrUnroutable and
	// amqp.ErrRefused mean that no queue has it; with any other error its fate is unknown. Publish doesn't change p, may keep p.Body
	// after it has returned, and is safe for concurrent use.
	Publish(ctx context.Context, vhost string, p amqp.Publishing) error
}

// Options of a Router.
type Options struct {
	Publisher  Publisher             // required
	Logger     *slog.Logger          // required
	Registerer prometheus.Registerer // of the metrics; nil for none

	BodyBytesMax   int           // largest body, after decompression; default 1 MiB, at most 8 MiB
	HeaderBytesMax int           // names and values of all headers, and the address, each; default 32 KiB
	RequestsMax    int           // requests being worked on at a time, more get a 503; default 4096
	Timeout        time.Duration // until the broker's confirm; default 10 s

	// Replies says that the caller feeds Reply, so that flows can answer requests: those with plan.Entry's HTTPReply always, others when
	// the client sends "Prefer: wait=SECONDS". Without it every request is answered once its message is accepted.
	Replies      bool
	ReplyTimeout time.Duration // longest wait for a reply; default 30 s
	ReplyStacks  bool          // errors of steps are answered with their stacks, for development
	Instance     string        // name of this router among several, of letters, digits and dashes; default random
}

// DefaultOptions returns what an empty Options means. Publisher and Logger remain to be set.
func DefaultOptions() Options {
	return Options{BodyBytesMax: 1 << 20, HeaderBytesMax: 32 << 10, RequestsMax: 4096, Timeout: 10 * time.Second, ReplyTimeout: 30 * time.Second,
		Instance: strings.ToLower(rand.Text())}
}

// bodyBytesLimit leaves room for a request's headers within the limit of an encoded message. A form grows when it becomes JSON, and
// what then is too large gets a 413.
const bodyBytesLimit = message.BytesMax - 2<<20

func (o *Options) validate() error {
	d := DefaultOptions()
	for _, f := range []struct {
		name  string
		value *int
		def   int
		max   int
	}{
		{"BodyBytesMax", &o.BodyBytesMax, d.BodyBytesMax, bodyBytesLimit},
		{"HeaderBytesMax", &o.HeaderBytesMax, d.HeaderBytesMax, 256 << 10},
		{"RequestsMax", &o.RequestsMax, d.RequestsMax, 1 << 20},
	} {
		if *f.value == 0 {
			*f.value = f.def
		}
		if *f.value < 0 || *f.value > f.max {
			return fmt.Errorf("router options: %s: %d isn't between 1 and %d", f.name, *f.value, f.max)
		}
	}
	if o.Timeout == 0 {
		o.Timeout = d.Timeout
	}
	if o.ReplyTimeout == 0 {
		o.ReplyTimeout = d.ReplyTimeout
	}
	if o.Instance == "" {
		o.Instance = d.Instance
	}
	switch {
	case len(o.Instance) > 64 || strings.Trim(o.Instance, instanceChars) != "":
		return fmt.Errorf("router options: Instance: %q isn't of at most 64 letters, digits and dashes", o.Instance)
	case o.ReplyTimeout < 0:
		return fmt.Errorf("router options: ReplyTimeout: %v is negative", o.ReplyTimeout)
	case o.Timeout < 0:
		return fmt.Errorf("router options: Timeout: %v is negative", o.Timeout)
	case o.Publisher == nil:
		return errors.New("router options: Publisher: missing")
	case o.Logger == nil:
		return errors.New("router options: Logger: missing")
	}
	return nil
}

const instanceChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

// Router is an http.Handler for /flow/FLOW, and /flow/FLOW.NAMESPACE where two namespaces have a flow of that name. More path after it
// reaches the flow as additionalUrlPath. It's safe for concurrent use.
type Router struct {
	opts    Options
	metrics *metrics
	table   atomic.Pointer[table]
	working atomic.Int64
	stopped atomic.Bool
	buffers sync.Pool // of *buffers
	replies *replies

	deadlines deadlines
}

var _ http.Handler = (*Router)(nil)

// New returns a router that knows no flow until Update is called.
func New(opts Options) (*Router, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	rt := &Router{opts: opts, buffers: sync.Pool{New: func() any { return new(buffers) }}, replies: newReplies(opts.Instance),
		deadlines: deadlines{timeout: opts.Timeout}}
	m, err := newMetrics(opts.Registerer, func() float64 { return float64(rt.working.Load()) })
	if err != nil {
		return nil, err
	}
	rt.metrics = m
	rt.Update(nil)
	return rt, nil
}

// Update replaces the flows that the router knows, and those that it knows to exist and can't serve. Requests under way finish with what they found.
func (rt *Router) Update(entries []plan.Entry, refusals ...Refusal) {
	next := newTable(entries, refusals, rt.metrics, rt.opts.Logger)
	rt.metrics.forget(rt.table.Swap(next), next)
}

// Refusal is a flow that exists and takes no requests now, whatever its first step is.
type Refusal struct {
	Namespace, Flow string
	Reason          string // for the client: what is wrong with the flow, in a sentence without its name
	Soon            bool   // it will: the client gets a 503 and should come again, else a 409
}

// Stop makes the router answer further requests with 503, so that clients and load balancers go elsewhere or come again. Requests under way
// finish.
func (rt *Router) Stop() { rt.stopped.Store(true) }

// ServeHTTP answers one request.
func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	defer rt.working.Add(-1)
	if rt.working.Add(1) > int64(rt.opts.RequestsMax) {
		rt.refuse(w, nil, &failure{status: http.StatusServiceUnavailable, text: "too many requests at a time", retry: true})
		return
	}
	if rt.stopped.Load() {
		w.Header().Set("Connection", "close")
		rt.refuse(w, nil, &failure{status: http.StatusServiceUnavailable, text: "shutting down: nothing was accepted, try again", retry: true})
		return
	}
	id, extra := split(r)
	t := rt.table.Load().find(id)
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		rt.serveOther(w, r, t, id)
		return
	}
	if t == nil {
		rt.refuse(w, nil, unknown(id))
		return
	}
	if wait := rt.waitFor(r, t); wait > 0 {
		rt.serveReply(w, r, t, extra, wait)
		return
	}
	execution, err := rt.accept(r, t, extra, "")
	if err != nil {
		rt.refuse(w, t, rt.failureOf(r, err))
		return
	}
	h := w.Header()
	h["Content-Type"] = typeJSON
	h["Cache-Control"] = noStore
	h[executionHeader] = []string{execution}
	w.Write(bodyOK) // an error means that the client has gone, after its message was taken
	t.ok.Inc()
	rt.metrics.seconds.Observe(time.Since(begin).Seconds())
}

// serveReply answers a request with what its flow says.
func (rt *Router) serveReply(w http.ResponseWriter, r *http.Request, t *target, extra string, wait time.Duration) {
	key, first := rt.replies.expect()
	defer rt.replies.forget(key)
	execution, err := rt.accept(r, t, extra, key)
	if err != nil {
		rt.refuse(w, t, rt.failureOf(r, err))
		return
	}
	h := w.Header()
	h[executionHeader] = []string{execution}
	res, err := rt.await(r, t, first, wait)
	if err != nil {
		rt.refuse(w, t, rt.failureOf(r, err))
		return
	}
	h["Cache-Control"] = noStore
	res.write(w)
	rt.metrics.count(t, res.status)
}

// accept makes a message of the request and hands it to the broker. It returns the id of the execution that begins. ReplyTo is the routing
// key of a reply, "" for none.
func (rt *Router) accept(r *http.Request, t *target, extra, replyTo string) (string, error) {
	if t.refuse != nil {
		return "", t.refuse
	}
	buf := rt.buffers.Get().(*buffers)
	defer rt.release(buf)
	p, err := rt.publishing(r, t, extra, buf)
	if err != nil {
		return "", err
	}
	if replyTo != "" {
		p.Headers[message.HeaderReplyTo] = replyTo
	}
	if err := rt.opts.Publisher.Publish(rt.deadlines.context(time.Now()), t.entry.VHost, p); err != nil {
		return "", err
	}
	return p.Headers.Text(message.HeaderTraceID), nil
}

// serveOther answers methods that bring no message. HEAD tells whether a GET would find its flow, without sending anything: it's what link
// checkers use.
func (rt *Router) serveOther(w http.ResponseWriter, r *http.Request, t *target, id string) {
	switch {
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", methods)
		w.WriteHeader(http.StatusNoContent)
	case r.Method != http.MethodHead:
		rt.refuse(w, t, &failure{status: http.StatusMethodNotAllowed, text: "method " + r.Method + " isn't allowed: use GET or POST"})
	case t == nil:
		rt.refuse(w, t, unknown(id))
	case t.refuse != nil:
		rt.refuse(w, t, t.refuse)
	default:
		w.Header()["Content-Type"] = typeJSON
		w.WriteHeader(http.StatusOK)
	}
}

// failureOf is where an error becomes an answer.
func (rt *Router) failureOf(r *http.Request, err error) *failure {
	var f *failure
	var tooLarge *http.MaxBytesError
	const unavailable = http.StatusServiceUnavailable
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, amqp.ErrUnavailable):
		return &failure{status: unavailable, text: "the message broker is not available: nothing was accepted, try again", retry: true}
	case errors.Is(err, amqp.ErrUnroutable):
		return &failure{status: unavailable, text: "the flow isn't ready to take messages: nothing was accepted, try again", retry: true}
	case errors.Is(err, amqp.ErrRefused):
		return &failure{status: unavailable, text: "the message broker takes no more messages for this flow now: nothing was accepted, try again",
			retry: true}
	case errors.As(err, &tooLarge): // a limit set outside, for instance by http.MaxBytesHandler
		return &failure{status: http.StatusRequestEntityTooLarge, text: "body: more than the limit of " + fmt.Sprint(tooLarge.Limit) + " bytes"}
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{status: http.StatusGatewayTimeout, text: "no confirm from the message broker within " + rt.opts.Timeout.String() +
			": the message may or may not have been accepted"}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &failure{status: http.StatusRequestTimeout, text: "the body didn't arrive in time"}
	case errors.Is(r.Context().Err(), context.Canceled):
		return &failure{status: statusClientGone, text: "the client has gone"}
	}
	rt.opts.Logger.Warn("can't tell whether the broker took a message", "path", r.URL.Path, "err", err)
	return &failure{status: unavailable, text: "the connection to the message broker was lost: the message may or may not have been accepted",
		retry: true}
}

// split returns the name of the flow and the path after it, "" or beginning with a slash, as it stands in the address.
func split(r *http.Request) (id, extra string) {
	path := r.URL.Path
	if r.URL.RawPath != "" {
		path = r.URL.EscapedPath()
	}
	path, found := strings.CutPrefix(path, Prefix)
	if !found {
		return "", ""
	}
	if i := strings.IndexByte(path, '/'); i >= 0 {
		path, extra = path[:i], path[i:]
	}
	if extra == "/" {
		extra = ""
	}
	return path, extra
}

// Prefix is where a Router wants to be mounted.
const Prefix = "/flow/"
