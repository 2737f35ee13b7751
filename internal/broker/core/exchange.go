package core

import (
	"bytes"
	"slices"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// Exchange types.
const (
	KindDirect  = "direct"
	KindFanout  = "fanout"
	KindTopic   = "topic"
	KindHeaders = "headers"
)

// Exchange routes messages to queues and other exchanges by its bindings.
type Exchange struct {
	vhost *VHost
	name  string
	kind  string
	args  wire.Table

	durable, autoDelete, internal bool
	alternate                     string
	policy                        *Policy // that counts; nil without one
	hadBinding                    bool    // auto-delete waits for the first one

	bindings []*Binding // where messages of this exchange go
	incoming []*Binding // of which this exchange is the destination
	index    index
	cache    map[string][]target // routes of keys seen lately; nil while the index is being changed
	mark     uint64
	in, out  uint64
}

// target is where a binding leads: a queue or an exchange.
type target struct {
	queue    *Queue
	exchange *Exchange
}

func (t target) name() string {
	if t.queue != nil {
		return t.queue.name
	}
	return t.exchange.name
}

// Binding leads from an exchange to a target.
type Binding struct {
	source *Exchange
	to     target
	key    string
	args   wire.Table
	raw    []byte // args as bytes, to tell bindings apart
	match  *headerMatch
}

// index finds the targets of a routing key; each type of exchange has its own.
type index interface {
	add(b *Binding)
	remove(b *Binding)
	find(key []byte, headers []byte, to []target) []target
}

// cacheMax is how many routing keys an exchange remembers the targets of.
const cacheMax = 4096

func newExchange(v *VHost, name, kind string) *Exchange {
	x := &Exchange{vhost: v, name: name, kind: kind}
	switch kind {
	case KindDirect:
		x.index = directIndex{}
	case KindFanout:
		x.index = &fanoutIndex{}
	case KindTopic:
		x.index = &topicIndex{}
	case KindHeaders:
		x.index = &headersIndex{}
	}
	return x
}

// route appends the targets of a message's key and headers.
func (x *Exchange) route(key []byte, headers []byte) []target {
	if x.kind == KindHeaders {
		return x.index.find(key, headers, nil)
	}
	if to, ok := x.cache[string(key)]; ok {
		return to
	}
	to := x.index.find(key, headers, nil)
	if x.cache == nil || len(x.cache) >= cacheMax {
		x.cache = map[string][]target{}
	}
	x.cache[string(key)] = to
	return to
}

// find is the binding equal to the given one, or nil.
func (x *Exchange) find(to target, key string, raw []byte) *Binding {
	for _, b := range x.bindings {
		if b.to == to && b.key == key && bytes.Equal(b.raw, raw) {
			return b
		}
	}
	return nil
}

func (x *Exchange) attach(b *Binding) {
	x.bindings = append(x.bindings, b)
	x.index.add(b)
	x.cache = nil
	x.hadBinding = true
	if b.to.queue != nil {
		b.to.queue.bindings = append(b.to.queue.bindings, b)
	} else {
		b.to.exchange.incoming = append(b.to.exchange.incoming, b)
	}
}

// detach removes b at both ends; an auto-delete exchange that loses its last binding this way goes too.
func (x *Exchange) detach(b *Binding) {
	same := func(o *Binding) bool { return o == b }
	x.bindings = slices.DeleteFunc(x.bindings, same)
	x.index.remove(b)
	x.cache = nil
	if q := b.to.queue; q != nil {
		q.bindings = slices.DeleteFunc(q.bindings, same)
	} else {
		b.to.exchange.incoming = slices.DeleteFunc(b.to.exchange.incoming, same)
	}
	x.vhost.forgetBinding(b)
	if x.autoDelete && len(x.bindings) == 0 {
		x.vhost.removeExchange(x)
	}
}

func (v *VHost) removeExchange(x *Exchange) {
	if v.exchanges[x.name] != x {
		return
	}
	delete(v.exchanges, x.name)
	v.forgetExchange(x)
	x.autoDelete = false // it's going already
	for len(x.bindings) > 0 {
		x.detach(x.bindings[len(x.bindings)-1])
	}
	for len(x.incoming) > 0 {
		b := x.incoming[len(x.incoming)-1]
		b.source.detach(b)
	}
}

type directIndex map[string][]target

func (d directIndex) add(b *Binding) { d[b.key] = append(d[b.key], b.to) }

func (d directIndex) remove(b *Binding) {
	to := d[b.key]
	if i := slices.Index(to, b.to); i >= 0 {
		to = slices.Delete(to, i, i+1)
	}
	if len(to) == 0 {
		delete(d, b.key)
		return
	}
	d[b.key] = to
}

func (d directIndex) find(key, _ []byte, to []target) []target { return append(to, d[string(key)]...) }

type fanoutIndex struct{ to []target }

func (f *fanoutIndex) add(b *Binding) { f.to = append(f.to, b.to) }

func (f *fanoutIndex) remove(b *Binding) {
	if i := slices.Index(f.to, b.to); i >= 0 {
		f.to = slices.Delete(f.to, i, i+1)
	}
}

func (f *fanoutIndex) find(_, _ []byte, to []target) []target { return append(to, f.to...) }
