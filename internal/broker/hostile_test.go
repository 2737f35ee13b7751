package broker_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/broker/wire"
	"github.com/openintegrationhub/leat/internal/polltest"
)

// eventually polls until ok, for at most ten seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 1000 { // most often it's a matter of microseconds
		if ok() {
			return
		}
		runtime.Gosched()
	}
	if !polltest.Within(10*time.Second, ok) {
		t.Fatalf("not within ten seconds: %s", what)
	}
}

func method(channel uint16, id uint32, args ...[]byte) []byte {
	payload := binary.BigEndian.AppendUint32(nil, id)
	return wire.AppendFrame(nil, wire.FrameMethod, channel, append(payload, bytes.Join(args, nil)...))
}

func short(s string) []byte { return wire.AppendShortstr(nil, s) }
func long(s string) []byte  { return wire.AppendLongstr(nil, s) }
func u16(n uint16) []byte   { return binary.BigEndian.AppendUint16(nil, n) }
func u32(n uint32) []byte   { return binary.BigEndian.AppendUint32(nil, n) }

// hello is what a client sends to have channel 1 open.
func hello() []byte {
	return bytes.Join([][]byte{
		[]byte(wire.ProtocolHeader),
		method(0, wire.ConnectionStartOk, u32(0), short("PLAIN"), long("\x00guest\x00guest"), short("en_US")),
		method(0, wire.ConnectionTuneOk, u16(2047), u32(131072), u16(0)),
		method(0, wire.ConnectionOpen, short("/"), short(""), []byte{0}),
		method(1, wire.ChannelOpen, short("")),
	}, nil)
}

func queueDeclare(name string) []byte {
	return method(1, wire.QueueDeclare, u16(0), short(name), []byte{0}, u32(0))
}

// works makes sure that the broker serves a well-behaved client.
func works(t testing.TB, b *broker.Broker) {
	t.Helper()
	c, err := amqp.DialConfig("amqp://guest:guest@memory/", amqp.Config{Dial: func(string, string) (net.Conn, error) { return b.Dial() }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ch := confirmed(t, channel(t, c))
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, ch, "", q.Name, "hello")
	if d, ok, err := ch.Get(q.Name, true); err != nil || !ok || string(d.Body) != "hello" {
		t.Fatalf("got %q, %v, %v", d.Body, ok, err)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestHostileClientsHurtOnlyThemselves(t *testing.T) {
	hugeBody := bytes.Join([][]byte{
		hello(), method(1, wire.BasicPublish, u16(0), short(""), short("q"), []byte{0}),
		wire.AppendFrame(nil, wire.FrameHeader, 1, append(binary.BigEndian.AppendUint64([]byte{0, 60, 0, 0}, 128<<20), 0, 0)),
	}, nil)
	for name, input := range map[string][]byte{
		"garbage":                             bytes.Repeat([]byte{0xA5}, 100000),
		"half a header":                       []byte("AMQ"),
		"half a frame":                        append(hello(), 1, 0, 1, 0),
		"a frame of 2 GiB":                    append(hello(), 1, 0, 1, 0x7F, 0xFF, 0xFF, 0xFF),
		"a frame of 4 GiB, early":             append([]byte(wire.ProtocolHeader), 1, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF),
		"a body of 128 MiB that doesn't come": hugeBody,
		"a body of 2 to the 63": bytes.Join([][]byte{
			hello(), method(1, wire.BasicPublish, u16(0), short(""), short("q"), []byte{0}),
			wire.AppendFrame(nil, wire.FrameHeader, 1, append(binary.BigEndian.AppendUint64([]byte{0, 60, 0, 0}, 1<<63), 0, 0)),
		}, nil),
		"zeros": append(hello(), make([]byte, 100000)...),
	} {
		t.Run(name, func(t *testing.T) {
			b, url := start(t, "")
			before := heap()
			var conns []net.Conn
			for i := range 20 {
				dial := b.Dial
				if i%2 == 0 {
					dial = func() (net.Conn, error) { return net.Dial("tcp", host(url)) }
				}
				c, err := dial()
				if err != nil {
					t.Fatal(err)
				}
				conns = append(conns, c)
				_ = c.SetWriteDeadline(time.Now().Add(time.Second))
				_, _ = c.Write(input) // may be cut off
			}
			works(t, b)
			if grown := int64(heap()) - int64(before); grown > 64<<20 {
				t.Errorf("the heap has grown by %d MiB", grown>>20)
			}
			for _, c := range conns {
				_ = c.Close()
			}
			eventually(t, "all connections are gone", func() bool { return b.Sockets() == 0 })
		})
	}
}

// host is the address in a URL of start.
func host(url string) string { return url[len("amqp://guest:guest@") : len(url)-1] }

func TestClientsThatAreSlowToLogInAreSentAway(t *testing.T) {
	o := broker.DefaultOptions()
	o.HandshakeTimeout = 500 * time.Millisecond
	b, url := startWith(t, o)
	before := heap()
	for i := range 300 {
		c, err := net.Dial("tcp", host(url))
		if err != nil {
			t.Fatal(err)
		}
		go func() { // one octet at a time, or none
			defer c.Close()
			pause := time.NewTicker(20 * time.Millisecond)
			defer pause.Stop()
			for j := 0; i%3 > 0; j = (j + 1) % len(hello()) {
				if _, err := c.Write(hello()[j : j+1]); err != nil {
					return
				}
				<-pause.C
			}
			_, _ = io.Copy(io.Discard, c)
		}()
	}
	works(t, b)
	eventually(t, "all slow clients are gone", func() bool { return b.Sockets() == 0 })
	if grown := int64(heap()) - int64(before); grown > 32<<20 {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	}
}

func TestUnfinishedMessagesCountAsMemory(t *testing.T) {
	o := broker.DefaultOptions()
	o.MemoryHigh = 200 << 20
	b, url := startWith(t, o)
	c, err := net.Dial("tcp", host(url))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { _, _ = io.Copy(io.Discard, c) }()
	// With a heartbeat: it's how the broker notices that a client has gone which it has blocked.
	greeting := bytes.Replace(hello(), method(0, wire.ConnectionTuneOk, u16(2047), u32(131072), u16(0)), method(0, wire.ConnectionTuneOk, u16(2047), u32(131072), u16(1)), 1)
	go func() { // until it's blocked: then closing the connection ends it
		if _, err := c.Write(greeting); err == nil {
			writeUnfinished(c, b)
		}
	}()
	eventually(t, "the memory alarm", func() bool { return b.Alarm() == "low on memory" })
	_ = c.Close()
	eventually(t, "the alarm is over", func() bool { return b.Alarm() == "" })
	works(t, b)
}

// writeUnfinished begins a message of 100 MB on each channel and sends 10 MB of it, until the broker raises an alarm.
func writeUnfinished(c net.Conn, b *broker.Broker) {
	piece := wire.AppendFrame(nil, wire.FrameBody, 0, make([]byte, 100_000))
	for n := uint16(1); b.Alarm() == "" && n < 1000; n++ {
		head := bytes.Join([][]byte{
			method(n, wire.ChannelOpen, short("")), method(n, wire.BasicPublish, u16(0), short(""), short("q"), []byte{0}),
			wire.AppendFrame(nil, wire.FrameHeader, n, append(binary.BigEndian.AppendUint64([]byte{0, 60, 0, 0}, 100<<20), 0, 0)),
		}, nil)
		if n == 1 {
			head = head[len(method(n, wire.ChannelOpen, short(""))):] // hello has opened it
		}
		if _, err := c.Write(head); err != nil {
			return
		}
		binary.BigEndian.PutUint16(piece[1:], n)
		for range 100 {
			if _, err := c.Write(piece); err != nil {
				return
			}
		}
	}
}

func TestChannelsBeyondTheLimitAreRefused(t *testing.T) {
	b, url := start(t, "")
	c, err := net.Dial("tcp", host(url))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = c.Write(hello()); writeChannels(c) }()
	eventually(t, "the connection is closed", func() bool { return readUntilClosed(c) })
	works(t, b)
}

func writeChannels(c net.Conn) {
	for n := 2; n < 65536; n++ {
		if _, err := c.Write(method(uint16(n), wire.ChannelOpen, short(""))); err != nil {
			return
		}
	}
}

// readUntilClosed reads until the broker says connection.close, and answers it.
func readUntilClosed(c net.Conn) bool {
	var got []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		got = append(got, buf[:n]...)
		if bytes.Contains(got, []byte("has reached the negotiated channel_max (2047)")) {
			_ = c.Close()
			return true
		}
		if err != nil {
			return false
		}
	}
}

func TestAClientThatNeverReadsIsHeldBack(t *testing.T) {
	b, url := start(t, "")
	addr := host(url)
	ch := confirmed(t, channel(t, dial(t, url)))
	if _, err := ch.QueueDeclare("big", false, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	before := heap()
	deaf, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	consume := method(1, wire.BasicConsume, u16(0), short("big"), short("c"), []byte{2}, u32(0))
	if _, err := deaf.Write(append(hello(), consume...)); err != nil {
		t.Fatal(err)
	}
	asks, err := net.Dial("tcp", addr) // asks without end, and reads no answer
	if err != nil {
		t.Fatal(err)
	}
	defer asks.Close()
	go func() {
		_, _ = asks.Write(hello())
		for i := 0; ; i++ {
			if _, err := asks.Write(queueDeclare(fmt.Sprint("q", i%10))); err != nil {
				return
			}
		}
	}()
	for range 100 {
		publish(t, ch, "", "big", string(make([]byte, 1<<20)))
	}
	q, err := ch.QueueDeclarePassive("big", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if q.Messages < 80 {
		t.Errorf("%d of 100 messages are still in the queue, the others wait for a client that doesn't read", q.Messages)
	}
	works(t, b)
	if grown := int64(heap()) - int64(before); grown > 150<<20 {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	}
}

func FuzzHandshake(f *testing.F) {
	f.Add(hello())
	f.Add([]byte("AMQP\x00\x01\x00\x00"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(hello()[:30])
	f.Add(append([]byte(wire.ProtocolHeader), method(0, wire.ConnectionStartOk, u32(0), short("AMQPLAIN"), long("\x05LOGINS\x00\x00\x00\x00"), short(""))...))
	fuzzBytes(f, nil)
}

func FuzzSession(f *testing.F) {
	f.Add(queueDeclare("q"))
	f.Add(method(1, wire.BasicConsume, u16(0), short("q"), short("c"), []byte{2}, u32(0)))
	f.Add(bytes.Join([][]byte{
		method(1, wire.ConfirmSelect, []byte{0}),
		method(1, wire.BasicPublish, u16(0), short(""), short("q"), []byte{1}),
		wire.AppendFrame(nil, wire.FrameHeader, 1, append(binary.BigEndian.AppendUint64([]byte{0, 60, 0, 0}, 2), 0x10, 0, 2)),
		wire.AppendFrame(nil, wire.FrameBody, 1, []byte("hi")),
		method(1, wire.BasicGet, u16(0), short("q"), []byte{0}),
		method(1, wire.BasicAck, binary.BigEndian.AppendUint64(nil, 1), []byte{0}),
	}, nil))
	f.Add(method(1, wire.TxSelect))
	f.Add(method(0, wire.ConnectionClose, u16(200), short(""), u32(0)))
	fuzzBytes(f, hello())
}

// fuzzBytes sends bytes behind a prefix and hangs up: the broker must notice, and be as before.
func fuzzBytes(f *testing.F, prefix []byte) {
	b, err := broker.New(broker.DefaultOptions())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = b.Close() })
	n := 0
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := b.Dial()
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = c.Write(append(prefix[:len(prefix):len(prefix)], data...))
		_ = c.Close()
		eventually(t, "the connection is gone", func() bool { return b.Sockets() == 0 })
		if n++; n%1000 == 0 {
			works(t, b)
			eventually(t, "the connection is gone", func() bool { return b.Sockets() == 0 })
		}
	})
}
