package management_test

import (
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/broker/management"
	"github.com/openintegrationhub/leat/internal/rabbitmq/rabbitmqtest"
)

// start runs a broker in memory with its management API.
func start(t *testing.T) rabbitmqtest.Target {
	t.Helper()
	b, err := broker.New(broker.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- b.Serve(l) }()
	api := httptest.NewServer(management.New(b, management.Options{
		Logger:    slog.New(slog.NewTextHandler(t.Output(), nil)),
		Listeners: []management.Listener{{Protocol: "amqp", Addr: l.Addr()}},
	}))
	t.Cleanup(func() {
		api.Close()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, broker.ErrClosed) {
			t.Error(err)
		}
		l.Close()
	})
	return rabbitmqtest.Target{AMQP: "amqp://guest:guest@" + l.Addr().String() + "/", Management: "http://guest:guest@" + api.Listener.Addr().String()}
}

func TestTheClientWorksAsOnRabbitMQ(t *testing.T) { rabbitmqtest.Run(t, start(t)) }
