package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/store"
)

// ErrBadSnapshot says that a component has sent a snapshot that can't be kept. Sending it again would be no use.
var ErrBadSnapshot = errors.New("bad snapshot")

// NextSnapshot is a step's snapshot after a snapshot message (contract.md 2.9): event is its header message.HeaderSnapshotEvent, body its plain body.
// Without a header, as the JVM library sends it, the body replaces the snapshot. Snapshots are objects, or nil for none; null clears one.
func NextSnapshot(current json.RawMessage, event string, body []byte) (json.RawMessage, error) {
	body = bytes.TrimSpace(body)
	if err := message.Valid(body); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadSnapshot, err)
	}
	switch {
	case string(body) == "null" && event != message.SnapshotUpdate:
		return nil, nil
	case !message.IsObject(body): // the JVM library takes nothing else
		return nil, fmt.Errorf("%w: expected an object, found %s", ErrBadSnapshot, message.Kind(body))
	case event == message.SnapshotUpdate && current != nil:
		return merge(current, body)
	case event == message.SnapshotUpdate, event == message.SnapshotReplace, event == "":
		return body, nil
	}
	return nil, fmt.Errorf("%w: unknown %s %q", ErrBadSnapshot, message.HeaderSnapshotEvent, event)
}

// StoreSnapshot stores the snapshot that a step has sent. Messages of one step have to come in the order of its queue.
func (a *API) StoreSnapshot(ctx context.Context, namespace, flow, step, event string, body []byte) error {
	key := store.Key{Kind: store.Snapshot, Namespace: namespace, Flow: flow, Name: step}
	err := a.opts.Documents.Update(ctx, key, func(current json.RawMessage) (json.RawMessage, error) {
		next, err := NextSnapshot(current, event, body)
		if err == nil && len(next) > a.opts.BodyBytesMax {
			return nil, fmt.Errorf("%w: %d bytes, more than the limit of %d", ErrBadSnapshot, len(next), a.opts.BodyBytesMax)
		}
		return next, err
	})
	if err != nil {
		return fmt.Errorf("store snapshot of step %q: %w", step, err)
	}
	return nil
}

// merge returns the object base with the members of changes in place of its own, or added. It doesn't look deeper.
func merge(base, changes json.RawMessage) (json.RawMessage, error) {
	var all map[string]json.RawMessage
	for _, part := range []json.RawMessage{base, changes} {
		if err := json.Unmarshal(part, &all); err != nil { // into the map that's there
			return nil, fmt.Errorf("merge objects: %w", err)
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(all); err != nil {
		return nil, fmt.Errorf("merge objects: %w", err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}
