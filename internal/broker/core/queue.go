package core

import (
	"slices"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// Queue holds messages for consumers.
type Queue struct {
	vhost *VHost
	name  string
	id    uint64
	args  wire.Table
	own   settings // by its arguments
	settings
	policy, operator *Policy // that count in settings; nil without one

	durable, autoDelete, exclusive bool
	owner                          *Conn // of an exclusive queue

	levels    []level // one, or one per priority with the highest first
	bindings  []*Binding
	consumers []*Consumer // in the order they came
	active    []*Consumer // that may take a message now, highest priority first, round robin within one
	single    *Consumer   // the chosen one of a single active consumer queue

	unacked      int
	unackedBytes int
	usedAt       int64  // ms; last sign of use, for x-expires
	timerAt      int64  // when the earliest timer of this queue is due, 0 without one
	taken        uint64 // deliveries when lag looked last
	mark         uint64
	dirty        bool
	deleted      bool

	Stats QueueStats
}

// QueueStats are events of one queue since its declaration or the start.
type QueueStats struct {
	Published, Delivered, DeliveredNoAck, Got, GotNoAck, GetEmpty, Redelivered, Acked uint64
}

// level is the messages of one priority: a window of the oldest in memory, then those that are in the store only.
type level struct {
	queue  *Queue
	number uint8
	window deque[entry]
	bytes  int // of messages in the window
	next   uint64

	disk struct {
		count, bytes    int
		kept, keptBytes int    // of these, what is to survive a start
		from            uint64 // next one to read
		reading         bool
		round           uint64 // changes when a read under way has become void
	}
	stored    Meta // Count, Bytes and Shared are kept up to date
	delivered uint64
	touched   bool
}

// entry is a message in a queue.
type entry struct {
	msg     *Message
	seq     uint64
	expires int64  // ms since 1970, 0 never
	batch   uint64 // of the write that has it, 0 when it's not in the store
	index   uint32 // where in that batch
	count   uint32 // how often it came back, for x-delivery-limit

	redelivered bool
	transient   bool // in the store for lack of memory only
	counted     bool // the store knows count
}

func (lv *level) meta() Meta {
	m := lv.stored
	m.Next, m.Delivered = lv.next, lv.delivered
	switch {
	case lv.queue.unacked > 0: // somewhere below the window
		m.Head = lv.stored.Head
	case lv.window.len() > 0:
		m.Head = lv.window.at(0).seq
	case lv.disk.count > 0:
		m.Head = lv.disk.from
	default:
		m.Head = lv.next
	}
	lv.stored.Head = m.Head
	if m.Count == 0 {
		lv.stored.Shared = false
	}
	return m
}

func (q *Queue) keeps() bool { return q.durable && !q.exclusive && q.vhost.durable }

// keepsMessage tells whether m goes to disk: quorum queues ask no message for it. Old component libraries send everything as transient.
func (q *Queue) keepsMessage(m *Message) bool { return q.keeps() && (q.quorum || m.persistent()) }

// ready is how many messages wait for a consumer.
func (q *Queue) ready() int {
	n := 0
	for i := range q.levels {
		n += q.levels[i].window.len() + q.levels[i].disk.count
	}
	return n
}

// readyBytes is how many bytes of bodies wait, as x-max-length-bytes counts them.
func (q *Queue) readyBytes() int {
	n := 0
	for i := range q.levels {
		n += q.levels[i].bytes + q.levels[i].disk.bytes
	}
	return n
}

// levelOf is where a message of this queue goes by its priority.
func (q *Queue) levelOf(m *Message) *level {
	if len(q.levels) == 1 {
		return &q.levels[0]
	}
	return &q.levels[len(q.levels)-1-min(int(m.look.Priority), len(q.levels)-1)]
}

// enqueue appends a message: in memory, in the store, or both.
func (q *Queue) enqueue(m *Message) {
	v := q.vhost
	lv := q.levelOf(m)
	e := entry{msg: m, seq: lv.next, expires: q.deadline(m)}
	lv.next++
	keep := q.keepsMessage(m)
	page := v.durable && (lv.disk.count > 0 || v.full(lv))
	if keep || page {
		v.keep(lv, &e, !keep)
	}
	if page {
		if lv.disk.count == 0 {
			lv.disk.from = e.seq
		}
		lv.disk.count++
		lv.disk.bytes += m.BodyLen()
		if keep {
			lv.disk.kept++
			lv.disk.keptBytes += m.BodyLen()
		}
	} else {
		m.refs++
		lv.bytes += m.BodyLen()
		lv.window.pushBack(e)
	}
	q.Stats.Published++
	q.lag(lv)
	v.touch(q)
}

// lagMessages is the backlog from which on publishers wait a little for consumers that are at work.
const lagMessages = 256

// lag notes that publishers are faster than consumers that do take messages. Consumers that take none are not waited for.
func (q *Queue) lag(lv *level) {
	if lv.window.len() <= lagMessages {
		return
	}
	if taken := q.Stats.Delivered + q.Stats.DeliveredNoAck; taken != q.taken {
		q.taken, q.vhost.lagging = taken, true
	}
}

// full says whether a level's window takes no more.
func (v *VHost) full(lv *level) bool {
	return lv.window.len() >= v.limits.WindowMessages || lv.bytes >= v.limits.WindowBytes ||
		v.bytes > v.limits.TotalBytes && lv.bytes >= v.limits.WindowBytesMin
}

// head is the level that has the next message, nil when no message is there or the next one must be read first.
func (q *Queue) head() *level {
	for i := range q.levels {
		lv := &q.levels[i]
		if lv.window.len() > 0 {
			return lv
		}
		if lv.disk.count > 0 {
			q.vhost.fill(lv)
			return nil
		}
	}
	return nil
}

// pop takes the oldest message off a level's window.
func (lv *level) pop() entry {
	e := lv.window.popFront()
	lv.bytes -= e.msg.BodyLen()
	if lv.disk.count > 0 && !lv.disk.reading {
		lv.queue.vhost.refill(lv)
	}
	return e
}

// putBack returns an entry to its place, which is at the front or near it: deliveries leave from there.
func (q *Queue) putBack(e entry) {
	lv := q.levelOf(e.msg)
	lv.bytes += e.msg.BodyLen()
	lv.window.pushFront(e)
	for i := 0; i+1 < lv.window.len() && lv.window.at(i).seq > lv.window.at(i+1).seq; i++ {
		a, b := lv.window.at(i), lv.window.at(i+1)
		*a, *b = *b, *a
	}
	q.vhost.touch(q)
}

// work delivers what can be, then applies limits and expiry to what is left.
func (q *Queue) work() {
	q.pump()
	q.trim()
	q.expire(q.vhost.now)
	q.schedule()
}

// pump hands messages to consumers as long as there are both.
func (q *Queue) pump() {
	for len(q.active) > 0 {
		lv := q.head()
		if lv == nil {
			return
		}
		if e := lv.window.at(0); e.expires != 0 && e.expires < q.vhost.now {
			q.expire(q.vhost.now - 1)
			continue
		}
		c := q.active[0]
		if !c.canTake() {
			q.active = slices.Delete(q.active, 0, 1)
			c.block()
			continue
		}
		c.deliver(lv, lv.pop())
		q.rotate()
	}
}

// rotate puts the consumer that was served behind its equals.
func (q *Queue) rotate() {
	if len(q.active) < 2 || q.active[0].priority != q.active[1].priority {
		return
	}
	c := q.active[0]
	i := 1
	for i < len(q.active) && q.active[i].priority == c.priority {
		q.active[i-1] = q.active[i]
		i++
	}
	q.active[i-1] = c
}

// trim enforces x-max-length and x-max-length-bytes by dropping from the head; the reject modes refuse at publish instead.
func (q *Queue) trim() {
	if q.overflow != overflowDropHead {
		return
	}
	for q.maxLength >= 0 && q.ready() > q.maxLength || q.maxBytes >= 0 && q.readyBytes() > q.maxBytes {
		lv := q.head() // of a priority queue the highest, as in RabbitMQ
		if lv == nil {
			return
		}
		q.bury(lv, lv.pop(), reasonMaxLen)
	}
}

// refuses says whether the reject modes of x-overflow turn a publish away.
func (q *Queue) refuses(m *Message) bool {
	if q.overflow == overflowDropHead || q.maxLength < 0 && q.maxBytes < 0 {
		return false
	}
	q.pump()
	q.expire(q.vhost.now - 1)
	return q.maxLength >= 0 && q.ready() >= q.maxLength || q.maxBytes >= 0 && q.readyBytes()+m.BodyLen() > q.maxBytes
}

// drop lets go of an entry for good.
func (q *Queue) drop(lv *level, e *entry) {
	q.vhost.forget(lv, e)
	q.vhost.release(e.msg)
}

// purge removes all messages that are ready and says how many there were.
func (q *Queue) purge() int {
	n := q.ready()
	for i := range q.levels {
		lv := &q.levels[i]
		for lv.window.len() > 0 {
			e := lv.window.popFront()
			q.drop(lv, &e)
		}
		lv.bytes = 0
		q.vhost.dropDisk(lv)
	}
	return n
}

// restore makes the level look as the last start left it: all that is stored, still to be read.
func (lv *level) restore(m Meta) {
	lv.next, lv.delivered = m.Next, m.Delivered
	lv.stored = m
	lv.disk.count, lv.disk.bytes, lv.disk.from = int(m.Count), int(m.Bytes), m.Head
	lv.disk.kept, lv.disk.keptBytes = lv.disk.count, lv.disk.bytes
}
