package amqptest

import (
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

var lengthLaw = map[string]func(*bed){
	"a full queue drops its oldest message":                            dropHead,
	"a queue can be limited in bytes":                                  maxBytes,
	"a full queue can refuse what comes":                               rejectPublish,
	"a full queue can refuse and dead-letter what comes":               rejectPublishDLX,
	"messages with a consumer don't count for the limit":               unackedDoesNotCount,
	"one refusing queue is enough for a nack, and others still get it": oneQueueRefuses,
	"a queue of length 0 holds nothing":                                zeroLength,
	"a refused publish is accepted once there is room":                 roomAgain,
}

func dropHead(b *bed) {
	ch := b.channel()
	for _, args := range []amqp.Table{{"x-max-length": int32(3)}, {"x-max-length": int32(3), "x-overflow": "drop-head"}} {
		q := b.put(ch, 5, args)
		b.equal("messages", b.drain(ch, q), []string{"3", "4", "5"})
	}
}

func maxBytes(b *bed) {
	ch := b.channel()
	q := b.queue(ch, amqp.Table{"x-max-length-bytes": int32(100)})
	for i := range 5 {
		b.send(ch, "", q, fmt.Sprint(i)+strings.Repeat(".", 39))
	}
	b.equal("messages", b.ready(ch, q), 2)
	b.equal("first", string(b.get(ch, q).Body)[:1], "3")
	b.drain(ch, q)
	b.send(ch, "", q, strings.Repeat(".", 101))
	b.eventually("a message larger than the queue is dropped", func() bool { return b.ready(ch, q) == 0 })
}

func rejectPublish(b *bed) {
	ch := b.channel()
	q := b.put(ch, 2, amqp.Table{"x-max-length": int32(2), "x-overflow": "reject-publish"})
	b.equal("confirmed", b.publish(ch, "", q, amqp.Publishing{Body: []byte("3")}), false)
	b.equal("messages", b.drain(ch, q), []string{"1", "2"})
}

func rejectPublishDLX(b *bed) {
	ch := b.channel()
	q, _, dead := b.mortal(ch, amqp.Table{"x-max-length": int32(1), "x-overflow": "reject-publish-dlx"})
	b.send(ch, "", q, "1")
	b.equal("confirmed", b.publish(ch, "", q, amqp.Publishing{Body: []byte("2")}), false)
	d := b.get(ch, dead)
	b.equal("dead", string(d.Body), "2")
	b.wantDeaths(d, amqp.Table{"count": int64(1), "reason": "maxlen", "queue": q, "exchange": "", "routing-keys": []any{q}})
	b.equal("messages", b.drain(ch, q), []string{"1"})
}

func unackedDoesNotCount(b *bed) {
	ch := b.channel()
	q := b.put(ch, 2, amqp.Table{"x-max-length": int32(2)})
	first, second := b.get(ch, q), b.get(ch, q)
	b.send(ch, "", q, "3", "4")
	b.equal("ready", b.ready(ch, q), 2)
	b.must(first.Ack(false))
	b.must(second.Ack(false))
	b.equal("messages", b.drain(ch, q), []string{"3", "4"})
}

func oneQueueRefuses(b *bed) {
	ch := b.channel()
	x, open := b.exchange(ch, "fanout", nil), b.queue(ch, nil)
	full := b.put(ch, 1, amqp.Table{"x-max-length": int32(1), "x-overflow": "reject-publish"})
	b.bind(ch, open, "", x, nil)
	b.bind(ch, full, "", x, nil)
	b.equal("confirmed", b.publish(ch, x, "", amqp.Publishing{Body: []byte("m")}), false)
	b.equal("in the other queue", b.drain(ch, open), []string{"m"})
}

func zeroLength(b *bed) {
	ch := b.channel()
	q := b.queue(ch, amqp.Table{"x-max-length": int32(0)})
	b.send(ch, "", q, "m")
	b.equal("ready", b.ready(ch, q), 0)
	_, in := b.consume(ch, q, nil)
	b.send(ch, "", q, "delivered at once")
	b.equal("body", string(b.receive(in).Body), "delivered at once")
}

func roomAgain(b *bed) {
	ch := b.channel()
	q := b.put(ch, 1, amqp.Table{"x-max-length": int32(1), "x-overflow": "reject-publish"})
	b.equal("confirmed when full", b.publish(ch, "", q, amqp.Publishing{}), false)
	b.must(b.get(ch, q).Ack(false))
	b.eventually("confirmed when there's room", func() bool { return b.publish(ch, "", q, amqp.Publishing{}) })
}
