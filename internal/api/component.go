package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/store"
)

// stepInfo answers GET /v1/tasks/FLOW/steps/STEP.
func (a *API) stepInfo(r *http.Request, s *step, _ []string) (answer, error) {
	snapshot, err := a.opts.Documents.Get(r.Context(), s.key(store.Snapshot))
	if err != nil {
		return answer{}, fmt.Errorf("read snapshot: %w", err)
	}
	config := s.Config
	if s.account != "" {
		if config, err = a.withKeys(r, s); err != nil {
			return answer{}, err
		}
	}
	body := make([]byte, 0, len(s.info)+len(config)+len(snapshot)+32)
	body = append(body, s.info...)
	body = append(append(body, `,"config":`...), config...)
	if snapshot != nil { // null would be too much for the JVM library
		body = append(append(body, `,"snapshot":`...), snapshot...)
	}
	return answer{status: http.StatusOK, body: append(body, '}')}, nil
}

// getSnapshot answers GET /snapshots/flows/FLOW/steps/STEP, which ferryman asks for with each message (contract.md section 6).
func (a *API) getSnapshot(r *http.Request, s *step, _ []string) (answer, error) {
	snapshot, err := a.opts.Documents.Get(r.Context(), s.key(store.Snapshot))
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("read snapshot: %w", err)
	case snapshot == nil:
		return refusal(http.StatusNotFound, "step %q has no snapshot yet", s.ID), nil
	}
	return answer{status: http.StatusOK, body: append(append([]byte(`{"data":`), snapshot...), '}')}, nil
}

func (s *step) key(kind store.Kind) store.Key {
	return store.Key{Kind: kind, Namespace: s.Namespace, Flow: s.Flow, Name: s.ID}
}

func (s *step) accountKey() store.Key {
	return store.Key{Kind: store.AccountKeys, Namespace: s.Namespace, Name: s.account}
}

// withKeys is the step's config with the keys that components have renewed.
func (a *API) withKeys(r *http.Request, s *step) (json.RawMessage, error) {
	keys, err := a.opts.Documents.Get(r.Context(), s.accountKey())
	if err != nil {
		return nil, fmt.Errorf("read account keys: %w", err)
	}
	if keys == nil {
		return s.Config, nil
	}
	return merge(s.Config, keys)
}

// putAccount answers PUT /v1/accounts/ACCOUNT, how components store renewed credentials. They replace members of the step's config. The
// answer is an object, as the JVM library wants, and doesn't repeat them.
func (a *API) putAccount(r *http.Request, s *step, ids []string) (answer, error) {
	body, err := a.read(r)
	if err != nil {
		return answer{}, err
	}
	var account struct {
		Keys json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &account); err != nil {
		return answer{}, badRequest{"body: " + err.Error()}
	}
	if !message.IsObject(account.Keys) {
		return answer{}, badRequest{"body: expected an object in keys, found " + message.Kind(account.Keys)}
	}
	err = a.opts.Documents.Update(r.Context(), s.accountKey(), func(json.RawMessage) (json.RawMessage, error) { return account.Keys, nil })
	if err != nil {
		return answer{}, fmt.Errorf("write account keys: %w", err)
	}
	text, err := json.Marshal(map[string]string{"id": ids[0]})
	return answer{status: http.StatusOK, body: text}, err
}

// getStartup answers GET .../startup/data: what the startup hook has returned, or an empty object.
func (a *API) getStartup(r *http.Request, s *step, _ []string) (answer, error) {
	data, err := a.opts.Documents.Get(r.Context(), s.key(store.StartupData))
	if err != nil {
		return answer{}, fmt.Errorf("read startup data: %w", err)
	}
	if data == nil {
		data = json.RawMessage("{}")
	}
	return answer{status: http.StatusOK, body: data}, nil
}

// postStartup answers POST .../startup/data. It may come any number of times, since the JVM library can't handle the 409 that tells of
// earlier data.
func (a *API) postStartup(r *http.Request, s *step, _ []string) (answer, error) {
	body, err := a.read(r)
	if err != nil {
		return answer{}, err
	}
	if body = bytes.TrimSpace(body); len(body) == 0 || string(body) == "null" { // a hook that returned nothing
		body = []byte("{}")
	}
	if err := message.Valid(body); err != nil {
		return answer{}, badRequest{"body: bad JSON: " + err.Error()}
	}
	err = a.opts.Documents.Update(r.Context(), s.key(store.StartupData), func(json.RawMessage) (json.RawMessage, error) { return body, nil })
	if err != nil {
		return answer{}, fmt.Errorf("write startup data: %w", err)
	}
	return answer{status: http.StatusOK, body: body}, nil
}

// deleteStartup answers DELETE .../startup/data.
func (a *API) deleteStartup(r *http.Request, s *step, _ []string) (answer, error) {
	err := a.opts.Documents.Update(r.Context(), s.key(store.StartupData), func(json.RawMessage) (json.RawMessage, error) { return nil, nil })
	if err != nil {
		return answer{}, fmt.Errorf("delete startup data: %w", err)
	}
	return answer{status: http.StatusOK, body: []byte("{}")}, nil
}
