package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"runtime/debug"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/openintegrationhub/leat/components"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/local"
	"github.com/openintegrationhub/leat/internal/program"
)

type runCommand struct {
	Files     []string          `arg:"" name:"file" help:"Flow files, or folders with flow files."`
	Data      string            `placeholder:"DIR" help:"Folder for messages, mails and all that is kept (default leat-data)."`
	Listen    string            `placeholder:"ADDR" help:"Address of the HTTP server (default localhost:8080)."`
	AMQP      string            `name:"amqp" placeholder:"ADDR" help:"Address of the message broker for components that are processes. By default it picks a port when there are any."`
	Component map[string]string `placeholder:"IMAGE=COMMAND" mapsep:"none" help:"Run COMMAND for nodes with this image; a tag may be left out. Repeatable."`
	Config    string            `placeholder:"FILE" help:"YAML or JSON file with the same settings: data, listen, amqp, components."`
	Watch     bool              `help:"Apply changes of the flow files while they run."`
	LogFormat string            `enum:"text,json" default:"text" help:"text for people, json for machines."`
	Verbose   bool              `short:"v" help:"Log more."`
	Profile   string            `placeholder:"FILE" help:"Write a CPU profile for go tool pprof."`
}

// dataDefault is the folder for what leat run keeps.
const dataDefault = "leat-data"

func (c *runCommand) Run(ctx context.Context, std program.Streams) error {
	program.TuneCollector()
	if c.Profile != "" {
		stop, err := profile(c.Profile)
		if err != nil {
			return program.Wrong(err)
		}
		defer stop()
	}
	options, err := c.options(std)
	if err != nil {
		return program.Wrong(err)
	}
	flows, err := c.read(options)
	if err != nil {
		return err
	}
	world, err := local.New(options)
	if err != nil {
		return err
	}
	if err := world.Start(); err != nil {
		return err
	}
	if c.LogFormat == "text" {
		c.greet(std.Out, options, world.Addr(), flows)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return world.Run(ctx) })
	group.Go(func() error {
		if err := world.Apply(ctx, flows); err != nil {
			return err
		}
		debug.FreeOSMemory() // what starting took and running doesn't need
		if !c.Watch {
			return nil
		}
		return watch(ctx, c.Files, options.Logger, func() { c.reload(ctx, world, options) })
	})
	return group.Wait()
}

// options puts the flags, and the config file below them, into the world's options.
func (c *runCommand) options(std program.Streams) (local.Options, error) {
	commands := map[string]local.Command{}
	var file config
	if c.Config != "" {
		var err error
		if file, err = readConfig(c.Config); err != nil {
			return local.Options{}, err
		}
		maps.Copy(commands, file.Components)
	}
	for image, line := range c.Component {
		if image == "" || strings.TrimSpace(line) == "" {
			return local.Options{}, fmt.Errorf("--component %s=%s: expected IMAGE=COMMAND", image, line)
		}
		commands[image] = local.Command{Line: line}
	}
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	handler := program.NewConsole(std.Out, level)
	if c.LogFormat == "json" {
		handler = slog.NewJSONHandler(std.Out, &slog.HandlerOptions{Level: level})
	}
	return local.Options{
		Data:     cmp.Or(c.Data, file.Data, dataDefault),
		Listen:   cmp.Or(c.Listen, file.Listen, "localhost:8080"),
		AMQP:     cmp.Or(c.AMQP, file.AMQP),
		Builtin:  findBuiltin(commands),
		Commands: commands,
		Logger:   slog.New(handler),
	}, nil
}

// findBuiltin finds the built-in for an image, unless the user has named a program for it.
func findBuiltin(commands map[string]local.Command) func(image string) (local.Builtin, bool) {
	return func(image string) (local.Builtin, bool) {
		if _, ok := local.FindCommand(commands, image); ok {
			return local.Builtin{}, false
		}
		b, ok := components.Find(image)
		return local.Builtin{Name: b.Name, Functions: b.Functions}, ok
	}
}

// read reads the flows and checks that each step has a program.
func (c *runCommand) read(o local.Options) ([]*flow.Flow, error) {
	flows, err := readFlows(c.Files)
	if err != nil {
		return nil, err
	}
	if err := local.CheckPrograms(flows, o); err != nil {
		return nil, program.Wrong(err)
	}
	return flows, nil
}

// reload applies the flow files as they are now; while there are mistakes in them, what runs stays as it is. A folder may have become empty.
func (c *runCommand) reload(ctx context.Context, world *local.World, o local.Options) {
	var flows []*flow.Flow
	files, err := flowFiles(c.Files)
	if err == nil && len(files) > 0 {
		flows, err = c.read(o)
	}
	if err != nil {
		o.Logger.Error("flow files not applied, what runs stays as it is", "err", err)
		return
	}
	if err := world.Apply(ctx, flows); err != nil {
		o.Logger.Error("flow files not applied completely", "err", err)
		return
	}
	o.Logger.Info("flow files applied", "flows", len(flows))
}

// greet says what runs and what to try.
func (c *runCommand) greet(w io.Writer, o local.Options, addr net.Addr, flows []*flow.Flow) {
	address := "http://" + addr.String()
	if _, port, err := net.SplitHostPort(addr.String()); err == nil && strings.HasPrefix(o.Listen, "localhost:") {
		address = "http://localhost:" + port
	}
	fmt.Fprintf(w, "leat %s runs %s\n\n", program.Version(), plural(len(flows), "flow"))
	mails := false
	for _, f := range flows {
		fmt.Fprintf(w, "  %s\n    %s\n    %s\n\n", f.Name, path(f), entryLine(f, address))
		for _, n := range f.Nodes {
			b, _ := components.Find(n.Image)
			mails = mails || b.Name == "email"
		}
	}
	fmt.Fprintf(w, "  data in %s", program.Relative(o.Data))
	if mails {
		fmt.Fprintf(w, ", mails in %s unless SMTP_URL or MANDRILL_API_KEY is set", program.Relative(filepath.Join(o.Data, "outbox")))
	}
	fmt.Fprintf(w, "\n  metrics at %s/metrics, health at %s/readyz\n  Ctrl-C stops; messages in work are finished, waiting ones are kept\n\n", address, address)
}

// path shows the graph in one line when it is a chain, else as its edges.
func path(f *flow.Flow) string {
	words := []string{f.First().ID}
	for id := f.First().ID; len(words) <= len(f.Nodes); {
		next := f.Next(id)
		if len(next) == 0 {
			if len(words) == len(f.Nodes) {
				return strings.Join(words, " -> ")
			}
			break
		}
		if len(next) > 1 {
			break
		}
		id = next[0]
		words = append(words, id)
	}
	var edges []string
	for _, c := range f.Connections {
		edges = append(edges, c.From+" -> "+c.To)
	}
	return strings.Join(edges, ", ")
}

func entryLine(f *flow.Flow, address string) string {
	first := f.First()
	switch {
	case f.Suspended:
		return "suspended: nothing runs, messages are kept"
	case first.Polling:
		return "runs now and by the schedule " + first.Schedule.String()
	}
	return fmt.Sprintf("try  curl '%s/flow/%s?arg1=val1&arg2=val2'", address, f.Name)
}
