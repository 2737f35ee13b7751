package core

// reads is what the core wants from the store.
type reads struct {
	loads   []Load
	starved []*level // wait for a commit to read what isn't visible before
	sweeps  []sweep
}

// Load asks for entries of one level in order. Answer by Loaded.
type Load struct {
	Queue    uint64
	Level    uint8
	From     uint64 // first sequence number wanted
	To       uint64 // sweep: entries below; 0 for a read, which goes on to the end
	Messages int    // at most
	Bytes    int    // at most, but at least one message
	Sweep    bool   // only the shared bodies that entries point at are wanted

	lv    *level
	round uint64
	// settled is the batch that was being filled when the load was taken, if nothing was on its way to the store then, else 0.
	settled uint64
}

// sweep is a load that must wait for a batch.
type sweep struct {
	load  Load
	batch uint64
}

// Stored is an entry as the store has it.
type Stored struct {
	Seq       uint64
	Expires   int64
	Body      uint64 // id of the shared body, 0 when it's the entry's own
	Record    []byte // see Message.Record; may be used until Loaded returns
	Transient bool
	Stale     bool // transient and of an earlier start: to be removed
	Count     uint32
}

// Sizes of one read.
const (
	loadMessages = 2048
	loadBytes    = 2 << 20
)

// TakeLoads hands out what is to be read.
func (v *VHost) TakeLoads() []Load {
	l := v.loads
	v.loads = nil
	if v.quiet() {
		for i := range l {
			l[i].settled = v.batch
		}
	}
	return l
}

// quiet says that nothing is on its way to the store.
func (v *VHost) quiet() bool { return v.committed+1 >= v.batch && len(v.ops) == 0 }

// WantsLoad says whether TakeLoads has something.
func (v *VHost) WantsLoad() bool { return len(v.loads) > 0 }

// refill reads on when the window is half empty.
func (v *VHost) refill(lv *level) {
	if lv.window.len() < v.limits.WindowMessages/2 && lv.bytes < v.limits.WindowBytes/2 &&
		(v.bytes < v.limits.TotalBytes || lv.bytes < v.limits.WindowBytesMin) {
		v.fill(lv)
	}
}

// fill reads on.
func (v *VHost) fill(lv *level) {
	if lv.disk.reading || lv.disk.count == 0 || lv.queue.deleted {
		return
	}
	lv.disk.reading = true
	size := min(loadBytes, max(v.limits.WindowBytes/4, 1))
	if v.bytes > v.limits.TotalBytes {
		size = max(v.limits.WindowBytesMin, 1)
	}
	v.loads = append(v.loads, Load{
		Queue: lv.queue.id, Level: lv.number, From: lv.disk.from, Messages: min(loadMessages, max(v.limits.WindowMessages/2, 1)), Bytes: size,
		lv: lv, round: lv.disk.round,
	})
}

// Loaded takes the answer to l: entries in order.
func (v *VHost) Loaded(l Load, entries []Stored) error {
	if l.Sweep {
		v.swept(l, entries)
		return nil
	}
	lv := l.lv
	if l.round != lv.disk.round || lv.queue.deleted {
		return nil
	}
	lv.disk.reading = false
	for i := range entries {
		s := &entries[i]
		lv.disk.from = s.Seq + 1
		if s.Stale {
			v.ops = append(v.ops, Op{Kind: OpDrop, Queue: l.Queue, Level: l.Level, Seq: s.Seq})
			continue
		}
		m, err := v.loadMessage(s.Record)
		if err != nil {
			return err
		}
		m.id, m.shared, m.refs = s.Body, s.Body != 0, 1
		e := entry{msg: m, seq: s.Seq, expires: s.Expires, batch: longAgo, transient: s.Transient, count: s.Count, counted: s.Count > 0}
		e.redelivered = s.Seq < lv.delivered || s.Count > 0
		lv.disk.count--
		lv.disk.bytes -= m.BodyLen()
		if !s.Transient {
			lv.disk.kept--
			lv.disk.keptBytes -= m.BodyLen()
		}
		lv.bytes += m.BodyLen()
		lv.window.pushBack(e)
	}
	if len(entries) == 0 && lv.disk.count > 0 {
		v.missed(lv, l)
	}
	v.touch(lv.queue)
	return nil
}

// missed says what comes after a load that found nothing although messages are counted.
func (v *VHost) missed(lv *level, l Load) {
	switch {
	case !v.quiet():
		v.starved = append(v.starved, lv)
	case l.settled == v.batch:
		// Nothing was on its way when the store was read, nothing has come since, and nothing is there: what was counted has been lost to
		// an earlier fault.
		lv.forgetDisk()
	default:
		// A commit has ended since the store was read: what it wrote is there by now.
		v.fill(lv)
	}
}

// feed reads again for levels that found nothing before.
func (v *VHost) feed() {
	starved := v.starved
	v.starved = nil
	for _, lv := range starved {
		v.fill(lv)
	}
}

// dropDisk forgets what a level has in the store only.
func (v *VHost) dropDisk(lv *level) {
	if lv.disk.count == 0 {
		return
	}
	l := Load{Queue: lv.queue.id, Level: lv.number, From: lv.disk.from, To: lv.next, Sweep: true, lv: lv}
	if lv.stored.Shared {
		v.sweeps = append(v.sweeps, sweep{l, v.batch})
	} else {
		v.dropRange(l)
	}
	lv.forgetDisk()
	lv.disk.reading = false
	lv.disk.round++
	v.touchMeta(lv)
}

// forgetDisk sets the counts to what they are without the part that is in the store only.
func (lv *level) forgetDisk() {
	lv.stored.Count -= uint64(lv.disk.kept)
	lv.stored.Bytes -= uint64(lv.disk.keptBytes)
	lv.disk.count, lv.disk.bytes, lv.disk.kept, lv.disk.keptBytes = 0, 0, 0, 0
}

func (v *VHost) dropRange(l Load) {
	v.ops = append(v.ops, Op{Kind: OpDropAll, Queue: l.Queue, Level: l.Level, From: l.From, Seq: l.To})
}

// swept frees the shared bodies that a dropped range was the last to point at, then drops the range.
func (v *VHost) swept(l Load, entries []Stored) {
	for i := range entries {
		if id := entries[i].Body; id != 0 && v.refs.drop(id) {
			v.ops = append(v.ops, Op{Kind: OpFree, Body: id})
		}
	}
	v.dropRange(l)
	if l.lv.queue.deleted {
		v.ops = append(v.ops, Op{Kind: OpGone, Queue: l.Queue})
	}
}

// startSweeps lets those sweeps begin whose entries are all on disk.
func (v *VHost) startSweeps() {
	rest := v.sweeps[:0]
	for _, s := range v.sweeps {
		if s.batch <= v.committed {
			v.loads = append(v.loads, s.load)
		} else {
			rest = append(rest, s)
		}
	}
	v.sweeps = rest
}

// Reading says whether a read or a commit that somebody may wait for is under way.
func (v *VHost) Reading() bool {
	if len(v.starved) > 0 || len(v.loads) > 0 {
		return true
	}
	for _, q := range v.queues {
		for i := range q.levels {
			if q.levels[i].disk.reading {
				return true
			}
		}
	}
	return false
}
