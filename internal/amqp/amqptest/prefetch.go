package amqptest

import (
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var prefetchLaw = map[string]func(*bed){
	"a consumer's prefetch holds for each consumer":                                     consumerPrefetch,
	"a channel's prefetch holds for all its consumers":                                  channelPrefetch,
	"a consumer keeps the prefetch it started with":                                     prefetchIsTakenAtStart,
	"prefetch doesn't hold for get or for automatic acks":                               prefetchLimitsOnly,
	"a raised channel prefetch delivers at once":                                        raisedPrefetch,
	"an ack frees a place, and so does putting back":                                    freedPlaces,
	"a channel's prefetch holds up consumers that don't acknowledge while it's reached": prefetchHoldsUpAll,
	"queues take turns with a channel's prefetch":                                       prefetchInTurns,
	"consumers of one queue take turns with their channel's prefetch":                   consumersInTurns,
	"a full consumer doesn't hold up another on its queue":                              fullConsumer,
}

func consumerPrefetch(b *bed) {
	ch := b.channel()
	q := b.put(ch, 6, nil)
	b.must(ch.Qos(2, 0, false))
	_, first := b.consume(ch, q, nil)
	one := b.take(first, 2)
	_, second := b.consume(ch, q, nil)
	two := b.take(second, 2)
	b.quiet(first, ch)
	b.quiet(second, ch)
	b.equal("messages", append(bodiesOf(one), bodiesOf(two)...), []string{"1", "2", "3", "4"})
	b.must(two[0].Ack(false))
	b.equal("after an ack", bodiesOf(b.take(second, 1)), []string{"5"})
	b.quiet(first, ch)
}

func channelPrefetch(b *bed) {
	ch := b.channel()
	q := b.put(ch, 6, nil)
	b.must(ch.Qos(3, 0, true))
	_, first := b.consume(ch, q, nil)
	one := b.take(first, 3)
	_, second := b.consume(ch, q, nil)
	b.quiet(second, ch)
	b.must(one[1].Ack(true))
	for range 2 {
		select {
		case <-first:
		case <-second:
		case <-time.After(patience):
			b.Fatal("the freed places weren't used")
		}
	}
	b.quiet(first, ch)
	b.quiet(second, ch)
	b.equal("ready", b.ready(ch, q), 1)
}

func prefetchIsTakenAtStart(b *bed) {
	ch := b.channel()
	q := b.put(ch, 5, nil)
	b.must(ch.Qos(1, 0, false))
	_, first := b.consume(ch, q, nil)
	b.take(first, 1)
	b.must(ch.Qos(3, 0, false))
	b.quiet(first, ch)
	_, second := b.consume(ch, q, nil)
	b.take(second, 3)
	b.quiet(second, ch)
}

func prefetchLimitsOnly(b *bed) {
	ch := b.channel()
	q := b.put(ch, 6, nil)
	b.must(ch.Qos(1, 0, false))
	b.get(ch, q)
	b.get(ch, q)
	in, err := ch.Consume(q, "", true, false, false, false, nil)
	b.must(err)
	b.take(in, 4)
}

func raisedPrefetch(b *bed) {
	ch := b.channel()
	q := b.put(ch, 5, nil)
	b.must(ch.Qos(1, 0, true))
	_, in := b.consume(ch, q, nil)
	b.take(in, 1)
	b.quiet(in, ch)
	b.must(ch.Qos(3, 0, true))
	b.take(in, 2)
	b.quiet(in, ch)
	b.must(ch.Qos(0, 0, true))
	b.take(in, 2)
}

func freedPlaces(b *bed) {
	ch := b.channel()
	q := b.put(ch, 3, nil)
	b.must(ch.Qos(1, 0, false))
	_, in := b.consume(ch, q, nil)
	b.must(b.receive(in).Nack(false, true))
	d := b.receive(in)
	b.equal("again", bodiesOf([]amqp.Delivery{d}), []string{"1+"})
	b.must(d.Ack(false))
	d = b.receive(in)
	b.must(d.Reject(false))
	b.equal("last", string(b.receive(in).Body), "3")
}

func fullConsumer(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	conn := b.dial()
	slow, fast := b.channelOf(conn), b.channelOf(conn)
	b.must(slow.Qos(1, 0, false))
	b.must(fast.Qos(10, 0, false))
	_, slowIn := b.consume(slow, q, nil)
	_, fastIn := b.consume(fast, q, nil)
	b.send(ch, "", q, "1", "2", "3", "4", "5", "6")
	b.take(slowIn, 1)
	b.take(fastIn, 5)
}

func prefetchHoldsUpAll(b *bed) {
	ch := b.channel()
	one, two := b.put(ch, 1, nil), b.put(ch, 1, nil)
	b.must(ch.Qos(1, 0, true))
	_, first := b.consume(ch, one, nil)
	d := b.receive(first)
	second, err := ch.Consume(two, b.name("c"), true, false, false, false, nil)
	b.must(err)
	b.quiet(second, ch)
	b.must(d.Ack(false))
	b.receive(second)
}

func prefetchInTurns(b *bed) {
	ch := b.channel()
	b.must(ch.Qos(1, 0, true))
	var queues []string
	in := make(chan amqp.Delivery)
	for range 3 {
		q := b.put(ch, 20, nil)
		_, from := b.consume(ch, q, nil)
		queues = append(queues, q)
		go func() {
			for d := range from {
				select {
				case in <- d:
				case <-b.Context().Done():
				}
			}
		}()
	}
	for range 20 {
		b.must(b.receive(in).Ack(false))
	}
	for _, q := range queues {
		if n := b.ready(ch, q); n == 20 {
			b.Errorf("nothing was taken from queue %s", q)
		}
	}
}

func consumersInTurns(b *bed) {
	ch := b.channel()
	b.must(ch.Qos(1, 0, true))
	q := b.queue(ch, nil)
	_, first := b.consume(ch, q, nil)
	_, second := b.consume(ch, q, nil)
	b.send(ch, "", q, "1", "2", "3", "4")
	for range 2 {
		b.must(b.receive(first).Ack(false))
		b.must(b.receive(second).Ack(false))
	}
}
