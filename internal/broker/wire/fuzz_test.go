package wire_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// everything is a table with a value of each type.
func everything() wire.Table {
	return wire.Table{
		{Name: "t", Value: true}, {Name: "b", Value: int8(-1)}, {Name: "B", Value: uint8(200)}, {Name: "s", Value: int16(-2)},
		{Name: "u", Value: uint16(65535)}, {Name: "I", Value: int32(-3)}, {Name: "i", Value: uint32(1 << 31)}, {Name: "l", Value: int64(-4)},
		{Name: "f", Value: float32(1.5)}, {Name: "d", Value: 2.5}, {Name: "D", Value: wire.Decimal{Scale: 2, Value: 314}},
		{Name: "S", Value: "text"}, {Name: "x", Value: []byte{0, 1}}, {Name: "T", Value: wire.Timestamp(1)}, {Name: "V", Value: nil},
		{Name: "A", Value: wire.Array{int32(1), "two", wire.Array{}}}, {Name: "F", Value: wire.Table{{Name: "in", Value: true}}},
	}
}

func TestTableKeepsEveryType(t *testing.T) {
	b := wire.AppendTable(nil, everything())
	got, err := wire.ParseTable(b[4:])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(everything(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNestingHasALimit(t *testing.T) {
	deep := wire.Table{}
	for range 1000 {
		deep = wire.Table{{Name: "", Value: deep}}
	}
	if _, err := wire.ParseTable(wire.AppendTable(nil, deep)[4:]); err == nil {
		t.Error("a table 1000 deep was read")
	}
}

func FuzzTable(f *testing.F) {
	f.Add(wire.AppendTable(nil, everything())[4:])
	f.Add([]byte{})
	f.Add([]byte("\x01aS\xff\xff\xff\xff"))
	f.Add([]byte("\x01aF\x00\x00\x00\x08\x01bF\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := wire.ParseTable(b)
		if check := wire.CheckTable(b); (check == nil) != (err == nil) {
			t.Fatalf("reading gives %v, checking %v", err, check)
		}
		if err != nil {
			return
		}
		again := wire.AppendTable(nil, table)[4:]
		if _, err := wire.ParseTable(again); err != nil {
			t.Fatalf("what was written can't be read: %v", err)
		}
		if len(again) != len(b) {
			t.Fatalf("%d bytes became %d", len(b), len(again))
		}
	})
}

func FuzzFrame(f *testing.F) {
	f.Add(wire.AppendHeartbeat(nil), uint32(4096))
	f.Add(wire.AppendChannelOpenOk(nil, 1), uint32(0))
	f.Add([]byte{1, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0}, uint32(131072))
	f.Add([]byte{1, 0, 1, 0, 0, 0, 0, 0}, uint32(4096))
	f.Fuzz(func(t *testing.T, b []byte, frameMax uint32) {
		if frameMax > 0 {
			frameMax = max(frameMax, wire.FrameMaxMin)
		}
		frame, n, need, err := wire.ParseFrame(b, frameMax)
		switch {
		case err != nil:
			if n != 0 || err.Error() == "" {
				t.Fatalf("an error with %d bytes used, %q", n, err)
			}
		case n > 0:
			if n > len(b) || frameMax > 0 && n > int(frameMax) {
				t.Fatalf("%d of %d bytes, limit %d", n, len(b), frameMax)
			}
			if again := wire.AppendFrame(nil, frame.Type, frame.Channel, frame.Payload); !bytes.Equal(again, b[:n]) {
				t.Fatalf("%x became %x", b[:n], again)
			}
		case need != 0 && need <= len(b):
			t.Fatalf("wants %d bytes and has %d", need, len(b))
		}
	})
}

func FuzzMethod(f *testing.F) {
	for _, id := range []uint32{
		wire.ConnectionStartOk, wire.ConnectionTuneOk, wire.ConnectionOpen, wire.ExchangeDeclare, wire.QueueDeclare, wire.QueueBind,
		wire.BasicConsume, wire.BasicPublish, wire.BasicAck, wire.BasicNack, wire.ConfirmSelect,
	} {
		f.Add(id, bytes.Repeat([]byte{0}, 40))
		f.Add(id, append([]byte("\x00\x00\x01q\x02xy\x1f"), wire.AppendTable(nil, everything())...))
	}
	f.Fuzz(func(t *testing.T, id uint32, args []byte) {
		var m wire.Method
		if err := m.Decode(id, args); err == nil && m.ID != id {
			t.Fatalf("method %x became %x", id, m.ID)
		}
	})
}

func FuzzProperties(f *testing.F) {
	text, one, now := "text", uint8(1), uint64(1)
	p := wire.Properties{
		ContentType: &text, ContentEncoding: &text, Headers: everything(), DeliveryMode: &one, Priority: &one, CorrelationID: &text, ReplyTo: &text,
		Expiration: &text, MessageID: &text, Timestamp: &now, Type: &text, UserID: &text, AppID: &text, ClusterID: &text,
	}
	f.Add(p.Append(nil))
	f.Add([]byte{0, 0})
	f.Add([]byte{0, 1})
	f.Add([]byte{0xFF, 0xFC})
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := wire.Look(b)
		full, fullErr := wire.ParseProperties(b)
		if err != nil {
			if fullErr == nil {
				t.Fatalf("a glance fails (%v) where reading all does not", err)
			}
			return
		}
		if fullErr != nil {
			return // a table inside is malformed, which a glance doesn't see
		}
		if g.HasExpiration != (full.Expiration != nil) || g.HasExpiration && string(g.Expiration) != *full.Expiration {
			t.Fatalf("expiration %q, in full %v", g.Expiration, full.Expiration)
		}
		if _, err := wire.Look(full.Append(nil)); err != nil {
			t.Fatalf("what was written can't be read: %v", err)
		}
	})
}
