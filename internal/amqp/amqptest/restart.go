package amqptest

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/rabbitmq"
)

var restartLaw = map[string]func(*bed){
	"what is durable survives a clean restart": func(b *bed) { survives(b, true) },
	"what is durable survives kill -9":         func(b *bed) { survives(b, false) },
}

// survives fills the broker, restarts it, and looks. It's one story, as each restart takes seconds.
func survives(b *bed, graceful bool) {
	ch := b.channel()
	dead := b.queue(ch, nil)
	q := b.put(ch, 6, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead, "x-max-priority": int32(3)})
	x, internal := b.exchange(ch, "topic", nil), b.exchange(ch, "headers", amqp.Table{"alternate-exchange": "amq.fanout"})
	b.bind(ch, q, "a.#", x, nil)
	b.must(ch.ExchangeBind(internal, "k", x, false, amqp.Table{"h": "v"}))
	quorum := b.put(ch, 2, amqp.Table{"x-queue-type": "quorum"})
	transient, err := ch.QueueDeclare(b.name("q"), false, false, false, false, nil)
	b.must(err)
	b.send(ch, "", transient.Name, "lost with its queue")
	fleeting := b.exchange(ch, "topic", nil)
	b.must(ch.ExchangeDelete(fleeting, false, false))
	b.must(ch.ExchangeDeclare(fleeting, "topic", false, false, false, false, nil))
	b.publish(ch, "", q, amqp.Publishing{Body: []byte("transient"), DeliveryMode: amqp.Transient})
	b.publish(ch, "", q, amqp.Publishing{Body: []byte("full"), DeliveryMode: amqp.Persistent, MessageId: "id", Priority: 2, Headers: amqp.Table{"n": int64(7)}})

	user := b.user(rabbitmq.Permission{Read: "^q", Write: "^x"})
	d := b.get(ch, q) // "full", by its priority
	b.must(d.Nack(false, true))
	d = b.get(ch, q)
	b.must(d.Nack(false, true))
	var got []amqp.Delivery
	for range 4 {
		got = append(got, b.get(ch, q))
	}
	b.must(got[1].Ack(false))    // "1"
	b.must(got[2].Reject(false)) // "2" is a dead letter now
	b.get(ch, dead)
	b.roundTrip(ch)

	if !graceful {
		waitFor(1000) // acks are durable soon, not at once
	}

	b.target.Restart(b.T, graceful)

	ch = b.channel()
	b.equal("transient queue exists", b.exists(transient.Name), false)
	b.equal("transient exchange exists", b.exchangeExists(fleeting), false)
	d = b.get(ch, q)
	b.equal("first", []any{string(d.Body), d.MessageId, d.Priority, d.Headers["n"]}, []any{"full", "id", uint8(2), int64(7)})
	b.must(d.Ack(false))
	b.equal("messages", b.drain(ch, q), []string{"3", "4", "5", "6"})
	b.eventually("the quorum queue answers", func() bool { return b.exists(quorum) })
	b.equal("quorum queue", b.drain(ch, quorum), []string{"1", "2"})
	letter := b.get(ch, dead)
	b.equal("dead letter", string(letter.Body), "2")
	b.wantDeaths(letter, amqp.Table{"count": int64(1), "reason": "rejected", "queue": q, "exchange": "", "routing-keys": []any{q}})

	b.send(ch, x, "a.b", "bound")
	b.equal("messages", b.drain(ch, q), []string{"bound"})
	_, err = ch.QueueDeclare(q, true, false, false, false, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead, "x-max-priority": int32(3)})
	b.must(err)
	step := b.channelOf(b.login(user))
	e := b.refusal(step, func() error { return step.Publish("amq.topic", "k", false, false, amqp.Publishing{}) })
	b.equal("refused", e.Reason, fmt.Sprintf("ACCESS_REFUSED - access to exchange 'amq.topic' in vhost '%s' refused for user '%s'", b.vhost, user))
}
