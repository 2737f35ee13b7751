package core

// transaction is what a channel in tx mode holds back until commit.
type transaction struct {
	transactional bool
	publishes     []txPublish
	settles       []txSettle
}

type txPublish struct {
	msg       *Message
	mandatory bool
}

type txSettle struct {
	tag     uint64
	ack     bool
	requeue bool
}

// TxSelect puts the channel in tx mode.
func (ch *Channel) TxSelect() *Error {
	if ch.confirming {
		return Errorf(CodePreconditionFailed, "cannot switch from confirm to tx mode")
	}
	ch.transactional = true
	return nil
}

func notTransactional() *Error { return Errorf(CodePreconditionFailed, "channel is not transactional") }

// TxCommit does what was held back. durable says that the answer must wait for the batch being filled.
func (ch *Channel) TxCommit() (durable bool, err *Error) {
	if !ch.transactional {
		return false, notTransactional()
	}
	v := ch.conn.vhost
	tx := ch.transaction
	ch.transaction = transaction{}
	defer func() { ch.transactional = true }()
	for _, p := range tx.publishes {
		if refused := ch.Publish(p.msg, p.mandatory); refused != nil && err == nil {
			err = refused
		}
	}
	ch.unmark(tx.settles)
	for _, s := range tx.settles {
		if s.ack {
			_ = ch.Ack(s.tag, false) // it was there when it was held back
		} else {
			_ = ch.Nack(s.tag, false, s.requeue)
		}
	}
	if durable = v.Pending(); durable {
		v.Barrier()
	}
	return durable, err
}

// TxRollback drops what was held back: messages are not published, deliveries are unacknowledged as before.
func (ch *Channel) TxRollback() *Error {
	if !ch.transactional {
		return notTransactional()
	}
	for _, p := range ch.publishes {
		ch.conn.vhost.Discard(p.msg)
	}
	ch.unmark(ch.settles)
	ch.transaction = transaction{transactional: true}
	return nil
}

// txPublish holds a message back until commit.
func (ch *Channel) txPublish(m *Message, mandatory bool) *Error {
	if _, err := ch.admit(m); err != nil {
		ch.conn.vhost.Discard(m)
		return err
	}
	ch.publishes = append(ch.publishes, txPublish{m, mandatory})
	return nil
}

// txSettle holds an ack or nack back until commit; the deliveries can't be settled twice meanwhile.
func (ch *Channel) txSettle(tag uint64, multiple, ack, requeue bool) *Error {
	return ch.settleBy(tag, multiple, false, func(h *held) {
		h.inTx = true
		ch.settles = append(ch.settles, txSettle{h.tag, ack, requeue})
	})
}

// unmark lets deliveries be settled again.
func (ch *Channel) unmark(settles []txSettle) {
	if len(settles) == 0 {
		return
	}
	for i := range ch.unacked.len() {
		ch.unacked.at(i).inTx = false
	}
}

// Barrier makes the batch being filled one that is written, so that Committed will be called with its number.
func (v *VHost) Barrier() {
	v.ops = append(v.ops, Op{Kind: OpBarrier})
	v.urgent = true
}
