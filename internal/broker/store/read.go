package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/openintegrationhub/leat/internal/broker/core"
)

// Load reads what l asks for.
func (s *Store) Load(l core.Load) (list []core.Stored, err error) {
	to := entryKey(nil, 'e', l.Queue, l.Level, l.To)
	if !l.Sweep {
		to = binary.BigEndian.AppendUint64([]byte{'e'}, l.Queue)
		if l.Level == 255 {
			to = binary.BigEndian.AppendUint64([]byte{'e'}, l.Queue+1)
		} else {
			to = append(to, l.Level+1)
		}
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: entryKey(nil, 'e', l.Queue, l.Level, l.From), UpperBound: to})
	if err != nil {
		return nil, fmt.Errorf("read queue: %w", err)
	}
	bytes := 0
	for valid := it.First(); valid; valid = it.Next() {
		if !l.Sweep && (len(list) >= l.Messages || bytes >= l.Bytes) {
			break
		}
		e, err := s.readEntry(it, l.Sweep)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("read queue: key %x: %w", it.Key(), err), it.Close())
		}
		if l.Sweep && e.Body == 0 {
			continue
		}
		bytes += len(e.Record)
		list = append(list, e)
	}
	if err := it.Close(); err != nil {
		return nil, fmt.Errorf("read queue: %w", err)
	}
	if !l.Sweep && len(list) > 0 && s.counts.Load() {
		err = s.addCounts(l, list)
	}
	return list, err
}

// readEntry reads the entry the iterator stands on, with its body; of a sweep only the body's id.
func (s *Store) readEntry(it *pebble.Iterator, sweep bool) (core.Stored, error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return core.Stored{}, err
	}
	e, err := s.parseEntry(value)
	if err != nil {
		return e, err
	}
	e.Seq = binary.BigEndian.Uint64(it.Key()[levelKeyLen:])
	switch {
	case sweep || e.Stale:
		e.Record = nil
	case e.Body != 0:
		record, closer, err := s.db.Get(bodyKey(nil, e.Body))
		if err != nil {
			return e, fmt.Errorf("shared body %x: %w", e.Body, err)
		}
		e.Record = append([]byte(nil), record...)
		return e, closer.Close()
	default:
		e.Record = append([]byte(nil), e.Record...)
	}
	return e, nil
}

// addCounts adds the delivery counts to the entries that have one.
func (s *Store) addCounts(l core.Load, list []core.Stored) error {
	from := entryKey(nil, 'c', l.Queue, l.Level, list[0].Seq)
	to := entryKey(nil, 'c', l.Queue, l.Level, list[len(list)-1].Seq+1)
	i := 0
	return s.each(pebble.IterOptions{LowerBound: from, UpperBound: to}, func(key, value []byte) error {
		seq := binary.BigEndian.Uint64(key[levelKeyLen:])
		for i < len(list) && list[i].Seq < seq {
			i++
		}
		if i < len(list) && list[i].Seq == seq && len(value) == 4 {
			list[i].Count = binary.BigEndian.Uint32(value)
		}
		return nil
	})
}

// Refs calls f with the id of each shared body that an entry of a queue points at.
func (s *Store) Refs(queue uint64, f func(id uint64)) error {
	o := pebble.IterOptions{
		LowerBound: binary.BigEndian.AppendUint64([]byte{'e'}, queue),
		UpperBound: binary.BigEndian.AppendUint64([]byte{'e'}, queue+1),
	}
	return s.explain(s.each(o, func(key, value []byte) error {
		e, err := s.parseEntry(value)
		if err != nil {
			return fmt.Errorf("read queue: key %x: %w", key, err)
		}
		if e.Body != 0 {
			f(e.Body)
		}
		return nil
	}))
}

// Clean removes what belongs to no known queue, and shared bodies that nothing points at: the rest of what was not durable.
func (s *Store) Clean(known func(queue uint64) bool, pointedAt func(body uint64) bool) error {
	b := s.db.NewBatch()
	for _, first := range []byte{'e', 'n', 'c'} {
		if err := s.cleanQueues(b, first, known); err != nil {
			return errors.Join(s.explain(err), b.Close())
		}
	}
	err := s.each(pebble.IterOptions{LowerBound: []byte{'m'}, UpperBound: []byte{'m' + 1}}, func(key, _ []byte) error {
		if pointedAt(binary.BigEndian.Uint64(key[1:])) {
			return nil
		}
		return b.Delete(key, nil)
	})
	if err != nil {
		return errors.Join(s.explain(err), b.Close())
	}
	if b.Empty() {
		return b.Close()
	}
	return b.Commit(pebble.NoSync)
}

// cleanQueues hops from queue to queue through the keys with one first byte.
func (s *Store) cleanQueues(b *pebble.Batch, first byte, known func(queue uint64) bool) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{first}, UpperBound: []byte{first + 1}})
	if err != nil {
		return err
	}
	for valid := it.First(); valid; {
		if len(it.Key()) < 9 {
			return errors.Join(fmt.Errorf("key %x: %w", it.Key(), errDamaged), it.Close())
		}
		queue := binary.BigEndian.Uint64(it.Key()[1:])
		if !known(queue) {
			if err := s.removeQueue(b, queue); err != nil {
				return errors.Join(err, it.Close())
			}
		}
		valid = it.SeekGE(binary.BigEndian.AppendUint64([]byte{first}, queue+1))
	}
	return it.Close()
}

// Keys counts the keys that begin with one of the given octets: for tests.
func (s *Store) Keys(first string) (n int) {
	for i := range len(first) {
		o := pebble.IterOptions{LowerBound: []byte{first[i]}, UpperBound: []byte{first[i] + 1}}
		if s.each(o, func(_, _ []byte) error { n++; return nil }) != nil {
			return -1
		}
	}
	return n
}

// Flush moves what is in memory to tables on disk.
func (s *Store) Flush() error { return s.db.Flush() }
