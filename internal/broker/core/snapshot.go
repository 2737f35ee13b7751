package core

import "github.com/openintegrationhub/leat/internal/broker/wire"

// QueueInfo describes a queue.
type QueueInfo struct {
	Name                           string
	Durable, Exclusive, AutoDelete bool
	Args                           wire.Table
	Ready, Unacked, Consumers      int
	ReadyBytes, UnackedBytes       int
	InMemory                       int        // messages ready that are in memory
	SingleActiveConsumer           string     // its tag, "" without one
	Policy, OperatorPolicy         string     // names, "" without one
	Effective                      wire.Table // what the policies set
	Stats                          QueueStats
}

// ExchangeInfo describes an exchange.
type ExchangeInfo struct {
	Name, Kind                    string
	Durable, AutoDelete, Internal bool
	Args                          wire.Table
	Policy                        string // its name, "" without one
	In, Out                       uint64 // messages published to it, and routed by it to queues
}

// BindingInfo describes a binding; the default exchange's are included.
type BindingInfo struct {
	Source, Destination, Key string
	ToExchange               bool
	Args                     wire.Table
}

// ConsumerInfo describes a consumer.
type ConsumerInfo struct {
	Queue, Tag               string
	Conn                     *Conn
	Channel                  uint16
	NoAck, Exclusive, Active bool
	Prefetch, Unacked        int
	Args                     wire.Table
}

// ChannelInfo describes a channel.
type ChannelInfo struct {
	Conn                              *Conn
	Number                            uint16
	Confirming                        bool
	Unacked, Unconfirmed, Consumers   int
	PrefetchGlobal, PrefetchConsumers int
}

// Queues describes all queues.
func (v *VHost) Queues() []QueueInfo {
	list := make([]QueueInfo, 0, len(v.queues))
	for _, q := range v.queues {
		list = append(list, q.Info())
	}
	return list
}

// Info describes the queue.
func (q *Queue) Info() QueueInfo {
	i := QueueInfo{
		Name: q.name, Durable: q.durable, Exclusive: q.exclusive, AutoDelete: q.autoDelete, Args: q.args,
		Ready: q.ready(), Unacked: q.unacked, Consumers: len(q.consumers),
		ReadyBytes: q.readyBytes(), UnackedBytes: q.unackedBytes, Stats: q.Stats,
	}
	for n := range q.levels {
		i.InMemory += q.levels[n].window.len()
	}
	if q.single != nil {
		i.SingleActiveConsumer = q.single.tag
	}
	i.Policy, i.OperatorPolicy, i.Effective = q.policy.name(), q.operator.name(), effective(q.policy, q.operator)
	return i
}

// Exchanges describes all exchanges.
func (v *VHost) Exchanges() []ExchangeInfo {
	list := make([]ExchangeInfo, 0, len(v.exchanges))
	for _, x := range v.exchanges {
		list = append(list, ExchangeInfo{
			Name: x.name, Kind: x.kind, Durable: x.durable, AutoDelete: x.autoDelete, Internal: x.internal, Args: x.args, Policy: x.policy.name(), In: x.in, Out: x.out,
		})
	}
	return list
}

// Bindings describes all bindings.
func (v *VHost) Bindings() []BindingInfo {
	var list []BindingInfo
	for name := range v.queues {
		list = append(list, BindingInfo{Destination: name, Key: name})
	}
	for _, x := range v.exchanges {
		for _, b := range x.bindings {
			list = append(list, BindingInfo{Source: x.name, Destination: b.to.name(), Key: b.key, ToExchange: b.to.exchange != nil, Args: b.args})
		}
	}
	return list
}

// Consumers describes all consumers.
func (v *VHost) Consumers() []ConsumerInfo {
	var list []ConsumerInfo
	for _, q := range v.queues {
		for _, c := range q.consumers {
			list = append(list, ConsumerInfo{
				Queue: q.name, Tag: c.tag, Conn: c.channel.conn, Channel: c.channel.id, NoAck: c.noAck, Exclusive: c.exclusive,
				Active: !q.sac || q.single == c, Prefetch: c.prefetch, Unacked: c.unacked, Args: c.args,
			})
		}
	}
	return list
}

// Channels describes all channels.
func (v *VHost) Channels() []ChannelInfo {
	var list []ChannelInfo
	for c := range v.conns {
		for _, ch := range c.channels {
			list = append(list, ChannelInfo{
				Conn: c, Number: ch.id, Confirming: ch.confirming, Unacked: ch.unackedCount, Unconfirmed: ch.pending.len(),
				Consumers: len(ch.consumers), PrefetchGlobal: ch.prefetch, PrefetchConsumers: ch.prefetchConsumer,
			})
		}
	}
	return list
}

// Size is how many channels and consumers the connection has.
func (c *Conn) Size() (channels, consumers int) {
	for _, ch := range c.channels {
		consumers += len(ch.consumers)
	}
	return len(c.channels), consumers
}

// Sink is where the connection's frames go, nil for the administrator's.
func (c *Conn) Sink() Sink { return c.sink }
