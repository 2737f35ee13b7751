package broker_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/broker/wire"
)

func TestWhatWasPublishedIsDeliveredBeforeItsChannelIsSaidToBeClosed(t *testing.T) {
	b, err := broker.New(broker.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := b.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	header := slices.Concat(u16(60), u16(0), binary.BigEndian.AppendUint64(nil, 1), u16(0))
	_, err = c.Write(slices.Concat(
		hello(), queueDeclare("q"),
		method(1, wire.BasicConsume, u16(0), short("q"), short("c"), []byte{0}, u32(0)),
		method(2, wire.ChannelOpen, short("")),
		method(2, wire.BasicPublish, u16(0), short(""), short("q"), []byte{0}),
		wire.AppendFrame(nil, wire.FrameHeader, 2, header),
		wire.AppendFrame(nil, wire.FrameBody, 2, []byte("m")),
		method(2, wire.ChannelClose, u16(200), short("bye"), u32(0)),
	))
	if err != nil {
		t.Fatal(err)
	}
	var got []uint32
	var buf []byte
	for !slices.Contains(got, wire.ChannelCloseOk) {
		part := make([]byte, 4096)
		n, err := c.Read(part)
		if err != nil {
			t.Fatal(err)
		}
		buf = append(buf, part[:n]...)
		for {
			f, n, _, err := wire.ParseFrame(buf, 131072)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			if id, _, err := wire.Split(f.Payload); f.Type == wire.FrameMethod && err == nil && (id == wire.BasicDeliver || id == wire.ChannelCloseOk) {
				got = append(got, id)
			}
			buf = buf[n:]
		}
	}
	if diff := cmp.Diff([]uint32{wire.BasicDeliver, wire.ChannelCloseOk}, got); diff != "" {
		t.Errorf("methods (-want +got):\n%s", diff)
	}
}
