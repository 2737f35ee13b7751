package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"

	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/store"
)

// A secret is an object of credentials that a person has stored in a namespace. A step gets the one that its data names in secretId.

func (s *step) secretKey() store.Key {
	return store.Key{Kind: store.Secret, Namespace: s.Namespace, Name: s.secret}
}

// ownSecret checks the id of a secret, which is the last one in a path.
func ownSecret(s *step, ids []string) answer {
	switch {
	case s.secret == "":
		return refusal(http.StatusNotFound, "step %q has no secret: its data has no secretId", s.ID)
	case ids[len(ids)-1] != s.secret:
		return refusal(http.StatusForbidden, "step %q can read only its own secret, the one in secretId of its data", s.ID)
	}
	return answer{}
}

// secretOf returns the credentials of a step's secret. If there are none, the answer says so.
func (a *API) secretOf(r *http.Request, s *step) (json.RawMessage, answer, error) {
	credentials, err := a.opts.Documents.Get(r.Context(), s.secretKey())
	if err != nil {
		return nil, answer{}, fmt.Errorf("read secret: %w", err)
	}
	if credentials == nil {
		return nil, refusal(http.StatusNotFound, "nobody has stored the secret %q in namespace %q", s.secret, s.Namespace), nil
	}
	return credentials, answer{}, nil
}

// getSecret answers GET /v2/workspaces/WORKSPACE/secrets/ID, and POST .../refresh: whoever stores secrets here also renews them, so the newest
// is what there is.
func (a *API) getSecret(r *http.Request, s *step, _ []string) (answer, error) {
	credentials, none, err := a.secretOf(r, s)
	if credentials == nil {
		return none, err
	}
	type attributes struct {
		Name        string          `json:"name"`
		Credentials json.RawMessage `json:"credentials"`
	}
	text, err := json.Marshal(map[string]any{"data": map[string]any{
		"id": s.secret, "type": "secret", "attributes": attributes{s.secret, credentials},
	}})
	return answer{status: http.StatusOK, body: text}, err
}

// getFerrymanSecret answers GET /secrets/ID, ferryman's way (contract.md section 6): what's in the payload is merged into the configuration.
func (a *API) getFerrymanSecret(r *http.Request, s *step, _ []string) (answer, error) {
	credentials, none, err := a.secretOf(r, s)
	if credentials == nil {
		return none, err
	}
	text, err := json.Marshal(map[string]any{"data": map[string]any{
		"_id": s.secret, "name": s.secret, "type": "MIXED", "value": map[string]string{"payload": string(credentials)},
	}})
	return answer{status: http.StatusOK, body: text}, err
}

// SecretAPI lets a person store secrets of steps, and never read one:
//
//	PUT    /api/secrets/ID?namespace=N   the body is an object of credentials
//	DELETE /api/secrets/ID?namespace=N
//
// Whoever mounts it checks credentials. The namespace is "default" if the request has none.
type SecretAPI struct {
	documents Documents
	logger    *slog.Logger
	mux       *http.ServeMux
}

// NewSecretAPI returns an API that stores secrets where an API with the same documents finds them.
func NewSecretAPI(d Documents, logger *slog.Logger) *SecretAPI {
	a := &SecretAPI{documents: d, logger: logger, mux: http.NewServeMux()}
	a.mux.HandleFunc("PUT /api/secrets/{id}", a.put)
	a.mux.HandleFunc("DELETE /api/secrets/{id}", a.delete)
	return a
}

func (a *SecretAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

const secretBytesMax = 64 << 10

// secretID is what goes into addresses as it is.
var secretID = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

func (a *SecretAPI) put(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, secretBytesMax))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		reply(w, http.StatusRequestEntityTooLarge, map[string]string{"error": fmt.Sprintf("body: more than the limit of %d bytes", tooLarge.Limit)})
		return
	}
	switch {
	case err != nil:
		reply(w, http.StatusBadRequest, map[string]string{"error": "body: " + err.Error()})
		return
	case message.Valid(body) != nil || !message.IsObject(body):
		reply(w, http.StatusBadRequest, map[string]string{"error": "body: expected a JSON object of credentials"})
		return
	}
	a.change(w, r, body)
}

func (a *SecretAPI) delete(w http.ResponseWriter, r *http.Request) { a.change(w, r, nil) }

// change stores a secret, or removes it if there's no body.
func (a *SecretAPI) change(w http.ResponseWriter, r *http.Request, body json.RawMessage) {
	key := store.Key{Kind: store.Secret, Namespace: r.URL.Query().Get("namespace"), Name: r.PathValue("id")}
	if key.Namespace == "" {
		key.Namespace = "default"
	}
	if !secretID.MatchString(key.Name) {
		reply(w, http.StatusBadRequest, map[string]string{"error": "id: expected 1 to 128 of A-Z a-z 0-9 _ . -"})
		return
	}
	if err := a.documents.Update(r.Context(), key, func(json.RawMessage) (json.RawMessage, error) { return body, nil }); err != nil {
		a.logger.Error("store secret", "err", err)
		reply(w, http.StatusInternalServerError, map[string]string{"error": "can't store it now, the platform's log says why"})
		return
	}
	reply(w, http.StatusOK, map[string]string{"id": key.Name, "namespace": key.Namespace})
}
