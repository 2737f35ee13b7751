package amqp

import (
	"cmp"
	"fmt"

	"github.com/openintegrationhub/leat/internal/topology"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// Declare makes the exchanges, queues and bindings of t that don't exist yet, in this order. It's idempotent. It fails when something of
// the same name but another kind exists.
func (c *Conn) Declare(t topology.Topology) error {
	channel, err := c.conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defer channel.Close()
	closed := channel.NotifyClose(make(chan *amqp091.Error, 1))
	var calls []func(noWait bool) error
	for _, e := range t.Exchanges {
		calls = append(calls, func(noWait bool) error {
			return channel.ExchangeDeclare(e.Name, e.Kind, true, false, false, noWait, exchangeArguments(e))
		})
	}
	for _, q := range t.Queues {
		calls = append(calls, func(noWait bool) error {
			_, err := channel.QueueDeclare(q.Name, true, false, false, noWait, queueArguments(q))
			return err
		})
	}
	for _, b := range t.Bindings {
		calls = append(calls, func(noWait bool) error { return bind(channel, b, noWait) })
	}
	// Only the last one waits for the broker: a flow has dozens. A refusal of an earlier one closes the channel, and names what it was about.
	for i, call := range calls {
		if err := call(i < len(calls)-1); err != nil {
			if channel.IsClosed() {
				if reason := <-closed; reason != nil {
					err = reason
				}
			}
			return fmt.Errorf("declare queues and exchanges: %w", err)
		}
	}
	return nil
}

// Remove takes away what t names: bindings, then queues, then exchanges. What doesn't exist is no error. Messages in the queues go with
// them: the caller has seen to it that there are none, or that they aren't wanted.
func (c *Conn) Remove(t topology.Topology) error {
	channel, err := c.conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defer channel.Close()
	for _, b := range t.Bindings {
		if err := unbind(channel, b); err != nil {
			return fmt.Errorf("unbind %s: %w", name(b), err)
		}
	}
	for _, q := range t.Queues {
		if _, err := channel.QueueDelete(q.Name, false, false, false); err != nil {
			return fmt.Errorf("delete queue %q: %w", q.Name, err)
		}
	}
	for _, e := range t.Exchanges {
		if err := channel.ExchangeDelete(e.Name, false, false); err != nil {
			return fmt.Errorf("delete exchange %q: %w", e.Name, err)
		}
	}
	return nil
}

// Pending returns how many messages of a queue are ready to be delivered, and how many consumers it has.
func (c *Conn) Pending(queue string) (messages, consumers int, err error) {
	channel, err := c.conn.Channel()
	if err != nil {
		return 0, 0, fmt.Errorf("open channel: %w", err)
	}
	defer channel.Close()
	q, err := channel.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		return 0, 0, fmt.Errorf("look at queue %q: %w", queue, err)
	}
	return q.Messages, q.Consumers, nil
}

func exchangeArguments(e topology.Exchange) amqp091.Table {
	if e.Alternate == "" {
		return nil
	}
	return amqp091.Table{"alternate-exchange": e.Alternate}
}

// manyDeliveries stands for no limit: RabbitMQ 4 has one of 20 where none is given, and earlier ones know no word for none.
const manyDeliveries = 1 << 30

func queueArguments(q topology.Queue) amqp091.Table {
	arguments := amqp091.Table{}
	if q.DeadLetterExchange != "" {
		arguments["x-dead-letter-exchange"] = q.DeadLetterExchange
	}
	if q.DeadLetterKey != "" {
		arguments["x-dead-letter-routing-key"] = q.DeadLetterKey
	}
	if q.TTL > 0 {
		arguments["x-message-ttl"] = q.TTL.Milliseconds()
	}
	if q.MessagesMax > 0 {
		arguments["x-max-length"] = int32(q.MessagesMax)
	}
	if q.Quorum || q.DeliveryLimit > 0 {
		arguments["x-queue-type"] = "quorum"
		arguments["x-delivery-limit"] = int32(cmp.Or(q.DeliveryLimit, manyDeliveries))
	}
	if q.Quorum && q.DeadLetterExchange != "" {
		arguments["x-dead-letter-strategy"] = "at-least-once"
		arguments["x-overflow"] = "reject-publish" // which that strategy needs
	}
	return arguments
}

func bind(channel *amqp091.Channel, b topology.Binding, noWait bool) error {
	if b.Exchange != "" {
		return channel.ExchangeBind(b.Exchange, b.Key, b.Source, noWait, b.Arguments())
	}
	return channel.QueueBind(b.Queue, b.Key, b.Source, noWait, b.Arguments())
}

func unbind(channel *amqp091.Channel, b topology.Binding) error {
	if b.Exchange != "" {
		return channel.ExchangeUnbind(b.Exchange, b.Key, b.Source, false, b.Arguments())
	}
	return channel.QueueUnbind(b.Queue, b.Key, b.Source, b.Arguments())
}

func name(b topology.Binding) string {
	return fmt.Sprintf("%q -> %q with key %q", b.Source, b.Queue+b.Exchange, b.Key)
}
