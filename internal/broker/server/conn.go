package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/openintegrationhub/leat/internal/broker/core"
	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// state is how far a connection has come.
type state uint8

const (
	stateHeader state = iota // protocol header wanted
	stateStartOk
	stateSecureOk
	stateTuneOk
	stateOpen
	stateRunning
	stateClosing // connection.close was sent; close-ok wanted
	stateDone    // nothing is read any more
)

// conn is one client. Its reader goroutine owns everything but out and what is marked otherwise.
type conn struct {
	srv *Server
	nc  net.Conn
	log *slog.Logger
	out outbound

	buf  []byte // read and not yet handled: buf[r:w]
	r, w int

	state     state
	user      string
	mechanism string
	client    wire.Table // client properties
	caps      wire.Table // its capabilities
	frameMax  uint32
	chanMax   uint16
	heartbeat time.Duration
	monitor   *time.Timer

	space    *Space
	shared   atomic.Pointer[Space] // space for other goroutines
	core     *core.Conn            // guarded by the space's lock
	dirty    bool                  // guarded by the space's lock: is in space.dirty
	channels map[uint16]*channel
	method   wire.Method // the one being handled

	await uint64 // batch that must be on disk before held may be sent
	held  []byte
	// While a queue is being deleted at the client's request, notices to itself wait for the answer, as RabbitMQ sends them.
	deleting bool
	cancels  []byte
	pause    pause
	blocked  bool // connection.blocked was sent
	goodbye  bool // the client closed the connection by the protocol

	unanswered bool // a message came that has no answer
	quick      *quickAcker

	published int  // messages since the last rest
	ahead     bool // of consumers

	info     info
	received atomic.Uint64 // bytes
	waiting  atomic.Bool   // the reader waits for something other than the client
}

// pause is why the reader must stop handling frames for a moment, to let go of the lock.
type pause uint8

const (
	pauseNone   pause = iota
	pauseCommit       // until a definition is on disk
	pauseLoad         // until a message was read; then the same frame again
	pauseAlarm        // until publishers may go on; then the same frame again
)

// channel is a channel as the server sees it: core's, and the message that is being received.
type channel struct {
	id        uint16
	core      *core.Channel
	closing   bool // channel.close was sent; all but close-ok is ignored
	msg       *core.Message
	stage     stage
	mandatory bool
	left      uint64 // of the body
	lastQueue string // declared last, what "" stands for
}

type stage uint8

const (
	stageMethod stage = iota
	stageHeader
	stageBody
)

// readSize is the first size of the read buffer; it doubles while reads fill it.
const (
	readSize    = 4 << 10
	readSizeMax = 128 << 10
	// outboundStop is how many bytes of answers may wait before the client's further requests do.
	outboundStop = 8 << 20
)

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{srv: s, nc: nc, buf: make([]byte, readSize), channels: map[uint16]*channel{}, frameMax: wire.FrameMaxMin}
	c.quick = newQuickAcker(nc)
	c.log = s.opts.Logger.With("peer", nc.RemoteAddr().String())
	c.out.init(nc)
	c.info.start(nc)
	return c
}

// read is the reader goroutine.
func (c *conn) read() {
	defer c.end()
	_ = c.nc.SetReadDeadline(time.Now().Add(c.srv.opts.Handshake))
	for c.state != stateDone {
		if c.w == len(c.buf) {
			c.makeRoom(0)
		}
		if c.unanswered {
			c.unanswered = false
			c.quick.now()
		}
		n, err := c.nc.Read(c.buf[c.w:])
		c.w += n
		c.received.Add(uint64(n))
		if n > 0 && !c.handle() {
			return
		}
		if err != nil {
			c.lost(err)
			return
		}
		if n == len(c.buf)-(c.w-n) && len(c.buf) < readSizeMax {
			c.makeRoom(2 * len(c.buf))
		}
	}
}

// lost logs the end of a connection that the client didn't close properly.
func (c *conn) lost(err error) {
	if c.state == stateRunning && !errors.Is(err, net.ErrClosed) {
		c.log.Debug("client closed the connection abruptly", "user", c.user, "err", err)
	}
	if c.state == stateStartOk && errors.Is(err, io.EOF) {
		c.log.Debug("client closed the connection during login")
	}
}

// makeRoom moves what is unread to the front of a buffer of at least size bytes.
func (c *conn) makeRoom(size int) {
	if size <= len(c.buf) && c.r > 0 {
		copy(c.buf, c.buf[c.r:c.w])
	} else {
		buf := make([]byte, max(size, len(c.buf)))
		copy(buf, c.buf[c.r:c.w])
		c.buf = buf
	}
	c.r, c.w = 0, c.w-c.r
}

// handle works off what was read, and says whether to go on.
func (c *conn) handle() bool {
	for c.state < stateRunning {
		done, ok := c.handshake()
		if !ok {
			c.out.flush()
			c.finish()
			return false
		}
		if !done {
			c.out.flush()
			return true
		}
	}
	for {
		c.space.lock()
		if c.core == nil && c.state == stateRunning { // shut
			c.state = stateDone
		}
		err := c.frames()
		if err != nil {
			c.fail(err)
		}
		c.space.unlock()
		c.out.flush()
		c.rest()
		if c.state == stateDone {
			c.finish()
			return false
		}
		if !c.resumed() {
			return err == nil || c.state == stateClosing
		}
	}
}

// A publisher that is ahead of the consumers rests for restTime, but only once in restMessages, so that one which waits for each confirm
// hardly notices. What it sends meanwhile is read with one call, which makes up for the time.
const (
	restMessages = 16
	restTime     = 200 * time.Microsecond
)

// rest lets consumers catch up with this connection.
func (c *conn) rest() {
	if c.ahead && c.published >= restMessages {
		c.ahead, c.published = false, 0
		time.Sleep(restTime)
	}
}

// resumed waits for what the reader paused for, and says whether there may be more frames to handle.
func (c *conn) resumed() bool {
	p := c.pause
	c.pause = pauseNone
	switch p {
	case pauseCommit:
		err := c.space.Await(c.await)
		c.await = 0
		if err != nil {
			c.log.Error("definition can't be stored", "err", err)
			c.state = stateDone
			c.finish()
			return false
		}
		c.out.add(func(b []byte) []byte { return append(b, c.held...) })
		c.held = c.held[:0]
		c.out.flush()
		return true
	case pauseLoad:
		return c.space.awaitChange() == nil
	case pauseAlarm:
		c.waiting.Store(true)
		c.srv.awaitAlarmOver(c)
		c.waiting.Store(false)
		c.unblock()
		return !c.out.ended()
	case pauseNone:
		if c.out.size.Load() > outboundStop {
			c.waiting.Store(true)
			c.out.awaitBelow(outboundStop / 2)
			c.waiting.Store(false)
		}
	}
	return false
}

// frames handles the frames in the buffer while the virtual host is locked.
func (c *conn) frames() *core.Error {
	for c.pause == pauseNone && c.state < stateDone {
		f, n, need, err := wire.ParseFrame(c.buf[c.r:c.w], c.frameMax)
		if err != nil {
			return c.frameError(err)
		}
		if n == 0 {
			if need > len(c.buf) {
				c.makeRoom(need)
			}
			break
		}
		if err := c.frame(f); err != nil {
			c.r += n
			if !c.soften(f.Channel, err) {
				return err
			}
			continue
		}
		if c.pause != pauseLoad && c.pause != pauseAlarm {
			c.r += n
		}
	}
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	return nil
}

// frameError says in RabbitMQ's words why bytes are no frame.
func (c *conn) frameError(err error) *core.Error {
	c.method.ID = 0
	var fe *wire.FrameError
	if !errors.As(err, &fe) {
		return core.Errorf(core.CodeFrameError, "%v", err)
	}
	if fe.Max > 0 {
		return core.Errorf(core.CodeFrameError, "type %d, all octets = <<>>: {frame_too_large,%d,%d}", fe.Type, fe.Size, fe.Max-wire.FrameSize)
	}
	payload := c.buf[c.r+wire.HeaderSize:]
	return core.Errorf(core.CodeFrameError, "type %d, all octets = %s: {invalid_frame_end_marker,%d}",
		fe.Type, octets(payload[:min(int(fe.Size), len(payload), octetsMax)]), fe.End)
}

// octetsMax is how many octets of a bad frame are shown.
const octetsMax = 16

// octets writes bytes as Erlang does.
func octets(p []byte) string {
	var b strings.Builder
	for i, o := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, o)
	}
	return "<<" + b.String() + ">>"
}

// soften closes just the channel when the error allows that.
func (c *conn) soften(id uint16, err *core.Error) bool {
	ch := c.channels[id]
	if err.Connection() || ch == nil || c.state != stateRunning {
		return false
	}
	c.log.Debug("channel error", "channel", id, "user", c.user, "err", err.Text)
	ch.closing = true
	c.closeChannel(ch)
	c.out.add(func(b []byte) []byte { return wire.AppendClose(b, id, err.Code, err.Text, c.method.ID) })
	return true
}

// closeChannel ends the channel in core.
func (c *conn) closeChannel(ch *channel) {
	if ch.msg != nil {
		c.space.VHost.Discard(ch.msg)
		ch.msg = nil
	}
	ch.core.Close()
}

// fail ends the connection by an error: core lets go of it, the client is told and has to answer.
func (c *conn) fail(err *core.Error) {
	if c.state >= stateClosing {
		c.state = stateDone
		return
	}
	c.log.Warn("connection error", "user", c.user, "err", err.Text)
	c.out.add(func(b []byte) []byte { return wire.AppendClose(b, 0, err.Code, err.Text, c.method.ID) })
	c.leave()
	c.state = stateClosing
	_ = c.nc.SetReadDeadline(time.Now().Add(closeWait))
}

// leave takes the connection out of core. The caller holds the lock.
func (c *conn) leave() {
	if c.core != nil {
		for _, ch := range c.channels {
			if ch.msg != nil {
				c.space.VHost.Discard(ch.msg)
				ch.msg = nil
			}
		}
		c.core.Close()
		c.core = nil
	}
}

// finish lets the writer send the rest and close.
func (c *conn) finish() {
	c.state = stateDone
	c.closeOut()
}

// closeOut ends the writer once it has sent what is there, which a client that doesn't read can't put off.
func (c *conn) closeOut() {
	_ = c.nc.SetWriteDeadline(time.Now().Add(closeWait))
	c.out.close()
}

// end is the last thing the reader does. The client gets a moment to read what was sent last: closing a socket that has unread input
// would throw that away.
func (c *conn) end() {
	if c.space != nil {
		c.space.lock()
		c.leave()
		c.space.unlock()
	}
	if c.monitor != nil {
		c.monitor.Stop()
	}
	c.closeOut()
	c.out.awaitEnd()
	if c.goodbye {
		c.awaitHangUp()
	}
	if tcp, ok := c.nc.(*net.TCPConn); ok && tcp.CloseWrite() == nil {
		_ = tcp.SetReadDeadline(time.Now().Add(lingerWait))
		_, _ = io.Copy(io.Discard, tcp)
	}
	_ = c.nc.Close()
}

// awaitHangUp gives a client that closed the connection by the protocol the time to hang up itself, as RabbitMQ does: some take a socket
// that ends right behind connection.close-ok for an error.
func (c *conn) awaitHangUp() {
	wait := hangUpWait
	if c.heartbeat > 0 {
		wait = min(wait, c.heartbeat)
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(wait))
	c.srv.mu.Lock()
	closed := c.srv.closed // from here on shut shortens the time
	c.srv.mu.Unlock()
	if !closed {
		_, _ = io.Copy(io.Discard, c.nc)
	}
}

// hangUpWait is how long a client may take to hang up after connection.close-ok.
const hangUpWait = 30 * time.Second

// lingerWait is how long a client may take to notice that the connection was closed.
const lingerWait = 500 * time.Millisecond

// shut ends the connection from outside, such as at shutdown.
func (c *conn) shut(reason string) {
	sp := c.shared.Load()
	if sp == nil {
		c.closeOut()
		_ = c.nc.Close()
		return
	}
	sp.lock()
	c.out.add(func(b []byte) []byte {
		return wire.AppendClose(b, 0, core.CodeConnectionForced, "CONNECTION_FORCED - "+reason, 0)
	})
	c.leave()
	sp.unlock()
	_ = c.nc.SetReadDeadline(time.Now().Add(lingerWait))
	c.closeOut()
	c.srv.wakeBlocked()
}

// watch sends heartbeats and looks for those of the client, each half interval.
func (c *conn) watch() {
	half := c.heartbeat / 2
	var sent, received uint64
	silent := 0
	c.monitor = time.AfterFunc(time.Hour, func() {
		if c.out.ended() {
			return
		}
		if now := c.out.sent.Load(); now == sent && c.out.size.Load() == 0 {
			c.out.add(wire.AppendHeartbeat)
			c.out.flush()
		} else {
			sent = now
		}
		silent++
		if now := c.received.Load(); now != received || c.waiting.Load() {
			received, silent = now, 0
		}
		if silent > 4 { // two whole intervals
			c.log.Warn("client sent no heartbeat", "user", c.user, "heartbeat", c.heartbeat)
			_ = c.nc.Close()
			return
		}
		c.monitor.Reset(half)
	})
	c.monitor.Reset(half) // not before monitor is set
}
