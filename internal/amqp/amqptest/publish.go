package amqptest

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"
)

var publishLaw = map[string]func(*bed){
	"messages of one publisher stay in order":                                           messagesStayInOrder,
	"each publish is confirmed once, in whatever batches":                               everyPublishIsConfirmed,
	"an unroutable message is confirmed":                                                unroutableIsConfirmed,
	"an unroutable mandatory message is returned, before its confirm":                   mandatoryIsReturned,
	"the default exchange routes by queue name":                                         defaultExchangeRoutes,
	"bodies of every size arrive whole":                                                 bodiesArriveWhole,
	"all properties arrive":                                                             propertiesArrive,
	"header tables of every field type arrive":                                          headersArrive,
	"a message goes once to a queue that matches twice":                                 oneCopyPerQueue,
	"CC and BCC headers add routing keys, and BCC isn't delivered":                      carbonCopies,
	"each of a message's keys counts at each exchange it passes":                        carbonCopiesPassExchanges,
	"confirms of a message that goes to many queues come once":                          confirmOfFanOut,
	"a publisher that isn't in confirm mode gets no confirms":                           noConfirmWithoutSelect,
	"publishers on many channels of one connection don't disturb each other":            manyChannels,
	"a mandatory message for a queue without consumers isn't returned":                  mandatoryNeedsNoConsumer,
	"a message of 10 MB passes while small ones pass on another channel":                bigAndSmall,
	"confirm.select twice is allowed, and the sequence goes on":                         confirmTwice,
	"an empty routing key and an empty body are fine":                                   emptyKeyAndBody,
	"a publish to a queue that was deleted and made again goes to the new one":          remadeQueue,
	"delivery counters of two channels are independent":                                 countersPerChannel,
	"the user id may be one's own":                                                      ownUserID,
	"a header that the broker writes itself, such as x-death, can come from a producer": foreignDeathHeader,
}

func messagesStayInOrder(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	const n = 2000
	var last *amqp.DeferredConfirmation
	for i := range n {
		var err error
		mode := amqp.Persistent
		if i%3 == 0 {
			mode = amqp.Transient
		}
		last, err = ch.PublishWithDeferredConfirm("", q, false, false, amqp.Publishing{Body: fmt.Append(nil, i), DeliveryMode: mode})
		b.must(err)
	}
	last.Wait()
	_, in := b.consume(b.channel(), q, nil)
	for i := range n {
		d := b.receive(in)
		if string(d.Body) != fmt.Sprint(i) || d.DeliveryTag != uint64(i+1) || d.Redelivered {
			b.Fatalf("delivery %d: body %q, tag %d, redelivered %t", i, d.Body, d.DeliveryTag, d.Redelivered)
		}
		b.must(d.Ack(false))
	}
}

func everyPublishIsConfirmed(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	const n = 3000
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, n))
	for range n {
		b.must(ch.Publish("", q, false, false, amqp.Publishing{Body: []byte("m"), DeliveryMode: amqp.Persistent}))
	}
	for i := range n {
		select {
		case c := <-confirms:
			if !c.Ack || c.DeliveryTag != uint64(i+1) {
				b.Fatalf("confirm %d = %+v", i+1, c)
			}
		case <-time.After(patience):
			b.Fatalf("confirm %d didn't come", i+1)
		}
	}
	b.equal("messages in the queue", b.ready(ch, q), n)
}

func unroutableIsConfirmed(b *bed) {
	ch := b.channel()
	returns := ch.NotifyReturn(make(chan amqp.Return, 1))
	b.equal("confirmed", b.publish(ch, "", b.name("nobody"), amqp.Publishing{}), true)
	b.equal("confirmed", b.publish(ch, "amq.topic", b.name("nobody"), amqp.Publishing{}), true)
	if len(returns) != 0 {
		b.Errorf("returned without being mandatory: %+v", <-returns)
	}
}

func mandatoryIsReturned(b *bed) {
	ch := b.channel()
	returns := ch.NotifyReturn(make(chan amqp.Return, 1))
	key := b.name("nobody")
	c, err := ch.PublishWithDeferredConfirm("amq.direct", key, true, false, amqp.Publishing{
		Body: []byte("back"), MessageId: "id", Headers: amqp.Table{"h": "v"}, DeliveryMode: amqp.Persistent,
	})
	b.must(err)
	b.equal("confirmed", c.Wait(), true)
	select {
	case r := <-returns:
		b.equal("return", []any{r.ReplyCode, r.ReplyText, r.Exchange, r.RoutingKey, string(r.Body), r.MessageId, r.Headers["h"], r.DeliveryMode},
			[]any{uint16(312), "NO_ROUTE", "amq.direct", key, "back", "id", "v", uint8(2)})
	default:
		b.Error("the confirm came before the return")
	}
}

func mandatoryNeedsNoConsumer(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	returns := ch.NotifyReturn(make(chan amqp.Return, 1))
	c, err := ch.PublishWithDeferredConfirm("", q, true, false, amqp.Publishing{})
	b.must(err)
	c.Wait()
	b.equal("returns", len(returns), 0)
}

func defaultExchangeRoutes(b *bed) {
	ch := b.channel()
	q, other := b.queue(ch, nil), b.queue(ch, nil)
	b.send(ch, "", q, "one")
	d := b.get(ch, q)
	b.equal("delivery", []any{string(d.Body), d.Exchange, d.RoutingKey, d.MessageCount}, []any{"one", "", q, uint32(0)})
	b.equal("messages in the other queue", b.ready(ch, other), 0)
}

func bodiesArriveWhole(b *bed) {
	for _, frameSize := range []int{4096, 131072} {
		ch := b.channelOf(b.dialAs(amqp.Config{FrameSize: frameSize}))
		q := b.queue(ch, nil)
		reader := b.channelOf(b.dialAs(amqp.Config{FrameSize: 4096}))
		for _, size := range []int{0, 1, 4087, 4088, 4089, 8175, 8176, 8177, frameSize - 9, frameSize - 8, frameSize - 7, 2*frameSize - 16, 1 << 20} {
			body := bytes.Repeat([]byte("0123456789abcde"), size/15+1)[:size]
			b.publish(ch, "", q, amqp.Publishing{Body: body})
			if got := b.get(reader, q); !bytes.Equal(got.Body, body) {
				b.Errorf("frame size %d: %d bytes arrived as %d other bytes", frameSize, size, len(got.Body))
			}
		}
	}
}

func propertiesArrive(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	sent := amqp.Publishing{
		ContentType: "application/json", ContentEncoding: "utf8", Headers: amqp.Table{"a": "b"}, DeliveryMode: 2, Priority: 7, CorrelationId: "corr",
		ReplyTo: "reply", Expiration: "3600000", MessageId: "msg", Timestamp: time.Unix(1700000000, 0), Type: "type", UserId: "guest", AppId: "app",
		Body: []byte("body"),
	}
	b.publish(ch, "", q, sent)
	d := b.get(ch, q)
	got := amqp.Publishing{
		ContentType: d.ContentType, ContentEncoding: d.ContentEncoding, Headers: d.Headers, DeliveryMode: d.DeliveryMode, Priority: d.Priority,
		CorrelationId: d.CorrelationId, ReplyTo: d.ReplyTo, Expiration: d.Expiration, MessageId: d.MessageId, Timestamp: d.Timestamp, Type: d.Type,
		UserId: d.UserId, AppId: d.AppId, Body: d.Body,
	}
	if diff := cmp.Diff(sent, got); diff != "" {
		b.Errorf("properties (-sent +got):\n%s", diff)
	}
	b.publish(ch, "", q, amqp.Publishing{})
	d = b.get(ch, q)
	b.equal("properties that weren't set", []any{d.ContentType, len(d.Headers), d.DeliveryMode, d.Priority, d.MessageId, d.Timestamp.IsZero()},
		[]any{"", 0, uint8(0), uint8(0), "", true})
}

func headersArrive(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	sent := amqp.Table{
		"bool": true, "no": false, "int8": int8(-5), "uint8": uint8(200), "int16": int16(-300), "uint16": uint16(40000), "int32": int32(math.MinInt32), "uint32": uint32(math.MaxUint32),
		"int64": int64(math.MinInt64), "float32": float32(1.5), "float64": math.Pi, "decimal": amqp.Decimal{Scale: 2, Value: 12345}, "text": "ünïcode", "empty": "",
		"long": strings.Repeat("x", 70000), "bytes": []byte{0, 255, 1}, "time": time.Unix(1700000000, 0), "nil": nil,
		"table": amqp.Table{"inner": amqp.Table{"n": int32(1)}, "empty": amqp.Table{}}, "array": []any{int32(1), "two", amqp.Table{"three": int64(3)}, []any{true}, nil},
		strings.Repeat("k", 128): "long key",
	}
	b.publish(ch, "", q, amqp.Publishing{Headers: sent})
	if diff := cmp.Diff(sent, b.get(ch, q).Headers); diff != "" {
		b.Errorf("headers (-sent +got):\n%s", diff)
	}
}

func oneCopyPerQueue(b *bed) {
	ch := b.channel()
	q, x := b.queue(ch, nil), b.exchange(ch, "topic", nil)
	for _, key := range []string{"a.b", "a.*", "#", "a.b"} {
		b.bind(ch, q, key, x, nil)
	}
	b.send(ch, x, "a.b", "once")
	b.equal("messages", b.drain(ch, q), []string{"once"})
}

func carbonCopies(b *bed) {
	ch := b.channel()
	to, cc, bcc := b.queue(ch, nil), b.queue(ch, nil), b.queue(ch, nil)
	b.publish(ch, "", to, amqp.Publishing{Headers: amqp.Table{"CC": []any{cc}, "BCC": []any{bcc, cc}, "x": "y"}})
	for _, q := range []string{to, cc, bcc} {
		d := b.get(ch, q)
		_, hasCC := d.Headers["CC"]
		_, hasBCC := d.Headers["BCC"]
		b.equal(q, []any{d.RoutingKey, hasCC, hasBCC, d.Headers["x"]}, []any{to, true, false, "y"})
	}
	b.equal("messages left", b.ready(ch, cc), 0)
}

func carbonCopiesPassExchanges(b *bed) {
	ch := b.channel()
	first, second, q := b.exchange(ch, "direct", nil), b.exchange(ch, "topic", nil), b.queue(ch, nil)
	b.must(ch.ExchangeBind(second, "one", first, false, nil))
	b.bind(ch, q, "two", second, nil)
	b.publish(ch, first, "none", amqp.Publishing{Body: []byte("m"), Headers: amqp.Table{"CC": []any{"one"}, "BCC": []any{"two"}}})
	b.equal("messages", b.drain(ch, q), []string{"m"})
}

func confirmOfFanOut(b *bed) {
	ch := b.channel()
	x := b.exchange(ch, "fanout", nil)
	var queues []string
	for range 10 {
		q := b.queue(ch, nil)
		b.bind(ch, q, "", x, nil)
		queues = append(queues, q)
	}
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, 100))
	b.send(ch, x, "", "all")
	b.roundTrip(ch)
	b.equal("confirms", len(confirms), 1)
	for _, q := range queues {
		b.equal("messages", b.drain(ch, q), []string{"all"})
	}
}

func noConfirmWithoutSelect(b *bed) {
	ch, err := b.dial().Channel()
	b.must(err)
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, 1))
	q := b.queue(ch, nil)
	b.must(ch.Publish("", q, false, false, amqp.Publishing{Body: []byte("m")}))
	b.equal("body", string(b.get(ch, q).Body), "m")
	b.equal("confirms", len(confirms), 0)
}

func manyChannels(b *bed) {
	conn := b.dial()
	var wg sync.WaitGroup
	for range 20 {
		ch := b.channelOf(conn)
		q := b.queue(ch, nil)
		wg.Go(func() {
			for i := range 50 {
				c, err := ch.PublishWithDeferredConfirm("", q, false, false, amqp.Publishing{Body: fmt.Append(nil, i)})
				if err != nil || !c.Wait() {
					b.Errorf("publish: %v", err)
					return
				}
				d, ok, err := ch.Get(q, true)
				if err != nil || !ok || string(d.Body) != fmt.Sprint(i) {
					b.Errorf("get = %q, %t, %v, want %d", d.Body, ok, err, i)
					return
				}
			}
		})
	}
	wg.Wait()
}

func bigAndSmall(b *bed) {
	conn := b.dial()
	big, small := b.channelOf(conn), b.channelOf(conn)
	q, r := b.queue(big, nil), b.queue(small, nil)
	body := bytes.Repeat([]byte("0123456789"), 1<<20)
	var wg sync.WaitGroup
	wg.Go(func() { b.publish(big, "", q, amqp.Publishing{Body: body}) })
	for range 20 {
		b.publish(small, "", r, amqp.Publishing{Body: []byte("s")})
	}
	wg.Wait()
	b.equal("small ones", b.ready(small, r), 20)
	if d := b.get(big, q); !bytes.Equal(d.Body, body) {
		b.Errorf("the big one arrived as %d other bytes", len(d.Body))
	}
}

func confirmTwice(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	b.send(ch, "", q, "1")
	b.must(ch.Confirm(false))
	b.send(ch, "", q, "2")
	b.equal("next sequence number", ch.GetNextPublishSeqNo(), uint64(3))
}

func emptyKeyAndBody(b *bed) {
	ch := b.channel()
	q, x := b.queue(ch, nil), b.exchange(ch, "direct", nil)
	b.bind(ch, q, "", x, nil)
	b.publish(ch, x, "", amqp.Publishing{})
	d := b.get(ch, q)
	b.equal("delivery", []any{d.RoutingKey, len(d.Body)}, []any{"", 0})
}

func remadeQueue(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	b.send(ch, "", q, "old")
	n, err := ch.QueueDelete(q, false, false, false)
	b.must(err)
	b.equal("messages deleted", n, 1)
	_, err = ch.QueueDeclare(q, true, false, false, false, nil)
	b.must(err)
	b.send(ch, "", q, "new")
	b.equal("messages", b.drain(ch, q), []string{"new"})
}

func countersPerChannel(b *bed) {
	conn := b.dial()
	first, second := b.channelOf(conn), b.channelOf(conn)
	q := b.queue(first, nil)
	b.send(first, "", q, "1", "2", "3")
	b.equal("tag", b.get(first, q).DeliveryTag, uint64(1))
	b.equal("tag", b.get(second, q).DeliveryTag, uint64(1))
	b.equal("tag", b.get(first, q).DeliveryTag, uint64(2))
}

func ownUserID(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	b.publish(ch, "", q, amqp.Publishing{UserId: "guest"})
	b.equal("user id", b.get(ch, q).UserId, "guest")
}

func foreignDeathHeader(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	for _, v := range []any{"text", int32(1), []any{"x"}, []any{amqp.Table{"queue": q}}} {
		b.publish(ch, "", q, amqp.Publishing{Headers: amqp.Table{"x-death": v}})
		if diff := cmp.Diff(amqp.Table{"x-death": v}, b.get(ch, q).Headers); diff != "" {
			b.Errorf("headers (-sent +got):\n%s", diff)
		}
	}
}
