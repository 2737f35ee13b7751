package core

import (
	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// ConsumeSpec is what basic.consume asks for.
type ConsumeSpec struct {
	Queue, Tag       string
	NoAck, Exclusive bool
	Args             wire.Table
}

// Consume starts a consumer and returns its tag. The caller sends consume-ok before Flush sends the first delivery.
func (ch *Channel) Consume(s ConsumeSpec) (string, *Error) {
	v := ch.conn.vhost
	v.settle()
	if s.Tag != "" && (ch.consumers[s.Tag] != nil || ch.replyToken != "" && s.Tag == ch.replyTag) {
		return "", Errorf(CodeNotAllowed, "attempt to reuse consumer tag '%s'", s.Tag)
	}
	if s.Tag == "" {
		s.Tag = "amq.ctag-" + randomName()
	}
	if s.Queue == replyTo {
		return ch.consumeReplies(s)
	}
	if err := ch.conn.mayReadQueue(s.Queue); err != nil {
		return "", err
	}
	q, err := ch.conn.Queue(s.Queue)
	if err != nil {
		return "", err
	}
	busy := s.Exclusive && (q.sac || len(q.consumers) > 0)
	for _, c := range q.consumers {
		busy = busy || c.exclusive
	}
	if busy {
		return "", Errorf(CodeAccessRefused, "%s in exclusive use", resource("queue", q.name, v))
	}
	if q.quorum && ch.prefetch > 0 {
		return "", Errorf(CodeNotImplemented, "%s does not support global qos", resource("queue", q.name, v))
	}
	if _, ok := s.Args.Get("x-stream-offset"); ok {
		return "", unsupportedArg("x-stream-offset", resource("queue", q.name, v), q.quorum)
	}
	priority := 0
	if value, ok := s.Args.Get("x-priority"); ok {
		n, isInt := wire.Integer(value)
		if !isInt {
			return "", Errorf(CodePreconditionFailed, "invalid arg 'x-priority' for %s: \"expected integer, got %s\"",
				resource("queue", q.name, v), wire.TypeName(value))
		}
		priority = int(n)
	}
	c := &Consumer{
		channel: ch, queue: q, tag: s.Tag, args: s.Args, noAck: s.NoAck, exclusive: s.Exclusive,
		priority: priority, prefetch: ch.prefetchConsumer,
	}
	ch.consumers[c.tag] = c
	q.consumers = append(q.consumers, c)
	q.usedAt = v.now
	if q.sac {
		q.chooseSingle()
	} else {
		q.activate(c)
	}
	return c.tag, nil
}

// consumeReplies starts the channel's direct reply-to consumer, of which there can be one.
func (ch *Channel) consumeReplies(s ConsumeSpec) (string, *Error) {
	if !s.NoAck {
		return "", Errorf(CodePreconditionFailed, "reply consumer cannot acknowledge")
	}
	if ch.replyToken != "" {
		return "", Errorf(CodePreconditionFailed, "reply consumer already set")
	}
	ch.replyToken, ch.replyTag = randomName(), s.Tag
	ch.conn.vhost.replies[ch.replyToken] = ch
	return s.Tag, nil
}

// Cancel ends a consumer. What it holds stays with the channel. An unknown tag is no error.
func (ch *Channel) Cancel(tag string) {
	v := ch.conn.vhost
	if ch.replyToken != "" && tag == ch.replyTag {
		delete(v.replies, ch.replyToken)
		ch.replyToken = ""
		return
	}
	c := ch.consumers[tag]
	if c == nil {
		return
	}
	v.settle()
	c.remove()
	v.lostConsumer(c.queue)
}

// GetResult is the answer to basic.get.
type GetResult struct {
	Empty       bool
	Wait        bool // the message has to be read first; ask again after Loaded
	Tag         uint64
	Redelivered bool
	Left        int
	Content     wire.Content // valid until Done is called
	done        func()
}

// Done gives the message back to the core once its bytes are copied.
func (r *GetResult) Done() {
	if r.done != nil {
		r.done()
	}
}

// Get takes one message off a queue.
func (ch *Channel) Get(name string, noAck bool) (r GetResult, err *Error) {
	v := ch.conn.vhost
	v.settle()
	if err := ch.conn.mayReadQueue(name); err != nil {
		return r, err
	}
	q, err := ch.conn.Queue(name)
	if err != nil {
		return r, err
	}
	q.usedAt = v.now
	q.expire(v.now)
	lv := q.head()
	if lv == nil {
		r.Empty, r.Wait = q.ready() == 0, q.ready() > 0
		if r.Empty {
			q.Stats.GetEmpty++
		}
		return r, nil
	}
	e := lv.pop()
	ch.lastTag++
	lv.delivered = max(lv.delivered, e.seq+1)
	r = GetResult{Tag: ch.lastTag, Redelivered: e.redelivered, Left: q.ready(), Content: q.content(&e)}
	if noAck {
		q.Stats.GotNoAck++
		v.GotNoAck++
		r.done = func() { q.drop(lv, &e) }
	} else {
		q.Stats.Got++
		v.Got++
		ch.hold(q, nil, e)
	}
	v.touch(q)
	return r, nil
}
