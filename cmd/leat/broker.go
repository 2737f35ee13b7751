package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/broker/management"
	"github.com/openintegrationhub/leat/internal/program"
)

type brokerCommand struct {
	AMQP       string `name:"amqp" default:"localhost:5672" placeholder:"ADDR" help:"Address for AMQP 0-9-1 (default ${default})."`
	Management string `placeholder:"ADDR" help:"Address for the management API; none by default."`
	Data       string `placeholder:"DIR" help:"Folder for definitions and messages. Without it everything is gone when the broker stops."`
	Verbose    bool   `short:"v" help:"Log more."`
}

func (c *brokerCommand) Run(ctx context.Context, std program.Streams) (err error) {
	program.TuneCollector()
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	options := broker.DefaultOptions()
	options.Dir = c.Data
	options.Logger = slog.New(program.NewConsole(std.Out, level))
	b, err := broker.New(options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	listener, err := net.Listen("tcp", c.AMQP)
	if err != nil {
		return fmt.Errorf("listen for AMQP: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	context.AfterFunc(ctx, func() { listener.Close() })
	group.Go(func() error {
		err := b.Serve(listener)
		if ctx.Err() != nil {
			return nil
		}
		return err
	})
	fmt.Fprintf(std.Out, "broker listens on amqp://guest:guest@%s/\n", listener.Addr())
	if c.Management != "" {
		if err := serveManagement(ctx, group, c.Management, b, std); err != nil {
			return err
		}
	}
	return group.Wait()
}

// serveManagement serves the management API until ctx is done.
func serveManagement(ctx context.Context, group *errgroup.Group, address string, b *broker.Broker, std program.Streams) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen for management: %w", err)
	}
	server := &http.Server{Handler: management.New(b, management.Options{}), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute}
	context.AfterFunc(ctx, func() { server.Close() })
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve management: %w", err)
		}
		return nil
	})
	fmt.Fprintf(std.Out, "management at http://guest:guest@%s/api/overview\n", listener.Addr())
	return nil
}
