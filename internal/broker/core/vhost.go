// Package core is the broker as a plain state machine: exchanges, queues, consumers, confirms, dead letters, time limits. It does no
// input or output of its own. Calls are the events; what follows from them goes to the Sink of a connection (frames to send) and
// into the lists that Take and TakeLoads hand out (facts to write, messages to read back). Time is passed in.
//
// A VHost isn't safe for concurrent use: whoever calls holds its Mu, and calls Flush before letting go.
package core

import (
	"sync"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// Sink takes what a connection must send. Its methods are called under the virtual host's lock, and must not block.
type Sink interface {
	Deliver(channel uint16, consumerTag string, tag uint64, redelivered bool, c wire.Content)
	Return(channel uint16, code uint16, text string, c wire.Content)
	Confirm(channel uint16, tag uint64, multiple, nack bool)
	Cancel(channel uint16, consumerTag string)
	// Writable says whether the connection takes deliveries; once false, Conn.Resume must be called when it is true again.
	Writable() bool
}

// Access answers what a user may do. A nil Access allows everything.
type Access interface {
	User() string
	Impersonates() bool // it may set others' names as a message's user id
	Configure(name string) bool
	Write(name string) bool
	Read(name string) bool
	TopicWrite(exchange, key string) bool
	TopicRead(exchange, key string) bool
}

// Limits bound what a virtual host keeps in memory.
type Limits struct {
	WindowMessages int // messages of one queue held in memory, the rest is read back from the store in order
	WindowBytes    int
	TotalBytes     int // of all queues; above it a queue keeps just WindowBytesMin
	WindowBytesMin int
}

// DefaultLimits keep a broker with long queues within some 100 MB.
func DefaultLimits() Limits {
	return Limits{WindowMessages: 8192, WindowBytes: 8 << 20, TotalBytes: 40 << 20, WindowBytesMin: 64 << 10}
}

// VHost is one virtual host.
type VHost struct {
	Mu   sync.Mutex // guards everything below; taken by the caller
	name string

	durable bool // there is a store
	newID   func() uint64
	limits  Limits
	now     int64 // ms since 1970

	exchanges map[string]*Exchange
	queues    map[string]*Queue
	conns     map[*Conn]struct{}
	replies   map[string]*Channel // direct reply-to: token -> channel that consumes replies
	policies  []*Policy           // highest priority first

	routing uint64 // number of the routing under way, marks the queues and exchanges reached
	routed  []*Queue
	free    []*Message
	bytes   int // of all messages in memory

	dirty   []*Queue   // may have something to deliver, drop or expire
	dead    []deadMail // to be dead-lettered
	acked   []*Channel // have confirms to send now
	waiting []*Channel // have confirms that wait for a commit

	timers timerHeap

	lagging bool // see Lagging

	writes    // facts for the store
	reads     // messages wanted from it
	Counters  // since start
	Destroyed bool
}

// Counters are events since the start of the virtual host.
type Counters struct {
	Published, Confirmed, Delivered, DeliveredNoAck, Got, GotNoAck, Redelivered, Acked, Returned, Unroutable, Expired, DeadLettered uint64
}

// Setup is what a virtual host starts from.
type Setup struct {
	Name    string
	Durable bool // facts are to be written to a store
	Limits  Limits
	Now     int64         // ms since 1970
	NewID   func() uint64 // makes ids that no virtual host on the same store has ever used; nil without a store
}

// New makes a virtual host with the standard exchanges.
func New(s Setup) *VHost {
	v := &VHost{
		name: s.Name, durable: s.Durable, newID: s.NewID, limits: s.Limits, now: s.Now,
		exchanges: map[string]*Exchange{}, queues: map[string]*Queue{}, conns: map[*Conn]struct{}{}, replies: map[string]*Channel{},
	}
	if v.newID == nil {
		var last uint64
		v.newID = func() uint64 { last++; return last }
	}
	v.batch, v.committed = longAgo+1, longAgo
	for name, kind := range map[string]string{
		"": KindDirect, "amq.direct": KindDirect, "amq.fanout": KindFanout, "amq.topic": KindTopic,
		"amq.headers": KindHeaders, "amq.match": KindHeaders, "amq.rabbitmq.trace": KindTopic,
	} {
		x := newExchange(v, name, kind)
		x.durable, x.internal = true, name == "amq.rabbitmq.trace"
		v.exchanges[name] = x
	}
	return v
}

// Name is the virtual host's name.
func (v *VHost) Name() string { return v.name }

// SetNow moves the clock, in ms since 1970.
func (v *VHost) SetNow(now int64) { v.now = max(now, v.now) }

// Flush lets everything that was started come to its end: deliveries, drops, dead letters, confirms. Call it before unlocking.
func (v *VHost) Flush() {
	v.settle()
	for _, ch := range v.acked {
		ch.confirmDirty = false
		ch.flushConfirms()
	}
	v.acked = v.acked[:0]
}

// settle works off dirty queues and dead letters. Deliveries never recurse: what they cause lands in these two lists.
func (v *VHost) settle() {
	for len(v.dirty) > 0 || len(v.dead) > 0 {
		for i := 0; i < len(v.dirty); i++ {
			q := v.dirty[i]
			q.dirty = false
			if !q.deleted {
				q.work()
			}
		}
		v.dirty = v.dirty[:0]
		for i := 0; i < len(v.dead); i++ {
			v.deadLetter(v.dead[i])
			v.dead[i] = deadMail{}
		}
		v.dead = v.dead[:0]
	}
}

func (v *VHost) touch(q *Queue) {
	if !q.dirty {
		q.dirty = true
		v.dirty = append(v.dirty, q)
	}
}

// Destroy removes everything in the virtual host and ends its connections in core.
func (v *VHost) Destroy() {
	for c := range v.conns {
		c.Close()
	}
	for _, q := range v.queues {
		v.deleteQueue(q)
	}
	for _, x := range v.exchanges {
		v.removeExchange(x)
	}
	for _, p := range v.policies {
		v.DeletePolicy(p.Name, p.Operator)
	}
}

// Lagging says whether, since the last call, a message was published to a queue with a backlog that grows although its consumers are at
// work. A publisher that rests a little then lets them catch up, before messages have to be paged out.
func (v *VHost) Lagging() bool {
	lagging := v.lagging
	v.lagging = false
	return lagging
}
