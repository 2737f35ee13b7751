package server

import (
	"errors"

	"github.com/openintegrationhub/leat/internal/broker/core"
	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// frame handles one frame while the virtual host is locked.
func (c *conn) frame(f wire.Frame) *core.Error {
	if c.state == stateClosing {
		if id, _, err := wire.Split(f.Payload); f.Type == wire.FrameMethod && err == nil && f.Channel == 0 {
			switch id {
			case wire.ConnectionCloseOk:
				c.state = stateDone
			case wire.ConnectionClose:
				c.out.add(func(b []byte) []byte { return wire.AppendMethod(b, 0, wire.ConnectionCloseOk) })
			}
		}
		return nil
	}
	if f.Channel == 0 {
		return c.control(f)
	}
	ch := c.channels[f.Channel]
	switch f.Type {
	case wire.FrameMethod:
		return c.methodFrame(ch, f)
	case wire.FrameHeader:
		return c.header(ch, f)
	case wire.FrameBody:
		return c.body(ch, f)
	case wire.FrameHeartbeat:
		return core.Errorf(core.CodeUnexpectedFrame, "heartbeat frame on channel %d", f.Channel)
	}
	return core.Errorf(core.CodeFrameError, "type %d, channel %d: unknown frame type", f.Type, f.Channel)
}

// control handles a frame on channel 0.
func (c *conn) control(f wire.Frame) *core.Error {
	switch f.Type {
	case wire.FrameHeartbeat:
		return nil
	case wire.FrameMethod:
	default:
		return core.Errorf(core.CodeUnexpectedFrame, "frame of type %d on channel 0", f.Type)
	}
	id, args, err := wire.Split(f.Payload)
	if err == nil {
		err = c.method.Decode(id, args)
	}
	if err != nil {
		return syntaxError(err, id)
	}
	switch id {
	case wire.ConnectionClose:
		c.leave()
		c.out.add(func(b []byte) []byte { return wire.AppendMethod(b, 0, wire.ConnectionCloseOk) })
		c.state, c.goodbye = stateDone, true
		return nil
	case wire.ConnectionUpdateSecret:
		// Passwords don't expire here; RabbitMQ's own accounts answer alike.
		c.out.add(func(b []byte) []byte { return wire.AppendMethod(b, 0, wire.ConnectionUpdateSecretOk) })
		return nil
	}
	return core.Errorf(core.CodeCommandInvalid, "method %d.%d on channel 0", id>>16, id&0xffff)
}

func syntaxError(err error, id uint32) *core.Error {
	var unknown *wire.UnknownMethodError
	if errors.As(err, &unknown) {
		return core.Errorf(core.CodeCommandInvalid, "unknown method %d.%d", id>>16, id&0xffff)
	}
	return core.Errorf(core.CodeSyntaxError, "malformed arguments of method %d.%d", id>>16, id&0xffff)
}

// methodFrame handles a method on a channel; publish and ack without the detour of decoding all arguments.
func (c *conn) methodFrame(ch *channel, f wire.Frame) *core.Error {
	id, args, err := wire.Split(f.Payload)
	if err != nil {
		return syntaxError(err, 0)
	}
	switch {
	case ch == nil:
		return c.openChannel(f.Channel, id)
	case ch.closing:
		return c.closingChannel(ch, id)
	case ch.stage != stageMethod:
		c.method.ID = wire.BasicPublish
		return unexpected(ch, "non content "+map[stage]string{stageHeader: "header", stageBody: "body"}[ch.stage])
	}
	switch id {
	case wire.BasicPublish:
		c.method.ID = id
		return c.publish(ch, args)
	case wire.BasicAck:
		c.method.ID = id
		cur := wire.NewCursor(args)
		tag, multiple := cur.U64(), cur.U8()&1 != 0
		if cur.Err != nil {
			return syntaxError(cur.Err, id)
		}
		return ch.core.Ack(tag, multiple)
	}
	if err := c.method.Decode(id, args); err != nil {
		return syntaxError(err, id)
	}
	return c.call(ch)
}

func (c *conn) openChannel(number uint16, id uint32) *core.Error {
	c.method.ID = id
	if id == wire.ChannelCloseOk {
		return nil
	}
	if id != wire.ChannelOpen {
		return core.Errorf(core.CodeChannelError, "expected 'channel.open'")
	}
	if c.chanMax > 0 && len(c.channels) >= int(c.chanMax) {
		c.method.ID = 0
		return core.Errorf(core.CodeNotAllowed, "number of channels opened (%d) has reached the negotiated channel_max (%d)", len(c.channels), c.chanMax)
	}
	c.channels[number] = &channel{id: number, core: c.core.NewChannel(number)}
	c.out.add(func(b []byte) []byte { return wire.AppendChannelOpenOk(b, number) })
	return nil
}

// closingChannel handles methods on a channel that the broker has closed.
func (c *conn) closingChannel(ch *channel, id uint32) *core.Error {
	switch id {
	case wire.ChannelCloseOk:
		delete(c.channels, ch.id)
	case wire.ChannelClose:
		c.out.add(func(b []byte) []byte { return wire.AppendMethod(b, ch.id, wire.ChannelCloseOk) })
	}
	return nil
}

func unexpected(ch *channel, got string) *core.Error {
	want := "header"
	if ch.stage == stageBody {
		want = "body"
	}
	return core.Errorf(core.CodeUnexpectedFrame, "expected content %s for class 60, got %s frame instead", want, got)
}

// publish begins to receive a message.
func (c *conn) publish(ch *channel, args []byte) *core.Error {
	if reason := c.srv.alarm.Load(); reason != nil {
		c.block(*reason)
		return nil
	}
	cur := wire.NewCursor(args)
	cur.U16()
	keys := cur.Rest()
	exchange, key := cur.Shortstr(), cur.Shortstr()
	flags := cur.U8()
	if cur.Err != nil {
		return syntaxError(cur.Err, wire.BasicPublish)
	}
	if flags&2 != 0 {
		return core.Errorf(core.CodeNotImplemented, "immediate=true")
	}
	ch.msg = c.space.VHost.NewMessage()
	ch.msg.Begin(keys[:2+len(exchange)+len(key)])
	ch.mandatory = flags&1 != 0
	ch.stage = stageHeader
	return nil
}

// block tells the client that it may not publish now, and pauses.
func (c *conn) block(reason string) {
	c.pause = pauseAlarm
	if !c.blocked && c.caps.Bool("connection.blocked") {
		c.out.add(func(b []byte) []byte { return wire.AppendBlocked(b, reason) })
	}
	c.blocked = true
}

func (c *conn) unblock() {
	if c.blocked && c.caps.Bool("connection.blocked") {
		c.out.add(func(b []byte) []byte { return wire.AppendMethod(b, 0, wire.ConnectionUnblocked) })
		c.out.flush()
	}
	c.blocked = false
}

// header handles a content header.
func (c *conn) header(ch *channel, f wire.Frame) *core.Error {
	if ch == nil {
		return core.Errorf(core.CodeChannelError, "expected 'channel.open'")
	}
	if ch.closing {
		return nil
	}
	c.method.ID = wire.BasicPublish
	if ch.stage == stageMethod {
		c.method.ID = 0
		return core.Errorf(core.CodeUnexpectedFrame, "expected method frame, got non method frame instead")
	}
	if ch.stage == stageBody {
		return unexpected(ch, "non content body")
	}
	class, size, props, err := wire.ParseContentHeader(f.Payload)
	if err != nil {
		return core.Errorf(core.CodeSyntaxError, "malformed content header")
	}
	if class != 60 {
		return core.Errorf(core.CodeUnexpectedFrame, "expected content header for class 60, got one for class %d instead", class)
	}
	if size > c.srv.opts.MessageMax {
		ch.stage = stageMethod
		return core.Errorf(core.CodePreconditionFailed, "message size %d is larger than configured max size %d", size, c.srv.opts.MessageMax)
	}
	if err := ch.msg.Header(props, size); err != nil {
		return core.Errorf(core.CodeSyntaxError, "malformed content header")
	}
	ch.stage, ch.left = stageBody, size
	if size == 0 {
		return c.complete(ch)
	}
	return nil
}

// body handles a piece of a body.
func (c *conn) body(ch *channel, f wire.Frame) *core.Error {
	if ch == nil {
		return core.Errorf(core.CodeChannelError, "expected 'channel.open'")
	}
	if ch.closing {
		return nil
	}
	c.method.ID = wire.BasicPublish
	switch ch.stage {
	case stageMethod:
		c.method.ID = 0
		return core.Errorf(core.CodeUnexpectedFrame, "expected method frame, got non method frame instead")
	case stageHeader:
		return unexpected(ch, "non content header")
	}
	if uint64(len(f.Payload)) > ch.left {
		return core.Errorf(core.CodeFrameError, "content body is larger than its header says")
	}
	ch.msg.Body(f.Payload)
	if ch.left -= uint64(len(f.Payload)); ch.left == 0 {
		return c.complete(ch)
	}
	return nil
}

// complete publishes the message that has been received.
func (c *conn) complete(ch *channel) *core.Error {
	m := ch.msg
	ch.msg, ch.stage = nil, stageMethod
	err := ch.core.Publish(m, ch.mandatory)
	c.published++
	c.unanswered = c.unanswered || !ch.core.Confirming()
	c.ahead = c.space.VHost.Lagging() || c.ahead
	return err
}
