package core

import (
	"bytes"
	"strings"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// replyTo is the pseudo queue of RabbitMQ's direct reply-to.
const replyTo = "amq.rabbitmq.reply-to"

// Publish routes m, which it takes over whatever the outcome.
func (ch *Channel) Publish(m *Message, mandatory bool) *Error {
	if ch.transactional {
		return ch.txPublish(m, mandatory)
	}
	v := ch.conn.vhost
	x, err := ch.admit(m)
	if err != nil {
		v.Discard(m)
		return err
	}
	m.refs = 1
	v.bytes += len(m.data)
	v.Published++
	x.in++
	if bytes.HasPrefix(m.look.ReplyTo, []byte(replyTo)) && string(m.look.ReplyTo) == replyTo {
		if m, err = ch.stampReply(m); err != nil {
			return err
		}
	}
	if x.name == "" && bytes.HasPrefix(m.routingKey(), []byte(replyTo+".")) {
		ch.publishReply(m, mandatory)
		return nil
	}
	m, extra, err := v.carbonCopies(m)
	if err != nil {
		return err
	}
	queues := v.route(x, m, extra)
	if len(queues) == 0 {
		v.Unroutable++
		if mandatory {
			v.Returned++
			ch.conn.sink.Return(ch.id, CodeNoRoute, "NO_ROUTE", m.Content())
		}
	} else {
		x.out += uint64(len(queues))
	}
	refused := v.distribute(m, queues)
	if ch.confirming {
		p := pending{nack: refused}
		if m.waiting > 0 {
			p.batch = v.batch
			m.publisher, m.confirmID = ch, ch.nextConfirm()
		}
		ch.owe(p)
	}
	v.release(m)
	return nil
}

// admit makes the checks in RabbitMQ's order.
func (ch *Channel) admit(m *Message) (*Exchange, *Error) {
	v, access := ch.conn.vhost, ch.conn.access
	x := v.exchanges[string(m.exchange())]
	if access != nil {
		name := string(m.exchange())
		if x != nil {
			name = x.name
		}
		if !access.Write(name) {
			return nil, refusedExchange(v, access, name)
		}
	}
	if x == nil {
		return nil, noExchange(v, string(m.exchange()))
	}
	if x.internal {
		return nil, Errorf(CodeAccessRefused, "cannot publish to internal %s", resource("exchange", x.name, v))
	}
	if access != nil && x.kind == KindTopic && !access.TopicWrite(x.name, string(m.routingKey())) {
		return nil, Errorf(CodeAccessRefused, "access to topic '%s' in exchange '%s' in vhost '%s' refused for user '%s'",
			m.routingKey(), x.name, v.name, access.User())
	}
	if m.look.HasUserID && access != nil && string(m.look.UserID) != access.User() && !access.Impersonates() {
		return nil, Errorf(CodePreconditionFailed, "user_id property set to '%s' but authenticated user was '%s'", m.look.UserID, access.User())
	}
	if m.look.HasExpiration {
		ttl, err := parseExpiration(string(m.look.Expiration))
		if err != nil {
			return nil, err
		}
		m.ttl = ttl
	}
	return x, nil
}

// route collects the queues for m, each once; the result is valid until the next call.
func (v *VHost) route(x *Exchange, m *Message, extra []string) []*Queue {
	v.routing++
	v.routed = v.routed[:0]
	v.walk(x, m, extra)
	return v.routed
}

func (v *VHost) reach(q *Queue) {
	if q != nil && q.mark != v.routing {
		q.mark = v.routing
		v.routed = append(v.routed, q)
	}
}

// walk follows the bindings of x by all keys of m, and its alternate exchange when they lead nowhere.
func (v *VHost) walk(x *Exchange, m *Message, extra []string) {
	if x.mark == v.routing {
		return
	}
	x.mark = v.routing
	found := v.follow(x, m, m.routingKey(), extra)
	for _, key := range extra {
		if v.follow(x, m, []byte(key), extra) {
			found = true
		}
	}
	if !found && x.alternate != "" {
		if a := v.exchanges[x.alternate]; a != nil {
			v.walk(a, m, extra)
		}
	}
}

// follow walks on to where one key leads from x, and says whether it leads anywhere.
func (v *VHost) follow(x *Exchange, m *Message, key []byte, extra []string) bool {
	if x.name == "" {
		q := v.queues[string(key)]
		v.reach(q)
		return q != nil
	}
	targets := x.route(key, m.look.Headers)
	for _, t := range targets {
		if t.exchange != nil {
			v.walk(t.exchange, m, extra)
		} else {
			v.reach(t.queue)
		}
	}
	return len(targets) > 0
}

// distribute puts m into queues, and says whether one of them refused it.
func (v *VHost) distribute(m *Message, queues []*Queue) (refused bool) {
	keepers := 0
	if len(queues) > 1 && v.durable {
		for _, q := range queues {
			if q.keepsMessage(m) {
				keepers++
			}
		}
	}
	if keepers > 1 {
		v.share(m)
	}
	for _, q := range queues {
		if q.refuses(m) {
			refused = true
			if q.overflow == overflowRejectPublishDLX {
				m.refs++
				q.bury(q.levelOf(m), entry{msg: m}, reasonMaxLen)
			}
			continue
		}
		q.enqueue(m)
	}
	return refused
}

// carbonCopies reads the keys of the CC and BCC headers, and takes BCC off the message.
func (v *VHost) carbonCopies(m *Message) (*Message, []string, *Error) {
	if !bytes.Contains(m.look.Headers, []byte("CC")) {
		return m, nil, nil
	}
	props, err := wire.ParseProperties(m.Content().Props)
	if err != nil {
		v.release(m)
		return nil, nil, Errorf(CodeSyntaxError, "malformed headers")
	}
	var keys []string
	for _, name := range []string{"CC", "BCC"} {
		value, ok := props.Headers.Get(name)
		if !ok {
			continue
		}
		list, ok := value.(wire.Array)
		for _, k := range list {
			if s, isString := k.(string); isString {
				keys = append(keys, s)
			}
		}
		if !ok {
			v.release(m)
			return nil, nil, Errorf(CodePreconditionFailed, "invalid message: {unacceptable_type_in_header,%q,%s}", name, wire.TypeName(value))
		}
	}
	if _, ok := props.Headers.Get("BCC"); !ok {
		return m, keys, nil
	}
	props.Headers = props.Headers.Without("BCC")
	return v.replace(m, &props), keys, nil
}

// replace gives m other properties.
func (v *VHost) replace(m *Message, props *wire.Properties) *Message {
	ttl := m.ttl
	n, err := v.rewrite(m, string(m.exchange()), string(m.routingKey()), props)
	if err != nil {
		v.Discard(n)
		return m
	}
	n.ttl, n.refs = ttl, 1
	v.bytes += len(n.data)
	v.release(m)
	return n
}

// stampReply puts the channel's own address into the reply-to property of a request.
func (ch *Channel) stampReply(m *Message) (*Message, *Error) {
	v := ch.conn.vhost
	if ch.replyToken == "" {
		v.release(m)
		return nil, Errorf(CodePreconditionFailed, "fast reply consumer does not exist")
	}
	props, err := wire.ParseProperties(m.Content().Props)
	if err != nil {
		v.release(m)
		return nil, Errorf(CodeSyntaxError, "malformed properties")
	}
	to := replyTo + "." + ch.replyToken
	props.ReplyTo = &to
	return v.replace(m, &props), nil
}

// publishReply hands a message straight to the channel that waits for replies.
func (ch *Channel) publishReply(m *Message, mandatory bool) {
	v := ch.conn.vhost
	token := strings.TrimPrefix(string(m.routingKey()), replyTo+".")
	if to := v.replies[token]; to != nil {
		to.lastTag++
		to.conn.sink.Deliver(to.id, to.replyTag, to.lastTag, false, m.Content())
	} else if mandatory {
		v.Returned++
		ch.conn.sink.Return(ch.id, CodeNoRoute, "NO_ROUTE", m.Content())
	}
	if ch.confirming {
		ch.owe(pending{})
	}
	v.release(m)
}
