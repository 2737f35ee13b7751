package main

import (
	"context"
	"crypto/tls"
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
	AMQP        string `name:"amqp" default:"localhost:5672" placeholder:"ADDR" help:"Address for AMQP 0-9-1 (default ${default})."`
	TLS         string `name:"amqps" placeholder:"ADDR" help:"Address for AMQP over TLS, such as :5671; takes --certificate and --key."`
	Certificate string `type:"existingfile" placeholder:"FILE" help:"Certificate for --amqps, with its chain, as PEM."`
	Key         string `type:"existingfile" placeholder:"FILE" help:"Key of the certificate, as PEM."`
	Management  string `placeholder:"ADDR" help:"Address for the management API; none by default."`
	Data        string `placeholder:"DIR" help:"Folder for definitions and messages. Without it everything is gone when the broker stops."`
	Verbose     bool   `short:"v" help:"Log more."`
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
	plain, err := listenAll(c.AMQP)
	if err != nil {
		return fmt.Errorf("listen for AMQP: %w", err)
	}
	var listeners []management.Listener
	group, ctx := errgroup.WithContext(ctx)
	serve := func(l net.Listener) {
		context.AfterFunc(ctx, func() { l.Close() })
		group.Go(func() error {
			if err := b.Serve(l); ctx.Err() == nil {
				return err
			}
			return nil
		})
	}
	for _, l := range plain {
		listeners = append(listeners, management.Listener{Protocol: "amqp", Addr: l.Addr()})
		serve(l)
	}
	fmt.Fprintf(std.Out, "broker listens on amqp://guest:guest@%s/\n", plain[0].Addr())
	if c.TLS != "" || c.Certificate != "" || c.Key != "" {
		l, err := c.listenTLS()
		if err != nil {
			return err
		}
		listeners = append(listeners, management.Listener{Protocol: "amqp/ssl", Addr: l.Addr()})
		serve(l)
		fmt.Fprintf(std.Out, "broker listens on amqps://guest:guest@%s/\n", l.Addr())
	}
	if c.Management != "" {
		if err := serveManagement(ctx, group, c.Management, b, listeners, std); err != nil {
			return err
		}
	}
	return group.Wait()
}

func (c *brokerCommand) listenTLS() (net.Listener, error) {
	if c.TLS == "" || c.Certificate == "" || c.Key == "" {
		return nil, errors.New("listen for AMQP over TLS: takes --amqps, --certificate and --key")
	}
	certificate, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return nil, fmt.Errorf("load certificate: %w", err)
	}
	l, err := tls.Listen("tcp", c.TLS, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, fmt.Errorf("listen for AMQP over TLS: %w", err)
	}
	return l, nil
}

// serveManagement serves the management API until ctx is done.
func serveManagement(ctx context.Context, group *errgroup.Group, address string, b *broker.Broker, listeners []management.Listener, std program.Streams) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen for management: %w", err)
	}
	listeners = append(listeners, management.Listener{Protocol: "http", Addr: listener.Addr()})
	server := &http.Server{Handler: management.New(b, management.Options{Listeners: listeners}), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute}
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
