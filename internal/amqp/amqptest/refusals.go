package amqptest

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/rabbitmq"
)

// moreRefusals are about queue types and arguments that few clients use.
var moreRefusals = []refusal{
	{"an exclusive quorum queue", 406, "PRECONDITION_FAILED - invalid property 'exclusive-owner' for queue 'new-{q}' in vhost '{v}'", false, func(ch *amqp.Channel, q, x string) error {
		_, err := ch.QueueDeclare("new-"+q, true, false, true, false, amqp.Table{"x-queue-type": "quorum"})
		return err
	}},
	{"an auto-delete quorum queue", 406, "PRECONDITION_FAILED - invalid property 'auto-delete' for queue 'new-{q}' in vhost '{v}'", false, func(ch *amqp.Channel, q, x string) error {
		_, err := ch.QueueDeclare("new-"+q, true, true, false, false, amqp.Table{"x-queue-type": "quorum"})
		return err
	}},
	{"a quorum queue with priorities", 406, "PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue 'new-{q}' in vhost '{v}' of queue type rabbit_quorum_queue", false, func(ch *amqp.Channel, q, x string) error {
		return declareArgs(ch, q, amqp.Table{"x-queue-type": "quorum", "x-max-priority": int32(3)})
	}},
	{"a consumer with a stream's offset", 406, "PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue '{q}' in vhost '{v}' of queue type rabbit_classic_queue", false, func(ch *amqp.Channel, q, x string) error {
		_, err := ch.Consume(q, "", true, false, false, false, amqp.Table{"x-stream-offset": "first"})
		return err
	}},
	{"a channel prefetch for a quorum queue", 540, "NOT_IMPLEMENTED - queue 'new-{q}' in vhost '{v}' does not support global qos", true, func(ch *amqp.Channel, q, x string) error {
		if err := declareArgs(ch, q, amqp.Table{"x-queue-type": "quorum"}); err != nil {
			return err
		}
		if err := ch.Qos(3, 0, true); err != nil {
			return err
		}
		_, err := ch.Consume("new-"+q, "", false, false, false, false, nil)
		return err
	}},
	{"redeclare a classic queue as quorum", 406, "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue '{q}' in vhost '{v}': received the value 'quorum' of type 'longstr' but current is none", false, func(ch *amqp.Channel, q, x string) error {
		_, err := ch.QueueDeclare(q, true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
		return err
	}},
	{"a consumer priority that's no number", 406, "PRECONDITION_FAILED - invalid arg 'x-priority' for queue '{q}' in vhost '{v}': \"expected integer, got longstr\"", false, func(ch *amqp.Channel, q, x string) error {
		_, err := ch.Consume(q, "", false, false, false, false, amqp.Table{"x-priority": "high"})
		return err
	}},
	{"declare the default exchange", 403, "ACCESS_REFUSED - operation not permitted on the default exchange", false, func(ch *amqp.Channel, q, x string) error {
		return ch.ExchangeDeclare("", "direct", true, false, false, false, nil)
	}},
	{"ack of nothing by tag 0", 406, "PRECONDITION_FAILED - unknown delivery tag 0", false, func(ch *amqp.Channel, q, x string) error { return ch.Ack(0, false) }},
	{"a time to live that's too large", 406, "PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'new-{q}' in vhost '{v}': {value_too_large,9007199254740992}", false, func(ch *amqp.Channel, q, x string) error {
		return declareArgs(ch, q, amqp.Table{"x-message-ttl": int64(1 << 53)})
	}},
	{"an expiration that's too large", 406, "PRECONDITION_FAILED - invalid expiration '9007199254740992': {value_too_large,9007199254740992}", false, func(ch *amqp.Channel, q, x string) error {
		return ch.Publish("", q, false, false, amqp.Publishing{Expiration: "9007199254740992"})
	}},
	{"an expiration with something behind the number", 406, "PRECONDITION_FAILED - invalid expiration '10s': {leftover_string,\"s\"}", false, func(ch *amqp.Channel, q, x string) error {
		return ch.Publish("", q, false, false, amqp.Publishing{Expiration: "10s"})
	}},
	{"a fraction as length", 406, "PRECONDITION_FAILED - invalid arg 'x-max-length' for queue 'new-{q}' in vhost '{v}': \"expected integer, got double\"", false, func(ch *amqp.Channel, q, x string) error {
		return declareArgs(ch, q, amqp.Table{"x-max-length": 1.5})
	}},
	{"a number as overflow mode", 406, "PRECONDITION_FAILED - invalid arg 'x-overflow' for queue 'new-{q}' in vhost '{v}': {unacceptable_type,signedint}", false, func(ch *amqp.Channel, q, x string) error {
		return declareArgs(ch, q, amqp.Table{"x-overflow": int32(1)})
	}},
}

// oddLaw is about things that must be accepted.
var oddLaw = map[string]func(*bed){
	"nack of all when nothing is outstanding is fine": func(b *bed) {
		ch := b.channel()
		b.must(ch.Nack(0, true, true))
		b.must(ch.Ack(0, true))
		b.roundTrip(ch)
	},
	"cancel of an unknown tag is fine": func(b *bed) {
		ch := b.channel()
		b.must(ch.Cancel("none", false))
	},
	"unbind of what isn't there is fine": func(b *bed) {
		ch := b.channel()
		q, x := b.queue(ch, nil), b.exchange(ch, "topic", nil)
		b.must(ch.QueueUnbind(b.name("none"), "k", x, nil))
		b.must(ch.QueueUnbind(q, "k", b.name("none"), nil))
		b.must(ch.ExchangeUnbind(b.name("none"), "k", x, false, nil))
	},
	"arguments that the broker doesn't know are kept": func(b *bed) {
		ch := b.channel()
		q := b.queue(ch, amqp.Table{"x-unknown": "x", "x-queue-mode": "lazy", "x-queue-type": "classic"})
		_, err := ch.QueueDeclare(q, true, false, false, false, amqp.Table{"x-queue-type": "classic", "x-queue-mode": "lazy"})
		b.must(err)
	},
	"the default type may be left out when declaring again": func(b *bed) {
		ch := b.channel()
		q := b.queue(ch, amqp.Table{"x-queue-type": "classic"})
		_, err := ch.QueueDeclare(q, true, false, false, false, nil)
		b.must(err)
	},
	"line ends in names are left out": func(b *bed) {
		ch := b.channel()
		q, x := b.name("q"), b.name("x")
		_, err := ch.QueueDeclare(q+"-\r\n1", true, false, false, true, nil)
		b.must(err)
		b.must(ch.ExchangeDeclare(x+"-\n1", "topic", true, false, false, false, nil))
		b.must(ch.QueueBind(q+"-\n1", "k", x+"-\n1", false, nil))
		b.send(ch, x+"-1", "k", "m")
		b.equal("messages", b.drain(ch, q+"-1"), []string{"m"})
		_, err = ch.QueueDelete(q+"-\n1", false, false, false)
		b.must(err)
		b.must(ch.ExchangeDelete(x+"-\n1", false, false))
		b.wantRefusal(ch, 404, "NOT_FOUND - no queue '"+q+"-1' in vhost '"+b.vhost+"'", func() error {
			_, err := ch.QueueDeclarePassive(q+"-1", true, false, false, false, nil)
			return err
		})
	},
	"an impersonator may set others' user ids": func(b *bed) {
		user := b.name("user")
		b.must(b.api.PutPassword(b.Context(), user, "secret", "impersonator"))
		b.Cleanup(func() { b.must(b.api.DeleteUser(context.Background(), user)) })
		b.must(b.api.PutPermission(b.Context(), rabbitmq.Permission{VHost: b.vhost, User: user, Configure: ".*", Write: ".*", Read: ".*"}))
		ch := b.channelOf(b.dialAs(amqp.Config{SASL: []amqp.Authentication{&amqp.PlainAuth{Username: user, Password: "secret"}}}))
		q := b.queue(ch, nil)
		b.publish(ch, "", q, amqp.Publishing{UserId: "another"})
		b.equal("user id", b.get(ch, q).UserId, "another")
	},
	"deaths that old brokers wrote one by one are counted": func(b *bed) {
		ch := b.channel()
		dead := b.queue(ch, nil)
		q := b.queue(ch, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
		old := func(queue string) amqp.Table { return amqp.Table{"queue": queue, "reason": "expired"} }
		b.publish(ch, "", q, amqp.Publishing{Headers: amqp.Table{"x-death": []any{old("a"), old("b"), old("a"), old("a")}}})
		b.must(b.get(ch, q).Reject(false))
		counts := map[any]any{}
		for _, death := range b.get(ch, dead).Headers["x-death"].([]any) {
			counts[death.(amqp.Table)["queue"]] = death.(amqp.Table)["count"]
		}
		b.equal("counts", []any{len(counts), counts[q], counts["a"], counts["b"]}, []any{3, int64(1), int64(3), int64(1)})
	},
	"no-local is ignored": func(b *bed) {
		ch := b.channel()
		q := b.queue(ch, nil)
		in, err := ch.Consume(q, "", true, false, true, false, nil)
		b.must(err)
		b.send(ch, "", q, "own")
		b.equal("body", string(b.receive(in).Body), "own")
	},
	"one's own queue is deleted before one's consumer is told": func(b *bed) {
		r, q := b.newRaw(), b.queue(b.channel(), nil)
		r.method(1, classBasic, 20, u16(0), shortstr(q), shortstr("c"), []byte{0}, u32(0))
		r.expect(1, classBasic, 21)
		r.method(1, classQueue, 40, u16(0), shortstr(q), []byte{0})
		r.expect(1, classQueue, 41)
	},
}
