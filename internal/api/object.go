package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/openintegrationhub/leat/internal/store"
)

// Objects keeps files of components. It's safe for concurrent use.
type Objects interface {
	// PutObject stores what r gives, all of it or nothing, in place of an object with that id. An error of r is returned as it is.
	PutObject(ctx context.Context, o store.Object, r io.Reader) (store.Object, error)
	// Object returns an object and its bytes, or store.ErrNoObject.
	Object(ctx context.Context, id string) (store.Object, io.Reader, error)
	// DeleteObject removes an object; one that doesn't exist is no error.
	DeleteObject(ctx context.Context, id string) error
}

// lifetimeHeader says for how many seconds an object is wanted.
const lifetimeHeader = "x-eio-ttl"

// Objects are what messages were too large for (contract.md section 4): one step stores the body, those behind it fetch it. So any step of a
// flow may read its objects, and only the step that stored one may change it.

// postObject answers POST /objects.
func (a *API) postObject(r *http.Request, s *step, _ []string) (answer, error) {
	return a.storeObject(r, store.Object{ID: uuid.NewString(), Namespace: s.Namespace, Flow: s.Flow, Step: s.ID}, http.StatusCreated)
}

// putObject answers PUT /objects/ID.
func (a *API) putObject(r *http.Request, s *step, ids []string) (answer, error) {
	o, _, err := a.ownObject(r.Context(), s, ids[0])
	if err != nil {
		return answer{}, err
	}
	if o.Step != s.ID {
		return refusal(http.StatusForbidden, "object %s was stored by step %q: only that one can change it", o.ID, o.Step), nil
	}
	return a.storeObject(r, store.Object{ID: o.ID, Namespace: s.Namespace, Flow: s.Flow, Step: s.ID}, http.StatusOK)
}

// storeObject stores a request's body.
func (a *API) storeObject(r *http.Request, o store.Object, status int) (answer, error) {
	if text := r.Header.Get(lifetimeHeader); text != "" {
		seconds, err := strconv.ParseInt(text, 10, 32)
		if err != nil || seconds < 1 {
			return answer{}, badRequest{fmt.Sprintf("header %s: expected a number of seconds, found %q", lifetimeHeader, text)}
		}
		o.Expires = time.Now().Add(time.Duration(seconds) * time.Second)
	}
	forObject(r)
	body, err := newBounded(r, a.opts.ObjectBytesMax)
	if err != nil {
		return answer{}, err
	}
	o.ContentType = cmp.Or(r.Header.Get("Content-Type"), "application/octet-stream")
	if o, err = a.opts.Objects.PutObject(r.Context(), o, body); err != nil {
		return answer{}, err
	}
	text, err := json.Marshal(map[string]any{
		"objectId": o.ID, "contentType": o.ContentType, "contentLength": o.Bytes, "createdAt": o.Created.UnixMilli(), "expiresAt": o.Expires.UnixMilli(),
	})
	return answer{status: status, body: text}, err
}

// getObject answers GET and HEAD /objects/ID.
func (a *API) getObject(r *http.Request, s *step, ids []string) (answer, error) {
	o, content, err := a.ownObject(r.Context(), s, ids[0])
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, object: o, content: content}, nil
}

// deleteObject answers DELETE /objects/ID.
func (a *API) deleteObject(r *http.Request, s *step, ids []string) (answer, error) {
	o, _, err := a.ownObject(r.Context(), s, ids[0])
	switch {
	case errors.Is(err, store.ErrNoObject): // it's gone, as wanted
	case err != nil:
		return answer{}, err
	case o.Step != s.ID:
		return refusal(http.StatusForbidden, "object %s was stored by step %q: only that one can delete it", o.ID, o.Step), nil
	default:
		if err := a.opts.Objects.DeleteObject(r.Context(), o.ID); err != nil {
			return answer{}, err
		}
	}
	return answer{status: http.StatusOK, body: []byte("{}")}, nil
}

// ownObject returns an object of the step's flow. Those of others don't exist for it.
func (a *API) ownObject(ctx context.Context, s *step, id string) (store.Object, io.Reader, error) {
	o, content, err := a.opts.Objects.Object(ctx, id)
	if err == nil && (o.Namespace != s.Namespace || o.Flow != s.Flow) {
		err = store.ErrNoObject
	}
	return o, content, err
}

// writeObject sends an object. Nothing that a component stores is run by a browser.
func (a *API) writeObject(w http.ResponseWriter, r *http.Request, res answer) {
	h := w.Header()
	h.Set("Content-Type", res.object.ContentType)
	h.Set("Content-Length", strconv.FormatInt(res.object.Bytes, 10))
	h.Set("Content-Disposition", "attachment")
	h.Set("Content-Security-Policy", "sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(res.status)
	if r.Method == http.MethodHead {
		return
	}
	controller := http.NewResponseController(w)
	for buffer, until := make([]byte, 64<<10), time.Now().Add(objectTimeout); ; {
		n, err := res.content.Read(buffer)
		if n > 0 {
			_ = controller.SetWriteDeadline(earlier(time.Now().Add(a.opts.PieceTimeout), until))
			if _, err := w.Write(buffer[:n]); err != nil {
				return // the client has gone
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler) // so that the client notices that it hasn't got all
		}
	}
}
