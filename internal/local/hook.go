package local

import (
	"context"
	"time"

	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/plan"
)

// hookTime is how long a shutdown hook may take (contract.md 5.3).
const hookTime = time.Minute

// runHook runs a step's program once more for its shutdown hook. What goes wrong is told, and holds nothing up.
func (w *World) runHook(ctx context.Context, f *flow.Flow, s plan.Step) {
	ctx, cancel := context.WithTimeout(ctx, hookTime)
	defer cancel()
	logger := w.opts.Logger.With("flow", f.Name, "step", s.ID)
	command, _ := FindCommand(w.opts.Commands, s.Image) // CheckPrograms has seen to it that there is one
	tail, err := execute(ctx, command, s, logger)
	switch {
	case tail == nil:
		logger.Warn("shutdown hook not run", "err", err)
	case err != nil:
		logger.Warn("shutdown hook failed", "err", tail.report(err))
	default:
		logger.Info("shutdown hook done")
	}
}
