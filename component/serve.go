package component

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/runner"
)

// Serve runs the step that the ELASTICIO_* variables describe until the process gets SIGINT or SIGTERM, finishes the message in work, and
// returns. When the step can't start it writes why to standard error and ends the process with status 1.
func Serve(functions map[string]Function) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := Run(ctx, functions, logger); err != nil {
		logger.Error("step failed", "err", err)
		os.Exit(1)
	}
}

// Run is Serve for a program that has its own idea of signals and logs: it returns when ctx is done, with nil, or when the step can't
// start.
func Run(ctx context.Context, functions map[string]Function, logger *slog.Logger) error {
	settings, err := runner.FromEnvironment(os.Getenv)
	if err != nil {
		return err
	}
	return runner.Run(ctx, runner.Options{
		Settings: settings,
		Open:     Opener(functions, logger),
		Logger:   logger.With("flow", settings.Flow, "step", settings.Step),
	})
}

// Opener is how Leat's own runner opens these functions. Components don't need it.
func Opener(functions map[string]Function, logger *slog.Logger) runner.Open {
	return func(s runner.Settings, info runner.Info) (runner.Process, func(), error) {
		function, ok := functions[s.Function]
		if !ok {
			known := strings.Join(slices.Sorted(maps.Keys(functions)), ", ")
			return nil, nil, fmt.Errorf("the component has no function %q; it has %s", s.Function, known)
		}
		step := &Step{
			Flow:      s.Flow,
			ID:        s.Step,
			Function:  s.Function,
			Config:    info.Config,
			Snapshot:  info.Snapshot,
			Variables: info.Variables,
			Getenv:    s.Getenv,
			Logger:    logger,
		}
		process, err := function(step)
		if err != nil {
			step.stop()
			return nil, nil, err
		}
		run := func(ctx context.Context, in *message.Message, out *runner.Output) error {
			return process(ctx, (*Message)(in), output{out})
		}
		return run, step.stop, nil
	}
}

// stop calls what OnStop registered.
func (s *Step) stop() {
	for _, stop := range slices.Backward(s.stops) {
		stop()
	}
}

// output is the runner's Output in the SDK's words.
type output struct{ *runner.Output }

func (o output) Emit(m *Message) error { return o.Output.Emit((*message.Message)(m)) }
func (o output) Reply(r Reply) error   { return o.Output.Reply(runner.Reply(r)) }
