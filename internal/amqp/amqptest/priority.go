package amqptest

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

var priorityLaw = map[string]func(*bed){
	"messages of higher priority come first, else in order":      priorities,
	"a priority above the queue's is the queue's highest":        priorityIsCapped,
	"a message put back keeps its priority":                      priorityPutBack,
	"a queue without priorities ignores them":                    priorityIgnored,
	"a full priority queue drops its head, which is its highest": priorityDrops,
}

func (b *bed) sendPriority(ch *amqp.Channel, queue string, priorities ...uint8) {
	b.Helper()
	for i, p := range priorities {
		b.publish(ch, "", queue, amqp.Publishing{Body: fmt.Appendf(nil, "%d.%d", p, i), Priority: p, DeliveryMode: amqp.Persistent})
	}
}

func priorities(b *bed) {
	ch := b.channel()
	q := b.queue(ch, amqp.Table{"x-max-priority": int32(5)})
	b.sendPriority(ch, q, 0, 3, 1, 5, 3, 0, 5)
	b.equal("messages", b.drain(ch, q), []string{"5.3", "5.6", "3.1", "3.4", "1.2", "0.0", "0.5"})
}

func priorityIsCapped(b *bed) {
	ch := b.channel()
	q := b.queue(ch, amqp.Table{"x-max-priority": int32(2)})
	b.sendPriority(ch, q, 2, 9, 1, 255)
	b.equal("messages", b.drain(ch, q), []string{"2.0", "9.1", "255.3", "1.2"})
}

func priorityPutBack(b *bed) {
	ch := b.channel()
	q := b.queue(ch, amqp.Table{"x-max-priority": int32(2)})
	b.sendPriority(ch, q, 1, 0)
	d := b.get(ch, q)
	b.sendPriority(ch, q, 2)
	b.must(d.Nack(false, true))
	b.equal("messages", b.drain(ch, q), []string{"2.0", "1.0", "0.1"})
}

func priorityIgnored(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	b.sendPriority(ch, q, 0, 9, 1)
	b.equal("messages", b.drain(ch, q), []string{"0.0", "9.1", "1.2"})
}

func priorityDrops(b *bed) {
	ch := b.channel()
	q := b.queue(ch, amqp.Table{"x-max-priority": int32(2), "x-max-length": int32(2)})
	b.sendPriority(ch, q, 1, 0, 2, 1)
	b.equal("messages", b.drain(ch, q), []string{"1.3", "0.1"})
}
