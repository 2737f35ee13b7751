// Package management is RabbitMQ's management HTTP API on top of the embedded broker: as much of it as operators and tools need, with
// the same paths, JSON fields and status codes as RabbitMQ 3.10. It has no pages for people.
//
// What a user asks for is done with that user's own permissions, over an AMQP connection in memory, as RabbitMQ does it.
package management

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/openintegrationhub/leat/internal/broker"
)

// Options of the API. The zero value works.
type Options struct {
	// Logger takes failures that are nobody's mistake; nil is none.
	Logger *slog.Logger
	// Node is the name that the broker gives itself; default leat@localhost.
	Node string
	// Listeners are told by the overview and asked by health checks.
	Listeners []Listener
	// BodyMax bounds a request's body in bytes; default 20 MiB, which is RabbitMQ's.
	BodyMax int64
}

// Listener is where the broker takes clients.
type Listener struct {
	Protocol string // amqp, amqp/ssl, http
	Addr     net.Addr
}

// New returns the API's handler. Users log in by Basic authentication; tags decide what they may ask:
// management for what is in their virtual hosts, monitoring for all connections, administrator for accounts and virtual hosts.
func New(b *broker.Broker, opts Options) http.Handler {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Node == "" {
		opts.Node = "leat@localhost"
	}
	if opts.BodyMax == 0 {
		opts.BodyMax = 20 << 20
	}
	a := &api{broker: b, opts: opts, mux: http.NewServeMux()}
	a.routes()
	return a
}

type api struct {
	broker *broker.Broker
	opts   Options
	mux    *http.ServeMux
}

func (a *api) routes() {
	for _, routes := range []map[string]route{a.accountRoutes(), a.objectRoutes(), a.messageRoutes(), a.clientRoutes(), a.statusRoutes(), a.policyRoutes(), a.definitionRoutes()} {
		for pattern, route := range routes {
			a.mux.Handle(pattern, a.handler(route))
		}
	}
}

// hidden ends path segments that http.ServeMux would take for structure rather than for a name.
const hidden = "\x00"

// ServeHTTP takes paths with and without a slash at the end, and names such as "/", ".." and the empty one.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	segments := strings.Split(strings.TrimSuffix(r.URL.EscapedPath(), "/"), "/")
	for i, segment := range segments {
		switch name, err := url.PathUnescape(segment); {
		case err != nil:
			write(w, http.StatusBadRequest, badRequest(err.Error()))
			return
		case i > 0 && (name == "" || name == "/" || name == "." || name == ".."):
			segments[i] = url.PathEscape(name + hidden)
		}
	}
	raw := cmp.Or(strings.Join(segments, "/"), "/")
	path, err := url.PathUnescape(raw)
	if err != nil {
		write(w, http.StatusBadRequest, badRequest(err.Error()))
		return
	}
	shown, request := *r.URL, *r
	shown.Path, shown.RawPath = path, raw
	request.URL = &shown
	if h, pattern := a.mux.Handler(&request); pattern == "" {
		unrouted(w, &request, h)
		return
	}
	a.mux.ServeHTTP(w, &request)
}

// unrouted answers what no route takes: the mux's handler knows whether it's the path or the method that's wrong.
func unrouted(w http.ResponseWriter, r *http.Request, h http.Handler) {
	verdict := &statusOnly{header: http.Header{}}
	h.ServeHTTP(verdict, r)
	if verdict.status != http.StatusMethodNotAllowed {
		write(w, errObject.status, errObject)
		return
	}
	w.Header().Set("Allow", verdict.header.Get("Allow"))
	w.WriteHeader(http.StatusMethodNotAllowed)
}

// statusOnly takes an answer's status and header.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }
func (s *statusOnly) Write(p []byte) (int, error) { return len(p), nil }

// level is what a user must be to ask something.
type level int

const (
	anyone        level = iota // any user with a tag for management
	policymaker                // or administrator
	monitoring                 // or administrator
	administrator              // only
)

// route answers one kind of request. It returns a status and what to send as JSON, if anything.
type route struct {
	level  level
	answer func(*call) (status int, body any, err error)
}

// call is one request of a user who may ask it.
type call struct {
	*http.Request
	user     broker.User
	password string
	header   http.Header // of the answer
}

// PathValue is a name from the path.
func (c *call) PathValue(name string) string {
	return strings.TrimSuffix(c.Request.PathValue(name), hidden)
}

func (a *api) handler(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, a.opts.BodyMax)
		c, err := a.login(r, rt.level)
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Basic realm="RabbitMQ Management"`)
			a.fail(w, r, err)
			return
		}
		c.header = w.Header()
		if err := a.checkVHost(c); err != nil {
			a.fail(w, r, err)
			return
		}
		status, body, err := rt.answer(c)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		if body == nil {
			w.WriteHeader(status)
			return
		}
		if body, err = arrange(body, r.URL.Query()); err != nil {
			a.fail(w, r, err)
			return
		}
		write(w, status, body)
	})
}

// login finds the user and checks that it may ask at this level.
func (a *api) login(r *http.Request, want level) (*call, error) {
	name, password, ok := r.BasicAuth()
	if !ok {
		return nil, &refusal{status: http.StatusUnauthorized}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	local := err == nil && net.ParseIP(host).IsLoopback()
	if err := a.broker.CheckPassword(name, password, local); err != nil {
		return nil, refused(http.StatusUnauthorized, "not_authorized", "Login failed")
	}
	user, ok := a.broker.User(name)
	if !ok {
		return nil, refused(http.StatusUnauthorized, "not_authorized", "Login failed")
	}
	has := func(tags ...string) bool {
		return slices.ContainsFunc(tags, func(tag string) bool { return slices.Contains(user.Tags, tag) })
	}
	switch {
	case !has("administrator", "monitoring", "policymaker", "management"):
		return nil, unauthorised("Not management user")
	case want == administrator && !has("administrator"):
		return nil, unauthorised("Not administrator user")
	case want == policymaker && !has("administrator", "policymaker"):
		return nil, unauthorised("User not authorised to access object")
	case want == monitoring && !has("administrator", "monitoring"):
		return nil, unauthorised("Not monitor user")
	}
	return &call{Request: r, user: user, password: password}, nil
}

// checkVHost makes sure that the virtual host in the path exists and is the user's. Administrators manage all, but look into none
// that isn't theirs.
func (a *api) checkVHost(c *call) error {
	vhost := c.PathValue("vhost")
	if vhost == "" {
		return nil
	}
	if !slices.Contains(a.broker.Vhosts(), vhost) {
		if c.Method == http.MethodPut || c.Method == http.MethodPost {
			return refused(http.StatusNotFound, "not_found", "vhost_not_found")
		}
		return errObject
	}
	if !c.mayEnter(vhost) {
		return unauthorised("User not authorised to access virtual host")
	}
	return nil
}

func (c *call) mayEnter(vhost string) bool {
	_, ok := c.user.Permissions[vhost]
	return ok
}

// sees tells whether the user may see what belongs to others.
func (c *call) sees() bool {
	return slices.Contains(c.user.Tags, "administrator") || slices.Contains(c.user.Tags, "monitoring")
}

// vhosts are those that a list covers: the one in the path, or all that the user may enter.
func (a *api) vhosts(c *call) []string {
	if vhost := c.PathValue("vhost"); vhost != "" {
		return []string{vhost}
	}
	return slices.DeleteFunc(a.broker.Vhosts(), func(v string) bool { return !c.mayEnter(v) })
}

// refusal is an error as RabbitMQ words it.
type refusal struct {
	status int
	Code   string `json:"error"`
	Reason any    `json:"reason"`
}

func (r *refusal) Error() string { return r.Code }

func refused(status int, code string, reason any) *refusal { return &refusal{status, code, reason} }

func badRequest(reason any) *refusal { return refused(http.StatusBadRequest, "bad_request", reason) }

func unauthorised(reason string) *refusal {
	return refused(http.StatusUnauthorized, "not_authorised", reason)
}

// errObject is RabbitMQ's answer for what isn't there.
var errObject = refused(http.StatusNotFound, "Object Not Found", "Not Found")

func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	if e, ok := errors.AsType[*refusal](err); ok {
		if e.Code == "" {
			w.WriteHeader(e.status)
			return
		}
		write(w, e.status, e)
		return
	}
	if errors.Is(err, broker.ErrNotFound) {
		write(w, http.StatusNotFound, errObject)
		return
	}
	a.opts.Logger.Error("management request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	write(w, http.StatusInternalServerError, refused(0, "internal_server_error", err.Error()))
}

func write(w http.ResponseWriter, status int, body any) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		status = http.StatusInternalServerError
		text.Reset()
		text.WriteString(`{"error":"internal_server_error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(status)
	w.Write(bytes.TrimSuffix(text.Bytes(), []byte{'\n'}))
}

// readUpload is read for a body that a browser's form may have sent, as the file of field "file".
func (c *call) readUpload() (map[string]any, error) {
	if !strings.HasPrefix(c.Header.Get("Content-Type"), "multipart/form-data") {
		return c.read()
	}
	file, _, err := c.FormFile("file")
	if err != nil {
		return nil, badRequest(err.Error())
	}
	defer file.Close()
	return decode(file)
}

// read decodes the request's body and checks that required fields are there. An empty body is an empty object.
func (c *call) read(required ...string) (map[string]any, error) { return decode(c.Body, required...) }

func decode(r io.Reader, required ...string) (map[string]any, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, badRequest("request body is too large")
		}
		return nil, badRequest(err.Error())
	}
	fields := map[string]any{}
	if len(text) > 0 {
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.UseNumber()
		if err := d.Decode(&fields); err != nil {
			return nil, badRequest("not_json")
		}
	}
	var missing []string
	for _, name := range required {
		if _, ok := fields[name]; !ok {
			missing = append(missing, "{key_missing,"+name+"}")
		}
	}
	if len(missing) > 0 {
		return nil, badRequest("[" + strings.Join(missing, ",") + "]")
	}
	return fields, nil
}

// text is a field that must be a text when it's there.
func text(fields map[string]any, name string) (string, error) {
	switch v := fields[name].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	default:
		return "", badRequest([]any{"not_a_string", v})
	}
}

// flag is a field that must be a truth value when it's there; RabbitMQ takes the words too.
func flag(fields map[string]any, name string) (bool, error) {
	switch v := fields[name].(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	case string:
		if v == "true" || v == "false" {
			return v == "true", nil
		}
		return false, badRequest([]any{"not_boolean", v})
	default:
		return false, badRequest([]any{"not_boolean", v})
	}
}
