package server

import (
	"github.com/openintegrationhub/leat/internal/broker/core"
	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// call handles c.method on an open channel. Classes have their own functions below.
func (c *conn) call(ch *channel) *core.Error {
	m := &c.method
	switch m.ID >> 16 {
	case 20:
		return c.callChannel(ch)
	case 40:
		return c.callExchange(ch)
	case 50:
		return c.callQueue(ch)
	case 60:
		return c.callBasic(ch)
	case 85:
		if err := ch.core.Confirm(); err != nil {
			return err
		}
		if !m.NoWait {
			c.reply(ch, wire.ConfirmSelectOk)
		}
		return nil
	case 90:
		return c.callTx(ch)
	}
	return core.Errorf(core.CodeCommandInvalid, "method %d.%d on channel %d", m.ID>>16, m.ID&0xffff, ch.id)
}

// reply sends a method without arguments.
func (c *conn) reply(ch *channel, id uint32) {
	c.answer(func(b []byte) []byte { return wire.AppendMethod(b, ch.id, id) })
}

// answer sends what f appends; when a definition was written it's held back until that is on disk.
func (c *conn) answer(f func(b []byte) []byte) {
	if c.await > 0 {
		c.held = f(c.held)
		c.pause = pauseCommit
		return
	}
	c.out.add(f)
}

// defining runs f, and lets answer wait for the definitions it writes.
func (c *conn) defining(f func() *core.Error) *core.Error {
	v := c.space.VHost
	before := v.Defines()
	err := f()
	if v.Defines() != before {
		c.await = v.Batch()
	}
	if err != nil || c.method.NoWait {
		c.await = 0
	}
	return err
}

func (c *conn) callTx(ch *channel) *core.Error {
	switch c.method.ID {
	case wire.TxSelect:
		if err := ch.core.TxSelect(); err != nil {
			return err
		}
		c.reply(ch, wire.TxSelectOk)
	case wire.TxCommit:
		durable, err := ch.core.TxCommit()
		if err != nil {
			return err
		}
		if durable {
			c.await = c.space.VHost.Batch()
		}
		c.reply(ch, wire.TxCommitOk)
	case wire.TxRollback:
		if err := ch.core.TxRollback(); err != nil {
			return err
		}
		c.reply(ch, wire.TxRollbackOk)
	}
	return nil
}

func (c *conn) callChannel(ch *channel) *core.Error {
	switch c.method.ID {
	case wire.ChannelOpen:
		return core.Errorf(core.CodeChannelError, "second 'channel.open' seen")
	case wire.ChannelClose:
		c.space.VHost.Flush() // what came on the channel goes out before the answer
		c.closeChannel(ch)
		delete(c.channels, ch.id)
		c.reply(ch, wire.ChannelCloseOk)
	case wire.ChannelFlow:
		if !c.method.Active {
			return core.Errorf(core.CodeNotImplemented, "active=false")
		}
		c.out.add(func(b []byte) []byte { return wire.AppendFlowOk(b, ch.id, true) })
	}
	return nil
}

func (c *conn) callExchange(ch *channel) *core.Error {
	m := &c.method
	ok := map[uint32]uint32{
		wire.ExchangeDeclare: wire.ExchangeDeclareOk, wire.ExchangeDelete: wire.ExchangeDeleteOk,
		wire.ExchangeBind: wire.ExchangeBindOk, wire.ExchangeUnbind: wire.ExchangeUnbindOk,
	}[m.ID]
	err := c.defining(func() *core.Error {
		b := core.BindingSpec{Source: m.Source, Destination: m.Destination, ToExchange: true, Key: m.RoutingKey, Args: m.Args}
		switch {
		case m.ID == wire.ExchangeDeclare && m.Passive:
			return c.core.PassiveExchange(m.Exchange)
		case m.ID == wire.ExchangeDeclare:
			return c.core.DeclareExchange(core.ExchangeSpec{
				Name: m.Exchange, Kind: m.Kind, Durable: m.Durable, AutoDelete: m.AutoDelete, Internal: m.Internal, Args: m.Args,
			})
		case m.ID == wire.ExchangeDelete:
			return c.core.DeleteExchange(m.Exchange, m.IfUnused)
		case m.ID == wire.ExchangeBind:
			return c.core.Bind(b)
		}
		return c.core.Unbind(b)
	})
	if err == nil && !m.NoWait {
		c.reply(ch, ok)
	}
	return err
}

func (c *conn) callQueue(ch *channel) *core.Error {
	m := &c.method
	if m.Queue == "" && m.ID != wire.QueueDeclare || m.Queue == "" && m.Passive {
		if ch.lastQueue == "" && m.Passive {
			_, err := c.core.PassiveQueue("")
			return err
		}
		if ch.lastQueue == "" {
			return core.Errorf(core.CodeNotFound, "no previously declared queue")
		}
		if m.RoutingKey == "" && m.ID == wire.QueueBind {
			m.RoutingKey = ch.lastQueue
		}
		m.Queue = ch.lastQueue
	}
	switch m.ID {
	case wire.QueueDeclare:
		return c.declareQueue(ch)
	case wire.QueueBind, wire.QueueUnbind:
		b := core.BindingSpec{Source: m.Exchange, Destination: m.Queue, Key: m.RoutingKey, Args: m.Args}
		err := c.defining(func() *core.Error {
			if m.ID == wire.QueueBind {
				return c.core.Bind(b)
			}
			return c.core.Unbind(b)
		})
		if err != nil || m.NoWait {
			return err
		}
		if m.ID == wire.QueueBind {
			c.reply(ch, wire.QueueBindOk)
		} else {
			c.reply(ch, wire.QueueUnbindOk)
		}
		return nil
	}
	n, ok := 0, uint32(wire.QueuePurgeOk)
	err := c.defining(func() (err *core.Error) {
		if m.ID == wire.QueuePurge {
			n, err = c.core.PurgeQueue(m.Queue)
			return err
		}
		ok = wire.QueueDeleteOk
		c.deleting = true
		defer func() { c.deleting = false }()
		n, err = c.core.DeleteQueue(m.Queue, m.IfUnused, m.IfEmpty)
		return err
	})
	if err == nil && !m.NoWait {
		c.answer(func(b []byte) []byte { return wire.AppendCount(b, ch.id, ok, uint32(n)) })
	}
	if len(c.cancels) > 0 {
		c.answer(func(b []byte) []byte { return append(b, c.cancels...) })
		c.cancels = c.cancels[:0]
	}
	return err
}

func (c *conn) declareQueue(ch *channel) *core.Error {
	m := &c.method
	var q *core.Queue
	err := c.defining(func() (err *core.Error) {
		if m.Passive {
			q, err = c.core.PassiveQueue(m.Queue)
			return err
		}
		q, err = c.core.DeclareQueue(core.QueueSpec{
			Name: m.Queue, Durable: m.Durable, Exclusive: m.Exclusive, AutoDelete: m.AutoDelete, Args: m.Args,
		})
		return err
	})
	if err != nil {
		return err
	}
	ch.lastQueue = q.Name()
	if !m.NoWait {
		messages, consumers := q.Counts()
		c.answer(func(b []byte) []byte {
			return wire.AppendQueueDeclareOk(b, ch.id, q.Name(), uint32(messages), uint32(consumers))
		})
	}
	return nil
}

func (c *conn) callBasic(ch *channel) *core.Error {
	m := &c.method
	if m.Queue == "" && (m.ID == wire.BasicConsume || m.ID == wire.BasicGet) {
		if ch.lastQueue == "" {
			return core.Errorf(core.CodeNotFound, "no previously declared queue")
		}
		m.Queue = ch.lastQueue
	}
	switch m.ID {
	case wire.BasicQos:
		if err := ch.core.Qos(m.PrefetchSize, m.PrefetchCount, m.Global); err != nil {
			return err
		}
		c.reply(ch, wire.BasicQosOk)
	case wire.BasicConsume:
		tag, err := ch.core.Consume(core.ConsumeSpec{Queue: m.Queue, Tag: m.ConsumerTag, NoAck: m.NoAck, Exclusive: m.Exclusive, Args: m.Args})
		if err != nil {
			return err
		}
		if !m.NoWait {
			c.out.add(func(b []byte) []byte { return wire.AppendTag(b, ch.id, wire.BasicConsumeOk, tag) })
		}
	case wire.BasicCancel:
		ch.core.Cancel(m.ConsumerTag)
		if !m.NoWait {
			c.out.add(func(b []byte) []byte { return wire.AppendTag(b, ch.id, wire.BasicCancelOk, m.ConsumerTag) })
		}
	case wire.BasicGet:
		return c.get(ch)
	case wire.BasicReject:
		return ch.core.Nack(m.DeliveryTag, false, m.Requeue)
	case wire.BasicNack:
		return ch.core.Nack(m.DeliveryTag, m.Multiple, m.Requeue)
	case wire.BasicRecover, wire.BasicRecoverAsync:
		if !m.Requeue {
			return core.Errorf(core.CodeNotImplemented, "requeue=false")
		}
		ch.core.Recover()
		if m.ID == wire.BasicRecover {
			c.reply(ch, wire.BasicRecoverOk)
		}
	}
	return nil
}

func (c *conn) get(ch *channel) *core.Error {
	r, err := ch.core.Get(c.method.Queue, c.method.NoAck)
	switch {
	case err != nil:
		return err
	case r.Wait:
		c.pause = pauseLoad
		return nil
	case r.Empty:
		c.out.add(func(b []byte) []byte { return wire.AppendGetEmpty(b, ch.id) })
		return nil
	}
	c.out.add(func(b []byte) []byte {
		return wire.AppendGetOk(b, ch.id, r.Tag, r.Redelivered, uint32(r.Left), r.Content, c.frameMax)
	})
	r.Done()
	return nil
}
