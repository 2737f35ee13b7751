// Package store keeps a broker's definitions and messages on disk, in pebble. It writes what core hands out, atomically and in
// order, and reads messages back; what they mean is core's business.
//
// Keys, integers big-endian:
//
//	b                            number of the last start
//	s                            number of batches written; see anchor.go
//	d KEY                        definition
//	e QUEUE(8) LEVEL(1) SEQ(8)   entry: flags, then what they announce; see entry.go
//	m BODY(8)                    body shared by several entries
//	n QUEUE(8) LEVEL(1)          counts of one level
//	c QUEUE(8) LEVEL(1) SEQ(8)   how often an entry came back
package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/openintegrationhub/leat/internal/broker/core"
)

// Options say where and how to keep data.
type Options struct {
	Dir    string
	Logger *slog.Logger
	FS     vfs.FS // nil is the machine's
	// Full is called when the disk is full, and must not return before a write is worth another try. Nil gives up at once.
	Full func()
}

// Store is an open data folder. Commit must not be called concurrently with itself; all else may be.
type Store struct {
	db     *pebble.DB
	dir    string
	epoch  uint64
	lastID atomic.Uint64

	batches uint64        // written; Commit's alone
	written uint64        // bytes of batches since the start; Commit's alone
	synced  atomic.Uint64 // of them, how many are on disk
	anchor  *anchor
	counts  atomic.Bool // there are delivery counts to look for
}

// ErrLocked is returned by Open when another broker, in this process or another, has the folder.
var ErrLocked = errors.New("data folder is in use by another broker")

// Sizes in bytes. The cache is small as queues are read once, in order; memtables start at 256 KiB and double up to the maximum.
const (
	cacheSize    = 8 << 20
	memTableSize = 16 << 20
)

// Open opens the folder, and makes it when it isn't there.
func Open(o Options) (*Store, error) {
	fs := o.FS
	if fs == nil {
		fs = vfs.Default
	}
	if err := fs.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open data folder %s: %w", o.Dir, err)
	}
	plain := fs
	if err := checkMarkers(fs, o.Dir); err != nil {
		return nil, openError(o.Dir, err)
	}
	if o.Full != nil {
		fs = vfs.OnDiskFull(fs, o.Full)
	}
	log := &logger{o.Logger}
	opts := &pebble.Options{
		FS:                          fs,
		Logger:                      log,
		CacheSize:                   cacheSize,
		MemTableSize:                memTableSize,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       1000,
		LBaseMaxBytes:               64 << 20,
		MaxOpenFiles:                512,
		FormatMajorVersion:          pebble.FormatNewest,
		DisableTableStats:           true,
	}
	opts.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	opts.EventListener = &pebble.EventListener{BackgroundError: log.background, DataCorruption: log.corruption}
	db, err := pebble.Open(o.Dir, opts)
	if err != nil {
		return nil, openError(o.Dir, err)
	}
	s := &Store{db: db, dir: o.Dir}
	if s.anchor, err = openAnchor(plain, o.Dir); err != nil {
		return nil, errors.Join(openError(o.Dir, err), db.Close())
	}
	if err := s.start(); err != nil {
		return nil, errors.Join(openError(o.Dir, err), s.anchor.file.Close(), db.Close())
	}
	return s, nil
}

// openError says what is wrong with the folder and what a person can do.
func openError(dir string, err error) error {
	switch {
	case errors.Is(err, errLock), strings.Contains(err.Error(), "lock held by current process"):
		return fmt.Errorf("open data folder %s: %w", dir, ErrLocked)
	case pebble.IsCorruptionError(err), errors.Is(err, os.ErrNotExist), errors.Is(err, errDamaged), errors.Is(err, errMissing), errors.Is(err, pebble.ErrDBNotPristine),
		strings.Contains(err.Error(), "object size mismatch"):
		return fmt.Errorf("open data folder %s: the store is damaged: %w; restore the folder from a backup, or move it away to start with an empty one",
			filepath.Clean(dir), err)
	}
	return fmt.Errorf("open data folder %s: %w", dir, err)
}

// start counts this start, durably, so that ids made in it are new.
func (s *Store) start() error {
	if err := s.countBatches(); err != nil {
		return err
	}
	value, closer, err := s.db.Get([]byte{'b'})
	switch {
	case err == nil:
		s.epoch = binary.BigEndian.Uint64(value)
		if err := closer.Close(); err != nil {
			return err
		}
	case !errors.Is(err, pebble.ErrNotFound):
		return err
	}
	s.epoch++
	b := s.db.NewBatch()
	if err := b.Set([]byte{'b'}, binary.BigEndian.AppendUint64(nil, s.epoch), nil); err != nil {
		return errors.Join(err, b.Close())
	}
	if err := s.sync(b); err != nil {
		return err
	}
	if err := s.Anchor(); err != nil {
		return err
	}
	found, err := s.any('c')
	s.counts.Store(found)
	return err
}

// NewID makes an id that was never made before on this store.
func (s *Store) NewID() uint64 { return s.epoch<<40 | s.lastID.Add(1) }

// Close closes the store. No Commit may be under way.
func (s *Store) Close() error { return errors.Join(s.Anchor(), s.anchor.file.Close(), s.db.Close()) }

// Commit writes facts, all or none of them, and returns when they are on disk. lists are applied one behind the other.
func (s *Store) Commit(lists ...[]core.Op) error {
	b := s.db.NewBatch()
	for _, ops := range lists {
		for i := range ops {
			if err := s.add(b, &ops[i]); err != nil {
				return errors.Join(fmt.Errorf("prepare batch: %w", err), b.Close())
			}
		}
	}
	if err := s.sync(b); err != nil {
		return fmt.Errorf("commit batch: %w", err)
	}
	return nil
}

// sync commits a batch with its number in it, and closes it.
func (s *Store) sync(b *pebble.Batch) error {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], s.batches+1)
	if err := b.Set(batchesKey, n[:], nil); err != nil {
		return errors.Join(err, b.Close())
	}
	s.written += uint64(b.Len())
	if err := b.Commit(pebble.Sync); err != nil {
		return err
	}
	s.batches++
	s.synced.Store(s.batches)
	return b.Close()
}

// Written is how many bytes were committed since the start. It may be called where Commit may.
func (s *Store) Written() uint64 { return s.written }

// Definition is a definition as Define wrote it.
type Definition struct {
	Key   string
	Value []byte
}

// Definitions reads all definitions, in the order of their keys.
func (s *Store) Definitions() (list []Definition, err error) {
	err = s.each(pebble.IterOptions{LowerBound: []byte{'d'}, UpperBound: []byte{'d' + 1}}, func(key, value []byte) error {
		list = append(list, Definition{Key: string(key[1:]), Value: append([]byte(nil), value...)})
		return nil
	})
	return list, s.explain(err)
}

// explain adds the folder and what to do to an error of reading.
func (s *Store) explain(err error) error {
	if err == nil {
		return nil
	}
	return openError(s.dir, err)
}

// Metas reads the counts of all levels, by queue and level.
func (s *Store) Metas() (map[uint64]map[uint8]core.Meta, error) {
	metas := map[uint64]map[uint8]core.Meta{}
	err := s.each(pebble.IterOptions{LowerBound: []byte{'n'}, UpperBound: []byte{'n' + 1}}, func(key, value []byte) error {
		meta, err := parseMeta(value)
		if err != nil || len(key) != 10 {
			return fmt.Errorf("read counts of key %x: %w", key, errDamaged)
		}
		queue := binary.BigEndian.Uint64(key[1:])
		if metas[queue] == nil {
			metas[queue] = map[uint8]core.Meta{}
		}
		metas[queue][key[9]] = meta
		return nil
	})
	return metas, s.explain(err)
}

// each calls f for every key in bounds; key and value are valid during the call.
func (s *Store) each(o pebble.IterOptions, f func(key, value []byte) error) error {
	it, err := s.db.NewIter(&o)
	if err != nil {
		return err
	}
	for valid := it.First(); valid; valid = it.Next() {
		value, err := it.ValueAndErr()
		if err == nil {
			err = f(it.Key(), value)
		}
		if err != nil {
			return errors.Join(err, it.Close())
		}
	}
	return it.Close()
}

// any says whether a key with this first byte exists.
func (s *Store) any(first byte) (bool, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{first}, UpperBound: []byte{first + 1}})
	if err != nil {
		return false, err
	}
	found := it.First()
	return found, it.Close()
}

// logger passes pebble's log on. Its infos are too many for anyone.
type logger struct{ log *slog.Logger }

func (l *logger) Infof(string, ...any) {}

func (l *logger) Errorf(format string, args ...any) {
	l.log.Error("store error", "err", fmt.Sprintf(format, args...))
}

// Fatalf must not return: what pebble says here is that going on would lose data.
func (l *logger) Fatalf(format string, args ...any) {
	panic("store: " + fmt.Sprintf(format, args...))
}

func (l *logger) corruption(i pebble.DataCorruptionInfo) {
	l.log.Error("store is damaged: stop, and restore the data folder from a backup", "file", i.Path, "err", i.Details)
}

func (l *logger) background(err error) {
	l.log.Error("store works in background with errors", "err", err)
}
