package core

import (
	"fmt"
	"strings"
	"testing"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

func TestConfirmComesAfterTheCommitUnlessAConsumerWasFaster(t *testing.T) {
	b := newBed(t, true)
	b.queue("q")
	b.ch.Confirm()
	b.publish("", "q", "1", "2")
	b.expect()
	b.commit()
	b.expect("ack to 2")
	if len(b.stored) != 2 {
		t.Errorf("stored %v, want both", b.stored)
	}
	b.consume("q", "c", false)
	b.expect("c 1 1", "c 2 2")
	b.publish("", "q", "3")
	b.expect("c 3 3")
	b.must(b.ch.Ack(3, true))
	b.expect("ack 3")
	b.commit()
	if len(b.stored) != 0 {
		t.Errorf("stored %v, want nothing: 3 was never written", b.stored)
	}
}

func TestAMessageToManyQueuesIsStoredOnce(t *testing.T) {
	b := newBed(t, true)
	b.exchange("x", "fanout")
	for i := range 10 {
		name := fmt.Sprint("q", i)
		b.queue(name)
		b.bind("x", "", name)
	}
	b.publish("x", "", "m")
	b.commit()
	if len(b.bodies) != 1 || len(b.stored) != 10 {
		t.Fatalf("stored %d bodies and %d entries, want 1 and 10", len(b.bodies), len(b.stored))
	}
	for i := range 10 {
		if len(b.bodies) != 1 {
			t.Fatalf("the body has gone before the last entry, after %d", i)
		}
		r, err := b.ch.Get(fmt.Sprint("q", i), true)
		b.must(err)
		r.Done()
		b.commit()
	}
	if len(b.bodies) != 0 || len(b.stored) != 0 {
		t.Errorf("left %d bodies and %d entries, want none", len(b.bodies), len(b.stored))
	}
}

func TestASharedBodyOfWhichOneEntryIsLeftIsWrittenInline(t *testing.T) {
	b := newBed(t, true)
	b.exchange("x", "fanout")
	for _, q := range []string{"a", "b"} {
		b.queue(q)
		b.bind("x", "", q)
	}
	b.consume("a", "c", true)
	b.publish("x", "", "m")
	b.commit()
	if len(b.bodies) != 0 || len(b.stored) != 1 {
		t.Errorf("stored %d bodies, entries %v; want one inline entry", len(b.bodies), b.stored)
	}
}

func TestRequeuedMessagesComeBackInOrder(t *testing.T) {
	b := newBed(t, false)
	b.queue("q")
	b.consume("q", "c", false)
	b.publish("", "q", "1", "2", "3", "4")
	b.expect("c 1 1", "c 2 2", "c 3 3", "c 4 4")
	b.ch.Cancel("c")
	b.must(b.ch.Nack(3, false, true))
	b.must(b.ch.Nack(1, false, true))
	b.must(b.ch.Ack(2, false))
	b.must(b.ch.Nack(0, true, true))
	b.consume("q", "d", false)
	b.expect("d 5 1 again", "d 6 3 again", "d 7 4 again")
}

func TestPrefetchHoldsBackAndAcksLetGoOn(t *testing.T) {
	b := newBed(t, false)
	b.queue("q")
	b.must(b.ch.Qos(0, 2, false))
	b.consume("q", "c", false)
	b.publish("", "q", "1", "2", "3", "4")
	b.expect("c 1 1", "c 2 2")
	b.must(b.ch.Ack(1, false))
	b.expect("c 3 3")
	b.must(b.ch.Nack(3, true, false))
	b.expect("c 4 4")
}

func TestConsumersOfOneQueueTakeTurnsWithTheirChannelsPrefetch(t *testing.T) {
	b := newBed(t, false)
	b.queue("q")
	b.must(b.ch.Qos(0, 1, true))
	b.consume("q", "c", false)
	b.consume("q", "d", false)
	b.publish("", "q", "1", "2", "3", "4")
	b.expect("c 1 1")
	for i, want := range []string{"d 2 2", "c 3 3", "d 4 4"} {
		b.must(b.ch.Ack(uint64(i+1), false))
		b.expect(want)
	}
}

func TestAMessageThatCouldntWaitIsGoneOncePutBack(t *testing.T) {
	b := newBed(t, false)
	b.queue("dead")
	q := b.queue("q", "x-message-ttl", int32(0), "x-dead-letter-exchange", "", "x-dead-letter-routing-key", "dead")
	b.consume("q", "c", false)
	b.publish("", "q", "m")
	b.expect("c 1 m")
	b.must(b.ch.Nack(1, false, true)) // within the same millisecond
	b.expect()
	if dead := b.v.queues["dead"].ready(); dead != 1 || q.ready() != 0 {
		t.Errorf("%d dead and %d ready, want 1 and 0", dead, q.ready())
	}
}

func TestAClientWithoutRoomGetsNothingUntilItHas(t *testing.T) {
	b := newBed(t, false)
	b.queue("q")
	b.consume("q", "c", true)
	b.sink.full = true
	b.publish("", "q", "1", "2")
	b.expect()
	b.sink.full = false
	b.c.Resume()
	b.expect("c 1 1", "c 2 2")
}

func TestPriorities(t *testing.T) {
	b := newBed(t, false)
	b.queue("q", "x-max-priority", int32(5))
	for i, p := range []uint8{0, 3, 9, 3, 5} {
		prio := p
		b.must(b.ch.Publish(message(b.v, "", "q", fmt.Sprintf("%d:%d", i, p), wire.Properties{Priority: &prio}), false))
	}
	b.consume("q", "c", true)
	b.expect("c 1 2:9", "c 2 4:5", "c 3 1:3", "c 4 3:3", "c 5 0:0")
}

func TestDropHeadDeadLettersTheOldest(t *testing.T) {
	b := newBed(t, false)
	b.queue("dead")
	b.queue("q", "x-max-length", int32(2), "x-dead-letter-exchange", "", "x-dead-letter-routing-key", "dead")
	b.publish("", "q", "1", "2", "3", "4")
	b.consume("dead", "d", true)
	b.consume("q", "c", true)
	b.expect("d 1 1", "d 2 2", "c 3 3", "c 4 4")
}

func TestRejectPublishNacksWithinTheOrderOfConfirms(t *testing.T) {
	b := newBed(t, true)
	b.queue("small", "x-max-length", int32(1), "x-overflow", "reject-publish")
	b.queue("q")
	b.ch.Confirm()
	b.publish("", "small", "1", "2")
	b.publish("", "q", "3")
	b.expect()
	b.commit()
	b.expect("ack 1", "nack 2", "ack 3")
}

func TestExpiryWaitsForTheHeadOfTheQueue(t *testing.T) {
	b := newBed(t, false)
	b.queue("dead")
	b.queue("q", "x-dead-letter-exchange", "", "x-dead-letter-routing-key", "dead")
	for body, ms := range map[string]string{"long": "100"} {
		b.must(b.ch.Publish(message(b.v, "", "q", body, wire.Properties{Expiration: &ms}), false))
	}
	short := "10"
	b.must(b.ch.Publish(message(b.v, "", "q", "short", wire.Properties{Expiration: &short}), false))
	b.consume("dead", "d", true)
	b.v.SetNow(1050)
	b.v.Tick()
	b.expect()
	if due := b.v.Due(); due != 1100 {
		t.Errorf("due at %d, want 1100", due)
	}
	b.v.SetNow(1100)
	b.v.Tick()
	b.expect("d 1 long", "d 2 short")
}

func TestUnusedQueueExpires(t *testing.T) {
	b := newBed(t, false)
	b.queue("q", "x-expires", int32(500))
	b.consume("q", "c", true)
	b.v.SetNow(5000)
	b.v.Tick()
	b.ch.Cancel("c")
	b.v.Flush()
	if b.v.queues["q"] == nil {
		t.Fatal("a queue in use has expired")
	}
	b.v.SetNow(5500)
	b.v.Tick()
	if b.v.queues["q"] != nil {
		t.Error("the queue is still there")
	}
}

func TestACycleWithoutARejectionEnds(t *testing.T) {
	b := newBed(t, false)
	b.queue("a", "x-message-ttl", int32(10), "x-dead-letter-exchange", "", "x-dead-letter-routing-key", "b")
	b.queue("b", "x-message-ttl", int32(10), "x-dead-letter-exchange", "", "x-dead-letter-routing-key", "a")
	b.publish("", "a", "m")
	for now := int64(1010); now < 1100; now += 10 {
		b.v.SetNow(now)
		b.v.Tick()
		b.v.Flush()
	}
	if a, c := b.v.queues["a"].ready(), b.v.queues["b"].ready(); a+c != 0 {
		t.Errorf("%d and %d messages are left, want none", a, c)
	}
}

func TestSingleActiveConsumerIsReplaced(t *testing.T) {
	b := newBed(t, false)
	b.queue("q", "x-single-active-consumer", true)
	b.consume("q", "one", true)
	b.consume("q", "two", true)
	b.publish("", "q", "1", "2")
	b.expect("one 1 1", "one 2 2")
	b.ch.Cancel("one")
	b.publish("", "q", "3")
	b.expect("two 3 3")
}

func TestConsumerPriority(t *testing.T) {
	b := newBed(t, false)
	b.queue("q")
	b.must(b.ch.Qos(0, 1, false))
	b.consume("q", "low", false)
	_, err := b.ch.Consume(ConsumeSpec{Queue: "q", Tag: "high", Args: table("x-priority", int32(10))})
	b.must(err)
	b.publish("", "q", "1", "2", "3")
	b.expect("high 1 1", "low 2 2")
}

func TestDeletingAQueueTellsItsConsumers(t *testing.T) {
	b := newBed(t, true)
	b.queue("q")
	b.consume("q", "c", false)
	b.publish("", "q", "1")
	b.expect("c 1 1")
	_, err := b.c.DeleteQueue("q", false, false)
	b.must(err)
	b.expect("cancel c")
	b.must(b.ch.Ack(1, false))
	b.commit()
	if len(b.stored) != 0 {
		t.Errorf("left in the store: %v", b.stored)
	}
}

func TestRouting(t *testing.T) {
	b := newBed(t, false)
	for _, x := range []string{"topic", "direct", "fanout", "headers"} {
		b.exchange("x."+x, x)
	}
	b.exchange("alternate", "fanout")
	b.exchange("main", "topic", "alternate-exchange", "alternate")
	for _, q := range []string{"a", "b", "c"} {
		b.queue(q)
	}
	b.bind("x.topic", "f.*.message", "a")
	b.bind("x.topic", "f.#", "b")
	b.bind("x.topic", "#.error", "c")
	b.bind("x.direct", "k", "a")
	b.bind("x.direct", "k", "b")
	b.bind("x.fanout", "ignored", "c")
	b.bind("x.headers", "", "a", "x-match", "all", "h", "1", "n", int32(5))
	b.bind("x.headers", "", "b", "x-match", "any", "h", "1", "n", int64(6))
	b.bind("main", "known", "a")
	b.bind("alternate", "", "b")
	b.must(b.c.Bind(BindingSpec{Source: "main", Destination: "x.direct", ToExchange: true, Key: "k"}))
	for name, tc := range map[string]struct {
		exchange, key string
		headers       wire.Table
		want          string
	}{
		"one word":                        {"x.topic", "f.s.message", nil, "a b"},
		"many words":                      {"x.topic", "f.s.t.message", nil, "b"},
		"no word for a hash":              {"x.topic", "f", nil, "b"},
		"both ends":                       {"x.topic", "f.error", nil, "b c"},
		"a key without words":             {"x.topic", "", nil, ""},
		"a star needs a word":             {"x.topic", "f..message", nil, "a b"},
		"direct":                          {"x.direct", "k", nil, "a b"},
		"direct takes no pattern":         {"x.direct", "*", nil, ""},
		"fanout takes any key":            {"x.fanout", "z", nil, "c"},
		"all headers, integers by value":  {"x.headers", "", table("h", "1", "n", int64(5)), "a b"},
		"any header":                      {"x.headers", "", table("n", int8(6)), "b"},
		"no header":                       {"x.headers", "", nil, ""},
		"the default exchange":            {"", "c", nil, "c"},
		"unroutable goes to the next one": {"main", "unknown", nil, "b"},
		"over an exchange":                {"main", "k", nil, "a b"},
		"routable does not go there":      {"main", "known", nil, "a"},
		"copies by header":                {"", "a", table("CC", wire.Array{"b", "a"}), "a b"},
	} {
		t.Run(name, func(t *testing.T) {
			p := wire.Properties{Headers: tc.headers}
			b.must(b.ch.Publish(message(b.v, tc.exchange, tc.key, "m", p), false))
			var got []string
			for _, q := range []string{"a", "b", "c"} {
				for range b.v.queues[q].purge() {
					got = append(got, q)
				}
			}
			if s := strings.Join(got, " "); s != tc.want {
				t.Errorf("went to %q, want %q", s, tc.want)
			}
		})
	}
}

func TestAutoDelete(t *testing.T) {
	b := newBed(t, true)
	b.must(b.c.DeclareExchange(ExchangeSpec{Name: "x", Kind: "topic", AutoDelete: true}))
	_, err := b.c.DeclareQueue(QueueSpec{Name: "q", AutoDelete: true})
	b.must(err)
	b.bind("x", "k", "q")
	b.consume("q", "c", true)
	b.ch.Cancel("c")
	b.v.Flush()
	if b.v.queues["q"] != nil || b.v.exchanges["x"] != nil {
		t.Error("queue or exchange is still there after the last consumer")
	}
}

func TestExclusiveQueueGoesWithItsConnection(t *testing.T) {
	b := newBed(t, true)
	other := b.v.NewConn(&recorder{}, nil)
	_, err := other.DeclareQueue(QueueSpec{Name: "mine", Exclusive: true, Durable: true})
	b.must(err)
	_, err = b.c.Queue("mine")
	if err == nil || err.Code != CodeResourceLocked {
		t.Errorf("another connection got %v, want resource locked", err)
	}
	other.Close()
	if b.v.queues["mine"] != nil {
		t.Error("the queue is still there")
	}
}

func TestDirectReply(t *testing.T) {
	b := newBed(t, false)
	b.queue("rpc")
	tag, err := b.ch.Consume(ConsumeSpec{Queue: "amq.rabbitmq.reply-to", Tag: "r", NoAck: true})
	b.must(err)
	reply := "amq.rabbitmq.reply-to"
	b.must(b.ch.Publish(message(b.v, "", "rpc", "ask", wire.Properties{ReplyTo: &reply}), false))
	r, err := b.ch.Get("rpc", true)
	b.must(err)
	props, perr := wire.ParseProperties(r.Content.Props)
	if perr != nil || props.ReplyTo == nil || !strings.HasPrefix(*props.ReplyTo, reply+".") {
		t.Fatalf("reply-to %v", props.ReplyTo)
	}
	to := *props.ReplyTo
	r.Done()
	b.must(b.ch.Publish(message(b.v, "", to, "answer", wire.Properties{}), true))
	b.expect(tag + " 2 answer")
	b.ch.Cancel("r")
	b.must(b.ch.Publish(message(b.v, "", to, "late", wire.Properties{}), true))
	b.expect("return 312 NO_ROUTE late")
}

func TestTransactions(t *testing.T) {
	b := newBed(t, true)
	b.queue("q")
	b.publish("", "q", "1", "2")
	b.consume("q", "c", false)
	b.expect("c 1 1", "c 2 2")
	b.must(b.ch.TxSelect())
	b.publish("", "q", "dropped")
	b.must(b.ch.Ack(1, false))
	if err := b.ch.Ack(1, false); err == nil {
		t.Error("a delivery could be acknowledged twice")
	}
	b.must(b.ch.TxRollback())
	b.expect()
	b.publish("", "q", "3")
	b.must(b.ch.Ack(2, true))
	b.expect()
	durable, err := b.ch.TxCommit()
	b.must(err)
	if !durable {
		t.Error("commit needs no batch")
	}
	b.expect("c 3 3")
	if n := b.ch.unackedCount; n != 1 {
		t.Errorf("%d are unacknowledged, want 1", n)
	}
	if err := b.ch.Confirm(); err == nil || err.Text != "PRECONDITION_FAILED - cannot switch from tx to confirm mode" {
		t.Errorf("confirm.select on a tx channel: %v", err)
	}
}

func TestPublishersAheadOfWorkingConsumersAreTold(t *testing.T) {
	b := newBed(t, false)
	b.queue("q")
	publish := func(n int) {
		for range n {
			b.publish("", "q", "m")
		}
	}
	publish(lagMessages + 10)
	if b.v.Lagging() {
		t.Error("lagging without a consumer, want not: there's nobody to wait for")
	}
	b.must(b.ch.Qos(0, 1, false))
	b.consume("q", "c", false)
	publish(1)
	if !b.v.Lagging() {
		t.Error("not lagging behind a backlog with a consumer that has taken a message")
	}
	publish(10)
	if b.v.Lagging() {
		t.Error("lagging although the consumer has taken nothing since")
	}
	b.must(b.ch.Ack(1, false))
	b.v.Flush()
	publish(1)
	if !b.v.Lagging() || b.v.Lagging() {
		t.Error("want lagging once: the consumer has taken another message")
	}
}
