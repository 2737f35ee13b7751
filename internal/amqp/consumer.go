package amqp

import (
	"fmt"
	"time"

	"github.com/openintegrationhub/leat/internal/message"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// Delivery is a message from a queue.
type Delivery struct {
	Exchange    string
	Key         string
	Headers     message.Headers
	Body        []byte
	Redelivered bool // may have been processed before

	tag uint64
}

// DeathReason is why the broker made the message a dead letter, the last time: "rejected", "expired", "maxlen", "delivery_limit"; "" if it
// is none.
func (d Delivery) DeathReason() string {
	deaths, _ := d.Headers["x-death"].([]any)
	if len(deaths) == 0 {
		return ""
	}
	death, _ := deaths[0].(amqp091.Table)
	reason, _ := death["reason"].(string)
	return reason
}

// Consumer consumes one queue over a channel of its own.
type Consumer struct {
	channel    *amqp091.Channel
	deliveries <-chan amqp091.Delivery
	tag        string
}

// Consume starts to consume queue; at most prefetch messages are on their way or unacknowledged at any time.
func (c *Conn) Consume(queue string, prefetch int) (*Consumer, error) {
	channel, err := c.conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	if err := channel.Qos(prefetch, 0, false); err != nil {
		return nil, fmt.Errorf("set prefetch to %d: %w", prefetch, err)
	}
	tag := fmt.Sprintf("leat-%d", time.Now().UnixNano())
	deliveries, err := channel.Consume(queue, tag, false, false, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("consume queue %q: %w", queue, err)
	}
	return &Consumer{channel: channel, deliveries: deliveries, tag: tag}, nil
}

// Next waits for the next message; false means that the consumer has ended: it was cancelled, by us or by the broker (the queue was
// deleted), or the connection is lost.
func (c *Consumer) Next() (Delivery, bool) {
	d, ok := <-c.deliveries
	if !ok {
		return Delivery{}, false
	}
	return delivery(d), true
}

func delivery(d amqp091.Delivery) Delivery {
	return Delivery{
		Exchange:    d.Exchange,
		Key:         d.RoutingKey,
		Headers:     message.Headers(d.Headers),
		Body:        d.Body,
		Redelivered: d.Redelivered,
		tag:         d.DeliveryTag,
	}
}

// Cancel stops new messages; Next still gives those that had arrived.
func (c *Consumer) Cancel() error { return c.channel.Cancel(c.tag, false) }

// Ack tells the broker that d is done.
func (c *Consumer) Ack(d Delivery) error { return c.channel.Ack(d.tag, false) }

// AckThrough tells the broker that d and all that came before it are done.
func (c *Consumer) AckThrough(d Delivery) error { return c.channel.Ack(d.tag, true) }

// Reject gives d up: it goes where the queue's dead letters go.
func (c *Consumer) Reject(d Delivery) error { return c.channel.Reject(d.tag, false) }

// Requeue gives d back to its queue.
func (c *Consumer) Requeue(d Delivery) error { return c.channel.Reject(d.tag, true) }

// Peek looks at the first message of a queue and leaves it there; found is false if there's none.
func (c *Conn) Peek(queue string) (d Delivery, found bool, err error) {
	channel, err := c.conn.Channel()
	if err != nil {
		return Delivery{}, false, fmt.Errorf("open channel: %w", err)
	}
	defer channel.Close() // gives an unacknowledged message back
	got, found, err := channel.Get(queue, false)
	if err != nil {
		return Delivery{}, false, fmt.Errorf("get from queue %q: %w", queue, err)
	}
	return delivery(got), found, nil
}
