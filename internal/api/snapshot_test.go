package api_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/openintegrationhub/leat/internal/api"
)

func TestNextSnapshot(t *testing.T) {
	for name, test := range map[string]struct{ current, event, body, want string }{
		"the first":                       {"", "snapshot", `{"a":1}`, `{"a":1}`},
		"replaced":                        {`{"a":1}`, "snapshot", `{"b":2}`, `{"b":2}`},
		"replaced where there's no event": {`{"a":1}`, "", `{"b":2}`, `{"b":2}`},
		"merged":                          {`{"a":1,"b":{"x":1}}`, "updateSnapshot", `{"b":{"y":2},"c":"<"}`, `{"a":1,"b":{"y":2},"c":"<"}`},
		"merged into none":                {"", "updateSnapshot", `{"b":2}`, `{"b":2}`},
		"numbers stay as they are":        {`{"a":12345678901234567890}`, "updateSnapshot", `{"b":1.0}`, `{"a":12345678901234567890,"b":1.0}`},
		"null clears":                     {`{"a":1}`, "snapshot", `null`, ""},
		"blanks around it are dropped":    {"", "", " {} \n", "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			var current json.RawMessage
			if test.current != "" {
				current = json.RawMessage(test.current)
			}
			got, err := api.NextSnapshot(current, test.event, []byte(test.body))
			if err != nil || string(got) != test.want {
				t.Errorf("got %s, %v, want %s", got, err, test.want)
			}
		})
	}
}

func TestBadSnapshotsAreRefused(t *testing.T) {
	for name, test := range map[string]struct{ event, body, want string }{
		"array":             {"snapshot", `[1]`, "bad snapshot: expected an object, found an array"},
		"null as an update": {"updateSnapshot", `null`, "bad snapshot: expected an object, found null"},
		"no JSON":           {"snapshot", `{`, "bad snapshot: unexpected end of JSON"},
		"nothing":           {"snapshot", ``, "bad snapshot: unexpected end of JSON"},
		"unknown event":     {"snap", `{}`, `bad snapshot: unknown snapshotEvent "snap"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := api.NextSnapshot(nil, test.event, []byte(test.body))
			if !errors.Is(err, api.ErrBadSnapshot) || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	a, docs := newAPI(t)
	err := a.StoreSnapshot(t.Context(), "flows", "f1", "step_1", "", []byte(`{"a":"`+strings.Repeat("x", 1<<20)+`"}`))
	if !errors.Is(err, api.ErrBadSnapshot) || len(docs.all) != 0 {
		t.Errorf("a snapshot that's too large: got %v, and stored %d", err, len(docs.all))
	}
}
