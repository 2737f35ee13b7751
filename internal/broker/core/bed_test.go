package core

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// recorder is a Sink that writes down what it is given.
type recorder struct {
	log  []string
	full bool
}

func (r *recorder) add(format string, args ...any) {
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

func (r *recorder) Deliver(ch uint16, consumer string, tag uint64, redelivered bool, c wire.Content) {
	again := ""
	if redelivered {
		again = " again"
	}
	r.add("%s %d %s%s", consumer, tag, c.Body, again)
}

func (r *recorder) Return(_ uint16, code uint16, text string, c wire.Content) {
	r.add("return %d %s %s", code, text, c.Body)
}

func (r *recorder) Confirm(_ uint16, tag uint64, multiple, nack bool) {
	kind := "ack"
	if nack {
		kind = "nack"
	}
	if multiple {
		kind += " to"
	}
	r.add("%s %d", kind, tag)
}

func (r *recorder) Cancel(_ uint16, consumer string) { r.add("cancel %s", consumer) }
func (r *recorder) Writable() bool                   { return !r.full }

// bed is a virtual host with one connection and channel, and a pretended store that remembers entries.
type bed struct {
	*testing.T
	v      *VHost
	c      *Conn
	ch     *Channel
	sink   *recorder
	stored map[string]string // "queue/level/seq" -> body
	bodies map[uint64]string
}

func newBed(t *testing.T, durable bool) *bed {
	b := &bed{T: t, sink: &recorder{}, stored: map[string]string{}, bodies: map[uint64]string{}}
	b.v = New(Setup{Name: "/", Durable: durable, Limits: DefaultLimits(), Now: 1000})
	b.c = b.v.NewConn(b.sink, nil)
	b.ch = b.c.NewChannel(1)
	return b
}

func (b *bed) must(err *Error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// queue declares a durable queue; args are name, value pairs.
func (b *bed) queue(name string, args ...any) *Queue {
	b.Helper()
	q, err := b.c.DeclareQueue(QueueSpec{Name: name, Durable: true, Args: table(args...)})
	b.must(err)
	return q
}

func table(args ...any) wire.Table {
	var t wire.Table
	for i := 0; i < len(args); i += 2 {
		t = append(t, wire.Field{Name: args[i].(string), Value: args[i+1]})
	}
	return t
}

func (b *bed) exchange(name, kind string, args ...any) {
	b.Helper()
	b.must(b.c.DeclareExchange(ExchangeSpec{Name: name, Kind: kind, Durable: true, Args: table(args...)}))
}

func (b *bed) bind(source, key, queue string, args ...any) {
	b.Helper()
	b.must(b.c.Bind(BindingSpec{Source: source, Destination: queue, Key: key, Args: table(args...)}))
}

func message(v *VHost, exchange, key, body string, p wire.Properties) *Message {
	m := v.NewMessage()
	m.Begin(wire.AppendShortstr(wire.AppendShortstr(nil, exchange), key))
	if err := m.Header(p.Append(nil), uint64(len(body))); err != nil {
		panic(err)
	}
	m.Body([]byte(body))
	return m
}

func persistent() wire.Properties {
	two := uint8(2)
	return wire.Properties{DeliveryMode: &two}
}

// publish sends persistent messages.
func (b *bed) publish(exchange, key string, bodies ...string) {
	b.Helper()
	for _, body := range bodies {
		b.must(b.ch.Publish(message(b.v, exchange, key, body, persistent()), true))
	}
	b.v.Flush()
}

func (b *bed) consume(queue, tag string, noAck bool) {
	b.Helper()
	_, err := b.ch.Consume(ConsumeSpec{Queue: queue, Tag: tag, NoAck: noAck})
	b.must(err)
	b.v.Flush()
}

// commit writes what is pending to the pretended store.
func (b *bed) commit() {
	b.Helper()
	ops, batch := b.v.Take(false)
	if len(ops) == 0 {
		return
	}
	for _, op := range ops {
		key := fmt.Sprintf("%d/%d/%d", op.Queue, op.Level, op.Seq)
		switch op.Kind {
		case OpPut:
			if _, twice := b.stored[key]; twice {
				b.Errorf("entry %s was written twice", key)
			}
			b.stored[key] = string(op.Msg.Content().Body)
		case OpBody:
			b.bodies[op.Body] = string(op.Msg.Content().Body)
		case OpRef:
			b.stored[key] = fmt.Sprintf("-> %d", op.Body)
		case OpDrop:
			if _, there := b.stored[key]; !there {
				b.Errorf("entry %s was removed and isn't there", key)
			}
			delete(b.stored, key)
		case OpFree:
			delete(b.bodies, op.Body)
		case OpGone:
			for k := range b.stored {
				if strings.HasPrefix(k, fmt.Sprintf("%d/", op.Queue)) {
					delete(b.stored, k)
				}
			}
		}
	}
	b.v.Committed(batch, ops)
	b.v.Flush()
}

// expect compares what was sent since the last call.
func (b *bed) expect(want ...string) {
	b.Helper()
	b.v.Flush()
	got := b.sink.log
	b.sink.log = nil
	if diff := cmp.Diff(want, got); diff != "" {
		b.Errorf("sent (-want +got):\n%s", diff)
	}
}
