package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/openintegrationhub/leat/internal/store"
)

// keeper removes from the store what is of deleted flows, also of those that were deleted while no API ran, and of those that were made anew
// under their name.
type keeper struct {
	store      *store.Store
	namespaces []string // whose flows it knows about; none for all
	logger     *slog.Logger

	kept map[store.FlowName]types.UID // nil until the store was asked; "" for one whose origin isn't looked up yet
}

func newKeeper(s *store.Store, namespaces []string, logger *slog.Logger) *keeper {
	return &keeper{store: s, namespaces: namespaces, logger: logger}
}

// keep brings the store in line with the flows that there are. It may be called again after an error.
func (k *keeper) keep(ctx context.Context, flows []*Flow) error {
	if k.kept == nil {
		stored, err := k.store.Flows(ctx)
		if err != nil {
			return err
		}
		k.kept = make(map[store.FlowName]types.UID, len(stored))
		for _, name := range stored {
			k.kept[name] = ""
		}
	}
	there := make(map[store.FlowName]bool, len(flows))
	for _, f := range flows {
		name := store.FlowName{Namespace: f.Namespace, Flow: f.Name}
		there[name] = true
		if k.kept[name] == f.UID {
			continue
		}
		if err := k.claim(ctx, name, f.UID); err != nil {
			return err
		}
		k.kept[name] = f.UID
	}
	for name := range k.kept {
		if there[name] || len(k.namespaces) > 0 && !slices.Contains(k.namespaces, name.Namespace) {
			continue
		}
		if err := k.store.Forget(ctx, name.Namespace, name.Flow); err != nil {
			return err
		}
		delete(k.kept, name)
		k.logger.Info("flow is gone: what was stored of it, too", "namespace", name.Namespace, "flow", name.Flow)
	}
	return nil
}

// claim notes whose the stored things of a name are. If they are another flow's, they go.
func (k *keeper) claim(ctx context.Context, name store.FlowName, uid types.UID) error {
	key := store.Key{Kind: store.Origin, Namespace: name.Namespace, Flow: name.Flow}
	text, err := k.store.Get(ctx, key)
	if err != nil {
		return err
	}
	var origin types.UID
	if text != nil {
		if err := json.Unmarshal(text, &origin); err != nil {
			return fmt.Errorf("read origin of flow %q: %w", name.Flow, err)
		}
	}
	if origin == uid {
		return nil
	}
	if origin != "" {
		if err := k.store.Forget(ctx, name.Namespace, name.Flow); err != nil {
			return err
		}
	}
	return k.store.Update(ctx, key, func(json.RawMessage) (json.RawMessage, error) { return json.Marshal(uid) })
}
