package amqptest

import (
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var ttlLaw = map[string]func(*bed){
	"a message ends with its queue's time to live":                            queueTTL,
	"a message ends with its own expiration":                                  messageTTL,
	"the shorter of the two counts":                                           shorterTTL,
	"a message that can't wait at all goes to a waiting consumer, or nowhere": zeroTTL,
	"a message behind one that lives longer ends later":                       headOfQueue,
	"a message with a consumer doesn't end":                                   unackedDoesNotExpire,
	"a message put back keeps its time":                                       putBackKeepsTime,
	"a dead-lettered message loses its expiration":                            expirationIsTaken,
	"the delay pattern: expire into a work queue, in order":                   delayPattern,
}

// waitFor lets a time pass on the broker's clock, in milliseconds: there's no event to wait for when nothing may happen.
func waitFor(ms int) bool {
	<-time.After(time.Duration(ms) * time.Millisecond)
	return false
}

func (b *bed) sendExpiring(ch *amqp.Channel, queue, body, ms string) {
	b.Helper()
	b.publish(ch, "", queue, amqp.Publishing{Body: []byte(body), Expiration: ms, DeliveryMode: amqp.Persistent})
}

func queueTTL(b *bed) {
	ch := b.channel()
	q := b.queue(ch, amqp.Table{"x-message-ttl": int32(150)})
	b.send(ch, "", q, "1", "2")
	b.eventually("the queue is empty", func() bool { return b.ready(ch, q) == 0 })
}

func messageTTL(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	b.sendExpiring(ch, q, "short", "100")
	b.sendExpiring(ch, q, "long", "60000")
	b.eventually("one is left", func() bool { return b.ready(ch, q) == 1 })
	d := b.get(ch, q)
	b.equal("left", []any{string(d.Body), d.Expiration}, []any{"long", "60000"})
}

func shorterTTL(b *bed) {
	ch := b.channel()
	q := b.queue(ch, amqp.Table{"x-message-ttl": int32(150)})
	b.sendExpiring(ch, q, "m", "60000")
	r := b.queue(ch, amqp.Table{"x-message-ttl": int32(60000)})
	b.sendExpiring(ch, r, "m", "150")
	b.eventually("both are empty", func() bool { return b.ready(ch, q) == 0 && b.ready(ch, r) == 0 })
}

func zeroTTL(b *bed) {
	ch := b.channel()
	dead := b.queue(ch, nil)
	q := b.queue(ch, amqp.Table{"x-message-ttl": int32(0), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
	b.send(ch, "", q, "nobody waits")
	b.equal("dead", string(b.get(ch, dead).Body), "nobody waits")
	_, in := b.consume(ch, q, nil)
	b.send(ch, "", q, "someone waits")
	d := b.receive(in)
	b.equal("delivered", string(d.Body), "someone waits")
	b.must(d.Nack(false, true))
	b.equal("dead once put back", string(b.get(ch, dead).Body), "someone waits")
}

func headOfQueue(b *bed) {
	ch := b.channel()
	dead := b.queue(ch, nil)
	q := b.queue(ch, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
	b.sendExpiring(ch, q, "long", "500")
	b.sendExpiring(ch, q, "short", "1")
	waitFor(150)
	b.equal("dead before the head is", b.ready(ch, dead), 0)
	b.eventually("both are dead", func() bool { return b.ready(ch, dead) == 2 })
	b.equal("order", b.drain(ch, dead), []string{"long", "short"})
}

func unackedDoesNotExpire(b *bed) {
	ch := b.channel()
	dead := b.queue(ch, nil)
	q := b.queue(ch, amqp.Table{"x-message-ttl": int32(100), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
	b.send(ch, "", q, "m")
	d := b.get(ch, q)
	waitFor(250)
	b.equal("dead while with the consumer", b.ready(ch, dead), 0)
	b.must(d.Nack(false, true))
	b.eventually("dead once put back", func() bool { return b.ready(ch, dead) == 1 })
}

func putBackKeepsTime(b *bed) {
	ch := b.channel()
	q := b.queue(ch, amqp.Table{"x-message-ttl": int32(400)})
	b.send(ch, "", q, "m")
	end := time.Now().Add(5 * time.Second)
	for time.Now().Before(end) {
		d, ok, err := ch.Get(q, false)
		b.must(err)
		if !ok {
			return
		}
		waitFor(20)
		b.must(d.Nack(false, true))
	}
	b.Error("putting the message back renewed its time")
}

func expirationIsTaken(b *bed) {
	ch := b.channel()
	dead := b.queue(ch, nil)
	q := b.queue(ch, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
	b.sendExpiring(ch, q, "m", "10")
	d := b.get(ch, dead)
	death := d.Headers["x-death"].([]any)[0].(amqp.Table)
	b.equal("expiration", []any{d.Expiration, death["original-expiration"]}, []any{"", "10"})
}

func delayPattern(b *bed) {
	ch := b.channel()
	work := b.queue(ch, nil)
	wait := b.queue(ch, amqp.Table{"x-message-ttl": int32(100), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": work})
	_, in := b.consume(ch, work, nil)
	start := time.Now()
	b.send(ch, "", wait, "1", "2", "3")
	b.equal("messages", bodiesOf(b.take(in, 3)), []string{"1", "2", "3"})
	if took := time.Since(start); took < 100*time.Millisecond {
		b.Errorf("arrived after %v, want at least 100 ms", took)
	}
}
