package broker

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipe makes the two ends of a connection within the process. Unlike net.Pipe it buffers both ways, so that a write is a copy and not
// a meeting of two goroutines.
func pipe() (client, server net.Conn) {
	up, down := newRing(), newRing()
	return &pipeConn{in: down, out: up, local: "client"}, &pipeConn{in: up, out: down, local: "broker"}
}

// ringMax is how many bytes one direction holds before writes wait.
const ringMax = 256 << 10

// ring is one direction: a buffer that grows up to ringMax.
type ring struct {
	mu       sync.Mutex // guards what follows
	readable *sync.Cond
	writable *sync.Cond
	buf      []byte // buf[r:] is unread
	r        int
	closed   bool // by either end
	readBy   deadline
	writeBy  deadline
}

func newRing() *ring {
	g := &ring{}
	g.readable, g.writable = sync.NewCond(&g.mu), sync.NewCond(&g.mu)
	g.readBy.cond, g.writeBy.cond = g.readable, g.writable
	return g
}

func (g *ring) read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.buf) == g.r {
		switch {
		case g.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		case g.closed:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		g.readable.Wait()
	}
	full := len(g.buf)-g.r >= ringMax
	n := copy(p, g.buf[g.r:])
	g.r += n
	if g.r == len(g.buf) {
		g.buf, g.r = g.buf[:0], 0
	}
	if full {
		g.writable.Broadcast()
	}
	return n, nil
}

func (g *ring) write(p []byte) (n int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(p) > 0 {
		room := ringMax - (len(g.buf) - g.r)
		switch {
		case g.closed:
			return n, io.ErrClosedPipe
		case g.writeBy.passed():
			return n, os.ErrDeadlineExceeded
		case room <= 0:
			g.writable.Wait()
			continue
		}
		if g.r > 0 && len(g.buf)+min(room, len(p)) > cap(g.buf) {
			g.buf = g.buf[:copy(g.buf, g.buf[g.r:])]
			g.r = 0
		}
		k := min(room, len(p))
		wake := len(g.buf) == g.r
		g.buf = append(g.buf, p[:k]...)
		n, p = n+k, p[k:]
		if wake {
			g.readable.Signal()
		}
	}
	return n, nil
}

func (g *ring) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.readBy.stop()
	g.writeBy.stop()
	g.readable.Broadcast()
	g.writable.Broadcast()
}

// deadline wakes those who wait on cond when its time has come. Its ring's mutex guards it.
type deadline struct {
	cond  *sync.Cond
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

func (d *deadline) set(t time.Time) {
	d.cond.L.Lock()
	defer d.cond.L.Unlock()
	d.stop()
	d.at = t
	if !t.IsZero() {
		d.timer = time.AfterFunc(time.Until(t), func() {
			d.cond.L.Lock()
			defer d.cond.L.Unlock()
			d.cond.Broadcast()
		})
	}
	d.cond.Broadcast()
}

// pipeConn is one end.
type pipeConn struct {
	in, out *ring
	local   string
}

type pipeAddr string

func (a pipeAddr) Network() string { return "memory" }
func (a pipeAddr) String() string  { return string(a) }

func (c *pipeConn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *pipeConn) Write(p []byte) (int, error) { return c.out.write(p) }

// TryWrite writes as much as there's room for.
func (c *pipeConn) TryWrite(p []byte) (int, error) {
	g := c.out
	g.mu.Lock()
	room := ringMax - (len(g.buf) - g.r)
	g.mu.Unlock()
	// Only the caller writes, so room can but grow.
	if room <= 0 {
		return 0, nil
	}
	return g.write(p[:min(room, len(p))])
}

// Close ends both directions; what was written can still be read.
func (c *pipeConn) Close() error {
	c.in.close()
	c.out.close()
	return nil
}

func (c *pipeConn) LocalAddr() net.Addr { return pipeAddr(c.local) }

func (c *pipeConn) RemoteAddr() net.Addr {
	if c.local == "client" {
		return pipeAddr("broker")
	}
	return pipeAddr("client")
}

func (c *pipeConn) SetDeadline(t time.Time) error {
	c.in.readBy.set(t)
	c.out.writeBy.set(t)
	return nil
}

func (c *pipeConn) SetReadDeadline(t time.Time) error {
	c.in.readBy.set(t)
	return nil
}

func (c *pipeConn) SetWriteDeadline(t time.Time) error {
	c.out.writeBy.set(t)
	return nil
}
