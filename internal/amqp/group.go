package amqp

import (
	"context"
	"fmt"
	"reflect"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// Group consumes several queues over one channel, for those who consume thousands of quiet ones: a channel for each, and a goroutine, would be
// too many. It's for use by one goroutine. It ends with its connection, or when the broker ends its channel.
type Group struct {
	channel *amqp091.Channel
	queues  []string
	cases   []reflect.SelectCase // one for each queue, then one for the context
}

// ConsumeGroup starts to consume the queues; of each at most prefetch messages are on their way or unacknowledged at any time.
func (c *Conn) ConsumeGroup(queues []string, prefetch int) (*Group, error) {
	channel, err := c.conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	g := &Group{channel: channel, queues: queues}
	if err := g.consume(prefetch); err != nil {
		channel.Close()
		return nil, err
	}
	return g, nil
}

func (g *Group) consume(prefetch int) error {
	if err := g.channel.Qos(prefetch, 0, false); err != nil { // of each consumer, as RabbitMQ reads it
		return fmt.Errorf("set prefetch to %d: %w", prefetch, err)
	}
	for _, queue := range g.queues {
		deliveries, err := g.channel.Consume(queue, "", false, false, false, false, nil)
		if err != nil {
			return fmt.Errorf("consume queue %q: %w", queue, err)
		}
		g.cases = append(g.cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(deliveries)})
	}
	g.cases = append(g.cases, reflect.SelectCase{Dir: reflect.SelectRecv})
	return nil
}

// Next waits for the next message of any queue; those of one queue come in its order. False means that ctx is done, or that a queue has no
// consumer any more: it was deleted, or the connection is lost.
func (g *Group) Next(ctx context.Context) (queue string, d Delivery, ok bool) {
	last := len(g.queues)
	g.cases[last].Chan = reflect.ValueOf(ctx.Done())
	i, value, ok := reflect.Select(g.cases)
	if i == last || !ok {
		return "", Delivery{}, false
	}
	return g.queues[i], delivery(value.Interface().(amqp091.Delivery)), true
}

// Ack tells the broker that d is done.
func (g *Group) Ack(d Delivery) error { return g.channel.Ack(d.tag, false) }

// Close ends the consumers; what wasn't acknowledged goes back to its queue.
func (g *Group) Close() error { return g.channel.Close() }
