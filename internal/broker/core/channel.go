package core

import "sort"

// Conn is a connection to a virtual host.
type Conn struct {
	vhost     *VHost
	sink      Sink
	access    Access
	admin     bool // may use queues that are exclusive to others
	channels  map[uint16]*Channel
	exclusive map[*Queue]struct{}
}

// NewConn registers a connection.
func (v *VHost) NewConn(sink Sink, access Access) *Conn {
	c := &Conn{vhost: v, sink: sink, access: access, channels: map[uint16]*Channel{}, exclusive: map[*Queue]struct{}{}}
	v.conns[c] = struct{}{}
	return c
}

// Admin is a connection for the administrator: everything is allowed, nothing is sent to it.
func (v *VHost) Admin() *Conn { return &Conn{vhost: v, admin: true} }

// Close ends the connection: its channels give their messages back, its exclusive queues go.
func (c *Conn) Close() {
	for _, ch := range c.channels {
		ch.Close()
	}
	for q := range c.exclusive {
		c.vhost.deleteQueue(q)
	}
	delete(c.vhost.conns, c)
}

// Resume lets consumers go on after Sink.Writable was false.
func (c *Conn) Resume() {
	for _, ch := range c.channels {
		ch.unblock()
	}
}

// Channel is a channel of a connection, with what it consumes, holds unacknowledged and waits to see confirmed.
type Channel struct {
	conn      *Conn
	id        uint16
	consumers map[string]*Consumer
	blocked   []*Consumer
	stopped   bool // by channel.flow
	closed    bool

	prefetch         int // shared by all consumers (basic.qos global), 0 is no limit
	prefetchConsumer int // for each consumer started from now on

	lastTag         uint64
	unacked         deque[held] // by delivery tag
	consumerUnacked int
	unackedCount    int

	confirms
	transaction
	replyToken string // of the direct reply-to consumer, "" without one
	replyTag   string
}

// held is a delivery that was not acknowledged yet.
type held struct {
	tag      uint64
	queue    *Queue
	consumer *Consumer // nil for basic.get
	entry    entry
	done     bool
	inTx     bool // settled by a transaction that is not committed
}

// NewChannel opens channel id.
func (c *Conn) NewChannel(id uint16) *Channel {
	ch := &Channel{conn: c, id: id, consumers: map[string]*Consumer{}}
	c.channels[id] = ch
	return ch
}

// Close ends the channel: consumers go, what is unacknowledged returns to its queue.
func (ch *Channel) Close() {
	if ch.closed {
		return
	}
	ch.closed = true
	v := ch.conn.vhost
	delete(ch.conn.channels, ch.id)
	if ch.replyToken != "" {
		delete(v.replies, ch.replyToken)
	}
	gone := make([]*Queue, 0, len(ch.consumers))
	for _, c := range ch.consumers {
		c.remove()
		gone = append(gone, c.queue)
	}
	ch.requeueAll()
	for _, q := range gone {
		v.lostConsumer(q)
	}
	for _, p := range ch.publishes {
		v.Discard(p.msg)
	}
	ch.blocked, ch.transaction = nil, transaction{}
	ch.pending.clear()
}

// requeueAll returns everything held, the latest first so that the order comes out right; what a transaction has settled stays, unless
// the channel is closed and the transaction with it.
func (ch *Channel) requeueAll() {
	for i := ch.unacked.len() - 1; i >= 0; i-- {
		if h := ch.unacked.at(i); !h.done && (ch.closed || !h.inTx) {
			ch.giveBack(h)
		}
	}
	ch.compact()
}

func (ch *Channel) hold(q *Queue, c *Consumer, e entry) {
	q.unacked++
	q.unackedBytes += e.msg.BodyLen()
	ch.unackedCount++
	ch.unacked.pushBack(held{tag: ch.lastTag, queue: q, consumer: c, entry: e})
}

// letGo takes h off all counts.
func (ch *Channel) letGo(h *held) {
	h.done = true
	h.queue.unacked--
	h.queue.unackedBytes -= h.entry.msg.BodyLen()
	ch.unackedCount--
	if h.consumer != nil {
		h.consumer.unacked--
		ch.consumerUnacked--
	}
}

// settleBy finds the deliveries that tag and multiple mean and passes each to f, latest first when reverse is set.
func (ch *Channel) settleBy(tag uint64, multiple, reverse bool, f func(*held)) *Error {
	to := ch.unacked.len()
	if tag != 0 || !multiple {
		// In order is the common case: the delivery is the oldest one.
		i := 0
		if to == 0 || ch.unacked.at(0).tag != tag {
			i = sort.Search(to, func(i int) bool { return ch.unacked.at(i).tag >= tag })
		}
		if i == to || ch.unacked.at(i).tag != tag || ch.unacked.at(i).done || ch.unacked.at(i).inTx {
			return Errorf(CodePreconditionFailed, "unknown delivery tag %d", tag)
		}
		if !multiple {
			f(ch.unacked.at(i))
			ch.compact()
			return nil
		}
		to = i + 1
	}
	for i := range to {
		at := i
		if reverse {
			at = to - 1 - i
		}
		if h := ch.unacked.at(at); !h.done && !h.inTx {
			f(h)
		}
	}
	ch.compact()
	return nil
}

func (ch *Channel) compact() {
	for ch.unacked.len() > 0 && ch.unacked.at(0).done {
		ch.unacked.popFront()
	}
}

// Ack settles deliveries for good.
func (ch *Channel) Ack(tag uint64, multiple bool) *Error {
	if ch.transactional {
		return ch.txSettle(tag, multiple, true, false)
	}
	err := ch.settleBy(tag, multiple, false, func(h *held) {
		ch.letGo(h)
		h.queue.Stats.Acked++
		h.queue.vhost.Acked++
		h.queue.drop(h.queue.levelOf(h.entry.msg), &h.entry)
	})
	ch.unblock()
	return err
}

// Nack returns deliveries to their queues, or dead-letters them.
func (ch *Channel) Nack(tag uint64, multiple, requeue bool) *Error {
	if ch.transactional {
		return ch.txSettle(tag, multiple, false, requeue)
	}
	err := ch.settleBy(tag, multiple, requeue, func(h *held) {
		if requeue {
			ch.giveBack(h)
			return
		}
		ch.letGo(h)
		h.queue.bury(h.queue.levelOf(h.entry.msg), h.entry, reasonRejected)
	})
	ch.unblock()
	return err
}

// giveBack returns one delivery to its queue, or gives up on it at the delivery limit.
func (ch *Channel) giveBack(h *held) {
	ch.letGo(h)
	q, e := h.queue, h.entry
	lv := q.levelOf(e.msg)
	if q.deleted {
		q.drop(lv, &e)
		return
	}
	e.redelivered = true
	if e.expires == q.vhost.now {
		e.expires-- // only what has just come in may still be delivered in its last millisecond
	}
	if e.batch != 0 && !e.transient {
		q.vhost.touchMeta(lv) // with the mark of what was delivered
	}
	if q.deliveryLimit >= 0 || q.quorum {
		e.count++
		if q.deliveryLimit >= 0 && int(e.count) > q.deliveryLimit {
			q.bury(lv, e, reasonDeliveryLimit)
			return
		}
		q.vhost.keepCount(lv, &e)
	}
	q.putBack(e)
}

// Recover returns everything unacknowledged to its queue; without requeue it goes to the same consumers, which RabbitMQ doesn't do either.
func (ch *Channel) Recover() {
	ch.requeueAll()
	ch.unblock()
}

// Qos sets the prefetch limit of the channel (global) or of its future consumers.
func (ch *Channel) Qos(size uint32, count uint16, global bool) *Error {
	if size != 0 {
		return Errorf(CodeNotImplemented, "prefetch_size!=0 (%d)", size)
	}
	if global {
		ch.prefetch = int(count)
		ch.unblock()
	} else {
		ch.prefetchConsumer = int(count)
	}
	return nil
}

// Flow stops or starts deliveries to the channel.
func (ch *Channel) Flow(active bool) {
	ch.stopped = !active
	ch.unblock()
}
