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

// inFlightMax bounds the messages of one publisher that the broker hasn't confirmed yet. There's twice the room for returns: each message
// can be returned once at most, and returns are taken with each Send, so the library never waits for us to take one.
const inFlightMax = 2048

// Publisher publishes over one channel and knows what became of each message. It's safe for concurrent use. It ends with its connection.
type Publisher struct {
	channel *amqp091.Channel
	closed  chan *amqp091.Error

	returns chan amqp091.Return

	mu       sync.Mutex                      // guards what follows
	pending  []*amqp091.DeferredConfirmation // not known to be confirmed, the oldest first
	returned map[string]struct{}             // message ids that came back and whose confirm wasn't looked at yet
	cause    error                           // why the broker closed the channel
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
		closed:   channel.NotifyClose(make(chan *amqp091.Error, 1)),
		returned: map[string]struct{}{},
	}
	p.returns = channel.NotifyReturn(make(chan amqp091.Return, 2*inFlightMax))
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
	if err := p.room(ctx); err != nil {
		return Confirm{}, err
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
	confirm, err := p.channel.PublishWithDeferredConfirm(m.Exchange, m.Key, !m.Unchecked, false, out)
	if err != nil {
		if errors.Is(err, amqp091.ErrClosed) {
			return Confirm{}, fmt.Errorf("%w: %w", ErrUnavailable, p.reason(err))
		}
		return Confirm{}, fmt.Errorf("publish: %w", err)
	}
	p.mu.Lock()
	p.pending = append(p.pending, confirm)
	p.mu.Unlock()
	return Confirm{publisher: p, confirm: confirm, id: m.Headers.Text(message.HeaderMessageID)}, nil
}

// room waits until fewer than inFlightMax messages are unconfirmed.
func (p *Publisher) room(ctx context.Context) error {
	for {
		p.mu.Lock()
		p.takeReturns()
		for len(p.pending) > 0 && isDone(p.pending[0]) {
			p.pending = p.pending[1:]
		}
		if len(p.pending) < inFlightMax {
			p.mu.Unlock()
			return nil
		}
		oldest := p.pending[0]
		p.mu.Unlock()
		select {
		case <-oldest.Done():
		case <-ctx.Done():
			return fmt.Errorf("%w: too many messages wait for its confirm: %w", ErrUnavailable, context.Cause(ctx))
		}
	}
}

func isDone(c *amqp091.DeferredConfirmation) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
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
	case <-ctx.Done():
		go func() { // ends with the broker's answer, or the channel
			<-c.confirm.Done()
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
	p.takeReturns()
	_, found := p.returned[id]
	delete(p.returned, id)
	return found
}

// takeReturns notes which messages came back. p.mu is held.
func (p *Publisher) takeReturns() {
	for {
		select {
		case r, ok := <-p.returns:
			if !ok {
				return
			}
			p.returned[message.Headers(r.Headers).Text(message.HeaderMessageID)] = struct{}{}
		default:
			return
		}
	}
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
