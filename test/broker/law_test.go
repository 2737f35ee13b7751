package broker_test

import (
	"testing"

	"github.com/openintegrationhub/leat/internal/amqp/amqptest"
	"github.com/openintegrationhub/leat/test/rabbitmq"
)

func TestLawOnRabbitMQ(t *testing.T) {
	s := rabbitmq.Start(t)
	amqptest.Run(t, amqptest.Target{
		AMQP: s.AMQP, Management: s.Management,
		Restart: func(t *testing.T, graceful bool) {
			if err := s.Restart(graceful); err != nil {
				t.Fatal(err)
			}
		},
	})
}
