package amqp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/openintegrationhub/leat/internal/message"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// inFlightMax bounds the messages of one publisher that wait for their confirm. It's also the room for returns: each message can be
// returned once at most, so the library never waits for us to take a return.
const inFlightMax = 2048

// Publisher publishes over one channel and knows what became of each message. It's safe for concurrent use. It ends with its connection.
type Publisher struct {
	channel *amqp091.Channel
	slots   chan struct{} // one is taken per message in flight
	closed  chan *amqp091.Error

	returns chan amqp091.Return

	mu       sync.Mutex          // guards what follows
	returned map[string]struct{} // message ids that came back and whose confirm wasn't looked at yet
	cause    error               // why the broker closed the channel
}

// Publisher opens a channel in confirm mode.
func (c *Conn) Publisher() (*Publisher, error) {
	channel, err := c.conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	if err := channel.Confirm(false); err != nil {
		return nil, fmt.Errorf("turn on publisher confirms: %w", err)
	}
	p := &Publisher{
		channel:  channel,
		slots:    make(chan struct{}, inFlightMax),
		closed:   channel.NotifyClose(make(chan *amqp091.Error, 1)),
		returned: map[string]struct{}{},
	}
	p.returns = channel.NotifyReturn(make(chan amqp091.Return, inFlightMax))
	return p, nil
}

// Confirm is the broker's answer to one message, to come.
type Confirm struct {
	publisher *Publisher
	confirm   *amqp091.DeferredConfirmation
	id        string
}

// Send hands a message to the broker and returns without waiting for the answer, unless too many are waiting already. The error wraps
// ErrUnavailable if nothing was sent.
func (p *Publisher) Send(ctx context.Context, m Publishing) (Confirm, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return Confirm{}, fmt.Errorf("%w: too many messages wait for the broker: %w", ErrUnavailable, context.Cause(ctx))
	}
	out := amqp091.Publishing{
		Headers:         amqp091.Table(m.Headers),
		ContentType:     "application/json",
		ContentEncoding: "utf8",
		DeliveryMode:    amqp091.Persistent,
		Body:            m.Body,
	}
	if m.Expiration > 0 {
		out.Expiration = strconv.FormatInt(m.Expiration.Milliseconds(), 10)
	}
	confirm, err := p.channel.PublishWithDeferredConfirm(m.Exchange, m.Key, true, false, out)
	if err != nil {
		<-p.slots
		if errors.Is(err, amqp091.ErrClosed) {
			return Confirm{}, fmt.Errorf("%w: %w", ErrUnavailable, p.reason(err))
		}
		return Confirm{}, fmt.Errorf("publish: %w", err)
	}
	return Confirm{publisher: p, confirm: confirm, id: m.Headers.Text(message.HeaderMessageID)}, nil
}

// Publish is Send and Wait.
func (p *Publisher) Publish(ctx context.Context, m Publishing) error {
	c, err := p.Send(ctx, m)
	if err != nil {
		return err
	}
	return c.Wait(ctx)
}

// Done is closed when the broker has answered, or the channel has ended.
func (c Confirm) Done() <-chan struct{} { return c.confirm.Done() }

// Wait waits for the broker's answer: nil when it has taken responsibility, ErrUnroutable, ErrRefused, or what became of the channel or
// ctx; in these last cases the message may have been accepted. Call it once.
func (c Confirm) Wait(ctx context.Context) error {
	select {
	case <-c.confirm.Done():
		<-c.publisher.slots
	case <-ctx.Done():
		go func() { // the slot is taken until the broker has answered; a channel's end answers too
			<-c.confirm.Done()
			<-c.publisher.slots
			c.publisher.wasReturned(c.id)
		}()
		return fmt.Errorf("wait for the broker's confirm: %w", context.Cause(ctx))
	}
	unroutable := c.publisher.wasReturned(c.id)
	switch {
	case !c.confirm.Acked() && c.publisher.channel.IsClosed():
		return fmt.Errorf("wait for the broker's confirm: %w", c.publisher.reason(amqp091.ErrClosed))
	case !c.confirm.Acked():
		return ErrRefused
	case unroutable:
		return ErrUnroutable
	}
	return nil
}

// wasReturned tells whether the message came back, once its confirm is there. The broker sends a return before the confirm of the same
// message, and the library hands both on in that order, so by now the return is in the channel.
func (p *Publisher) wasReturned(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		select {
		case r, ok := <-p.returns:
			if !ok {
				return false
			}
			p.returned[message.Headers(r.Headers).Text(message.HeaderMessageID)] = struct{}{}
			continue
		default:
		}
		break
	}
	_, found := p.returned[id]
	delete(p.returned, id)
	return found
}

// reason returns why the channel was closed, if the broker said so, else err.
func (p *Publisher) reason(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cause == nil {
		select {
		case reason, ok := <-p.closed:
			if ok && reason != nil {
				p.cause = reason
			}
		default:
		}
	}
	if p.cause != nil {
		return p.cause
	}
	return err
}
