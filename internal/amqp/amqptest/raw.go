package amqptest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Class and frame numbers of AMQP 0-9-1 that the tests spell out.
const (
	frameMethod, frameHeader, frameBody, frameHeartbeat = 1, 2, 3, 8
	classConnection, classChannel, classExchange        = 10, 20, 40
	classQueue, classBasic, classConfirm                = 50, 60, 85
)

// raw is a connection whose frames the test writes and reads by hand, to say what no client library would.
type raw struct {
	*bed
	conn net.Conn
}

// frame as it's on the wire, without its end octet.
type frame struct {
	kind    byte
	channel uint16
	payload []byte
}

// tuning is what a raw client asks for in connection.tune-ok.
type tuning struct {
	channelMax uint16
	frameMax   uint32
	heartbeat  uint16 // seconds
}

// newRaw opens a connection with channel 1 open.
func (b *bed) newRaw() *raw {
	b.Helper()
	r := b.shake(tuning{channelMax: 100, frameMax: 131072})
	r.method(1, classChannel, 10, shortstr(""))
	r.expect(1, classChannel, 11)
	return r
}

// connect opens a socket and sends nothing.
func (b *bed) connect() *raw {
	b.Helper()
	uri, err := amqp.ParseURI(b.target.AMQP)
	b.must(err)
	conn, err := net.Dial("tcp", net.JoinHostPort(uri.Host, intText(uri.Port)))
	b.must(err)
	b.Cleanup(func() { conn.Close() })
	b.must(conn.SetDeadline(time.Now().Add(patience)))
	return &raw{bed: b, conn: conn}
}

// shake connects and goes through the handshake, up to connection.open-ok.
func (b *bed) shake(want tuning) *raw {
	b.Helper()
	r := b.connect()
	r.write([]byte("AMQP\x00\x00\x09\x01"))
	r.expect(0, classConnection, 10)
	uri, err := amqp.ParseURI(b.target.AMQP)
	b.must(err)
	r.method(0, classConnection, 11, u32(0), shortstr("PLAIN"), longstr("\x00"+uri.Username+"\x00"+uri.Password), shortstr("en_US"))
	r.expect(0, classConnection, 30)
	r.method(0, classConnection, 31, u16(want.channelMax), u32(want.frameMax), u16(want.heartbeat))
	r.method(0, classConnection, 40, shortstr(b.vhost), shortstr(""), []byte{0})
	r.expect(0, classConnection, 41)
	return r
}

func (r *raw) write(data []byte) {
	r.Helper()
	_, err := r.conn.Write(data)
	r.must(err)
}

func (r *raw) frame(kind byte, channel uint16, payload []byte) {
	r.Helper()
	r.write(slices.Concat([]byte{kind}, u16(channel), u32(uint32(len(payload))), payload, []byte{0xCE}))
}

func (r *raw) method(channel, class, method uint16, args ...[]byte) {
	r.Helper()
	r.frame(frameMethod, channel, slices.Concat(append([][]byte{u16(class), u16(method)}, args...)...))
}

// next reads a frame. Heartbeats are skipped.
func (r *raw) next() (frame, error) {
	for {
		head := make([]byte, 7)
		if _, err := io.ReadFull(r.conn, head); err != nil {
			return frame{}, err
		}
		f := frame{kind: head[0], channel: binary.BigEndian.Uint16(head[1:]), payload: make([]byte, binary.BigEndian.Uint32(head[3:]))}
		if _, err := io.ReadFull(r.conn, f.payload); err != nil {
			return frame{}, err
		}
		end := make([]byte, 1)
		if _, err := io.ReadFull(r.conn, end); err != nil {
			return frame{}, err
		}
		if end[0] != 0xCE {
			r.Fatalf("frame ends with %#x", end[0])
		}
		if f.kind != frameHeartbeat {
			return f, nil
		}
	}
}

// expect reads a method frame and returns its arguments.
func (r *raw) expect(channel, class, method uint16) []byte {
	r.Helper()
	f, err := r.next()
	if err != nil {
		r.Fatalf("want method %d.%d: %v", class, method, err)
	}
	want := append(u16(class), u16(method)...)
	if f.kind != frameMethod || f.channel != channel || !bytes.HasPrefix(f.payload, want) {
		r.Fatalf("got frame of type %d on channel %d: %q\nwant method %d.%d on channel %d", f.kind, f.channel, f.payload, class, method, channel)
	}
	return f.payload[4:]
}

// wantClosed expects channel.close (channel > 0) or connection.close with a code, a text that starts so, and the method to blame.
func (r *raw) wantClosed(channel uint16, code uint16, text string, class, method uint16) {
	r.Helper()
	closeClass, closeMethod := uint16(classChannel), uint16(40)
	if channel == 0 {
		closeClass, closeMethod = classConnection, 50
	}
	args := r.expect(channel, closeClass, closeMethod)
	gotCode, n := binary.BigEndian.Uint16(args), int(args[2])
	gotText, rest := string(args[3:3+n]), args[3+n:]
	if gotCode != code || !strings.HasPrefix(gotText, text) {
		r.Errorf("closed with %d %s\nwant        %d %s", gotCode, gotText, code, text)
	}
	if c, m := binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:]); c != class || m != method {
		r.Errorf("%s: blames method %d.%d, want %d.%d", gotText, c, m, class, method)
	}
}

// wantEnd expects the broker to end the connection: to say so, or just to hang up.
func (r *raw) wantEnd() {
	r.Helper()
	for {
		f, err := r.next()
		if err != nil && (errors.Is(err, io.EOF) || strings.Contains(err.Error(), "reset")) {
			return
		}
		if err != nil {
			r.Fatalf("the broker didn't hang up: %v", err)
		}
		if f.kind == frameMethod && f.channel == 0 && bytes.HasPrefix(f.payload, []byte{0, classConnection, 0, 50}) {
			return
		}
	}
}

// clientProperties say that the client understands a refused login.
var clientProperties = func() []byte {
	inner := slices.Concat(shortstr("authentication_failure_close"), []byte{'t', 1})
	return longstr(string(slices.Concat(shortstr("capabilities"), []byte{'F'}, longstr(string(inner)))))
}()

func u16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }
func u32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
func u64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

func shortstr(s string) []byte { return append([]byte{byte(len(s))}, s...) }
func longstr(s string) []byte  { return append(u32(uint32(len(s))), s...) }

// dialCuttable opens a connection that cut breaks without a goodbye.
func (b *bed) dialCuttable() (conn *amqp.Connection, cut func()) {
	b.Helper()
	var socket net.Conn
	conn = b.dialAs(amqp.Config{Dial: func(network, addr string) (_ net.Conn, err error) {
		socket, err = net.DialTimeout(network, addr, patience)
		return socket, err
	}})
	return conn, func() { socket.Close() }
}
