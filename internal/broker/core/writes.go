package core

import (
	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// OpKind says what an Op does.
type OpKind uint8

// Kinds of facts for the store.
const (
	OpNone    OpKind = iota // withdrawn before it was taken
	OpPut                   // entry with its message
	OpRef                   // entry that points at a shared body
	OpBody                  // shared body
	OpDrop                  // remove one entry
	OpDropAll               // remove a level's entries From up to, not with, Seq
	OpFree                  // remove a shared body
	OpMeta                  // what is in the store of one level, for the next start
	OpGone                  // remove all of a queue
	OpCount                 // delivery count of an entry
	OpUncount               // forget the delivery count of an entry
	OpDefine                // set definition Key to Value, or remove it when Value is nil
	OpBarrier               // nothing: somebody waits for the batch
)

// Op is one fact for the store. All that one Take hands out belongs into one atomic batch, in this order.
type Op struct {
	Kind      OpKind
	Level     uint8
	Transient bool // OpPut: not to be kept over a start
	Queue     uint64
	Seq       uint64
	From      uint64 // OpDropAll
	Expires   int64  // OpPut, OpRef: ms since 1970, 0 never
	Body      uint64 // OpRef, OpBody, OpFree: id of the shared body
	Msg       *Message
	Count     uint32 // OpCount
	Meta      Meta
	Key       string
	Value     []byte
}

// Meta is what the store holds of one level of a queue.
type Meta struct {
	Count, Bytes uint64 // persistent entries, and the bytes of their bodies
	Shared       bool   // some of them may point at shared bodies
	Head         uint64 // no entry is below
	Next         uint64 // every entry is below
	Delivered    uint64 // entries below may have been delivered before
}

// writes is the list of facts not yet taken, and which batches are on their way.
type writes struct {
	ops       []Op
	spare     []Op   // the array of the batch committed last
	batch     uint64 // number of the batch being filled
	committed uint64
	metas     []*level // touched since the last Take
	refs      refTable
	defines   uint64 // how many definitions were written
	haste
}

// haste tells whether messages are mostly done with before they could be written. Then it pays to take facts a moment later: what is
// withdrawn by then costs nothing, and its publisher got the confirm when the consumer acknowledged.
type haste struct {
	withdrawn int // entries withdrawn since the last Take
	live      int // entries in the batch taken last
	early     int // of them, how many were settled before they were committed
	hasty     bool
	urgent    bool // a definition is waiting
	pressing  bool // an entry is waiting
}

// longAgo is the batch that entries read back from the store are said to belong to.
const longAgo = 1

// Batch is the number of the batch that facts written now belong to. It is on disk once Committed was called with it.
func (v *VHost) Batch() uint64 { return v.batch }

// Pending says whether there are facts to take.
func (v *VHost) Pending() bool { return len(v.ops) > 0 }

// Hasty says whether it pays to wait about a millisecond before Take.
func (v *VHost) Hasty() bool { return v.hasty && !v.urgent }

// Lazy says that nobody waits for what is pending: entries that go, which may do so a little later. A publisher's confirm that waited for them
// would make it wait twice.
func (v *VHost) Lazy() bool { return !v.pressing && !v.urgent }

// CommittedBatch is the number of the last batch on disk.
func (v *VHost) CommittedBatch() uint64 { return v.committed }

// Take hands out the facts gathered so far and starts the next batch, unless all of them were withdrawn: then ops is empty and the
// batch goes on. Each batch must be passed to Committed, in order; its messages stay as they are until then. last, for the end, hands
// out counts that have changed even when nothing else did.
func (v *VHost) Take(last bool) (ops []Op, batch uint64) {
	live, any := 0, last && len(v.metas) > 0
	for i := range v.ops {
		if op := &v.ops[i]; op.Kind == OpBody {
			v.decideShared(op)
		}
	}
	for i := range v.ops {
		op := &v.ops[i]
		if op.Kind == OpRef && !op.Msg.shared {
			op.Kind = OpPut
		}
		if op.Kind == OpPut || op.Kind == OpRef {
			live++
		}
		any = any || op.Kind != OpNone
	}
	v.hasty = v.hasty && v.withdrawn >= live
	v.withdrawn, v.urgent, v.pressing = 0, false, false
	if !any {
		v.ops = v.ops[:0]
		if v.quiet() {
			v.feed() // no commit will come that does
		}
		return nil, 0
	}
	v.live, v.early = live, 0
	for _, lv := range v.metas {
		lv.touched = false
		if !lv.queue.deleted {
			v.ops = append(v.ops, Op{Kind: OpMeta, Queue: lv.queue.id, Level: lv.number, Meta: lv.meta()})
		}
	}
	v.metas = v.metas[:0]
	ops, batch = v.ops, v.batch
	v.ops, v.spare = v.spare[:0], nil
	v.batch++
	return ops, batch
}

// decideShared writes a body once when two entries or more are left that want it; a single one takes it along itself.
func (v *VHost) decideShared(op *Op) {
	m := op.Msg
	if m.stored < 2 {
		op.Kind, op.Msg = OpNone, nil
		v.release(m)
		return
	}
	m.shared = true
	v.refs.set(m.id, m.stored)
}

// Committed says that a batch is on disk: confirms that waited for it go out, and its messages may be reused.
func (v *VHost) Committed(batch uint64, ops []Op) {
	v.committed = batch
	v.hasty = v.hasty || v.live > 0 && v.early*4 >= v.live*3
	for i := range ops {
		if m := ops[i].Msg; m != nil {
			v.release(m)
		}
		ops[i] = Op{}
	}
	if v.spare == nil && cap(ops) <= opsKeep {
		v.spare = ops[:0]
	}
	waiting := v.waiting
	v.waiting = v.waiting[:0]
	for _, ch := range waiting {
		ch.confirmWaits = false
		ch.flushConfirms()
		ch.awaitCommit()
	}
	v.startSweeps()
	v.feed()
}

// opsKeep is the longest list of facts, in entries, whose array is used again.
const opsKeep = 4096

// keep writes an entry of q to the store; the entry learns where, so that it can be withdrawn.
func (v *VHost) keep(lv *level, e *entry, transient bool) {
	m := e.msg
	op := Op{Kind: OpPut, Queue: lv.queue.id, Level: lv.number, Seq: e.seq, Expires: e.expires, Msg: m, Transient: transient}
	if m.id != 0 && !transient {
		op.Kind, op.Body = OpRef, m.id
		lv.stored.Shared = true
	}
	m.refs++
	e.batch, e.index = v.batch, uint32(len(v.ops))
	v.pressing = true
	v.ops = append(v.ops, op)
	v.touchMeta(lv) // with the next sequence number: one that is in the store must not be given out again
	if transient {
		e.transient = true
		return
	}
	m.stored++
	m.waiting++
	lv.stored.Count++
	lv.stored.Bytes += uint64(m.BodyLen())
}

// share prepares m to be written once for several entries. Its place in the list is before them.
func (v *VHost) share(m *Message) {
	m.id = v.newID()
	m.refs++
	v.ops = append(v.ops, Op{Kind: OpBody, Body: m.id, Msg: m})
}

// forget takes an entry out of the store, or out of the list when it was not yet taken.
func (v *VHost) forget(lv *level, e *entry) {
	if e.batch == 0 {
		return
	}
	m := e.msg
	if !e.transient {
		lv.stored.Count--
		lv.stored.Bytes -= uint64(m.BodyLen())
		v.touchMeta(lv)
	}
	if e.batch == v.batch {
		op := &v.ops[e.index]
		*op = Op{}
		if !e.transient {
			m.stored--
		}
		m.refs-- // the entry itself still holds it
		v.withdrawn++
	} else {
		if !lv.queue.deleted { // else OpGone has it
			v.ops = append(v.ops, Op{Kind: OpDrop, Queue: lv.queue.id, Level: lv.number, Seq: e.seq})
		}
		if e.counted && !lv.queue.deleted {
			v.ops = append(v.ops, Op{Kind: OpUncount, Queue: lv.queue.id, Level: lv.number, Seq: e.seq})
		}
		if m.shared && !e.transient && v.refs.drop(m.id) {
			v.ops = append(v.ops, Op{Kind: OpFree, Body: m.id})
		}
	}
	if !e.transient && e.batch > v.committed {
		v.early++
		v.settled(m)
	}
	e.batch = 0
}

// settled counts an entry of m that no longer needs a commit; with the last one the publisher gets its confirm.
func (v *VHost) settled(m *Message) {
	if m.waiting--; m.waiting == 0 && m.publisher != nil {
		m.publisher.confirmEarly(m.confirmID)
		m.publisher = nil
	}
}

func (v *VHost) touchMeta(lv *level) {
	if !lv.touched {
		lv.touched = true
		v.metas = append(v.metas, lv)
	}
}

// Defines counts the definitions written since the start; an answer that promises one must wait for the batch then being filled.
func (v *VHost) Defines() uint64 { return v.defines }

// define sets or, with a nil value, removes a definition.
func (v *VHost) define(key string, value wire.Table, remove bool) {
	if !v.durable {
		return
	}
	v.defines++
	v.urgent = true
	op := Op{Kind: OpDefine, Key: key}
	if !remove {
		op.Value = wire.AppendTable(nil, value)
	}
	v.ops = append(v.ops, op)
}

// refTable counts the entries that point at shared bodies, two bytes and a bit each: bodies get consecutive ids, so blocks of counters do.
type refTable struct {
	blocks map[uint64]*refBlock
}

const refBlockBits = 8

type refBlock struct {
	count [1 << refBlockBits]uint32
	live  int
}

func (r *refTable) set(id uint64, n int) {
	b := r.blocks[id>>refBlockBits]
	if b == nil {
		if r.blocks == nil {
			r.blocks = map[uint64]*refBlock{}
		}
		b = new(refBlock)
		r.blocks[id>>refBlockBits] = b
	}
	at := &b.count[id&(1<<refBlockBits-1)]
	if *at == 0 && n > 0 {
		b.live++
	}
	*at = uint32(n)
}

// add counts one more entry of id.
func (r *refTable) add(id uint64) {
	n := 0
	if b := r.blocks[id>>refBlockBits]; b != nil {
		n = int(b.count[id&(1<<refBlockBits-1)])
	}
	r.set(id, n+1)
}

// drop counts one entry less, and says whether it was the last.
func (r *refTable) drop(id uint64) bool {
	b := r.blocks[id>>refBlockBits]
	if b == nil {
		return false
	}
	at := &b.count[id&(1<<refBlockBits-1)]
	if *at == 0 {
		return false
	}
	if *at--; *at > 0 {
		return false
	}
	if b.live--; b.live == 0 {
		delete(r.blocks, id>>refBlockBits)
	}
	return true
}
