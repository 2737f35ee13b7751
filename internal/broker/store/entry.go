package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/cockroachdb/pebble/v2"

	"github.com/openintegrationhub/leat/internal/broker/core"
)

// Flags of an entry; in this order follow expiry (uvarint ms), epoch (uvarint), and the body's id (uvarint) or its record.
const (
	flagExpires   = 1
	flagTransient = 2
	flagRef       = 4
)

var (
	errDamaged = errors.New("malformed value")
	errMissing = errors.New("a part is missing")
	errLock    = syscall.EAGAIN
)

const (
	levelKeyLen = 10
	entryKeyLen = 18
)

func entryKey(b []byte, first byte, queue uint64, level uint8, seq uint64) []byte {
	b = binary.BigEndian.AppendUint64(append(b, first), queue)
	return binary.BigEndian.AppendUint64(append(b, level), seq)
}

func bodyKey(b []byte, id uint64) []byte { return binary.BigEndian.AppendUint64(append(b, 'm'), id) }

// add appends one fact to a batch.
func (s *Store) add(b *pebble.Batch, op *core.Op) error {
	var buf [entryKeyLen]byte
	switch op.Kind {
	case core.OpNone, core.OpBarrier:
		return nil
	case core.OpPut, core.OpRef:
		return s.put(b, op)
	case core.OpBody:
		d := b.SetDeferred(9, op.Msg.RecordLen())
		bodyKey(d.Key[:0], op.Body)
		op.Msg.AppendRecord(d.Value[:0])
		return d.Finish()
	case core.OpDrop:
		d := b.SingleDeleteDeferred(entryKeyLen)
		entryKey(d.Key[:0], 'e', op.Queue, op.Level, op.Seq)
		return d.Finish()
	case core.OpFree:
		return b.SingleDelete(bodyKey(buf[:0], op.Body), nil)
	case core.OpDropAll:
		for _, first := range []byte{'e', 'c'} {
			from, to := entryKey(nil, first, op.Queue, op.Level, op.From), entryKey(nil, first, op.Queue, op.Level, op.Seq)
			if err := b.DeleteRange(from, to, nil); err != nil {
				return err
			}
		}
		return nil
	case core.OpGone:
		return s.removeQueue(b, op.Queue)
	case core.OpMeta:
		key := binary.BigEndian.AppendUint64(append(buf[:0], 'n'), op.Queue)
		var value [64]byte
		return b.Set(append(key, op.Level), appendMeta(value[:0], op.Meta), nil)
	case core.OpCount:
		s.counts.Store(true)
		return b.Set(entryKey(buf[:0], 'c', op.Queue, op.Level, op.Seq), binary.BigEndian.AppendUint32(nil, op.Count), nil)
	case core.OpUncount:
		return b.Delete(entryKey(buf[:0], 'c', op.Queue, op.Level, op.Seq), nil)
	case core.OpDefine:
		key := append([]byte{'d'}, op.Key...)
		if op.Value == nil {
			return b.Delete(key, nil)
		}
		return b.Set(key, op.Value, nil)
	}
	return fmt.Errorf("unknown kind of fact %d", op.Kind)
}

func (s *Store) put(b *pebble.Batch, op *core.Op) error {
	var head [1 + 3*binary.MaxVarintLen64]byte
	h := append(head[:0], 0)
	if op.Expires != 0 {
		h[0] |= flagExpires
		h = binary.AppendUvarint(h, uint64(op.Expires))
	}
	if op.Transient {
		h[0] |= flagTransient
		h = binary.AppendUvarint(h, s.epoch)
	}
	size := len(h)
	if op.Kind == core.OpRef {
		h[0] |= flagRef
		h = binary.AppendUvarint(h, op.Body)
		size = len(h)
	} else {
		size += op.Msg.RecordLen()
	}
	d := b.SetDeferred(entryKeyLen, size)
	entryKey(d.Key[:0], 'e', op.Queue, op.Level, op.Seq)
	value := append(d.Value[:0], h...)
	if op.Kind == core.OpPut {
		op.Msg.AppendRecord(value)
	}
	return d.Finish()
}

// removeQueue deletes all that belongs to a queue.
func (s *Store) removeQueue(b *pebble.Batch, queue uint64) error {
	for _, first := range []byte{'e', 'c', 'n'} {
		from := binary.BigEndian.AppendUint64([]byte{first}, queue)
		to := binary.BigEndian.AppendUint64([]byte{first}, queue+1)
		if err := b.DeleteRange(from, to, nil); err != nil {
			return err
		}
	}
	return nil
}

func appendMeta(b []byte, m core.Meta) []byte {
	shared := uint64(0)
	if m.Shared {
		shared = 1
	}
	for _, n := range []uint64{m.Count, m.Bytes, shared, m.Head, m.Next, m.Delivered} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func parseMeta(b []byte) (m core.Meta, err error) {
	var n [6]uint64
	for i := range n {
		v, used := binary.Uvarint(b)
		if used <= 0 {
			return m, errDamaged
		}
		n[i], b = v, b[used:]
	}
	return core.Meta{Count: n[0], Bytes: n[1], Shared: n[2] != 0, Head: n[3], Next: n[4], Delivered: n[5]}, nil
}

// parseEntry reads an entry's value; Record aliases it.
func (s *Store) parseEntry(value []byte) (e core.Stored, err error) {
	if len(value) == 0 {
		return e, errDamaged
	}
	flags, rest := value[0], value[1:]
	number := func() uint64 {
		n, used := binary.Uvarint(rest)
		if used <= 0 {
			err = errDamaged
			return 0
		}
		rest = rest[used:]
		return n
	}
	if flags&flagExpires != 0 {
		e.Expires = int64(number())
	}
	if flags&flagTransient != 0 {
		e.Transient = true
		e.Stale = number() != s.epoch
	}
	if flags&flagRef != 0 {
		e.Body = number()
		return e, err
	}
	e.Record = rest
	return e, err
}
