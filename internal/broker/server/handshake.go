package server

import (
	"strings"
	"time"

	"github.com/openintegrationhub/leat/internal/broker/core"
	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// handshake takes one step towards a running connection. done is false when more bytes are wanted, ok is false when it has failed.
func (c *conn) handshake() (done, ok bool) {
	if c.state == stateHeader {
		return c.protocolHeader()
	}
	f, n, need, err := wire.ParseFrame(c.buf[c.r:c.w], c.frameMax)
	if err != nil {
		return false, c.refuse(c.frameError(err))
	}
	if n == 0 {
		if need > len(c.buf)-c.r {
			c.makeRoom(need)
		}
		return false, true
	}
	c.r += n
	if f.Type == wire.FrameHeartbeat {
		return true, true
	}
	id, args, err := wire.Split(f.Payload)
	if err != nil || f.Type != wire.FrameMethod || f.Channel != 0 {
		return false, c.refuse(core.Errorf(core.CodeUnexpectedFrame, "unexpected frame during connection setup"))
	}
	if err := c.method.Decode(id, args); err != nil {
		return false, c.refuse(core.Errorf(core.CodeSyntaxError, "malformed method frame"))
	}
	return true, c.step(id)
}

// protocolHeader09 is what clients of AMQP 0-9 send, Perl's AnyEvent::RabbitMQ for one. RabbitMQ takes them for 0-9-1, too.
const protocolHeader09 = "AMQP\x01\x01\x00\x09"

func (c *conn) protocolHeader() (done, ok bool) {
	have := c.buf[c.r:c.w]
	if len(have) < len(wire.ProtocolHeader) {
		if !strings.HasPrefix(wire.ProtocolHeader, string(have)) && !strings.HasPrefix("AMQP", string(have[:min(4, len(have))])) {
			return c.wrongHeader()
		}
		return false, true
	}
	if header := string(have[:8]); header != wire.ProtocolHeader && header != protocolHeader09 {
		return c.wrongHeader()
	}
	c.r += len(wire.ProtocolHeader)
	c.state = stateStartOk
	c.out.add(func(b []byte) []byte {
		return wire.AppendStart(b, c.srv.opts.Properties, "PLAIN AMQPLAIN", "en_US")
	})
	return true, true
}

// wrongHeader answers with the header that would be right, as section 4.2.2 says.
func (c *conn) wrongHeader() (done, ok bool) {
	c.out.add(func(b []byte) []byte { return append(b, wire.ProtocolHeader...) })
	return false, false
}

// refuse sends connection.close and gives up.
func (c *conn) refuse(err *core.Error) bool {
	c.log.Warn("connection refused", "user", c.user, "err", err.Text)
	c.out.add(func(b []byte) []byte { return wire.AppendClose(b, 0, err.Code, err.Text, c.method.ID) })
	return false
}

// step handles one method of the handshake.
func (c *conn) step(id uint32) bool {
	m := &c.method
	switch {
	case id == wire.ConnectionStartOk && c.state == stateStartOk:
		c.client, c.mechanism = m.Args, m.Mechanism
		c.caps = m.Args.Table("capabilities")
		return c.login(m.Response)
	case id == wire.ConnectionTuneOk && c.state == stateTuneOk:
		return c.tune()
	case id == wire.ConnectionOpen && c.state == stateOpen:
		return c.open(m.VirtualHost)
	case id == wire.ConnectionClose:
		c.out.add(func(b []byte) []byte { return wire.AppendMethod(b, 0, wire.ConnectionCloseOk) })
		return false
	}
	return c.refuse(core.Errorf(core.CodeCommandInvalid, "unexpected method in connection state"))
}

func (c *conn) login(response string) bool {
	var user, password string
	var ok bool
	switch c.mechanism {
	case "PLAIN":
		user, password, ok = plain(response)
	case "AMQPLAIN":
		user, password, ok = amqplain(response)
	default:
		return c.refuse(core.Errorf(core.CodeCommandInvalid, "unknown authentication mechanism '%s'", c.mechanism))
	}
	if !ok {
		return c.refuse(core.Errorf(core.CodeSyntaxError, "malformed %s response", c.mechanism))
	}
	if err := c.srv.host.Login(user, password, c.info.local); err != nil {
		c.log.Warn("login refused", "user", user, "err", err)
		if c.caps.Bool("authentication_failure_close") {
			c.method.ID = 0
			c.out.add(func(b []byte) []byte {
				return wire.AppendClose(b, 0, core.CodeAccessRefused, "ACCESS_REFUSED - Login was refused using authentication mechanism "+
					c.mechanism+". For details see the broker logfile.", 0)
			})
		}
		return false
	}
	c.user = user
	c.state = stateTuneOk
	o := &c.srv.opts
	c.out.add(func(b []byte) []byte {
		return wire.AppendTune(b, o.ChannelMax, o.FrameMax, uint16(o.Heartbeat/time.Second))
	})
	return true
}

// plain splits the response of SASL PLAIN: authorization id, user and password with a zero octet before each.
func plain(response string) (user, password string, ok bool) {
	parts := strings.SplitN(response, "\x00", 3)
	if len(parts) != 3 {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// amqplain reads the response of AMQPLAIN: a field table without its length.
func amqplain(response string) (user, password string, ok bool) {
	t, err := wire.ParseTable([]byte(response))
	if err != nil {
		return "", "", false
	}
	_, hasUser := t.Get("LOGIN")
	_, hasPassword := t.Get("PASSWORD")
	return t.String("LOGIN"), t.String("PASSWORD"), hasUser && hasPassword
}

// tune takes over the client's limits; RabbitMQ refuses those outside of what it offered, 0 ("no limit") included.
func (c *conn) tune() bool {
	m, o := &c.method, &c.srv.opts
	if err := negotiated("channel_max", 0, uint64(o.ChannelMax), uint64(m.ChannelMax)); err != nil {
		return c.refuse(err)
	}
	if err := negotiated("frame_max", wire.FrameMaxMin, uint64(o.FrameMax), uint64(m.FrameMax)); err != nil {
		return c.refuse(err)
	}
	c.frameMax, c.chanMax = m.FrameMax, m.ChannelMax
	c.heartbeat = time.Duration(m.Heartbeat) * time.Second
	if c.heartbeat > 0 {
		c.watch()
	}
	c.state = stateOpen
	return true
}

func negotiated(field string, least, most, value uint64) *core.Error {
	detail := ""
	if value == 0 {
		detail = " (no limit)"
	}
	switch {
	case value != 0 && value < least:
		return core.Errorf(core.CodeNotAllowed, "negotiated %s = %d is lower than the minimum allowed value (%d)", field, value, least)
	case most != 0 && (value == 0 || value > most):
		if field != "channel_max" {
			detail = ""
		}
		return core.Errorf(core.CodeNotAllowed, "negotiated %s = %d%s is higher than the maximum allowed value (%d)", field, value, detail, most)
	}
	return nil
}

func (c *conn) open(vhost string) bool {
	sp, access, err := c.srv.host.Open(vhost, c.user)
	if err != nil {
		return c.refuse(err)
	}
	c.space = sp
	sp.lock()
	if sp.gone {
		sp.unlock()
		return c.refuse(core.Errorf(core.CodeNotAllowed, "vhost %s not found", vhost))
	}
	c.core = sp.VHost.NewConn(c, access)
	sp.unlock()
	c.shared.Store(sp)
	c.info.opened(c)
	c.out.add(wire.AppendOpenOk)
	c.state = stateRunning
	_ = c.nc.SetReadDeadline(time.Time{})
	return true
}
