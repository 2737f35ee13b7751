package core

import (
	"crypto/rand"
	"encoding/base64"
	"strings"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

func resource(kind, name string, v *VHost) string {
	return kind + " '" + name + "' in vhost '" + v.name + "'"
}

func noQueue(v *VHost, name string) *Error {
	return Errorf(CodeNotFound, "no %s", resource("queue", name, v))
}

func noExchange(v *VHost, name string) *Error {
	return Errorf(CodeNotFound, "no %s", resource("exchange", name, v))
}

func refusedQueue(v *VHost, a Access, name string) *Error {
	return Errorf(CodeAccessRefused, "access to %s refused for user '%s'", resource("queue", name, v), a.User())
}

func refusedExchange(v *VHost, a Access, name string) *Error {
	if name == "" {
		name = "amq.default"
	}
	return Errorf(CodeAccessRefused, "access to %s refused for user '%s'", resource("exchange", name, v), a.User())
}

func (c *Conn) mayConfigureQueue(name string) *Error {
	if c.access == nil || c.access.Configure(name) {
		return nil
	}
	return refusedQueue(c.vhost, c.access, name)
}

func (c *Conn) mayWriteQueue(name string) *Error {
	if c.access == nil || c.access.Write(name) {
		return nil
	}
	return refusedQueue(c.vhost, c.access, name)
}

func (c *Conn) mayReadQueue(name string) *Error {
	if c.access == nil || c.access.Read(name) {
		return nil
	}
	return refusedQueue(c.vhost, c.access, name)
}

func (c *Conn) mayConfigureExchange(name string) *Error {
	if c.access == nil || c.access.Configure(name) {
		return nil
	}
	return refusedExchange(c.vhost, c.access, name)
}

func (c *Conn) mayWriteExchange(name string) *Error {
	if c.access == nil || c.access.Write(name) {
		return nil
	}
	return refusedExchange(c.vhost, c.access, name)
}

func (c *Conn) mayReadExchange(name string) *Error {
	if c.access == nil || c.access.Read(name) {
		return nil
	}
	return refusedExchange(c.vhost, c.access, name)
}

// oneLine takes line ends out of a name that is declared, bound or deleted, as RabbitMQ does.
func oneLine(name string) string {
	if !strings.ContainsAny(name, "\r\n") {
		return name
	}
	return strings.NewReplacer("\r", "", "\n", "").Replace(name)
}

// QueueSpec is what queue.declare asks for.
type QueueSpec struct {
	Name                           string // "" for a name made by the broker
	Durable, Exclusive, AutoDelete bool
	Args                           wire.Table
}

// queueArgs are compared when a queue is declared again, in this order; others are not known to RabbitMQ.
var queueArgs = []string{
	"x-queue-type", "x-expires", "x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key", "x-max-length", "x-max-length-bytes",
	"x-single-active-consumer", "x-overflow", "x-delivery-limit", "x-max-priority", "x-queue-mode",
}

// DeclareQueue makes a queue, or checks that the one there is the same.
func (c *Conn) DeclareQueue(s QueueSpec) (*Queue, *Error) {
	v := c.vhost
	v.settle()
	s.Name = oneLine(s.Name)
	if q := v.replyQueue(s.Name); q != nil {
		return q, nil
	}
	if s.Name == "" {
		s.Name = "amq.gen-" + randomName()
	} else if v.queues[s.Name] == nil && strings.HasPrefix(s.Name, "amq.") {
		return nil, Errorf(CodeAccessRefused, "queue name '%s' contains reserved prefix 'amq.*'", s.Name)
	}
	if err := c.mayConfigureQueue(s.Name); err != nil {
		return nil, err
	}
	if q := v.queues[s.Name]; q != nil {
		if err := q.check(c, s); err != nil {
			return nil, err
		}
		q.usedAt = v.now
		return q, nil
	}
	set, err := parseSettings(s.Args, s.Durable, s.Exclusive, s.AutoDelete, resource("queue", s.Name, v))
	if err != nil {
		return nil, err
	}
	if set.hasDLX {
		if err := c.mayReadQueue(s.Name); err != nil {
			return nil, err
		}
		if err := c.mayWriteExchange(set.dlx); err != nil {
			return nil, err
		}
	}
	q := v.newQueue(v.newID(), s, set)
	if s.Exclusive {
		q.owner = c
		c.exclusive[q] = struct{}{}
	}
	v.rememberQueue(q)
	q.schedule()
	return q, nil
}

func (v *VHost) newQueue(id uint64, s QueueSpec, set settings) *Queue {
	q := &Queue{
		vhost: v, name: s.Name, id: id, args: s.Args, own: set,
		durable: s.Durable, autoDelete: s.AutoDelete, exclusive: s.Exclusive, usedAt: v.now,
	}
	q.levels = make([]level, 1+set.maxPriority)
	for i := range q.levels {
		q.levels[i].queue, q.levels[i].number = q, uint8(i)
		q.levels[i].stored.Head = 0
	}
	q.applyPolicy()
	v.queues[q.name] = q
	return q
}

// check compares a declaration with the queue as it is.
func (q *Queue) check(c *Conn, s QueueSpec) *Error {
	object := resource("queue", q.name, q.vhost)
	if err := sameFlag("durable", q.durable, s.Durable, object); err != nil {
		return err
	}
	if err := sameFlag("auto_delete", q.autoDelete, s.AutoDelete, object); err != nil {
		return err
	}
	if q.exclusive != s.Exclusive || q.exclusive && q.owner != c {
		return q.locked()
	}
	names := queueArgs
	if queueType(q.args) == queueType(s.Args) {
		names = names[1:] // one may say "classic" and the other nothing
	}
	return sameArgs(q.args, s.Args, object, names...)
}

func queueType(args wire.Table) any {
	if v, ok := args.Get("x-queue-type"); ok {
		return v
	}
	return "classic"
}

func (q *Queue) locked() *Error {
	return Errorf(CodeResourceLocked, "cannot obtain exclusive access to locked %s. It could be originally declared on another connection "+
		"or the exclusive property value does not match that of the original declaration.", resource("queue", q.name, q.vhost))
}

// Queue finds a queue that the connection may use: not one that is exclusive to another.
func (c *Conn) Queue(name string) (*Queue, *Error) {
	q := c.vhost.queues[name]
	switch {
	case q == nil:
		return nil, noQueue(c.vhost, name)
	case q.owner != nil && q.owner != c && !c.admin:
		return nil, q.locked()
	}
	return q, nil
}

// PassiveQueue answers queue.declare with the passive flag.
func (c *Conn) PassiveQueue(name string) (*Queue, *Error) {
	c.vhost.settle()
	name = oneLine(name)
	if q := c.vhost.replyQueue(name); q != nil {
		return q, nil
	}
	q, err := c.Queue(name)
	if err == nil {
		q.usedAt = c.vhost.now
	}
	return q, err
}

// replyQueue stands for the direct reply-to address of a requester that is still there: declaring it is a way to ask for that.
func (v *VHost) replyQueue(name string) *Queue {
	token, ok := strings.CutPrefix(name, replyTo+".")
	if ok && v.replies[token] != nil {
		return &Queue{vhost: v, name: name, consumers: []*Consumer{nil}}
	}
	return nil
}

// Counts are the message and consumer counts of declare-ok.
func (q *Queue) Counts() (messages, consumers int) { return q.ready(), len(q.consumers) }

// Name is the queue's name.
func (q *Queue) Name() string { return q.name }

// DeleteQueue removes a queue and says how many messages it held. A queue that isn't there is no error.
func (c *Conn) DeleteQueue(name string, ifUnused, ifEmpty bool) (int, *Error) {
	v := c.vhost
	v.settle()
	name = oneLine(name)
	if err := c.mayConfigureQueue(name); err != nil {
		return 0, err
	}
	if v.queues[name] == nil {
		return 0, nil
	}
	q, err := c.Queue(name)
	switch {
	case err != nil:
		return 0, err
	case ifUnused && len(q.consumers) > 0:
		return 0, Errorf(CodePreconditionFailed, "%s in use", resource("queue", name, v))
	case ifEmpty && q.ready() > 0:
		return 0, Errorf(CodePreconditionFailed, "%s not empty", resource("queue", name, v))
	}
	n := q.ready()
	v.deleteQueue(q)
	return n, nil
}

// PurgeQueue removes the messages that are ready.
func (c *Conn) PurgeQueue(name string) (int, *Error) {
	c.vhost.settle()
	if err := c.mayReadQueue(name); err != nil {
		return 0, err
	}
	q, err := c.Queue(name)
	if err != nil {
		return 0, err
	}
	return q.purge(), nil
}

// deleteQueue removes a queue with all that hangs on it; consumers are told.
func (v *VHost) deleteQueue(q *Queue) {
	if q.deleted {
		return
	}
	delete(v.queues, q.name)
	if q.owner != nil {
		delete(q.owner.exclusive, q)
	}
	for len(q.bindings) > 0 {
		b := q.bindings[len(q.bindings)-1]
		b.source.detach(b)
	}
	swept := q.empty()
	q.deleted = true
	for len(q.consumers) > 0 {
		c := q.consumers[0]
		c.remove()
		if !c.channel.closed {
			c.channel.conn.sink.Cancel(c.channel.id, c.tag)
		}
	}
	if v.durable && !swept {
		v.ops = append(v.ops, Op{Kind: OpGone, Queue: q.id})
	}
	v.forgetQueue(q)
}

// empty lets go of all messages that are ready, and says whether a sweep must see to those in the store.
func (q *Queue) empty() (swept bool) {
	for i := range q.levels {
		lv := &q.levels[i]
		for lv.window.len() > 0 {
			e := lv.window.popFront()
			if lv.stored.Shared || e.batch > q.vhost.committed {
				q.drop(lv, &e)
			} else {
				q.vhost.release(e.msg) // OpGone has it
			}
		}
		lv.bytes = 0
		swept = swept || lv.disk.count > 0 && lv.stored.Shared
		q.vhost.dropDisk(lv)
	}
	return swept
}

// lostConsumer deletes an auto-delete queue whose last consumer has gone.
func (v *VHost) lostConsumer(q *Queue) {
	if q.autoDelete && len(q.consumers) == 0 && !q.deleted {
		v.deleteQueue(q)
		return
	}
	v.touch(q)
}

// randomName is what RabbitMQ makes server-named queues of: 16 random bytes in base64 for URLs.
func randomName() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
