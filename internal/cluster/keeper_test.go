package cluster_test

import (
	"encoding/json"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openintegrationhub/leat/internal/cluster"
	"github.com/openintegrationhub/leat/internal/store"
)

func TestWhatIsStoredOfAFlowGoesWithIt(t *testing.T) {
	s, err := store.New(store.Options{Database: filepath.Join(t.TempDir(), "leat.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	key := func(namespace, flow string) store.Key {
		return store.Key{Kind: store.Snapshot, Namespace: namespace, Flow: flow, Name: "step_1"}
	}
	put := func(namespace, flow string) {
		t.Helper()
		if err := s.Update(t.Context(), key(namespace, flow), func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage(`{}`), nil }); err != nil {
			t.Fatal(err)
		}
	}
	has := func(namespace, flow string) bool {
		t.Helper()
		text, err := s.Get(t.Context(), key(namespace, flow))
		if err != nil {
			t.Fatal(err)
		}
		return text != nil
	}
	flows := func(uids map[string]types.UID) (all []*cluster.Flow) {
		for name, uid := range uids {
			all = append(all, &cluster.Flow{Namespace: "flows", Name: name, UID: uid})
		}
		return all
	}
	for _, name := range []string{"stays", "goes", "gone-before", "made-anew", "made-anew-later"} {
		put("flows", name)
	}
	put("elsewhere", "other")
	// A first look, at a store that was filled before anybody noted whose it is.
	keeper := cluster.NewKeeper(s, []string{"flows"}, slog.New(slog.DiscardHandler))
	keep := func(uids map[string]types.UID) {
		t.Helper()
		if err := keeper.Keep(t.Context(), flows(uids)); err != nil {
			t.Fatal(err)
		}
	}
	keep(map[string]types.UID{"stays": "1", "goes": "2", "made-anew": "3", "made-anew-later": "4"})
	keep(map[string]types.UID{"stays": "1", "made-anew": "3b", "made-anew-later": "4"})
	got := map[string]bool{}
	for _, name := range []string{"stays", "goes", "gone-before", "made-anew", "made-anew-later"} {
		got[name] = has("flows", name)
	}
	got["elsewhere"] = has("elsewhere", "other")
	want := map[string]bool{"stays": true, "goes": false, "gone-before": false, "made-anew": false, "made-anew-later": true, "elsewhere": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is stored (-want +got):\n%s", diff)
	}
	// While no API ran, one flow was deleted and made anew, and another deleted.
	keeper = cluster.NewKeeper(s, []string{"flows"}, slog.New(slog.DiscardHandler))
	keep(map[string]types.UID{"made-anew-later": "4b"})
	if has("flows", "made-anew-later") || has("flows", "stays") {
		t.Error("flows that were deleted while no API ran are still known")
	}
}
