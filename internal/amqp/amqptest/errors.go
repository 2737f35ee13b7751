package amqptest

import (
	"fmt"
	"slices"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// errorLaw holds what the broker refuses, with code and text to the letter: people search for these texts, and clients branch on them.
var errorLaw = func() map[string]func(*bed) {
	law := map[string]func(*bed){"an error on one channel leaves the others alone": channelErrorIsLocal}
	for _, c := range slices.Concat(refusals, moreRefusals) {
		law["refused: "+c.name] = c.run
	}
	return law
}()

// refusal is one thing a broker must not accept. In text, {q}, {x} and {v} stand for a queue, a topic exchange and the virtual host.
type refusal struct {
	name string
	code int
	text string
	hard bool // closes the connection, not just the channel
	do   func(ch *amqp.Channel, q, x string) error
}

func (c refusal) run(b *bed) {
	conn := b.dial()
	ch := b.channelOf(conn)
	q, x := b.queue(ch, nil), b.exchange(ch, "topic", nil)
	text := strings.NewReplacer("{q}", q, "{x}", x, "{v}", b.vhost).Replace(c.text)
	b.wantRefusal(ch, c.code, text, func() error { return c.do(ch, q, x) })
	if c.hard {
		b.eventually("the connection is closed", conn.IsClosed)
		return
	}
	other, err := conn.Channel()
	if err != nil {
		b.Fatalf("the connection didn't survive: %v", err)
	}
	b.roundTrip(other)
}

func declareArgs(ch *amqp.Channel, q string, args amqp.Table) error {
	_, err := ch.QueueDeclare("new-"+q, true, false, false, false, args)
	return err
}

var refusals = []refusal{
	// Not there.
	{"publish to an exchange that isn't there", 404, "NOT_FOUND - no exchange 'none' in vhost '{v}'", false, func(ch *amqp.Channel, q, x string) error {
		return ch.Publish("none", "k", false, false, amqp.Publishing{})
	}},
	{"consume from a queue that isn't there", 404, "NOT_FOUND - no queue 'none' in vhost '{v}'", false, func(ch *amqp.Channel, q, x string) error {
		_, err := ch.Consume("none", "", false, false, false, false, nil)
		return err
	}},
	{"get from a queue that isn't there", 404, "NOT_FOUND - no queue 'none' in vhost '{v}'", false, func(ch *amqp.Channel, q, x string) error {
		_, _, err := ch.Get("none", false)
		return err
	}},
	{"purge a queue that isn't there", 404, "NOT_FOUND - no queue 'none' in vhost '{v}'", false, func(ch *amqp.Channel, q, x string) error {
		_, err := ch.QueuePurge("none", false)
		return err
	}},
	{"passively declare a queue that isn't there", 404, "NOT_FOUND - no queue 'none' in vhost '{v}'", false, func(ch *amqp.Channel, q, x string) error {
		_, err := ch.QueueDeclarePassive("none", false, false, false, false, nil)
		return err
	}},
	{"passively declare an exchange that isn't there", 404, "NOT_FOUND - no exchange 'none' in vhost '{v}'", false, func(ch *amqp.Channel, q, x string) error {
		return ch.ExchangeDeclarePassive("none", "topic", false, false, false, false, nil)
	}},
	{"bind a queue that isn't there", 404, "NOT_FOUND - no queue 'none' in vhost '{v}'", false, func(ch *amqp.Channel, q, x string) error {
		return ch.QueueBind("none", "k", x, false, nil)
	}},
	{"bind to an exchange that isn't there", 404, "NOT_FOUND - no exchange 'none' in vhost '{v}'", false, func(ch *amqp.Channel, q, x string) error {
		return ch.QueueBind(q, "k", "none", false, nil)
	}},
	{"bind an exchange that isn't there", 404, "NOT_FOUND - no exchange 'none' in vhost '{v}'", false, func(ch *amqp.Channel, q, x string) error {
		return ch.ExchangeBind("none", "k", x, false, nil)
	}},

	// Declared otherwise.
	{"redeclare a queue as not durable", 406, "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{q}' in vhost '{v}': received 'false' but current is 'true'", false, func(ch *amqp.Channel, q, x string) error {
		_, err := ch.QueueDeclare(q, false, false, false, false, nil)
		return err
	}},
	{"redeclare a queue as auto-delete", 406, "PRECONDITION_FAILED - inequivalent arg 'auto_delete' for queue '{q}' in vhost '{v}': received 'true' but current is 'false'", false, func(ch *amqp.Channel, q, x string) error {
		_, err := ch.QueueDeclare(q, true, true, false, false, nil)
		return err
	}},
	{"redeclare a queue as exclusive", 405, "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{q}' in vhost '{v}'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.", false, func(ch *amqp.Channel, q, x string) error {
		_, err := ch.QueueDeclare(q, true, false, true, false, nil)
		return err
	}},
	{"redeclare a queue with a new argument", 406, "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue '{q}' in vhost '{v}': received the value '1000' of type 'signedint' but current is none", false, func(ch *amqp.Channel, q, x string) error {
		_, err := ch.QueueDeclare(q, true, false, false, false, amqp.Table{"x-message-ttl": int32(1000)})
		return err
	}},
	{"redeclare a queue without an argument", 406, "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-exchange' for queue 'new-{q}' in vhost '{v}': received none but current is the value '{x}' of type 'longstr'", false, func(ch *amqp.Channel, q, x string) error {
		if err := declareArgs(ch, q, amqp.Table{"x-dead-letter-exchange": x}); err != nil {
			return err
		}
		return declareArgs(ch, q, nil)
	}},
	{"redeclare a queue with another argument", 406, "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'new-{q}' in vhost '{v}': received '20' but current is '10'", false, func(ch *amqp.Channel, q, x string) error {
		if err := declareArgs(ch, q, amqp.Table{"x-max-length": int32(10)}); err != nil {
			return err
		}
		return declareArgs(ch, q, amqp.Table{"x-max-length": int64(20)})
	}},
	{"redeclare an exchange of another type", 406, "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '{x}' in vhost '{v}': received 'fanout' but current is 'topic'", false, func(ch *amqp.Channel, q, x string) error {
		return ch.ExchangeDeclare(x, "fanout", true, false, false, false, nil)
	}},
	{"redeclare an exchange as not durable", 406, "PRECONDITION_FAILED - inequivalent arg 'durable' for exchange '{x}' in vhost '{v}': received 'false' but current is 'true'", false, func(ch *amqp.Channel, q, x string) error {
		return ch.ExchangeDeclare(x, "topic", false, false, false, false, nil)
	}},
	{"redeclare an exchange as auto-delete", 406, "PRECONDITION_FAILED - inequivalent arg 'auto_delete' for exchange '{x}' in vhost '{v}': received 'true' but current is 'false'", false, func(ch *amqp.Channel, q, x string) error {
		return ch.ExchangeDeclare(x, "topic", true, true, false, false, nil)
	}},
	{"redeclare an exchange as internal", 406, "PRECONDITION_FAILED - inequivalent arg 'internal' for exchange '{x}' in vhost '{v}': received 'true' but current is 'false'", false, func(ch *amqp.Channel, q, x string) error {
		return ch.ExchangeDeclare(x, "topic", true, false, true, false, nil)
	}},
	{"redeclare an exchange with an alternate", 406, "PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange '{x}' in vhost '{v}': received the value 'a' of type 'longstr' but current is none", false, func(ch *amqp.Channel, q, x string) error {
		return ch.ExchangeDeclare(x, "topic", true, false, false, false, amqp.Table{"alternate-exchange": "a"})
	}},

	// Arguments that make no sense.
	{"a text as time to live", 406, "PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'new-{q}' in vhost '{v}': \"expected integer, got longstr\"", false, func(ch *amqp.Channel, q, x string) error {
		return declareArgs(ch, q, amqp.Table{"x-message-ttl": "soon"})
	}},
	{"a negative time to live", 406, "PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'new-{q}' in vhost '{v}': {value_negative,-1}", false, func(ch *amqp.Channel, q, x string) error {
		return declareArgs(ch, q, amqp.Table{"x-message-ttl": int32(-1)})
	}},
	{"a queue that expires at once", 406, "PRECONDITION_FAILED - invalid arg 'x-expires' for queue 'new-{q}' in vhost '{v}': {value_zero,0}", false, func(ch *amqp.Channel, q, x string) error {
		return declareArgs(ch, q, amqp.Table{"x-expires": int32(0)})
	}},
	{"a negative length", 406, "PRECONDITION_FAILED - invalid arg 'x-max-length' for queue 'new-{q}' in vhost '{v}': {value_negative,-1}", false, func(ch *amqp.Channel, q, x string) error {
		return declareArgs(ch, q, amqp.Table{"x-max-length": int32(-1)})
	}},
	{"an unknown overflow mode", 406, "PRECONDITION_FAILED - invalid arg 'x-overflow' for queue 'new-{q}' in vhost '{v}': invalid_overflow", false, func(ch *amqp.Channel, q, x string) error {
		return declareArgs(ch, q, amqp.Table{"x-overflow": "explode"})
	}},
	{"too many priorities", 406, "PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue 'new-{q}' in vhost '{v}': {max_value_exceeded,256}", false, func(ch *amqp.Channel, q, x string) error {
		return declareArgs(ch, q, amqp.Table{"x-max-priority": int32(256)})
	}},
	{"a number as dead letter exchange", 406, "PRECONDITION_FAILED - invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'new-{q}' in vhost '{v}'", false, func(ch *amqp.Channel, q, x string) error {
		return declareArgs(ch, q, amqp.Table{"x-dead-letter-exchange": int32(1)})
	}},
	{"a dead letter key without exchange", 406, "PRECONDITION_FAILED - invalid arg 'x-dead-letter-routing-key' for queue 'new-{q}' in vhost '{v}': routing_key_but_no_dlx_defined", false, func(ch *amqp.Channel, q, x string) error {
		return declareArgs(ch, q, amqp.Table{"x-dead-letter-routing-key": "k"})
	}},
	{"an unknown queue type", 406, "PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue 'new-{q}' in vhost '{v}': \"unsupported queue type 'bogus'\"", false, func(ch *amqp.Channel, q, x string) error {
		return declareArgs(ch, q, amqp.Table{"x-queue-type": "bogus"})
	}},
	{"a text for single active consumer", 406, "PRECONDITION_FAILED - invalid arg 'x-single-active-consumer' for queue 'new-{q}' in vhost '{v}': {unacceptable_type,longstr}", false, func(ch *amqp.Channel, q, x string) error {
		return declareArgs(ch, q, amqp.Table{"x-single-active-consumer": "yes"})
	}},
	{"a transient quorum queue", 406, "PRECONDITION_FAILED - invalid property 'non-durable' for queue 'new-{q}' in vhost '{v}'", false, func(ch *amqp.Channel, q, x string) error {
		_, err := ch.QueueDeclare("new-"+q, false, false, false, false, amqp.Table{"x-queue-type": "quorum"})
		return err
	}},
	{"a headers binding with an unknown match", 406, "PRECONDITION_FAILED - Invalid x-match field value <<\"most\">>; expected all, any, all-with-x, or any-with-x", false, func(ch *amqp.Channel, q, x string) error {
		return ch.QueueBind(q, "", "amq.headers", false, amqp.Table{"x-match": "most"})
	}},

	// Reserved.
	{"declare a queue with a reserved name", 403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'", false, func(ch *amqp.Channel, q, x string) error {
		_, err := ch.QueueDeclare("amq.mine", true, false, false, false, nil)
		return err
	}},
	{"declare an exchange with a reserved name", 403, "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'", false, func(ch *amqp.Channel, q, x string) error {
		return ch.ExchangeDeclare("amq.mine", "topic", true, false, false, false, nil)
	}},
	{"delete a predeclared exchange", 403, "ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '{v}' not allowed", false, func(ch *amqp.Channel, q, x string) error {
		return ch.ExchangeDelete("amq.topic", false, false)
	}},
	{"delete the default exchange", 403, "ACCESS_REFUSED - operation not permitted on the default exchange", false, func(ch *amqp.Channel, q, x string) error {
		return ch.ExchangeDelete("", false, false)
	}},
	{"bind to the default exchange", 403, "ACCESS_REFUSED - operation not permitted on the default exchange", false, func(ch *amqp.Channel, q, x string) error {
		return ch.QueueBind(q, "k", "", false, nil)
	}},
	{"publish to an internal exchange", 403, "ACCESS_REFUSED - cannot publish to internal exchange 'new-{x}' in vhost '{v}'", false, func(ch *amqp.Channel, q, x string) error {
		if err := ch.ExchangeDeclare("new-"+x, "topic", true, false, true, false, nil); err != nil {
			return err
		}
		return ch.Publish("new-"+x, "k", false, false, amqp.Publishing{})
	}},

	// In use.
	{"delete a queue that isn't empty, if empty", 406, "PRECONDITION_FAILED - queue '{q}' in vhost '{v}' not empty", false, func(ch *amqp.Channel, q, x string) error {
		if _, err := ch.PublishWithDeferredConfirm("", q, false, false, amqp.Publishing{}); err != nil {
			return err
		}
		_, err := ch.QueueDelete(q, false, true, false)
		return err
	}},
	{"delete a queue that is consumed, if unused", 406, "PRECONDITION_FAILED - queue '{q}' in vhost '{v}' in use", false, func(ch *amqp.Channel, q, x string) error {
		if _, err := ch.Consume(q, "", false, false, false, false, nil); err != nil {
			return err
		}
		_, err := ch.QueueDelete(q, true, false, false)
		return err
	}},
	{"delete an exchange that is bound, if unused", 406, "PRECONDITION_FAILED - exchange '{x}' in vhost '{v}' in use", false, func(ch *amqp.Channel, q, x string) error {
		if err := ch.QueueBind(q, "k", x, false, nil); err != nil {
			return err
		}
		return ch.ExchangeDelete(x, true, false)
	}},

	// Deliveries and publishes.
	{"ack what wasn't delivered", 406, "PRECONDITION_FAILED - unknown delivery tag 5", false, func(ch *amqp.Channel, q, x string) error {
		return ch.Ack(5, false)
	}},
	{"ack twice", 406, "PRECONDITION_FAILED - unknown delivery tag 1", false, func(ch *amqp.Channel, q, x string) error {
		if c, err := ch.PublishWithDeferredConfirm("", q, false, false, amqp.Publishing{}); err != nil || !c.Wait() {
			return fmt.Errorf("publish: %w", err)
		}
		d, _, err := ch.Get(q, false)
		if err != nil {
			return err
		}
		d.Ack(false)
		return d.Ack(false)
	}},
	{"ack what was delivered without acks", 406, "PRECONDITION_FAILED - unknown delivery tag 1", false, func(ch *amqp.Channel, q, x string) error {
		if c, err := ch.PublishWithDeferredConfirm("", q, false, false, amqp.Publishing{}); err != nil || !c.Wait() {
			return fmt.Errorf("publish: %w", err)
		}
		if _, _, err := ch.Get(q, true); err != nil {
			return err
		}
		return ch.Ack(1, false)
	}},
	{"reject what wasn't delivered", 406, "PRECONDITION_FAILED - unknown delivery tag 7", false, func(ch *amqp.Channel, q, x string) error {
		return ch.Reject(7, true)
	}},
	{"nack many when nothing was delivered", 406, "PRECONDITION_FAILED - unknown delivery tag 7", false, func(ch *amqp.Channel, q, x string) error {
		return ch.Nack(7, true, true)
	}},
	{"publish as another user", 406, "PRECONDITION_FAILED - user_id property set to 'other' but authenticated user was 'guest'", false, func(ch *amqp.Channel, q, x string) error {
		return ch.Publish("", q, false, false, amqp.Publishing{UserId: "other"})
	}},
	{"publish with an expiration that's no number", 406, "PRECONDITION_FAILED - invalid expiration 'soon': no_integer", false, func(ch *amqp.Channel, q, x string) error {
		return ch.Publish("", q, false, false, amqp.Publishing{Expiration: "soon"})
	}},
	{"publish with a negative expiration", 406, "PRECONDITION_FAILED - invalid expiration '-1': {value_negative,-1}", false, func(ch *amqp.Channel, q, x string) error {
		return ch.Publish("", q, false, false, amqp.Publishing{Expiration: "-1"})
	}},
	{"publish with CC that's no list", 406, "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",longstr}", false, func(ch *amqp.Channel, q, x string) error {
		return ch.Publish("", q, false, false, amqp.Publishing{Headers: amqp.Table{"CC": "k"}})
	}},
	{"ask for a direct reply without consuming replies", 406, "PRECONDITION_FAILED - fast reply consumer does not exist", false, func(ch *amqp.Channel, q, x string) error {
		return ch.Publish("", q, false, false, amqp.Publishing{ReplyTo: replyTo})
	}},
	{"consume direct replies with acks", 406, "PRECONDITION_FAILED - reply consumer cannot acknowledge", false, func(ch *amqp.Channel, q, x string) error {
		_, err := ch.Consume(replyTo, "", false, false, false, false, nil)
		return err
	}},
	{"consume direct replies twice", 406, "PRECONDITION_FAILED - reply consumer already set", false, func(ch *amqp.Channel, q, x string) error {
		if _, err := ch.Consume(replyTo, "", true, false, false, false, nil); err != nil {
			return err
		}
		_, err := ch.Consume(replyTo, "", true, false, false, false, nil)
		return err
	}},

	// Those that cost the connection.
	{"publish immediate", 540, "NOT_IMPLEMENTED - immediate=true", true, func(ch *amqp.Channel, q, x string) error {
		return ch.Publish("", q, false, true, amqp.Publishing{})
	}},
	{"an unknown exchange type", 503, "COMMAND_INVALID - unknown exchange type 'bogus'", true, func(ch *amqp.Channel, q, x string) error {
		return ch.ExchangeDeclare("new-"+x, "bogus", true, false, false, false, nil)
	}},
	{"a prefetch in bytes", 540, "NOT_IMPLEMENTED - prefetch_size!=0 (10)", true, func(ch *amqp.Channel, q, x string) error {
		return ch.Qos(1, 10, false)
	}},
	{"recover without putting back", 540, "NOT_IMPLEMENTED - requeue=false", true, func(ch *amqp.Channel, q, x string) error {
		return ch.Recover(false)
	}},
	{"use a consumer tag twice", 530, "NOT_ALLOWED - attempt to reuse consumer tag 'same'", true, func(ch *amqp.Channel, q, x string) error {
		if _, err := ch.Consume(q, "same", false, false, false, false, nil); err != nil {
			return err
		}
		_, err := ch.Consume(q, "same", false, false, false, false, nil)
		return err
	}},
}

func channelErrorIsLocal(b *bed) {
	conn := b.dial()
	bad, good := b.channelOf(conn), b.channelOf(conn)
	q := b.queue(good, nil)
	_, in := b.consume(good, q, nil)
	b.refusal(bad, func() error { _, _, err := bad.Get("none", false); return err })
	b.send(good, "", q, "m")
	b.equal("body", string(b.receive(in).Body), "m")
	again := b.channelOf(conn) // the number can be used again
	b.send(again, "", q, "n")
	b.equal("body", string(b.receive(in).Body), "n")
}
