// Package broker_test holds the embedded broker against RabbitMQ: one law for both, other clients' own suites, and kill -9.
package broker_test

import (
	"testing"

	"github.com/openintegrationhub/leat/internal/amqp/amqptest"
	"github.com/openintegrationhub/leat/test/broker/process"
	"github.com/openintegrationhub/leat/test/rabbitmq"
)

func TestLawOnRabbitMQ(t *testing.T) {
	t.Parallel()
	s := rabbitmq.Start(t)
	amqptest.Run(t, amqptest.Target{AMQP: s.AMQP, Management: s.Management, Restart: restart(s), Alarm: alarm(s)})
}

func TestLawOnLeat(t *testing.T) {
	t.Parallel()
	b := start(t)
	amqptest.Run(t, amqptest.Target{AMQP: b.AMQP, Management: b.Management, Restart: restart(b), Alarm: alarm(b)})
}

// start runs the embedded broker as a process, until the end of the test.
func start(t *testing.T) *process.Broker {
	t.Helper()
	b, err := process.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func restart(b interface{ Restart(graceful bool) error }) func(*testing.T, bool) {
	return func(t *testing.T, graceful bool) {
		t.Helper()
		if err := b.Restart(graceful); err != nil {
			t.Fatal(err)
		}
	}
}

func alarm(b interface{ Alarm(on bool) error }) func(*testing.T, bool) {
	return func(t *testing.T, on bool) {
		t.Helper()
		if err := b.Alarm(on); err != nil {
			t.Fatal(err)
		}
	}
}
