package api

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/openintegrationhub/leat/internal/store"
)

// Attachments travel as addresses: a component asks for a pair of them, puts the bytes to one without further credentials, and hands the other
// one on (contract.md section 4). What an address permits is in its last segment, which is signed.

// storagePath is before that segment.
const storagePath = "/storage/"

// How long the addresses are good: to store, and to fetch, which is for as long as the object is kept.
const (
	uploadTimeout = time.Hour
	fetchTimeout  = 7 * 24 * time.Hour
)

// permit is what a signed address permits.
type permit struct {
	ID        string `json:"id"`
	Namespace string `json:"ns"`
	Flow      string `json:"flow"`
	Step      string `json:"step"`
	Put       bool   `json:"put,omitempty"` // else to fetch
	Expires   int64  `json:"exp"`           // Unix seconds
}

// postSignedURL answers POST .../signed-url.
func (a *API) postSignedURL(r *http.Request, s *step, _ []string) (answer, error) {
	key, err := a.signingKey(r.Context())
	if err != nil {
		return answer{}, err
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	p := permit{ID: uuid.NewString(), Namespace: s.Namespace, Flow: s.Flow, Step: s.ID}
	address := func(put bool, timeout time.Duration) string {
		p.Put, p.Expires = put, time.Now().Add(timeout).Unix()
		return scheme + r.Host + storagePath + p.sign(key) // where it was asked for it can be reached
	}
	text, err := json.Marshal(struct {
		PutURL  string `json:"put_url"`
		GetURL  string `json:"get_url"`
		Expires int64  `json:"expires"` // seconds
	}{address(true, uploadTimeout), address(false, fetchTimeout), int64(uploadTimeout.Seconds())})
	return answer{status: http.StatusOK, body: text}, err
}

func (p permit) sign(key []byte) string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // texts and numbers always have a JSON form
	}
	return base64.RawURLEncoding.EncodeToString(text) + "." + base64.RawURLEncoding.EncodeToString(mac(key, text))
}

func mac(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("leat/storage/"))
	h.Write(text)
	return h.Sum(nil)
}

// permitOf reads the last segment of a signed address; false if it isn't one that we have signed, or not any more.
func permitOf(segment string, key []byte) (p permit, ok bool) {
	body, signature, _ := strings.Cut(segment, ".")
	text, err := base64.RawURLEncoding.DecodeString(body)
	sum, wrong := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || wrong != nil || !hmac.Equal(sum, mac(key, text)) || json.Unmarshal(text, &p) != nil {
		return permit{}, false
	}
	return p, time.Now().Unix() < p.Expires
}

// serveStorage answers requests at signed addresses.
func (a *API) serveStorage(r *http.Request) (answer, error) {
	if a.opts.Objects == nil {
		return refusal(http.StatusNotFound, "no such path"), nil
	}
	key, err := a.signingKey(r.Context())
	if err != nil {
		return answer{}, err
	}
	p, ok := permitOf(strings.TrimPrefix(r.URL.Path, storagePath), key)
	if !ok {
		return refusal(http.StatusForbidden, "the address is not valid, or not any more"), nil
	}
	switch {
	case p.Put && r.Method == http.MethodPut:
		o := store.Object{ID: p.ID, Namespace: p.Namespace, Flow: p.Flow, Step: p.Step}
		return a.storeObject(r, o, http.StatusOK)
	case !p.Put && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		o, content, err := a.opts.Objects.Object(r.Context(), p.ID)
		if err != nil {
			return answer{}, err
		}
		return answer{status: http.StatusOK, object: o, content: content}, nil
	}
	res := refusal(http.StatusMethodNotAllowed, "method %s isn't allowed at this address", r.Method)
	res.allow = map[bool]string{true: "PUT", false: "GET, HEAD"}[p.Put]
	return res, nil
}

// signingKey is the key of all addresses. The first who needs it makes it, and all processes share it.
func (a *API) signingKey(ctx context.Context) ([]byte, error) {
	if key := a.key.Load(); key != nil {
		return *key, nil
	}
	where := store.Key{Kind: store.SigningKey}
	var text string
	err := a.opts.Documents.Update(ctx, where, func(current json.RawMessage) (json.RawMessage, error) {
		if current != nil {
			return current, json.Unmarshal(current, &text)
		}
		text = rand.Text() + rand.Text()
		return json.Marshal(text)
	})
	if err == nil && text == "" {
		err = errors.New("it's empty")
	}
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	key := []byte(text)
	a.key.Store(&key)
	return key, nil
}
