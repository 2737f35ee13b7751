package amqptest

import (
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"
)

var deadLetterLaw = map[string]func(*bed){
	"a rejected message goes to the dead letter exchange, with its history": deadRejected,
	"an expired message has that as its reason":                             deadExpired,
	"a message pushed out has that as its reason":                           deadMaxLen,
	"a message delivered too often has that as its reason":                  deadDeliveryLimit,
	"without a key of its own a dead letter keeps its key":                  deadKeepsKey,
	"a dead letter loses its CC keys with a key of its own":                 deadCarbonCopies,
	"the same death again raises the count, and moves to the front":         deathCount,
	"deaths in several queues are listed, latest first":                     deathsInOrder,
	"a message that would circle without anyone rejecting it is dropped":    deathCycle,
	"a circle with a rejection in it goes on":                               deathCycleRejected,
	"a dead letter for an exchange that isn't there is dropped":             deadNowhere,
	"a rejected message without a dead letter exchange is dropped":          deadWithout,
	"purged messages and those of a deleted queue aren't dead letters":      purgedIsNotDead,
	"several dead letters of one nack come in order":                        deadInOrder,
	"a consumer of dead letters can send them back to where they came from": deadReturns,
	"a producer can't claim a first death":                                  firstDeath,
}

// death takes the x-death entries apart from their time, which it checks to be now.
func (b *bed) deaths(d amqp.Delivery) []amqp.Table {
	b.Helper()
	var out []amqp.Table
	list, _ := d.Headers["x-death"].([]any)
	for _, entry := range list {
		death := entry.(amqp.Table)
		at, ok := death["time"].(time.Time)
		if age := time.Since(at); !ok || age < -time.Minute || age > time.Minute {
			b.Errorf("time of death = %v", death["time"])
		}
		delete(death, "time")
		out = append(out, death)
	}
	return out
}

// mortal declares a queue whose dead letters go to another one through an exchange.
func (b *bed) mortal(ch *amqp.Channel, args amqp.Table) (queue, dlx, dead string) {
	b.Helper()
	dlx, dead = b.exchange(ch, "topic", nil), b.queue(ch, nil)
	b.bind(ch, dead, "#", dlx, nil)
	all := amqp.Table{"x-dead-letter-exchange": dlx}
	for k, v := range args {
		all[k] = v
	}
	return b.queue(ch, all), dlx, dead
}

func (b *bed) wantDeaths(d amqp.Delivery, want ...amqp.Table) {
	b.Helper()
	if diff := cmp.Diff(want, b.deaths(d)); diff != "" {
		b.Errorf("x-death (-want +got):\n%s", diff)
	}
}

func deadRejected(b *bed) {
	ch := b.channel()
	q, dlx, dead := b.mortal(ch, amqp.Table{"x-dead-letter-routing-key": "its.key"})
	x := b.exchange(ch, "topic", nil)
	b.bind(ch, q, "#", x, nil)
	b.publish(ch, x, "a.b", amqp.Publishing{Body: []byte("m"), MessageId: "id", Headers: amqp.Table{"h": int32(1)}, DeliveryMode: 2})
	b.must(b.get(ch, q).Reject(false))
	d := b.get(ch, dead)
	b.equal("dead letter", []any{string(d.Body), d.Exchange, d.RoutingKey, d.MessageId, d.Headers["h"], d.DeliveryMode, d.Redelivered},
		[]any{"m", dlx, "its.key", "id", int32(1), uint8(2), false})
	b.wantDeaths(d, amqp.Table{"count": int64(1), "reason": "rejected", "queue": q, "exchange": x, "routing-keys": []any{"a.b"}})
	b.equal("first death", []any{d.Headers["x-first-death-reason"], d.Headers["x-first-death-queue"], d.Headers["x-first-death-exchange"]}, []any{"rejected", q, x})
}

func deadExpired(b *bed) {
	ch := b.channel()
	q, _, dead := b.mortal(ch, amqp.Table{"x-message-ttl": int32(20)})
	b.send(ch, "", q, "m")
	d := b.get(ch, dead)
	b.wantDeaths(d, amqp.Table{"count": int64(1), "reason": "expired", "queue": q, "exchange": "", "routing-keys": []any{q}})
	b.sendExpiring(ch, q, "m", "10")
	d = b.get(ch, dead)
	b.wantDeaths(d, amqp.Table{"count": int64(1), "reason": "expired", "queue": q, "exchange": "", "routing-keys": []any{q}, "original-expiration": "10"})
}

func deadMaxLen(b *bed) {
	ch := b.channel()
	q, _, dead := b.mortal(ch, amqp.Table{"x-max-length": int32(2)})
	b.send(ch, "", q, "1", "2", "3")
	d := b.get(ch, dead)
	b.equal("body", string(d.Body), "1")
	b.wantDeaths(d, amqp.Table{"count": int64(1), "reason": "maxlen", "queue": q, "exchange": "", "routing-keys": []any{q}})
	b.equal("left", b.drain(ch, q), []string{"2", "3"})
}

func deadDeliveryLimit(b *bed) {
	ch := b.channel()
	q, _, dead := b.mortal(ch, amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(2)})
	b.send(ch, "", q, "poison")
	_, in := b.consume(ch, q, nil)
	for i := range 3 {
		d := b.receive(in)
		var want any
		if i > 0 {
			want = int64(i)
		}
		b.equal("delivery count", []any{d.Headers["x-delivery-count"], d.Redelivered}, []any{want, i > 0})
		b.must(d.Nack(false, true))
	}
	d := b.get(ch, dead)
	b.wantDeaths(d, amqp.Table{"count": int64(1), "reason": "delivery_limit", "queue": q, "exchange": "", "routing-keys": []any{q}})
}

func deadKeepsKey(b *bed) {
	ch := b.channel()
	q, dlx, dead := b.mortal(ch, nil)
	x := b.exchange(ch, "topic", nil)
	b.bind(ch, q, "#", x, nil)
	b.send(ch, x, "some.key", "m")
	b.must(b.get(ch, q).Reject(false))
	d := b.get(ch, dead)
	b.equal("dead letter", []any{d.Exchange, d.RoutingKey}, []any{dlx, "some.key"})
}

func deadCarbonCopies(b *bed) {
	ch := b.channel()
	q, _, dead := b.mortal(ch, amqp.Table{"x-dead-letter-routing-key": "k"})
	b.publish(ch, "", q, amqp.Publishing{Headers: amqp.Table{"CC": []any{"copy"}}})
	b.must(b.get(ch, q).Reject(false))
	d := b.get(ch, dead)
	_, has := d.Headers["CC"]
	b.equal("has CC", has, false)
	b.wantDeaths(d, amqp.Table{"count": int64(1), "reason": "rejected", "queue": q, "exchange": "", "routing-keys": []any{q, "copy"}})
}

func deathCount(b *bed) {
	ch := b.channel()
	q, dlx, dead := b.mortal(ch, amqp.Table{"x-dead-letter-routing-key": "k"})
	b.send(ch, "", q, "m")
	for i := range 3 {
		b.must(b.get(ch, q).Reject(false))
		d := b.get(ch, dead)
		want := amqp.Table{"count": int64(i + 1), "reason": "rejected", "queue": q, "exchange": "", "routing-keys": []any{q}}
		again := amqp.Publishing{Headers: amqp.Table{"x-death": d.Headers["x-death"]}, Body: d.Body}
		b.publish(ch, "", q, again)
		b.wantDeaths(d, want)
	}
	_ = dlx
}

func deathsInOrder(b *bed) {
	ch := b.channel()
	last := b.queue(ch, nil)
	second := b.queue(ch, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": last, "x-message-ttl": int32(10)})
	first := b.queue(ch, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": second})
	b.send(ch, "", first, "m")
	b.must(b.get(ch, first).Reject(false))
	d := b.get(ch, last)
	b.wantDeaths(d,
		amqp.Table{"count": int64(1), "reason": "expired", "queue": second, "exchange": "", "routing-keys": []any{second}},
		amqp.Table{"count": int64(1), "reason": "rejected", "queue": first, "exchange": "", "routing-keys": []any{first}})
	b.equal("first death", []any{d.Headers["x-first-death-reason"], d.Headers["x-first-death-queue"]}, []any{"rejected", first})
}

func deathCycle(b *bed) {
	ch := b.channel()
	one, two := b.name("q"), b.name("q")
	for from, to := range map[string]string{one: two, two: one} {
		_, err := ch.QueueDeclare(from, true, false, false, false, amqp.Table{"x-message-ttl": int32(20), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": to})
		b.must(err)
	}
	b.send(ch, "", one, "m")
	b.eventually("the message is dropped", func() bool {
		waitFor(30) // longer than it could be on its way unseen
		return b.ready(ch, one) == 0 && b.ready(ch, two) == 0
	})
}

func deathCycleRejected(b *bed) {
	ch := b.channel()
	one, two := b.name("q"), b.name("q")
	_, err := ch.QueueDeclare(one, true, false, false, false, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": two})
	b.must(err)
	_, err = ch.QueueDeclare(two, true, false, false, false, amqp.Table{"x-message-ttl": int32(10), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": one})
	b.must(err)
	b.send(ch, "", one, "m")
	for range 3 {
		b.must(b.get(ch, one).Reject(false))
	}
	d := b.get(ch, one)
	b.wantDeaths(d,
		amqp.Table{"count": int64(3), "reason": "expired", "queue": two, "exchange": "", "routing-keys": []any{two}},
		amqp.Table{"count": int64(3), "reason": "rejected", "queue": one, "exchange": "", "routing-keys": []any{one}})
}

func deadNowhere(b *bed) {
	ch := b.channel()
	q := b.queue(ch, amqp.Table{"x-dead-letter-exchange": b.name("none")})
	b.send(ch, "", q, "1", "2")
	b.must(b.get(ch, q).Reject(false))
	b.equal("messages", b.drain(ch, q), []string{"2"})
}

func deadWithout(b *bed) {
	ch := b.channel()
	q := b.put(ch, 1, nil)
	b.must(b.get(ch, q).Reject(false))
	b.equal("messages", b.ready(ch, q), 0)
}

func purgedIsNotDead(b *bed) {
	ch := b.channel()
	q, _, dead := b.mortal(ch, nil)
	b.send(ch, "", q, "1", "2")
	_, err := ch.QueuePurge(q, false)
	b.must(err)
	b.send(ch, "", q, "3")
	_, err = ch.QueueDelete(q, false, false, false)
	b.must(err)
	b.roundTrip(ch)
	b.equal("dead", b.ready(ch, dead), 0)
}

func deadInOrder(b *bed) {
	ch := b.channel()
	q, _, dead := b.mortal(ch, nil)
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprint(i))
	}
	b.send(ch, "", q, want...)
	_, in := b.consume(ch, q, nil)
	got := b.take(in, 20)
	b.must(got[19].Nack(true, false))
	b.eventually("20 dead letters", func() bool { return b.ready(ch, dead) == 20 })
	b.equal("dead letters", b.drain(ch, dead), want)
}

func deadReturns(b *bed) {
	ch := b.channel()
	q, _, dead := b.mortal(ch, nil)
	b.send(ch, "", q, "m")
	b.must(b.get(ch, q).Reject(false))
	d := b.get(ch, dead)
	origin := d.Headers["x-death"].([]any)[0].(amqp.Table)
	key := origin["routing-keys"].([]any)[0].(string)
	b.publish(ch, origin["exchange"].(string), key, amqp.Publishing{Headers: d.Headers, Body: d.Body})
	again := b.get(ch, q)
	b.equal("again", string(again.Body), "m")
	b.must(again.Ack(false))
}

func firstDeath(b *bed) {
	ch := b.channel()
	q, _, dead := b.mortal(ch, nil)
	b.publish(ch, "", q, amqp.Publishing{Headers: amqp.Table{"x-first-death-queue": "elsewhere", "x-first-death-reason": "expired", "x-first-death-exchange": "there"}})
	b.must(b.get(ch, q).Reject(false))
	d := b.get(ch, dead)
	b.equal("first death", []any{d.Headers["x-first-death-reason"], d.Headers["x-first-death-queue"], d.Headers["x-first-death-exchange"]}, []any{"rejected", q, ""})
}
