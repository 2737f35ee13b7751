package api_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/brokertest"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/store"
	"github.com/openintegrationhub/leat/internal/topology"
)

// A platform has thousands of flows: they share a connection, get over its loss together, and one whose queues are missing doesn't disturb the others.
func TestFlowsOfAVirtualHostShareAConnection(t *testing.T) {
	const flows = 30
	_, dialer := brokertest.Start(t, "")
	own, err := dialer.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	publisher, err := own.Publisher()
	if err != nil {
		t.Fatal(err)
	}
	entries := []plan.Entry{{Namespace: "flows", Flow: "missing", VHost: "flows", Exchange: "missing"}}
	for i := range flows {
		name := fmt.Sprintf("f%d", i)
		parsed, err := flow.Parse("f.json", fmt.Appendf(nil, `{"apiVersion":"elastic.io/v1","kind":"Flow","metadata":{"name":%q,"namespace":"flows"},
			"spec":{"nodes":[{"id":"step_1","image":"a","function":"f","first":true}]}}`, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := own.Declare(topology.For(parsed[0], topology.Options{})); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, plan.Entry{Namespace: "flows", Flow: name, VHost: "flows", Exchange: name})
	}
	logger := slog.New(slog.DiscardHandler)
	s, err := store.New(store.Options{Database: filepath.Join(t.TempDir(), "leat.db"), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	a, err := api.New(api.Options{Documents: s, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns []*amqp.Conn
	c := api.NewCollector(api.CollectorOptions{API: a, Errors: s, Logger: logger, Connect: func(ctx context.Context, vhost string) (*amqp.Conn, error) {
		conn, err := dialer.Connect(ctx)
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, conn)
		return conn, err
	}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	fail := func(round int) {
		t.Helper()
		for i := range flows {
			name := fmt.Sprintf("f%d", i)
			err := publisher.Publish(t.Context(), amqp.Publishing{Exchange: name, Key: name + ".step_1.deadletter",
				Headers: message.Headers{"messageId": fmt.Sprintf("m%d", round)}, Body: []byte("{}")})
			if err != nil {
				t.Fatal(err)
			}
		}
		await(t, fmt.Sprintf("%d errors of each flow", round), func() bool {
			list, err := s.Errors(t.Context(), store.Filter{Limit: 1000})
			if err != nil {
				t.Fatal(err)
			}
			return len(list) == flows*round
		})
	}
	opened := func() []*amqp.Conn {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(conns)
	}
	c.Update(entries)
	fail(1)
	if n := len(opened()); n != 1 {
		t.Errorf("%d connections for %d flows, want 1", n, flows)
	}
	opened()[0].Close()
	fail(2)
	if n := len(opened()); n != 2 {
		t.Errorf("%d connections after one was lost, want 2", n)
	}
}
