package amqptest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var consumeLaw = map[string]func(*bed){
	"a message put back is delivered again, first and marked":                putBackIsFirst,
	"several messages put back keep their order":                             putBackKeepsOrder,
	"a rejected message is gone":                                             rejectedIsGone,
	"an ack with multiple takes all before it":                               multipleAcks,
	"a nack with multiple puts back all before it, in order":                 multipleNacks,
	"ack of tag 0 with multiple takes all":                                   ackAll,
	"messages of a closed channel are delivered again":                       closedChannelRedelivers,
	"messages of a lost connection are delivered again, in order":            lostConnectionRedelivers,
	"without acks a message is gone once delivered":                          autoAck,
	"recover puts all back":                                                  recoverPutsBack,
	"get on an empty queue finds nothing":                                    getNothing,
	"get counts what is left":                                                getCounts,
	"consumers take turns":                                                   consumersTakeTurns,
	"a cancelled consumer gets nothing more, and can still acknowledge":      cancelledConsumer,
	"a consumer is told when its queue is deleted":                           cancelNotification,
	"the broker makes a consumer tag when none is given":                     madeTags,
	"an exclusive consumer has the queue to itself":                          exclusiveConsumer,
	"a single active consumer gets all, and the next takes over":             singleActiveConsumer,
	"consumers of higher priority come first":                                consumerPriority,
	"two consumers on one channel are told apart by tag":                     twoConsumersOneChannel,
	"a queue's consumer count is right":                                      consumerCount,
	"a message that was got and put back is delivered to a waiting consumer": gotAndPutBack,
	"a cancelled tag can be used again":                                      tagAgain,
	"the empty queue name means the last declared queue":                     lastDeclaredQueue,
}

func bodiesOf(deliveries []amqp.Delivery) []string {
	var out []string
	for _, d := range deliveries {
		text := string(d.Body)
		if d.Redelivered {
			text += "+"
		}
		out = append(out, text)
	}
	return out
}

// take receives n deliveries.
func (b *bed) take(in <-chan amqp.Delivery, n int) []amqp.Delivery {
	b.Helper()
	var out []amqp.Delivery
	for range n {
		out = append(out, b.receive(in))
	}
	return out
}

// put declares a queue that holds the messages 1 to n.
func (b *bed) put(ch *amqp.Channel, n int, args amqp.Table) string {
	b.Helper()
	q := b.queue(ch, args)
	for i := range n {
		b.send(ch, "", q, fmt.Sprint(i+1))
	}
	return q
}

func putBackIsFirst(b *bed) {
	ch := b.channel()
	q := b.put(ch, 3, nil)
	b.must(b.get(ch, q).Nack(false, true))
	again := b.get(ch, q)
	b.equal("delivery", []any{string(again.Body), again.Redelivered}, []any{"1", true})
	b.must(again.Reject(true))
	b.equal("messages", b.drain(ch, q), []string{"1", "2", "3"})
}

func putBackKeepsOrder(b *bed) {
	ch := b.channel()
	q := b.put(ch, 6, nil)
	var got []amqp.Delivery
	for range 4 {
		got = append(got, b.get(ch, q))
	}
	for _, i := range []int{2, 0, 3, 1} {
		b.must(got[i].Reject(true))
	}
	var again []amqp.Delivery
	for range 6 {
		again = append(again, b.get(ch, q))
	}
	b.equal("messages", bodiesOf(again), []string{"1+", "2+", "3+", "4+", "5", "6"})
}

func rejectedIsGone(b *bed) {
	ch := b.channel()
	q := b.put(ch, 3, nil)
	b.must(b.get(ch, q).Reject(false))
	b.must(b.get(ch, q).Nack(false, false))
	b.equal("messages", b.drain(ch, q), []string{"3"})
	b.equal("ready", b.ready(ch, q), 0)
}

func multipleAcks(b *bed) {
	ch := b.channel()
	q := b.put(ch, 5, nil)
	var got []amqp.Delivery
	for range 5 {
		got = append(got, b.get(ch, q))
	}
	b.must(got[2].Ack(true))
	b.must(ch.Recover(true))
	b.equal("messages", b.drain(ch, q), []string{"4", "5"})
}

func multipleNacks(b *bed) {
	ch := b.channel()
	q := b.put(ch, 5, nil)
	var got []amqp.Delivery
	for range 5 {
		got = append(got, b.get(ch, q))
	}
	b.must(got[2].Nack(true, true))
	b.equal("messages", b.drain(ch, q), []string{"1", "2", "3"})
	b.must(got[4].Nack(true, false))
	b.equal("messages", b.drain(ch, q), []string{})
}

func ackAll(b *bed) {
	ch := b.channel()
	q := b.put(ch, 3, nil)
	b.get(ch, q)
	b.get(ch, q)
	b.must(ch.Ack(0, true))
	b.must(ch.Recover(true))
	b.equal("messages", b.drain(ch, q), []string{"3"})
}

func closedChannelRedelivers(b *bed) {
	conn := b.dial()
	ch, closing := b.channelOf(conn), b.channelOf(conn)
	q := b.put(ch, 3, nil)
	b.get(closing, q)
	b.must(b.get(closing, q).Ack(false))
	b.must(closing.Close())
	b.equal("messages", bodiesOf([]amqp.Delivery{b.get(ch, q), b.get(ch, q)}), []string{"1+", "3"})
}

func lostConnectionRedelivers(b *bed) {
	ch := b.channel()
	q := b.put(ch, 5, nil)
	conn, cut := b.dialCuttable()
	lost := b.channelOf(conn)
	b.must(lost.Qos(4, 0, false))
	_, in := b.consume(lost, q, nil)
	got := b.take(in, 4)
	b.must(got[1].Ack(false))
	b.equal("the fifth", string(b.receive(in).Body), "5")
	cut()
	b.eventually("4 messages are ready again", func() bool { return b.ready(ch, q) == 4 })
	_, in = b.consume(ch, q, nil)
	again := b.take(in, 4)
	b.equal("messages", bodiesOf(again), []string{"1+", "3+", "4+", "5+"})
}

func autoAck(b *bed) {
	ch := b.channel()
	q := b.put(ch, 3, nil)
	other := b.channel()
	in, err := other.Consume(q, "", true, false, false, false, nil)
	b.must(err)
	b.take(in, 3)
	b.must(other.Close())
	b.equal("ready", b.ready(ch, q), 0)
}

func recoverPutsBack(b *bed) {
	ch := b.channel()
	q := b.put(ch, 3, nil)
	_, in := b.consume(ch, q, nil)
	b.take(in, 3)
	b.must(ch.Recover(true))
	b.equal("messages", bodiesOf(b.take(in, 3)), []string{"1+", "2+", "3+"})
}

func getNothing(b *bed) {
	ch := b.channel()
	_, ok, err := ch.Get(b.queue(ch, nil), false)
	b.must(err)
	b.equal("found", ok, false)
}

func getCounts(b *bed) {
	ch := b.channel()
	q := b.put(ch, 3, nil)
	for left := uint32(2); ; left-- {
		b.equal("left", b.get(ch, q).MessageCount, left)
		if left == 0 {
			return
		}
	}
}

func consumersTakeTurns(b *bed) {
	conn := b.dial()
	ch := b.channelOf(conn)
	q := b.queue(ch, nil)
	var in [3]<-chan amqp.Delivery
	for i := range in {
		_, in[i] = b.consume(b.channelOf(conn), q, nil)
	}
	for i := range 9 {
		b.send(ch, "", q, fmt.Sprint(i))
	}
	var all []string
	for i := range in {
		got := bodiesOf(b.take(in[i], 3))
		all = append(all, got...)
	}
	slices.Sort(all)
	b.equal("messages", all, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8"})
}

func cancelledConsumer(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	tag, in := b.consume(ch, q, nil)
	b.send(ch, "", q, "1")
	d := b.receive(in)
	b.must(ch.Cancel(tag, false))
	if _, open := <-in; open {
		b.Error("delivered after cancel")
	}
	b.send(ch, "", q, "2")
	b.must(d.Ack(false))
	b.must(ch.Recover(true))
	b.equal("messages", b.drain(ch, q), []string{"2"})
}

func cancelNotification(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	tag, in := b.consume(ch, q, nil)
	cancelled := ch.NotifyCancel(make(chan string, 1))
	other := b.channel()
	_, err := other.QueueDelete(q, false, false, false)
	b.must(err)
	select {
	case got := <-cancelled:
		b.equal("tag", got, tag)
	case <-time.After(patience):
		b.Fatal("not notified")
	}
	if _, open := <-in; open {
		b.Error("delivered after cancel")
	}
	b.roundTrip(ch) // the channel lives on
}

func madeTags(b *bed) {
	ch := b.newRaw()
	q := b.queue(b.channel(), nil)
	seen := map[string]bool{}
	for range 3 {
		ch.method(1, classBasic, 20, u16(0), shortstr(q), shortstr(""), []byte{0}, u32(0))
		tag := string(ch.expect(1, classBasic, 21)[1:])
		if !strings.HasPrefix(tag, "amq.ctag-") || seen[tag] {
			b.Errorf("tag = %q, want a new amq.ctag-...", tag)
		}
		seen[tag] = true
	}
}

func exclusiveConsumer(b *bed) {
	ch, other := b.channel(), b.channel()
	q := b.queue(ch, nil)
	_, err := ch.Consume(q, "mine", false, true, false, false, nil)
	b.must(err)
	b.wantRefusal(other, 403, "ACCESS_REFUSED - queue '"+q+"' in vhost '"+b.vhost+"' in exclusive use", func() error {
		_, err := other.Consume(q, "", false, false, false, false, nil)
		return err
	})
	b.must(ch.Cancel("mine", false))
	next := b.channel()
	b.consume(next, q, nil)
	b.wantRefusal(ch, 403, "ACCESS_REFUSED - queue '"+q+"' in vhost '"+b.vhost+"' in exclusive use", func() error {
		_, err := ch.Consume(q, "", false, true, false, false, nil)
		return err
	})
}

func singleActiveConsumer(b *bed) {
	ch := b.channel()
	q := b.queue(ch, amqp.Table{"x-single-active-consumer": true})
	conn := b.dial()
	active, waiting := b.channelOf(conn), b.channelOf(conn)
	tag, first := b.consume(active, q, nil)
	_, second := b.consume(waiting, q, nil)
	b.send(ch, "", q, "1", "2", "3")
	got := b.take(first, 3)
	b.quiet(second, waiting)
	b.must(got[0].Ack(false))
	b.must(active.Cancel(tag, false))
	b.send(ch, "", q, "4")
	b.equal("after cancel", bodiesOf(b.take(second, 1)), []string{"4"})
	b.must(active.Close())
	b.equal("after close", bodiesOf(b.take(second, 2)), []string{"2+", "3+"})
}

func consumerPriority(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	conn := b.dial()
	low, high := b.channelOf(conn), b.channelOf(conn)
	b.must(low.Qos(10, 0, false))
	b.must(high.Qos(2, 0, false))
	_, lowIn := b.consume(low, q, nil)
	_, highIn := b.consume(high, q, amqp.Table{"x-priority": int32(5)})
	b.send(ch, "", q, "1", "2", "3")
	first := b.take(highIn, 2)
	b.equal("high", bodiesOf(first), []string{"1", "2"})
	b.equal("low, as high has its hands full", bodiesOf(b.take(lowIn, 1)), []string{"3"})
	b.must(first[0].Ack(false))
	b.roundTrip(high)
	b.send(ch, "", q, "4")
	b.equal("high again", bodiesOf(b.take(highIn, 1)), []string{"4"})
	b.quiet(lowIn, low)
}

func twoConsumersOneChannel(b *bed) {
	ch := b.channel()
	q, r := b.queue(ch, nil), b.queue(ch, nil)
	qTag, qIn := b.consume(ch, q, nil)
	rTag, rIn := b.consume(ch, r, nil)
	b.send(ch, "", r, "r")
	b.send(ch, "", q, "q")
	first, second := b.receive(rIn), b.receive(qIn)
	b.equal("tags", []any{first.ConsumerTag, first.DeliveryTag, second.ConsumerTag, second.DeliveryTag}, []any{rTag, uint64(1), qTag, uint64(2)})
}

func consumerCount(b *bed) {
	ch, other := b.channel(), b.channel()
	q := b.queue(ch, nil)
	b.consume(other, q, nil)
	tag, _ := b.consume(other, q, nil)
	count := func() int {
		state, err := ch.QueueDeclarePassive(q, true, false, false, false, nil)
		b.must(err)
		return state.Consumers
	}
	b.equal("consumers", count(), 2)
	b.must(other.Cancel(tag, false))
	b.equal("consumers after cancel", count(), 1)
	b.must(other.Close())
	b.eventually("no consumers after close", func() bool { return count() == 0 })
}

func gotAndPutBack(b *bed) {
	ch := b.channel()
	q := b.put(ch, 1, nil)
	d := b.get(ch, q)
	_, in := b.consume(ch, q, nil)
	b.quiet(in, ch)
	b.must(d.Nack(false, true))
	b.equal("messages", bodiesOf(b.take(in, 1)), []string{"1+"})
}

func tagAgain(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	for i := range 3 {
		in, err := ch.Consume(q, "same", true, false, false, false, nil)
		b.must(err)
		b.send(ch, "", q, fmt.Sprint(i))
		b.equal("body", string(b.receive(in).Body), fmt.Sprint(i))
		b.must(ch.Cancel("same", false))
	}
}

func lastDeclaredQueue(b *bed) {
	ch := b.channel()
	q := b.put(ch, 1, nil)
	d, ok, err := ch.Get("", true)
	b.must(err)
	b.equal("found", []any{ok, string(d.Body)}, []any{true, "1"})
	b.must(ch.QueueBind("", "", "amq.fanout", false, nil)) // both empty: queue and key are the last declared queue's name
	b.must(ch.QueueUnbind(q, q, "amq.fanout", nil))
}
