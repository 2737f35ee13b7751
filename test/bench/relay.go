package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/topology"
)

// prefetch of bare loops: what the SDK uses by default.
const prefetch = 100

// envelope is a message as somebody without the SDK would write it down.
type envelope struct {
	ID          string          `json:"id"`
	Attachments json.RawMessage `json:"attachments"`
	Body        json.RawMessage `json:"body"`
	Headers     json.RawMessage `json:"headers"`
	Metadata    json.RawMessage `json:"metadata"`
}

// bareStage is a step as a loop over amqp091-go: it consumes, publishes with confirms that it doesn't wait for one by one, and acknowledges
// an input when its outcome is confirmed. With codec it also decrypts, decodes, encodes and encrypts each message, and gives it headers, as
// every component has to; else it hands the bytes on.
func (w *world) bareStage(i int, codec bool) stage {
	queue, key := topology.StepQueue(w.flow.Name, stepID(i)), topology.Key(w.flow.Name, stepID(i), topology.Message)
	last := i == w.end
	return func(ctx context.Context) error {
		conn, err := w.target.connectBare()
		if err != nil {
			return err
		}
		defer conn.Close()
		in, deliveries, err := consume(conn, queue)
		if err != nil {
			return err
		}
		out, err := conn.Channel()
		if err != nil {
			return err
		}
		if err := out.Confirm(false); err != nil {
			return err
		}
		sent := make(chan relayed, prefetch)
		settled := make(chan error, 1)
		go func() { settled <- settle(in, sent) }()
		context.AfterFunc(ctx, func() { in.Cancel(tag, false) })
		for d := range deliveries {
			p := amqp091.Publishing{Headers: d.Headers, ContentType: d.ContentType, ContentEncoding: d.ContentEncoding,
				DeliveryMode: amqp091.Persistent, Body: d.Body}
			if codec {
				if p.Headers, p.Body, err = w.recode(d, stepID(i)); err != nil {
					return err
				}
			}
			confirm, err := out.PublishWithDeferredConfirm(w.flow.Name, key, false, false, p)
			if err != nil {
				return err
			}
			if last {
				w.arrive()
			}
			sent <- relayed{d.DeliveryTag, confirm}
		}
		close(sent)
		return <-settled
	}
}

const tag = "bench"

func consume(conn *amqp091.Connection, queue string) (*amqp091.Channel, <-chan amqp091.Delivery, error) {
	channel, err := conn.Channel()
	if err != nil {
		return nil, nil, err
	}
	if err := channel.Qos(prefetch, 0, false); err != nil {
		return nil, nil, err
	}
	deliveries, err := channel.Consume(queue, tag, false, false, false, false, nil)
	return channel, deliveries, err
}

// relayed is a message whose outcome is on its way.
type relayed struct {
	tag     uint64
	confirm *amqp091.DeferredConfirmation
}

// settle acknowledges inputs in order, as many at once as are confirmed, as the SDK does.
func settle(in *amqp091.Channel, sent <-chan relayed) error {
	for r := range sent {
		through := uint64(0)
		for more := true; more; {
			if !r.confirm.Wait() {
				return errors.New("the broker refused a message")
			}
			through, more = r.tag, false
			select {
			case next, ok := <-sent:
				if !ok {
					break
				}
				r = next
				select {
				case <-r.confirm.Done():
					more = true
				default:
					if err := in.Ack(through, true); err != nil {
						return err
					}
					more = true
				}
			default:
			}
		}
		if err := in.Ack(through, true); err != nil {
			return err
		}
	}
	return nil
}

// recode does to a message what the wire format asks of a component.
func (w *world) recode(d amqp091.Delivery, step string) (amqp091.Table, []byte, error) {
	plain, err := w.cipher.Decrypt(d.Body, message.ProtocolBase64)
	if err != nil {
		return nil, nil, err
	}
	var m envelope
	if err := json.Unmarshal(plain, &m); err != nil {
		return nil, nil, fmt.Errorf("decode message: %w", err)
	}
	m.ID = uuid.NewString()
	if plain, err = json.Marshal(m); err != nil {
		return nil, nil, fmt.Errorf("encode message: %w", err)
	}
	headers := amqp091.Table{
		"taskId": w.flow.Name, "userId": "leat", "execId": d.Headers["execId"], "stepId": step, "compId": "echo", "function": "echo", "messageId": m.ID,
		"parentMessageId": d.Headers["messageId"], "x-eio-meta-trace-id": d.Headers["x-eio-meta-trace-id"], "protocolVersion": int32(message.ProtocolBase64),
	}
	return headers, w.cipher.Encrypt(plain), nil
}
