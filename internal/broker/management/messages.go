package management

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
)

// own marks the API's own connections, which aren't listed.
const own = "leat_management"

func (a *api) messageRoutes() map[string]route {
	return map[string]route{
		"POST /api/queues/{vhost}/{queue}/get":           {anyone, a.getMessages},
		"POST /api/exchanges/{vhost}/{exchange}/publish": {anyone, a.publish},
	}
}

// as runs do on a channel in the path's virtual host, logged in as the request's user. Refusals of the broker are answers.
func (a *api) as(c *call, do func(*amqp.Channel) error) error {
	return answerTo(a.with(c, do))
}

// with is as, with errors as they come.
func (a *api) with(c *call, do func(*amqp.Channel) error) error {
	conn, err := amqp.DialConfig("amqp://localhost/", amqp.Config{
		Vhost:      c.PathValue("vhost"),
		SASL:       []amqp.Authentication{&amqp.PlainAuth{Username: c.user.Name, Password: c.password}},
		Properties: amqp.Table{own: true},
		Dial:       func(string, string) (net.Conn, error) { return a.broker.Dial() },
	})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	return do(ch)
}

// answerTo makes RabbitMQ's HTTP answer of an AMQP error.
func answerTo(err error) error {
	e, ok := errors.AsType[*amqp.Error](err)
	if !ok {
		return err
	}
	_, reason, found := strings.Cut(e.Reason, " - ")
	if !found {
		reason = e.Reason
	}
	switch e.Code {
	case amqp.AccessRefused:
		return unauthorised("Access refused.")
	case amqp.NotFound:
		return refused(http.StatusNotFound, "not_found", reason)
	}
	return badRequest(reason)
}

func (a *api) publish(c *call) (int, any, error) {
	fields, err := c.read("routing_key", "payload", "payload_encoding", "properties")
	if err != nil {
		return 0, nil, err
	}
	m, err := publishing(fields)
	if err != nil {
		return 0, nil, err
	}
	key, err := text(fields, "routing_key")
	if err != nil {
		return 0, nil, err
	}
	routed := false
	err = a.with(c, func(ch *amqp.Channel) error {
		if err := ch.Confirm(false); err != nil {
			return err
		}
		closed, returned := ch.NotifyClose(make(chan *amqp.Error, 1)), ch.NotifyReturn(make(chan amqp.Return, 1))
		confirmed, err := ch.PublishWithDeferredConfirm(exchangeName(c.PathValue("exchange")), key, true, false, m)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(c.Context(), 10*time.Second)
		defer cancel()
		select {
		case e := <-closed:
			return e
		case <-confirmed.Done():
			routed = confirmed.Acked() && len(returned) == 0
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if e, ok := errors.AsType[*amqp.Error](err); ok && e.Code != amqp.AccessRefused {
		return 0, nil, badRequest(fmt.Sprintf("%d %s", e.Code, e.Reason))
	}
	if err != nil {
		return 0, nil, answerTo(err)
	}
	return http.StatusOK, object{"routed": routed}, nil
}

// publishing makes a message of the request's fields.
func publishing(fields map[string]any) (amqp.Publishing, error) {
	var m amqp.Publishing
	payload, err := text(fields, "payload")
	if err != nil {
		return m, err
	}
	switch fields["payload_encoding"] {
	case "string":
		m.Body = []byte(payload)
	case "base64":
		if m.Body, err = base64.StdEncoding.DecodeString(payload); err != nil {
			return m, badRequest([]string{"not_base64", payload})
		}
	default:
		return m, badRequest([]any{"unsupported_encoding", fields["payload_encoding"]})
	}
	props, ok := fields["properties"].(map[string]any)
	if !ok {
		if list, isList := fields["properties"].([]any); isList && len(list) == 0 { // how PHP's clients write an empty object
			return m, nil
		}
		return m, badRequest("properties must be an object")
	}
	for name, to := range map[string]*string{
		"content_type": &m.ContentType, "content_encoding": &m.ContentEncoding, "correlation_id": &m.CorrelationId, "reply_to": &m.ReplyTo,
		"expiration": &m.Expiration, "message_id": &m.MessageId, "type": &m.Type, "user_id": &m.UserId, "app_id": &m.AppId,
	} {
		if *to, err = text(props, name); err != nil {
			return m, err
		}
	}
	for name, to := range map[string]*uint8{"delivery_mode": &m.DeliveryMode, "priority": &m.Priority} {
		if *to, err = octet(props, name); err != nil {
			return m, err
		}
	}
	if n, ok := props["timestamp"].(json.Number); ok {
		seconds, err := n.Int64()
		if err != nil {
			return m, badRequest([]any{"not_a_number", n})
		}
		m.Timestamp = time.Unix(seconds, 0)
	}
	m.Headers, err = tableOf(props["headers"])
	return m, err
}

func octet(fields map[string]any, name string) (uint8, error) {
	switch v := fields[name].(type) {
	case nil:
		return 0, nil
	case json.Number:
		if n, err := v.Int64(); err == nil && n >= 0 && n <= 255 {
			return uint8(n), nil
		}
	}
	return 0, badRequest([]any{"not_a_number", fields[name]})
}

func (a *api) getMessages(c *call) (int, any, error) {
	fields, err := c.read("count", "ackmode", "encoding")
	if err != nil {
		return 0, nil, err
	}
	n, ok := fields["count"].(json.Number)
	if !ok {
		n = json.Number(fmt.Sprint(fields["count"]))
	}
	count, err := n.Int64()
	if err != nil || count < 0 {
		return 0, nil, badRequest([]any{"not_a_number", fields["count"]})
	}
	mode, _ := fields["ackmode"].(string)
	settle := map[string]func(*amqp.Delivery) error{
		"ack_requeue_true": func(d *amqp.Delivery) error { return d.Nack(true, true) }, "reject_requeue_true": func(d *amqp.Delivery) error { return d.Nack(true, true) },
		"ack_requeue_false": func(d *amqp.Delivery) error { return d.Ack(true) }, "reject_requeue_false": func(d *amqp.Delivery) error { return d.Nack(true, false) },
	}[mode]
	if settle == nil {
		return 0, nil, badRequest([]any{"invalid_ackmode", fields["ackmode"]})
	}
	truncate := int64(-1)
	if v, ok := fields["truncate"].(json.Number); ok {
		if truncate, err = v.Int64(); err != nil || truncate < 0 {
			return 0, nil, badRequest([]any{"not_a_number", v})
		}
	}
	out := []object{}
	err = a.with(c, func(ch *amqp.Channel) error {
		var last *amqp.Delivery
		for range count {
			d, ok, err := ch.Get(c.PathValue("queue"), false)
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			last = &d
			out = append(out, messageObject(d, fields["encoding"] == "base64", truncate))
		}
		if last == nil {
			return nil
		}
		if err := settle(last); err != nil {
			return err
		}
		return ch.Close() // so that it's settled before the answer
	})
	if e, ok := errors.AsType[*amqp.Error](err); ok && e.Code == amqp.NotFound {
		return 0, nil, refused(http.StatusNotFound, "not_found", e.Reason)
	}
	return http.StatusOK, out, answerTo(err)
}

func messageObject(d amqp.Delivery, asBase64 bool, truncate int64) object {
	body, encoding := d.Body, "string"
	if truncate >= 0 && int64(len(body)) > truncate {
		body = body[:truncate]
	}
	payload := string(body)
	if asBase64 || !utf8.Valid(body) {
		payload, encoding = base64.StdEncoding.EncodeToString(body), "base64"
	}
	props := object{}
	for name, value := range map[string]string{
		"content_type": d.ContentType, "content_encoding": d.ContentEncoding, "correlation_id": d.CorrelationId, "reply_to": d.ReplyTo,
		"expiration": d.Expiration, "message_id": d.MessageId, "type": d.Type, "user_id": d.UserId, "app_id": d.AppId,
	} {
		if value != "" {
			props[name] = value
		}
	}
	if d.DeliveryMode != 0 {
		props["delivery_mode"] = d.DeliveryMode
	}
	if d.Priority != 0 {
		props["priority"] = d.Priority
	}
	if !d.Timestamp.IsZero() {
		props["timestamp"] = d.Timestamp.Unix()
	}
	if d.Headers != nil {
		props["headers"] = valueJSON(d.Headers)
	}
	return object{
		"payload_bytes": len(d.Body), "redelivered": d.Redelivered, "exchange": d.Exchange, "routing_key": d.RoutingKey, "message_count": d.MessageCount,
		"properties": orList(props), "payload": payload, "payload_encoding": encoding,
	}
}

// orList makes an empty object the empty list that RabbitMQ writes for it here.
func orList(props object) any {
	if len(props) == 0 {
		return []any{}
	}
	return props
}
