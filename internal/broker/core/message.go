package core

import (
	"encoding/binary"
	"math/bits"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// Message is one published message: the bytes that go out again on delivery, kept as they came in, and what routing needs of them.
// It is counted by hand and reused, so nothing outside of the lock may hold on to one.
type Message struct {
	data     []byte // short strings exchange and routing key, property list, body
	keysLen  int
	propsLen int

	look wire.Glance
	ttl  int64  // expiration asked for by the publisher in ms, -1 without one
	id   uint64 // names the body in the store when several queues share it, else 0

	refs    int  // entries and pending writes that hold it
	stored  int  // of its entries, how many the store has or will have
	waiting int  // of those, how many are neither settled nor committed
	shared  bool // the body is in the store once, its entries point at it

	publisher *Channel // who waits for a confirm, nil when nobody does
	confirmID uint64
}

// messageKeep is the largest buffer, in bytes, that is kept for reuse, and freeMax how many messages are.
const (
	messageKeep = 8 << 10
	freeMax     = 512
)

// NewMessage gives an empty message to fill by Begin, Header and Body.
func (v *VHost) NewMessage() *Message {
	if n := len(v.free); n > 0 {
		m := v.free[n-1]
		v.free = v.free[:n-1]
		return m
	}
	return new(Message)
}

// release gives up one hold on m; the last one recycles it.
func (v *VHost) release(m *Message) {
	if m.refs--; m.refs > 0 {
		return
	}
	v.bytes -= len(m.data)
	v.Discard(m)
}

// Discard takes back a message that was not published.
func (v *VHost) Discard(m *Message) {
	data := m.data[:0]
	if cap(data) > messageKeep {
		data = nil
	}
	*m = Message{data: data}
	if len(v.free) < freeMax {
		v.free = append(v.free, m)
	}
}

// Begin sets the message's keys: the short strings exchange and routing key as the method has them.
func (m *Message) Begin(keys []byte) {
	m.data = append(m.data[:0], keys...)
	m.keysLen = len(keys)
}

// Header adds the property list. sizeHint is the body size the client announced; it is trusted for up to 1 MiB.
func (m *Message) Header(props []byte, sizeHint uint64) error {
	if need := len(m.data) + len(props) + int(min(sizeHint, 1<<20)); cap(m.data) < need {
		data := make([]byte, len(m.data), need)
		copy(data, m.data)
		m.data = data
	}
	m.data = append(m.data, props...)
	m.propsLen = len(props)
	if err := m.glance(); err != nil || !m.look.HasHeaders {
		return err
	}
	return wire.CheckTable(m.look.Headers)
}

// glance reads what the core needs off the properties. What it finds aliases data, which therefore must not move; Body grows data within
// its capacity or, for bodies over the hint, looks again.
func (m *Message) glance() (err error) {
	m.look, err = wire.Look(m.data[m.keysLen : m.keysLen+m.propsLen])
	m.ttl = -1
	return err
}

// Body adds a piece of the body.
func (m *Message) Body(p []byte) {
	moves := len(m.data)+len(p) > cap(m.data)
	m.data = append(m.data, p...)
	if moves {
		_ = m.glance() // it was well formed before
	}
}

// BodyLen is how much body there is so far.
func (m *Message) BodyLen() int { return len(m.data) - m.keysLen - m.propsLen }

// Content is the message as frames carry it; it aliases the message.
func (m *Message) Content() wire.Content {
	props := m.keysLen + m.propsLen
	return wire.Content{Keys: m.data[:m.keysLen], Props: m.data[m.keysLen:props], Body: m.data[props:]}
}

// Look is what the broker needs of the message's properties.
func (m *Message) Look() *wire.Glance { return &m.look }

func (m *Message) exchange() []byte { return m.data[1 : 1+m.data[0]] }

func (m *Message) routingKey() []byte { return m.data[int(m.data[0])+2 : m.keysLen] }

func (m *Message) persistent() bool { return m.look.DeliveryMode == 2 }

// RecordLen is how many bytes AppendRecord adds.
func (m *Message) RecordLen() int {
	return uvarintLen(uint64(m.keysLen)) + uvarintLen(uint64(m.propsLen)) + len(m.data)
}

// AppendRecord appends the message as the store keeps it: two lengths, then the bytes.
func (m *Message) AppendRecord(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(m.keysLen))
	return append(binary.AppendUvarint(b, uint64(m.propsLen)), m.data...)
}

func uvarintLen(n uint64) int { return (bits.Len64(n|1) + 6) / 7 }

// loadMessage makes a message of a store record.
func (v *VHost) loadMessage(record []byte) (*Message, error) {
	keys, rest, ok := uvarint(record)
	props, data, ok2 := uvarint(rest)
	if !ok || !ok2 || keys < 2 || keys > uint64(len(data)) || props > uint64(len(data))-keys || uint64(data[0])+2 > keys {
		return nil, wire.ErrSyntax
	}
	m := v.NewMessage()
	m.data = append(m.data[:0], data...)
	m.keysLen, m.propsLen = int(keys), int(props)
	if err := m.glance(); err != nil {
		return nil, err
	}
	v.bytes += len(m.data)
	return m, nil
}

// rewrite replaces keys and properties; the body stays.
func (v *VHost) rewrite(m *Message, exchange, key string, props *wire.Properties) (*Message, error) {
	n := v.NewMessage()
	n.data = wire.AppendShortstr(wire.AppendShortstr(n.data[:0], exchange), key)
	n.keysLen = len(n.data)
	n.data = props.Append(n.data)
	n.propsLen = len(n.data) - n.keysLen
	n.data = append(n.data, m.Content().Body...)
	return n, n.glance()
}

func uvarint(b []byte) (n uint64, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 {
		return 0, nil, false
	}
	return n, b[used:], true
}
