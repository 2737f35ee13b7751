package core

// confirms is what a channel in confirm mode still owes its publisher, in the order of publishing.
type confirms struct {
	confirming   bool
	pending      deque[pending]
	confirmBase  uint64 // sequence number of the first pending one
	confirmDirty bool   // is in the virtual host's list of channels with confirms to send
	confirmWaits bool   // is in its list of those that wait for a commit
}

type pending struct {
	batch uint64 // confirmed when this batch is committed, 0 when nothing must be
	nack  bool
}

// Confirm puts the channel in confirm mode (RabbitMQ's confirm.select).
func (ch *Channel) Confirm() *Error {
	if ch.transactional {
		return Errorf(CodePreconditionFailed, "cannot switch from tx to confirm mode")
	}
	if !ch.confirming {
		ch.confirming = true
		ch.confirmBase = 1
	}
	return nil
}

// Confirming says whether the channel is in confirm mode.
func (ch *Channel) Confirming() bool { return ch.confirming }

// nextConfirm is the sequence number of the next publish.
func (ch *Channel) nextConfirm() uint64 { return ch.confirmBase + uint64(ch.pending.len()) }

func (ch *Channel) owe(p pending) {
	ch.pending.pushBack(p)
	ch.confirmSoon()
	if p.batch != 0 {
		ch.awaitCommit()
	}
}

func (ch *Channel) awaitCommit() {
	if !ch.confirmWaits && ch.pending.len() > 0 && !ch.closed {
		ch.confirmWaits = true
		ch.conn.vhost.waiting = append(ch.conn.vhost.waiting, ch)
	}
}

func (ch *Channel) confirmSoon() {
	if !ch.confirmDirty {
		ch.confirmDirty = true
		ch.conn.vhost.acked = append(ch.conn.vhost.acked, ch)
	}
}

// confirmEarly marks a publish whose message needs no commit any more: all consumers are done with it.
func (ch *Channel) confirmEarly(id uint64) {
	if i := id - ch.confirmBase; id >= ch.confirmBase && i < uint64(ch.pending.len()) {
		ch.pending.at(int(i)).batch = 0
		ch.confirmSoon()
	}
}

// flushConfirms sends what is due from the front on, a run of acks as one.
func (ch *Channel) flushConfirms() {
	if ch.closed {
		return
	}
	v, sink := ch.conn.vhost, ch.conn.sink
	acks := 0
	send := func() {
		if acks > 0 {
			sink.Confirm(ch.id, ch.confirmBase-1, acks > 1, false)
			acks = 0
		}
	}
	for ch.pending.len() > 0 && ch.pending.at(0).batch <= v.committed {
		p := ch.pending.popFront()
		if p.nack {
			send()
			sink.Confirm(ch.id, ch.confirmBase, false, true)
			ch.confirmBase++
			continue
		}
		ch.confirmBase++
		v.Confirmed++
		acks++
	}
	send()
}
