package core

import (
	"errors"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// Definitions are kept under keys of a kind octet and short strings: virtual host, then what names the object. Values are field tables.
const (
	DefineExchange = 'x'
	DefineQueue    = 'q'
	DefineBinding  = 'y' // sorts behind both ends
	DefinePolicy   = 'l'
)

func (v *VHost) key(kind byte, parts ...string) string {
	b := wire.AppendShortstr([]byte{kind}, v.name)
	for _, p := range parts {
		b = wire.AppendShortstr(b, p)
	}
	return string(b)
}

func (q *Queue) kept() bool { return q.durable && !q.exclusive }

func (v *VHost) rememberQueue(q *Queue) {
	if q.kept() {
		v.define(v.key(DefineQueue, q.name), wire.Table{
			{Name: "name", Value: q.name}, {Name: "id", Value: int64(q.id)},
			{Name: "auto-delete", Value: q.autoDelete}, {Name: "args", Value: q.args},
		}, false)
	}
}

func (v *VHost) forgetQueue(q *Queue) {
	if q.kept() {
		v.define(v.key(DefineQueue, q.name), nil, true)
	}
}

func (v *VHost) rememberExchange(x *Exchange) {
	if x.durable {
		v.define(v.key(DefineExchange, x.name), wire.Table{
			{Name: "name", Value: x.name}, {Name: "kind", Value: x.kind},
			{Name: "auto-delete", Value: x.autoDelete}, {Name: "internal", Value: x.internal}, {Name: "args", Value: x.args},
		}, false)
	}
}

func (v *VHost) forgetExchange(x *Exchange) {
	if x.durable {
		v.define(v.key(DefineExchange, x.name), nil, true)
	}
}

func (b *Binding) kept() bool {
	return b.source.durable && (b.to.queue != nil && b.to.queue.kept() || b.to.exchange != nil && b.to.exchange.durable)
}

func (b *Binding) defineKey(v *VHost) string {
	kind := "q"
	if b.to.exchange != nil {
		kind = "x"
	}
	return v.key(DefineBinding, b.source.name, kind, b.to.name(), b.key) + string(b.raw)
}

func (v *VHost) rememberBinding(b *Binding) {
	if b.kept() {
		v.define(b.defineKey(v), wire.Table{
			{Name: "source", Value: b.source.name}, {Name: "to", Value: b.to.name()},
			{Name: "to-exchange", Value: b.to.exchange != nil}, {Name: "key", Value: b.key}, {Name: "args", Value: b.args},
		}, false)
	}
}

func (v *VHost) forgetBinding(b *Binding) {
	if b.kept() {
		v.define(b.defineKey(v), nil, true)
	}
}

// DefinitionVHost is the virtual host that a definition's key belongs to.
func DefinitionVHost(key string) (kind byte, vhost string, ok bool) {
	c := wire.NewCursor([]byte(key))
	kind, vhost = c.U8(), string(c.Shortstr())
	return kind, vhost, c.Err == nil
}

// Restore puts back one definition of an earlier start; policies first, exchanges and queues before bindings. levels gives what the store
// holds of a queue, by level.
func (v *VHost) Restore(key string, value []byte, levels func(queue uint64) map[uint8]Meta) error {
	c := wire.NewCursor(value)
	t := c.Table()
	if c.Err != nil {
		return c.Err
	}
	kind, _, _ := DefinitionVHost(key)
	switch kind {
	case DefineExchange:
		x := newExchange(v, t.String("name"), t.String("kind"))
		if x.index == nil {
			return errors.New("restore exchange: unknown type")
		}
		x.durable, x.autoDelete, x.internal, x.args = true, t.Bool("auto-delete"), t.Bool("internal"), t.Table("args")
		x.applyPolicy()
		v.exchanges[x.name] = x
	case DefineQueue:
		return v.restoreQueue(t, levels)
	case DefineBinding:
		return v.restoreBinding(t)
	case DefinePolicy:
		return v.restorePolicy(t)
	}
	return nil
}

func (v *VHost) restoreQueue(t wire.Table, levels func(queue uint64) map[uint8]Meta) error {
	n, _ := t.Get("id")
	id, _ := n.(int64)
	s := QueueSpec{Name: t.String("name"), Durable: true, AutoDelete: t.Bool("auto-delete"), Args: t.Table("args")}
	set, err := parseSettings(s.Args, true, false, s.AutoDelete, resource("queue", s.Name, v))
	if err != nil {
		return err
	}
	q := v.newQueue(uint64(id), s, set)
	for number, meta := range levels(q.id) {
		if int(number) < len(q.levels) {
			q.levels[number].restore(meta)
			v.fill(&q.levels[number])
		}
	}
	q.schedule()
	return nil
}

func (v *VHost) restoreBinding(t wire.Table) error {
	x := v.exchanges[t.String("source")]
	to := target{queue: v.queues[t.String("to")]}
	if t.Bool("to-exchange") {
		to = target{exchange: v.exchanges[t.String("to")]}
	}
	if x == nil || to == (target{}) {
		return errors.New("restore binding: an end is missing")
	}
	b := &Binding{source: x, to: to, key: t.String("key"), args: t.Table("args")}
	b.raw = rawArgs(b.args)
	if x.kind == KindHeaders {
		m, err := newHeaderMatch(b.args)
		if err != nil {
			return err
		}
		b.match = m
	}
	x.attach(b)
	return nil
}

// SharedQueues calls f with the id of each queue whose stored entries may point at shared bodies.
func (v *VHost) SharedQueues(f func(queue uint64) error) error {
	for _, q := range v.queues {
		shared := false
		for i := range q.levels {
			shared = shared || q.levels[i].stored.Shared
		}
		if !shared {
			continue
		}
		if err := f(q.id); err != nil {
			return err
		}
	}
	return nil
}

// RestoreRef counts an entry found in the store that points at shared body id.
func (v *VHost) RestoreRef(id uint64) { v.refs.add(id) }

// keepCount writes how often an entry came back, so that the delivery limit holds over a restart.
func (v *VHost) keepCount(lv *level, e *entry) {
	if e.batch == 0 || e.transient {
		return
	}
	e.counted = true
	v.ops = append(v.ops, Op{Kind: OpCount, Queue: lv.queue.id, Level: lv.number, Seq: e.seq, Count: e.count})
}
