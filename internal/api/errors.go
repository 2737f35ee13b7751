package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/store"
	"github.com/openintegrationhub/leat/internal/topology"
)

// ErrorList is the list of errors.
type ErrorList interface {
	// Errors lists errors, the newest first.
	Errors(ctx context.Context, f store.Filter) ([]store.Error, error)
	// Error returns one with all that is known of it, or store.ErrNotFound.
	Error(ctx context.Context, id int64) (store.Error, error)
	// SetState changes the state of the errors that match, and tells how many those were.
	SetState(ctx context.Context, f store.Filter, state store.State) (int, error)
}

// Publisher sends messages to the broker and returns when it has confirmed them.
type Publisher interface {
	Publish(ctx context.Context, vhost string, p amqp.Publishing) error
}

// ErrorAPI lets a person see what has failed, and replay or discard it:
//
//	GET  /api/errors?flow=F&step=S&execution=E&state=open&before=ID&limit=N
//	GET  /api/errors/ID
//	POST /api/errors/ID/replay, /api/errors/ID/discard
//	POST /api/errors/replay?flow=F&step=S, /api/errors/discard?flow=F&step=S   every open one, the oldest first
//
// It's for those who run the platform, not for components, and checks no credentials: whoever mounts it sees to that. Every path takes
// namespace=N, and then knows nothing of other namespaces.
type ErrorAPI struct {
	list      ErrorList
	publisher Publisher
	logger    *slog.Logger
	entries   atomic.Pointer[map[string]plan.Entry]
	mux       *http.ServeMux
}

// NewErrorAPI returns an API that can replay nothing until Update is called.
func NewErrorAPI(list ErrorList, publisher Publisher, logger *slog.Logger) *ErrorAPI {
	a := &ErrorAPI{list: list, publisher: publisher, logger: logger, mux: http.NewServeMux()}
	a.Update(nil)
	a.mux.HandleFunc("GET /api/errors", a.getList)
	a.mux.HandleFunc("GET /api/errors/{id}", a.get)
	a.mux.HandleFunc("POST /api/errors/{id}/replay", func(w http.ResponseWriter, r *http.Request) { a.one(w, r, a.replay) })
	a.mux.HandleFunc("POST /api/errors/{id}/discard", func(w http.ResponseWriter, r *http.Request) { a.one(w, r, a.discard) })
	a.mux.HandleFunc("POST /api/errors/replay", func(w http.ResponseWriter, r *http.Request) { a.all(w, r, a.replay) })
	a.mux.HandleFunc("POST /api/errors/discard", func(w http.ResponseWriter, r *http.Request) { a.all(w, r, a.discard) })
	return a
}

// Update replaces the flows into which messages can be replayed.
func (a *ErrorAPI) Update(entries []plan.Entry) {
	m := make(map[string]plan.Entry, len(entries))
	for _, e := range entries {
		m[e.Namespace+"/"+e.Flow] = e
	}
	a.entries.Store(&m)
}

func (a *ErrorAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// ErrorInfo is an error as the API shows it.
type ErrorInfo struct {
	ID        int64           `json:"id"`
	Namespace string          `json:"namespace"`
	Flow      string          `json:"flow"`
	Step      string          `json:"step"`
	Execution string          `json:"execution"`
	Message   string          `json:"message"`
	State     string          `json:"state"` // open, replayed or discarded
	Times     int             `json:"times"` // how often it has failed
	First     time.Time       `json:"first"`
	Last      time.Time       `json:"last"`
	Reason    string          `json:"reason"`
	Bytes     int             `json:"bytes"` // of the input
	Stack     string          `json:"stack,omitempty"`
	Headers   message.Headers `json:"headers,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"` // the message; a JSON string if it's no JSON
}

func errorInfo(e store.Error) ErrorInfo {
	info := ErrorInfo{
		ID: e.ID, Namespace: e.Namespace, Flow: e.Flow, Step: e.Step, Execution: e.Execution, Message: e.Message, State: string(e.State),
		Times: e.Times, First: e.First, Last: e.Last, Reason: e.Reason, Bytes: e.Bytes, Stack: e.Stack, Headers: e.Headers,
	}
	switch {
	case len(e.Input) == 0:
	case message.Valid(e.Input) == nil:
		info.Input = e.Input
	default:
		info.Input, _ = json.Marshal(string(e.Input)) // strings always have a JSON form
	}
	return info
}

const (
	listDefault = 100
	listMax     = 1000
)

// filter reads the query of a request.
func filter(r *http.Request) (store.Filter, error) {
	q := r.URL.Query()
	f := store.Filter{
		Namespace: q.Get("namespace"), Flow: q.Get("flow"), Step: q.Get("step"), Execution: q.Get("execution"),
		State: store.State(q.Get("state")), Limit: listDefault,
	}
	switch f.State {
	case "", store.Open, store.Replayed, store.Discarded:
	default:
		return f, fmt.Errorf("state: expected open, replayed or discarded, found %q", f.State)
	}
	if text := q.Get("before"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			return f, fmt.Errorf("before: expected the id of an error, found %q", text)
		}
		f.Before = n
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > listMax {
			return f, fmt.Errorf("limit: expected 1 to %d, found %q", listMax, text)
		}
		f.Limit = n
	}
	return f, nil
}

func (a *ErrorAPI) getList(w http.ResponseWriter, r *http.Request) {
	f, err := filter(r)
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	found, err := a.list.Errors(r.Context(), f)
	if err != nil {
		a.failed(w, err)
		return
	}
	infos := make([]ErrorInfo, len(found))
	for i, e := range found {
		infos[i] = errorInfo(e)
	}
	reply(w, http.StatusOK, map[string]any{"errors": infos})
}

func (a *ErrorAPI) get(w http.ResponseWriter, r *http.Request) {
	if e, ok := a.find(w, r); ok {
		reply(w, http.StatusOK, errorInfo(e))
	}
}

// find returns the error that a request names, or answers.
func (a *ErrorAPI) find(w http.ResponseWriter, r *http.Request) (store.Error, bool) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": fmt.Sprintf("expected the id of an error, found %q", r.PathValue("id"))})
		return store.Error{}, false
	}
	e, err := a.list.Error(r.Context(), id)
	if namespace := r.URL.Query().Get("namespace"); err == nil && namespace != "" && e.Namespace != namespace {
		err = store.ErrNotFound
	}
	if err != nil {
		a.failed(w, err)
		return store.Error{}, false
	}
	return e, true
}

// one does something with the error that a request names.
func (a *ErrorAPI) one(w http.ResponseWriter, r *http.Request, do func(context.Context, store.Error) error) {
	e, ok := a.find(w, r)
	if !ok {
		return
	}
	if err := do(r.Context(), e); err != nil {
		a.failed(w, err)
		return
	}
	reply(w, http.StatusOK, map[string]int{"changed": 1})
}

// all does something with every open error that matches, the oldest first, and stops at the first that fails.
func (a *ErrorAPI) all(w http.ResponseWriter, r *http.Request, do func(context.Context, store.Error) error) {
	f, err := filter(r)
	if err == nil && f.Flow == "" {
		err = errors.New("flow: missing; name the flow whose errors are meant")
	}
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	f.State = store.Open
	var ids []int64 // newest first
	for f.Limit = listMax; ; {
		page, err := a.list.Errors(r.Context(), f)
		if err != nil {
			a.failed(w, err)
			return
		}
		for _, e := range page {
			ids = append(ids, e.ID)
		}
		if len(page) < listMax {
			break
		}
		f.Before = page[len(page)-1].ID
	}
	changed := 0
	for i := len(ids) - 1; i >= 0; i-- {
		e, err := a.list.Error(r.Context(), ids[i])
		if err == nil && e.State == store.Open {
			err = do(r.Context(), e)
		}
		if err != nil {
			a.failed(w, fmt.Errorf("after %d of %d: error %d: %w", changed, len(ids), ids[i], err))
			return
		}
		changed++
	}
	reply(w, http.StatusOK, map[string]int{"changed": changed})
}

func (a *ErrorAPI) discard(ctx context.Context, e store.Error) error {
	_, err := a.list.SetState(ctx, store.Filter{IDs: []int64{e.ID}}, store.Discarded)
	return err
}

// Errors that a person can do something about.
var (
	errNoInput = errors.New("the message is not known: there is nothing to send again")
	errNoFlow  = errors.New("the flow doesn't run here")
)

// replay sends the message of an error to its step again, with the id that it had, and marks the error when the broker has it.
func (a *ErrorAPI) replay(ctx context.Context, e store.Error) error {
	if len(e.Input) == 0 {
		return errNoInput
	}
	entry, ok := (*a.entries.Load())[e.Namespace+"/"+e.Flow]
	if !ok {
		return errNoFlow
	}
	cipher, err := message.NewCipher(entry.CryptoPassword, entry.CryptoIV)
	if err != nil {
		return err
	}
	p := amqp.Publishing{Exchange: entry.Exchange, Key: topology.Key(e.Flow, e.Step, topology.Input), Headers: message.Headers{}, Body: e.Input}
	for name, value := range e.Headers {
		switch name {
		case "x-death", "x-first-death-exchange", "x-first-death-queue", "x-first-death-reason", "x-delivery-count", message.HeaderStart,
			message.HeaderEnd, message.HeaderReboundIteration, message.HeaderReboundReason, message.HeaderProtocolVersion,
			topology.ReasonHeader:
		case routingKeyHeader:
			p.Key, _ = value.(string)
		default:
			p.Headers[name] = value
		}
	}
	// What a step can't do without (contract.md rules 1 and 4). Of an error that only its report tells of, such as too many rebounds, these are
	// all that's known.
	for name, value := range map[string]string{
		message.HeaderTaskID: e.Flow, message.HeaderExecID: uuid.NewString(), message.HeaderUserID: entry.UserID,
		message.HeaderMessageID: cmp.Or(e.Message, uuid.NewString()), message.HeaderTraceID: e.Execution,
	} {
		if p.Headers.Text(name) == "" && value != "" {
			p.Headers[name] = value
		}
	}
	if message.Valid(e.Input) == nil { // else it couldn't be decrypted, and goes as it came
		p.Body = cipher.Encrypt(e.Input)
		p.Headers[message.HeaderProtocolVersion] = int32(message.ProtocolBase64)
	}
	if err := a.publisher.Publish(ctx, entry.VHost, p); err != nil {
		return fmt.Errorf("send the message again: %w", err)
	}
	// It may have failed again by now: then it's open again, and stays so.
	_, err = a.list.SetState(ctx, store.Filter{IDs: []int64{e.ID}, Times: e.Times}, store.Replayed)
	return err
}

// failed answers with an error.
func (a *ErrorAPI) failed(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, store.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, errNoInput), errors.Is(err, errNoFlow), errors.Is(err, amqp.ErrUnroutable):
		status = http.StatusConflict
	case errors.Is(err, amqp.ErrUnavailable), errors.Is(err, amqp.ErrRefused):
		status = http.StatusServiceUnavailable
	default:
		a.logger.Error("error list", "err", err)
	}
	reply(w, status, map[string]string{"error": err.Error()})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // an error means that the client has gone
}
