package server

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// outbound is the bytes that wait to be sent to a client. Many append; whoever flushes first writes all there is with one call, as far
// as that goes without blocking. The writer goroutine does the rest.
type outbound struct {
	mu      sync.Mutex // guards what follows
	drained *sync.Cond // signalled after each write of the writer
	buf     []byte
	spare   []byte // for the next buf
	rest    []byte // taken by flush and not yet sent: the writer's first task
	writing bool   // somebody is at it
	closing bool   // send what is there, then close
	broken  bool   // the connection is gone

	size   atomic.Int64 // of all that is not yet sent
	paused atomic.Bool  // somebody was told that there's no room
	wakeup chan struct{}
	sent   atomic.Uint64 // bytes
	try    tryWriter     // nil when the connection can't write without blocking
}

// Buffers are used again unless they have become larger than bufferKeep bytes, or are above bufferSmall and hardly used any more.
const (
	bufferKeep  = 2 << 20
	bufferSmall = 64 << 10
)

func (o *outbound) init(nc net.Conn) {
	o.drained = sync.NewCond(&o.mu)
	o.wakeup = make(chan struct{}, 1)
	o.try = newTryWriter(nc)
}

// flush sends what is there if that can be done at once, else leaves it to the writer.
func (o *outbound) flush() {
	o.mu.Lock()
	if o.writing || len(o.buf) == 0 && !o.closing {
		o.mu.Unlock()
		return
	}
	if o.try == nil || o.closing {
		o.mu.Unlock()
		o.wake()
		return
	}
	o.writing = true
	buf := o.buf
	o.buf, o.spare = o.spare[:0], nil
	o.mu.Unlock()
	n, err := o.try.TryWrite(buf)
	o.sent.Add(uint64(n))
	o.mu.Lock()
	left := o.size.Add(int64(-n))
	if n < len(buf) || err != nil {
		o.rest = buf[n:] // with an error the writer meets it again
		o.mu.Unlock()
		o.wake()
		return
	}
	o.writing = false
	o.recycle(buf)
	more := left > 0 || o.closing
	o.drained.Broadcast()
	o.mu.Unlock()
	if more || o.paused.Load() {
		o.wake()
	}
}

// recycle keeps a sent buffer for use. The caller holds mu.
func (o *outbound) recycle(buf []byte) {
	if cap(buf) <= bufferSmall || cap(buf) <= bufferKeep && len(buf) > cap(buf)/16 {
		o.spare = buf[:0]
	}
}

// wake starts the writer.
func (o *outbound) wake() {
	select {
	case o.wakeup <- struct{}{}:
	default:
	}
}

// add appends what f appends.
func (o *outbound) add(f func(b []byte) []byte) {
	o.mu.Lock()
	o.grow(f(o.buf))
	o.mu.Unlock()
}

// grow takes over buf after it was appended to. The caller holds mu.
func (o *outbound) grow(buf []byte) {
	if o.broken || o.closing {
		return
	}
	o.size.Add(int64(len(buf) - len(o.buf)))
	o.buf = buf
}

// close lets the writer send what is there and then close the connection.
func (o *outbound) close() {
	o.mu.Lock()
	o.closing = true
	o.mu.Unlock()
	o.wake()
}

func (o *outbound) ended() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.broken
}

// awaitBelow blocks until fewer than n bytes wait, or the connection is gone.
func (o *outbound) awaitBelow(n int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.size.Load() >= n && !o.broken {
		o.drained.Wait()
	}
}

// awaitEnd blocks until the writer has ended.
func (o *outbound) awaitEnd() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.broken {
		o.drained.Wait()
	}
}

// closeWait is how long a client may take to receive the last bytes of a connection that is being closed.
const closeWait = 5 * time.Second

// write is the writer goroutine: it ends when the connection does.
func (c *conn) write() {
	o := &c.out
	for range o.wakeup {
		o.mu.Lock()
		if o.writing && o.rest == nil {
			o.mu.Unlock() // flush is at it, and wakes us when there's more
			continue
		}
		o.writing = true
		rest, buf, closing := o.rest, o.buf, o.closing
		o.rest, o.buf, o.spare = nil, o.spare[:0], nil
		o.mu.Unlock()
		_, err := c.nc.Write(rest)
		if err == nil {
			_, err = c.nc.Write(buf)
		}
		o.sent.Add(uint64(len(rest) + len(buf)))
		o.mu.Lock()
		left := o.size.Add(-int64(len(rest) + len(buf)))
		o.writing = false
		o.recycle(buf)
		o.broken = o.broken || err != nil || closing && left == 0
		end, more := o.broken, left > 0 || o.closing
		o.drained.Broadcast()
		o.mu.Unlock()
		if end {
			if err != nil {
				_ = c.nc.Close() // ends the reader too
				c.srv.wakeBlocked()
			}
			return
		}
		if more {
			o.wake()
		}
		if left < int64(c.srv.opts.OutboundHigh/2) && o.paused.Swap(false) {
			c.resume()
		}
	}
}

// The methods below make conn a core.Sink. They are called under the virtual host's lock.

func (c *conn) mark() {
	if !c.dirty {
		c.dirty = true
		c.space.dirty = append(c.space.dirty, c)
	}
}

// Deliver appends a delivery.
func (c *conn) Deliver(channel uint16, consumerTag string, tag uint64, redelivered bool, content wire.Content) {
	o := &c.out
	o.mu.Lock()
	o.grow(wire.AppendDeliver(o.buf, channel, consumerTag, tag, redelivered, content, c.frameMax))
	o.mu.Unlock()
	c.mark()
}

// Return appends a returned message.
func (c *conn) Return(channel uint16, code uint16, text string, content wire.Content) {
	c.out.add(func(b []byte) []byte { return wire.AppendReturn(b, channel, code, text, content, c.frameMax) })
	c.mark()
}

// Confirm appends a publisher confirm.
func (c *conn) Confirm(channel uint16, tag uint64, multiple, nack bool) {
	o := &c.out
	o.mu.Lock()
	if nack {
		o.grow(wire.AppendNack(o.buf, channel, tag, multiple))
	} else {
		o.grow(wire.AppendAck(o.buf, channel, tag, multiple))
	}
	o.mu.Unlock()
	c.mark()
}

// Cancel tells the client, if it wants to know, that a consumer was ended.
func (c *conn) Cancel(channel uint16, consumerTag string) {
	if !c.caps.Bool("consumer_cancel_notify") {
		return
	}
	if c.deleting {
		c.cancels = wire.AppendCancel(c.cancels, channel, consumerTag)
		return
	}
	c.out.add(func(b []byte) []byte { return wire.AppendCancel(b, channel, consumerTag) })
	c.mark()
}

// Writable says whether deliveries may be added.
func (c *conn) Writable() bool {
	high := int64(c.srv.opts.OutboundHigh)
	if c.out.size.Load() < high {
		return true
	}
	c.out.paused.Store(true)
	// The writer may have made room in between; then nobody would call resume.
	return c.out.size.Load() < high/2 && c.out.paused.Swap(false)
}

// resume lets deliveries go on.
func (c *conn) resume() {
	sp := c.shared.Load()
	if sp == nil {
		return
	}
	sp.lock()
	if c.core != nil {
		c.core.Resume()
	}
	sp.unlock()
}
