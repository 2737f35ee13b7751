package amqptest

import (
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var alarmLaw = map[string]func(*bed){
	"publishers are told and held while memory is short, and consumers go on": publishersAreHeld,
}

func publishersAreHeld(b *bed) {
	other := b.channel()
	q := b.put(other, 2, nil)
	_, in := b.consume(b.channel(), q, nil)
	b.must(b.receive(in).Ack(false))

	conn := b.dial()
	blockings := conn.NotifyBlocked(make(chan amqp.Blocking, 2))
	ch := b.channelOf(conn)
	b.target.Alarm(b.T, true)
	b.Cleanup(func() { b.target.Alarm(b.T, false) })
	held, err := ch.PublishWithDeferredConfirm("", q, false, false, amqp.Publishing{Body: []byte("held")})
	b.must(err)
	b.equal("notice", b.blocking(blockings), amqp.Blocking{Active: true, Reason: "low on memory"})
	b.equal("what was there is delivered", string(b.receive(in).Body), "2")
	select {
	case d := <-in:
		b.Errorf("%q was delivered while publishers are held", d.Body)
	case <-held.Done():
		b.Error("confirmed while publishers are held")
	case <-time.After(100 * time.Millisecond):
	}

	b.target.Alarm(b.T, false)
	b.equal("notice", b.blocking(blockings), amqp.Blocking{})
	b.equal("then", string(b.receive(in).Body), "held")
	b.equal("confirmed", held.Wait(), true)
}

func (b *bed) blocking(in <-chan amqp.Blocking) amqp.Blocking {
	b.Helper()
	select {
	case got := <-in:
		return got
	case <-time.After(patience):
		b.Fatal("no notice")
	}
	panic("unreachable")
}
