package core

import (
	"slices"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// Consumer takes messages off a queue for a channel.
type Consumer struct {
	channel   *Channel
	queue     *Queue
	tag       string
	args      wire.Table
	noAck     bool
	exclusive bool
	priority  int
	prefetch  int // 0 is no limit
	unacked   int
	blocked   bool // is in the channel's list of those that may take nothing now
	gone      bool
}

// canTake says whether one more message may go to this consumer now.
func (c *Consumer) canTake() bool {
	ch := c.channel
	if ch.prefetch != 0 && ch.consumerUnacked >= ch.prefetch { // holds consumers that don't acknowledge back too
		return false
	}
	return (c.noAck || c.prefetch == 0 || c.unacked < c.prefetch) && !ch.stopped && ch.conn.sink.Writable()
}

// block remembers c with its channel until unblock finds that it can take messages again.
func (c *Consumer) block() {
	if !c.blocked {
		c.blocked = true
		c.channel.blocked = append(c.channel.blocked, c)
	}
}

// activate puts c behind the consumers of its priority and above.
func (q *Queue) activate(c *Consumer) {
	if q.sac && q.single != c {
		return
	}
	i := len(q.active)
	for i > 0 && q.active[i-1].priority < c.priority {
		i--
	}
	q.active = slices.Insert(q.active, i, c)
	q.vhost.touch(q)
}

// unblock lets those consumers of the channel go on that can take messages again. With a prefetch limit that they share, the queue that
// was first the last time is the last this time, or the others would starve; consumers of one queue keep the order they were blocked in.
func (ch *Channel) unblock() {
	if len(ch.blocked) == 0 {
		return
	}
	if ch.prefetch != 0 {
		n := 1
		for n < len(ch.blocked) && ch.blocked[n].queue == ch.blocked[0].queue {
			n++
		}
		ch.blocked = append(ch.blocked[n:], ch.blocked[:n]...)
	}
	rest := ch.blocked[:0]
	for _, c := range ch.blocked {
		switch {
		case c.gone:
		case c.canTake():
			c.blocked = false
			c.queue.activate(c)
		default:
			rest = append(rest, c)
		}
	}
	clear(ch.blocked[len(rest):])
	ch.blocked = rest
}

// deliver sends one message to the consumer.
func (c *Consumer) deliver(lv *level, e entry) {
	ch, q := c.channel, c.queue
	lv.delivered = max(lv.delivered, e.seq+1)
	ch.lastTag++
	ch.conn.sink.Deliver(ch.id, c.tag, ch.lastTag, e.redelivered, q.content(&e))
	if e.redelivered {
		q.Stats.Redelivered++
		q.vhost.Redelivered++
	}
	if c.noAck {
		q.Stats.DeliveredNoAck++
		q.vhost.DeliveredNoAck++
		q.drop(lv, &e)
		return
	}
	q.Stats.Delivered++
	q.vhost.Delivered++
	c.unacked++
	ch.consumerUnacked++
	ch.hold(q, c, e)
}

// content is what goes out for an entry: quorum queues tell how often it was delivered before.
func (q *Queue) content(e *entry) wire.Content {
	c := e.msg.Content()
	if e.count == 0 || !q.quorum {
		return c
	}
	props, err := wire.ParseProperties(c.Props)
	if err != nil {
		return c
	}
	props.Headers, props.HasHeaders = props.Headers.With("x-delivery-count", int64(e.count)), true
	c.Props = props.Append(nil)
	return c
}

// remove takes c off its queue.
func (c *Consumer) remove() {
	q := c.queue
	c.gone = true
	same := func(o *Consumer) bool { return o == c }
	q.consumers = slices.DeleteFunc(q.consumers, same)
	q.active = slices.DeleteFunc(q.active, same)
	delete(c.channel.consumers, c.tag)
	q.usedAt = q.vhost.now
	if q.single == c {
		q.single = nil
		q.chooseSingle()
	}
	q.vhost.touch(q)
}

// chooseSingle makes the longest waiting consumer the active one of a single active consumer queue.
func (q *Queue) chooseSingle() {
	if !q.sac || q.single != nil || len(q.consumers) == 0 {
		return
	}
	c := q.consumers[0]
	q.single = c
	if !c.blocked {
		q.activate(c)
	}
}
