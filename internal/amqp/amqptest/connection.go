package amqptest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var connectionLaw = map[string]func(*bed){
	"the broker says what it can do":                          capabilities,
	"channels can be closed and opened again":                 channelsReopen,
	"hundreds of channels on one connection":                  hundredsOfChannels,
	"a connection without a sign of life is closed":           silentClientIsDropped,
	"the broker sends heartbeats":                             brokerHeartbeats,
	"a negotiated frame size holds for what the broker sends": frameSizeHolds,
	"heartbeat 0 is allowed":                                  noHeartbeat,
	"closing says goodbye":                                    closeHandshake,
	"who says goodbye hangs up":                               goodbyeHangsUp,
	"a client that never reads hurts only itself":             slowReader,
	"unconfirmed messages of a closed connection are settled": closeAfterPublish,
}

func capabilities(b *bed) {
	conn := b.dial()
	got, _ := conn.Properties["capabilities"].(amqp.Table)
	for _, name := range []string{
		"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify", "connection.blocked", "consumer_priorities",
		"authentication_failure_close", "per_consumer_qos", "direct_reply_to",
	} {
		b.equal(name, got[name], true)
	}
	for _, name := range []string{"product", "version", "platform", "cluster_name", "information", "copyright"} {
		if text, ok := conn.Properties[name].(string); !ok || text == "" {
			b.Errorf("server property %s = %v, want a text", name, conn.Properties[name])
		}
	}
	b.equal("limits", []any{conn.Major, conn.Minor, conn.Config.ChannelMax, conn.Config.FrameSize}, []any{0, 9, uint16(2047), 131072})
	for _, mechanism := range []string{"PLAIN", "AMQPLAIN"} {
		b.equal("offers "+mechanism, slices.Contains(b.mechanisms(), mechanism), true)
	}
}

func channelsReopen(b *bed) {
	conn := b.dial()
	for range 50 {
		ch, err := conn.Channel()
		b.must(err)
		b.roundTrip(ch)
		b.must(ch.Close())
	}
}

func hundredsOfChannels(b *bed) {
	conn := b.dial()
	var q string
	for i := range 300 {
		ch, err := conn.Channel()
		b.must(err)
		if i == 0 {
			q = b.queue(ch, nil)
		}
		b.must(ch.Publish("", q, false, false, amqp.Publishing{}))
		b.roundTrip(ch)
	}
	b.equal("messages", b.ready(b.channel(), q), 300)
}

func silentClientIsDropped(b *bed) {
	r := b.shake(tuning{channelMax: 10, frameMax: 131072, heartbeat: 1})
	start := time.Now()
	r.wantEnd()
	if took := time.Since(start); took < time.Second || took > 15*time.Second {
		b.Errorf("closed after %v, want 2 to 3 seconds at a heartbeat of 1", took)
	}
}

func brokerHeartbeats(b *bed) {
	r := b.shake(tuning{channelMax: 10, frameMax: 131072, heartbeat: 1})
	beats := 0
	for beats < 2 {
		head := make([]byte, 8)
		if _, err := readFull(r.conn, head); err != nil {
			b.Fatalf("after %d heartbeats: %v", beats, err)
		}
		b.equal("frame", fmt.Sprintf("%x", head), "08000000000000ce")
		r.write([]byte{frameHeartbeat, 0, 0, 0, 0, 0, 0, 0xCE})
		beats++
	}
}

func frameSizeHolds(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	b.publish(ch, "", q, amqp.Publishing{Body: make([]byte, 20000)})
	r := b.shake(tuning{channelMax: 10, frameMax: 4096})
	r.method(1, classChannel, 10, shortstr(""))
	r.expect(1, classChannel, 11)
	r.method(1, classBasic, 70, u16(0), shortstr(q), []byte{1})
	r.expect(1, classBasic, 71)
	total := -1
	for total < 20000 {
		f, err := r.next()
		b.must(err)
		if len(f.payload) > 4096-8 {
			b.Fatalf("frame with %d bytes of payload, want at most 4088", len(f.payload))
		}
		if f.kind == frameHeader {
			total = 0
			continue
		}
		total += len(f.payload)
	}
}

func noHeartbeat(b *bed) {
	r := b.shake(tuning{channelMax: 10, frameMax: 131072})
	r.method(1, classChannel, 10, shortstr(""))
	r.expect(1, classChannel, 11)
}

func closeHandshake(b *bed) {
	r := b.newRaw()
	r.method(1, classChannel, 40, u16(200), shortstr("bye"), u16(0), u16(0))
	r.expect(1, classChannel, 41)
	r.method(0, classConnection, 50, u16(200), shortstr("bye"), u16(0), u16(0))
	r.expect(0, classConnection, 51)
}

func slowReader(b *bed) {
	ch := b.channel()
	q := b.queue(ch, nil)
	r := b.newRaw()
	r.method(1, classBasic, 20, u16(0), shortstr(q), shortstr("c"), []byte{2}, u32(0)) // no acks, and it reads no more
	for range 40 {
		b.publish(ch, "", q, amqp.Publishing{Body: make([]byte, 1<<20)})
	}
	other := b.put(ch, 3, nil)
	b.equal("messages of others", b.drain(b.channel(), other), []string{"1", "2", "3"})
}

func closeAfterPublish(b *bed) {
	conn := b.dial()
	ch, err := conn.Channel()
	b.must(err)
	q := b.queue(ch, nil)
	for range 100 {
		b.must(ch.Publish("", q, false, false, amqp.Publishing{DeliveryMode: amqp.Persistent}))
	}
	b.must(conn.Close())
	other := b.channel()
	b.eventually("100 messages", func() bool { return b.ready(other, q) == 100 })
}

func goodbyeHangsUp(b *bed) {
	r := b.newRaw()
	r.method(0, classConnection, 50, u16(200), shortstr("bye"), u16(0), u16(0))
	r.expect(0, classConnection, 51)
	b.must(r.conn.SetReadDeadline(time.Now().Add(time.Second)))
	if f, err := r.next(); !errors.Is(err, os.ErrDeadlineExceeded) {
		b.Errorf("after close-ok the broker sent %v, %v; want it to wait", f, err)
	}
	b.must(r.conn.SetReadDeadline(time.Now().Add(patience)))
	b.must(r.conn.(*net.TCPConn).CloseWrite())
	r.wantEnd()
}
