package amqptest

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"strconv"
	"strings"
)

func readFull(r io.Reader, p []byte) (int, error) { return io.ReadFull(r, p) }

func intText(n int) string { return strconv.Itoa(n) }

// mechanisms that the broker offers for login.
func (b *bed) mechanisms() []string {
	b.Helper()
	r := b.connect()
	r.write([]byte("AMQP\x00\x00\x09\x01"))
	args := r.expect(0, classConnection, 10)[2:]
	args = args[4+binary.BigEndian.Uint32(args):]
	n := binary.BigEndian.Uint32(args)
	return strings.Fields(string(args[4 : 4+n]))
}

// frameLaw is about what no client library sends.
var frameLaw = map[string]func(*bed){
	"another protocol is answered with the right one": func(b *bed) {
		for _, header := range []string{"AMQP\x00\x01\x00\x00", "GET / HTTP/1.1\r\n\r\n", "\x00\x00\x00\x00\x00\x00\x00\x00"} {
			r := b.connect()
			r.write([]byte(header))
			answer := make([]byte, 8)
			_, err := io.ReadFull(r.conn, answer)
			b.must(err)
			b.equal("answer to "+strconv.Quote(header), string(answer), "AMQP\x00\x00\x09\x01")
			r.wantEnd()
		}
	},
	"the protocol header of 0-9 is taken for that of 0-9-1": func(b *bed) {
		r := b.connect()
		r.write([]byte("AMQP\x01\x01\x00\x09"))
		b.equal("version", r.expect(0, classConnection, 10)[:2], []byte{0, 9})
	},
	"a frame with a wrong end is a frame error": func(b *bed) {
		r := b.newRaw()
		r.write(slices.Concat([]byte{frameMethod}, u16(1), u32(4), u16(classChannel), u16(20), []byte{0xFF}))
		r.wantClosed(0, 501, "FRAME_ERROR - type 1, all octets = <<0,20,0,20>>: {invalid_frame_end_marker,255}", 0, 0)
	},
	"a frame larger than agreed is a frame error": func(b *bed) {
		r := b.shake(tuning{channelMax: 10, frameMax: 4096})
		r.write(slices.Concat([]byte{frameMethod}, u16(1), u32(5000), make([]byte, 5000), []byte{0xCE}))
		r.wantClosed(0, 501, "FRAME_ERROR - type 1, all octets = <<>>: {frame_too_large,5000,4088}", 0, 0)
	},
	"an unknown frame type is a frame error": func(b *bed) {
		r := b.newRaw()
		r.frame(7, 1, []byte{1, 2, 3, 4})
		r.wantEnd()
	},
	"an unknown method is refused": func(b *bed) {
		r := b.newRaw()
		r.method(1, 99, 99)
		r.wantEnd()
	},
	"a method on a channel that isn't open is a channel error": func(b *bed) {
		r := b.newRaw()
		r.method(7, classBasic, 70, u16(0), shortstr("q"), []byte{1})
		r.wantClosed(0, 504, "CHANNEL_ERROR - expected 'channel.open'", classBasic, 70)
	},
	"opening a channel twice is a channel error": func(b *bed) {
		r := b.newRaw()
		r.method(1, classChannel, 10, shortstr(""))
		r.wantClosed(0, 504, "CHANNEL_ERROR - second 'channel.open' seen", classChannel, 10)
	},
	"more channels than agreed are refused": func(b *bed) {
		r := b.shake(tuning{channelMax: 3, frameMax: 131072})
		for channel := range uint16(3) {
			r.method(channel+1, classChannel, 10, shortstr(""))
			r.expect(channel+1, classChannel, 11)
		}
		r.method(4, classChannel, 10, shortstr(""))
		r.wantClosed(0, 530, "NOT_ALLOWED - number of channels opened (3) has reached the negotiated channel_max (3)", 0, 0)
	},
	"content without a publish is unexpected": func(b *bed) {
		r := b.newRaw()
		r.frame(frameHeader, 1, slices.Concat(u16(classBasic), u16(0), u64(3), u16(0)))
		r.wantClosed(0, 505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead", 0, 0)
	},
	"a method in the middle of content is unexpected": func(b *bed) {
		r := b.newRaw()
		r.method(1, classBasic, 40, u16(0), shortstr(""), shortstr("q"), []byte{0})
		r.method(1, classBasic, 70, u16(0), shortstr("q"), []byte{1})
		r.wantClosed(0, 505, "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead", classBasic, 40)
	},
	"tune-ok with a frame size below the minimum is refused": func(b *bed) {
		r := b.tuneOK(100, 100)
		r.wantEnd()
	},
	"tune-ok with a frame size above the offer is refused": func(b *bed) {
		r := b.tuneOK(100, 1<<30)
		r.wantEnd()
	},
	"tune-ok with more channels than offered is refused": func(b *bed) {
		r := b.tuneOK(65535, 131072)
		r.wantEnd()
	},
	"an unknown mechanism is refused": func(b *bed) {
		r := b.connect()
		r.write([]byte("AMQP\x00\x00\x09\x01"))
		r.expect(0, classConnection, 10)
		r.method(0, classConnection, 11, u32(0), shortstr("BOGUS"), longstr("x"), shortstr("en_US"))
		r.wantEnd()
	},
	"garbage after the handshake ends that connection only": func(b *bed) {
		ch := b.channel()
		for _, junk := range [][]byte{bytes.Repeat([]byte{0xFF}, 64), []byte("\x01\x00\x00\xFF\xFF\xFF\xFFxxxx"), bytes.Repeat([]byte{0}, 4096)} {
			r := b.shake(tuning{channelMax: 10, frameMax: 131072})
			r.write(junk)
			r.wantEnd()
		}
		b.roundTrip(ch)
	},
	"half a frame and a hang-up is forgotten": func(b *bed) {
		ch := b.channel()
		r := b.newRaw()
		r.write([]byte{frameMethod, 0, 1, 0, 0})
		r.conn.Close()
		b.roundTrip(ch)
	},
	"no-wait declares work": func(b *bed) {
		r, name := b.newRaw(), b.name("q")
		r.method(1, classQueue, 10, u16(0), shortstr(name), []byte{0b10010}, u32(0)) // durable, no-wait
		r.method(1, classQueue, 20, u16(0), shortstr(name), shortstr("amq.direct"), shortstr("k"), []byte{1}, u32(0))
		r.method(1, classBasic, 70, u16(0), shortstr(name), []byte{1})
		r.expect(1, classBasic, 72)
	},
	"channel.flow is answered": func(b *bed) {
		r := b.newRaw()
		r.method(1, classChannel, 20, []byte{1})
		b.equal("flow-ok", r.expect(1, classChannel, 21), []byte{1})
	},
	"confirm.select is answered": func(b *bed) {
		r := b.newRaw()
		r.method(1, classConfirm, 10, []byte{0})
		r.expect(1, classConfirm, 11)
	},
	"an exchange can be declared passively without saying its type": func(b *bed) {
		r := b.newRaw()
		r.method(1, classExchange, 10, u16(0), shortstr("amq.topic"), shortstr(""), []byte{1}, u32(0))
		r.expect(1, classExchange, 11)
	},
	"a message in many small body frames is one message": func(b *bed) {
		ch := b.channel()
		q := b.queue(ch, nil)
		r := b.newRaw()
		r.method(1, classBasic, 40, u16(0), shortstr(""), shortstr(q), []byte{0})
		r.frame(frameHeader, 1, slices.Concat(u16(classBasic), u16(0), u64(5), u16(0)))
		for _, c := range "hello" {
			r.frame(frameBody, 1, []byte(string(c)))
		}
		b.equal("body", string(b.get(ch, q).Body), "hello")
	},
}

// tuneOK connects and sends a tune-ok.
func (b *bed) tuneOK(channelMax uint16, frameMax uint32) *raw {
	b.Helper()
	r := b.connect()
	r.write([]byte("AMQP\x00\x00\x09\x01"))
	r.expect(0, classConnection, 10)
	r.method(0, classConnection, 11, u32(0), shortstr("PLAIN"), longstr("\x00guest\x00guest"), shortstr("en_US"))
	r.expect(0, classConnection, 30)
	r.method(0, classConnection, 31, u16(channelMax), u32(frameMax), u16(0))
	return r
}
