package core

import (
	"slices"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// Reasons for dead-lettering, as x-death names them.
const (
	reasonRejected      = "rejected"
	reasonExpired       = "expired"
	reasonMaxLen        = "maxlen"
	reasonDeliveryLimit = "delivery_limit"
)

// deadMail is an entry that has left its queue and waits to be dead-lettered. It is in the store until it has arrived.
type deadMail struct {
	queue  *Queue
	level  *level
	entry  entry
	reason string
}

// bury lets go of an entry: by the dead letter exchange when the queue has one.
func (q *Queue) bury(lv *level, e entry, reason string) {
	if q.hasDLX && !q.deleted {
		q.vhost.dead = append(q.vhost.dead, deadMail{q, lv, e, reason})
		return
	}
	q.drop(lv, &e)
}

// deadLetter publishes d to its dead letter exchange and takes it out of its queue, both in one batch.
func (v *VHost) deadLetter(d deadMail) {
	defer d.queue.drop(d.level, &d.entry)
	x := v.exchanges[d.queue.dlx]
	if x == nil {
		return
	}
	props, err := wire.ParseProperties(d.entry.msg.Content().Props)
	if err != nil {
		return
	}
	key, extra := v.addDeath(&props, d)
	m, err := v.rewrite(d.entry.msg, d.queue.dlx, key, &props)
	if err != nil {
		v.Discard(m)
		return
	}
	m.refs = 1
	v.bytes += len(m.data)
	v.DeadLettered++
	x.in++
	queues := v.route(x, m, extra)
	if d.reason != reasonRejected {
		deaths, _ := props.Headers.Get("x-death")
		list, _ := deaths.(wire.Array)
		queues = slices.DeleteFunc(queues, func(q *Queue) bool { return isCycle(q.name, list) })
	}
	v.distribute(m, queues)
	v.release(m)
}

// addDeath writes the death into the headers, as RabbitMQ 3.10 does, and gives the keys to publish with.
func (v *VHost) addDeath(props *wire.Properties, d deadMail) (key string, extra []string) {
	msg := d.entry.msg
	key = string(msg.routingKey())
	keys := wire.Array{key}
	if cc, ok := props.Headers.Get("CC"); ok {
		list, _ := cc.(wire.Array)
		for _, k := range list {
			if s, ok := k.(string); ok {
				keys = append(keys, s)
				extra = append(extra, s)
			}
		}
	}
	exchange := string(msg.exchange())
	if d.queue.hasDLK {
		key, extra = d.queue.dlk, nil
		props.Headers = props.Headers.Without("CC")
	}
	death := wire.Table{
		{Name: "count", Value: int64(1)},
		{Name: "reason", Value: d.reason},
		{Name: "queue", Value: d.queue.name},
		{Name: "time", Value: wire.Timestamp(v.now / 1000)},
		{Name: "exchange", Value: exchange},
		{Name: "routing-keys", Value: keys},
	}
	if props.Expiration != nil {
		death = append(death, wire.Field{Name: "original-expiration", Value: *props.Expiration})
		props.Expiration = nil
	}
	props.HasHeaders = true
	old, _ := props.Headers.Get("x-death")
	list, _ := old.(wire.Array)
	props.Headers = props.Headers.With("x-death", mergeDeaths(list, death))
	if len(list) == 0 {
		props.Headers = props.Headers.With("x-first-death-exchange", exchange).
			With("x-first-death-queue", d.queue.name).With("x-first-death-reason", d.reason)
	}
	return key, extra
}

// mergeDeaths puts death in front; one of the same queue and reason is counted instead and moved there.
func mergeDeaths(list wire.Array, death wire.Table) wire.Array {
	out := wire.Array{death}
	for _, v := range groupDeaths(list) {
		t, ok := v.(wire.Table)
		if ok && t.String("queue") == death.String("queue") && t.String("reason") == death.String("reason") {
			n, _ := t.Get("count")
			count, _ := wire.Integer(n)
			out[0] = t.With("count", count+1)
			continue
		}
		out = append(out, v)
	}
	return out
}

// groupDeaths makes one of deaths of the same queue and reason. Those of brokers before RabbitMQ 3.5 have no count; there each stands for one.
func groupDeaths(list wire.Array) wire.Array {
	if len(list) == 0 {
		return nil
	}
	var out wire.Array
	seen := map[[2]string]int{} // where in out
	times := map[int]int64{}
	for _, v := range list {
		t, ok := v.(wire.Table)
		if !ok {
			out = append(out, v)
			continue
		}
		key := [2]string{t.String("queue"), t.String("reason")}
		at, again := seen[key]
		if !again {
			at = len(out)
			seen[key] = at
			out = append(out, t)
		}
		times[at]++
	}
	for at, n := range times {
		t, _ := out[at].(wire.Table)
		if _, counted := t.Get("count"); !counted {
			out[at] = t.With("count", n)
		}
	}
	return out
}

// isCycle says whether a message with these deaths has been in the queue before without having been rejected by anyone since:
// it would go round for ever.
func isCycle(queue string, deaths wire.Array) bool {
	for _, v := range deaths {
		t, ok := v.(wire.Table)
		if !ok || t.String("reason") == reasonRejected {
			return false
		}
		if t.String("queue") == queue {
			return true
		}
	}
	return false
}
