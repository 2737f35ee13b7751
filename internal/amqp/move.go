package amqp

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/openintegrationhub/leat/internal/message"
)

// moveBatch is how many messages are on their way at a time.
const moveBatch = 100

// Move takes the first n messages of a queue, which has no other consumer, and publishes each to an exchange with a key, its body and
// headers, and some more headers. A message leaves the queue when the broker has confirmed it at the other end, so none is lost; one may be
// in both after an error.
func (c *Conn) Move(ctx context.Context, queue string, n int, exchange, key string, more message.Headers) error {
	publisher, err := c.Publisher()
	if err != nil {
		return err
	}
	defer publisher.channel.Close()
	consumer, err := c.Consume(queue, moveBatch)
	if err != nil {
		return err
	}
	defer consumer.channel.Close() // gives back what wasn't acknowledged
	stop := context.AfterFunc(ctx, func() { consumer.Cancel() })
	defer stop()
	var confirms []Confirm
	for i := range n {
		d, ok := consumer.Next()
		if !ok || ctx.Err() != nil {
			return errors.Join(fmt.Errorf("move messages of queue %q: stopped after %d of %d", queue, i, n), context.Cause(ctx))
		}
		headers := message.Headers{}
		maps.Copy(headers, d.Headers)
		maps.Copy(headers, more)
		confirm, err := publisher.Send(ctx, Publishing{Exchange: exchange, Key: key, Headers: headers, Body: d.Body})
		if err != nil {
			return fmt.Errorf("move messages of queue %q: %w", queue, err)
		}
		if confirms = append(confirms, confirm); len(confirms) < moveBatch && i < n-1 {
			continue
		}
		for _, confirm := range confirms {
			if err := confirm.Wait(ctx); err != nil {
				return fmt.Errorf("move messages of queue %q: %w", queue, err)
			}
		}
		if err := consumer.AckThrough(d); err != nil {
			return fmt.Errorf("move messages of queue %q: %w", queue, err)
		}
		confirms = nil
	}
	return nil
}
