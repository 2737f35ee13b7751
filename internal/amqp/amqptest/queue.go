package amqptest

import (
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

var queueLaw = map[string]func(*bed){
	"the broker names a queue when no name is given":                        serverNamedQueue,
	"declaring again changes nothing, and counts":                           declareAgain,
	"declaring again may spell an argument's integer otherwise":             equivalentIntegers,
	"an exclusive queue is locked for others, and ends with its connection": exclusiveQueue,
	"an auto-delete queue ends with its last consumer":                      autoDeleteQueue,
	"a queue expires when unused":                                           queueExpires,
	"a queue in use doesn't expire":                                         usedQueueStays,
	"purge drops what is ready, and only that":                              purge,
	"deleting tells how many messages are gone":                             deleteCounts,
	"deleting what isn't there is fine":                                     deleteMissing,
	"if-unused and if-empty let an unused and empty queue go":               conditionsHold,
	"bindings end with their queue":                                         bindingsEndWithQueue,
	"a transient queue is a queue like others":                              transientQueue,
	"a quorum queue is a queue like others":                                 quorumQueue,
	"names of 255 bytes and any characters work":                            queueNames,
}

func serverNamedQueue(b *bed) {
	ch := b.channel()
	seen := map[string]bool{}
	for range 3 {
		q, err := ch.QueueDeclare("", false, true, false, false, nil)
		b.must(err)
		if !strings.HasPrefix(q.Name, "amq.gen-") || seen[q.Name] {
			b.Errorf("name = %q, want a new amq.gen-...", q.Name)
		}
		seen[q.Name] = true
		b.send(ch, "", q.Name, "m")
		b.equal("messages", b.drain(ch, q.Name), []string{"m"})
	}
}

func declareAgain(b *bed) {
	ch := b.channel()
	args := amqp.Table{"x-message-ttl": int32(60000), "x-dead-letter-exchange": "amq.topic"}
	q := b.put(ch, 2, args)
	b.consume(ch, b.queue(ch, nil), nil)
	again, err := ch.QueueDeclare(q, true, false, false, false, args)
	b.must(err)
	b.equal("state", again, amqp.Queue{Name: q, Messages: 2, Consumers: 0})
}

func equivalentIntegers(b *bed) {
	ch := b.channel()
	q := b.queue(ch, amqp.Table{"x-message-ttl": int32(60000), "x-max-length": int64(7)})
	_, err := ch.QueueDeclare(q, true, false, false, false, amqp.Table{"x-max-length": int16(7), "x-message-ttl": int64(60000)})
	b.must(err)
}

func exclusiveQueue(b *bed) {
	owner, other := b.dial(), b.channel()
	ch := b.channelOf(owner)
	q, err := ch.QueueDeclare(b.name("q"), false, false, true, false, nil)
	b.must(err)
	locked := "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '" + q.Name + "' in vhost '" + b.vhost + "'. " +
		"It could be originally declared on another connection or the exclusive property value does not match that of the original declaration."
	for _, do := range map[string]func(*amqp.Channel) error{
		"declare": func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(q.Name, false, false, true, false, nil)
			return err
		},
		"passive declare": func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclarePassive(q.Name, false, false, false, false, nil)
			return err
		},
		"consume": func(ch *amqp.Channel) error {
			_, err := ch.Consume(q.Name, "", false, false, false, false, nil)
			return err
		},
		"get":    func(ch *amqp.Channel) error { _, _, err := ch.Get(q.Name, false); return err },
		"purge":  func(ch *amqp.Channel) error { _, err := ch.QueuePurge(q.Name, false); return err },
		"delete": func(ch *amqp.Channel) error { _, err := ch.QueueDelete(q.Name, false, false, false); return err },
		"bind":   func(ch *amqp.Channel) error { return ch.QueueBind(q.Name, "k", "amq.direct", false, nil) },
	} {
		other := b.channelOf(b.dial())
		b.wantRefusal(other, 405, locked, func() error { return do(other) })
	}
	b.send(other, "", q.Name, "anyone may publish")
	b.equal("messages", b.drain(b.channelOf(owner), q.Name), []string{"anyone may publish"})
	b.must(owner.Close())
	b.eventually("the queue is gone", func() bool { return !b.exists(q.Name) })
}

// exists asks on a channel of its own, as the answer may close it.
func (b *bed) exists(queue string) bool {
	b.Helper()
	conn := b.dial()
	defer conn.Close()
	ch, err := conn.Channel()
	b.must(err)
	_, err = ch.QueueDeclarePassive(queue, false, false, false, false, nil)
	return err == nil
}

func autoDeleteQueue(b *bed) {
	ch := b.channel()
	name := b.name("q")
	_, err := ch.QueueDeclare(name, false, true, false, false, nil)
	b.must(err)
	b.equal("exists before it has had consumers", b.exists(name), true)
	first, _ := b.consume(ch, name, nil)
	second, _ := b.consume(ch, name, nil)
	b.must(ch.Cancel(first, false))
	b.equal("exists with one consumer left", b.exists(name), true)
	b.must(ch.Cancel(second, false))
	b.eventually("the queue is gone", func() bool { return !b.exists(name) })
}

func queueExpires(b *bed) {
	ch := b.channel()
	q := b.queue(ch, amqp.Table{"x-expires": int32(150)})
	b.eventually("the queue is gone", func() bool { return !b.exists(q) || waitFor(300) })
}

func usedQueueStays(b *bed) {
	ch := b.channel()
	q := b.queue(ch, amqp.Table{"x-expires": int32(200)})
	tag, _ := b.consume(ch, q, nil)
	waitFor(500)
	b.must(ch.Cancel(tag, false))
	b.equal("exists right after its consumer", b.exists(q), true)
}

func purge(b *bed) {
	ch := b.channel()
	q := b.put(ch, 5, nil)
	d := b.get(ch, q)
	n, err := ch.QueuePurge(q, false)
	b.must(err)
	b.equal("purged", n, 4)
	b.must(d.Nack(false, true))
	b.equal("messages", b.drain(ch, q), []string{"1"})
	n, err = ch.QueuePurge(q, false)
	b.must(err)
	b.equal("purged", n, 0)
}

func deleteCounts(b *bed) {
	ch := b.channel()
	q := b.put(ch, 3, nil)
	n, err := ch.QueueDelete(q, false, false, false)
	b.must(err)
	b.equal("deleted", n, 3)
	b.equal("exists", b.exists(q), false)
}

func deleteMissing(b *bed) {
	ch := b.channel()
	n, err := ch.QueueDelete(b.name("none"), false, false, false)
	b.must(err)
	b.equal("deleted", n, 0)
	b.must(ch.ExchangeDelete(b.name("none"), false, false))
	q := b.queue(ch, nil)
	b.must(ch.QueueUnbind(q, "never bound", "amq.direct", nil))
}

func conditionsHold(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	_, err := ch.QueueDelete(q, true, true, false)
	b.must(err)
	x := b.exchange(ch, "direct", nil)
	b.must(ch.ExchangeDelete(x, true, false))
}

func bindingsEndWithQueue(b *bed) {
	ch := b.channel()
	q, x := b.queue(ch, nil), b.exchange(ch, "topic", nil)
	b.bind(ch, q, "#", x, nil)
	_, err := ch.QueueDelete(q, false, false, false)
	b.must(err)
	_, err = ch.QueueDeclare(q, true, false, false, false, nil)
	b.must(err)
	b.send(ch, x, "k", "m")
	b.equal("messages", b.ready(ch, q), 0)
	b.must(ch.ExchangeDelete(x, true, false)) // so it has no bindings
}

func transientQueue(b *bed) {
	ch := b.channel()
	q, err := ch.QueueDeclare(b.name("q"), false, false, false, false, nil)
	b.must(err)
	b.send(ch, "", q.Name, "1", "2")
	b.must(b.get(ch, q.Name).Reject(true))
	b.equal("messages", b.drain(ch, q.Name), []string{"1", "2"})
}

func quorumQueue(b *bed) {
	ch := b.channel()
	q := b.queue(ch, amqp.Table{"x-queue-type": "quorum"})
	b.send(ch, "", q, "1", "2", "3")
	b.must(ch.Qos(10, 0, false))
	_, in := b.consume(ch, q, nil)
	got := b.take(in, 3)
	b.equal("messages", bodiesOf(got), []string{"1", "2", "3"})
	b.must(got[1].Ack(false))
	b.must(got[0].Ack(false))
	b.must(got[2].Nack(false, true))
	again := b.receive(in)
	b.equal("again", []any{string(again.Body), again.Redelivered, again.Headers["x-delivery-count"]}, []any{"3", true, int64(1)})
}

func queueNames(b *bed) {
	ch := b.channel()
	for _, name := range []string{strings.Repeat("n", 240), "flow:step:messages", "with space", "ünïcode", "a/b?c#d%20", "#.*", "AMQ.upper", "amqx"} {
		name = b.name(name)
		if len(name) > 255 {
			name = name[:255]
		}
		_, err := ch.QueueDeclare(name, true, false, false, false, nil)
		b.must(err)
		b.send(ch, "", name, "m")
		b.equal(name, b.drain(ch, name), []string{"m"})
	}
}
