package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// anchorName is a file beside pebble's that says how many batches had been synced at some moment: 8 octets and their CRC-32C.
// Pebble takes a log that ends early for one whose last write was torn. If what it finds is less than what the anchor says, the log, or
// all of it, was damaged or lost.
const anchorName = "anchor"

// The key whose value is how many batches were written, in 8 octets. Each batch sets it.
var batchesKey = []byte{'s'}

type anchor struct {
	file    vfs.File
	written uint64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openAnchor opens the folder's anchor, and makes it when there's none: in a new folder, or one of a version before.
func openAnchor(fs vfs.FS, dir string) (*anchor, error) {
	path := fs.PathJoin(dir, anchorName)
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if errors.Is(err, os.ErrNotExist) {
		if f, err = fs.Create(path, vfs.WriteCategoryUnspecified); err == nil {
			return &anchor{file: f}, nil
		}
	}
	if err != nil {
		return nil, err
	}
	var record [12]byte
	n, err := f.ReadAt(record[:], 0)
	switch {
	case n == 0 && errors.Is(err, io.EOF): // the first start ended before it was written
		return &anchor{file: f}, nil
	case n < len(record), crc32.Checksum(record[:8], castagnoli) != binary.BigEndian.Uint32(record[8:]):
		return nil, errors.Join(fmt.Errorf("file %s: %w", anchorName, errDamaged), f.Close())
	}
	return &anchor{f, binary.BigEndian.Uint64(record[:8])}, nil
}

// write makes the anchor say n, durably.
func (a *anchor) write(n uint64) error {
	if n == a.written {
		return nil
	}
	record := binary.BigEndian.AppendUint64(nil, n)
	record = binary.BigEndian.AppendUint32(record, crc32.Checksum(record, castagnoli))
	if _, err := a.file.WriteAt(record, 0); err != nil {
		return err
	}
	if err := a.file.Sync(); err != nil {
		return err
	}
	a.written = n
	return nil
}

// countBatches reads how many batches are there, and compares that with the anchor.
func (s *Store) countBatches() error {
	value, closer, err := s.db.Get(batchesKey)
	if err == nil {
		s.batches = binary.BigEndian.Uint64(value)
		err = closer.Close()
	}
	if err != nil && !errors.Is(err, pebble.ErrNotFound) {
		return err
	}
	if s.batches < s.anchor.written {
		return fmt.Errorf("%w: the log (*.log) ends at write %d, and %d had been made", errMissing, s.batches, s.anchor.written)
	}
	return nil
}

// Anchor notes durably how far the store has come, so that a later start can tell if something is missing. It may be called while Commit is
// under way, but not concurrently with itself.
func (s *Store) Anchor() error {
	if err := s.anchor.write(s.synced.Load()); err != nil {
		return fmt.Errorf("write %s in data folder %s: %w", anchorName, s.dir, err)
	}
	return nil
}

// checkMarkers refuses a folder that has a store's files without those that say which of them count: pebble would start with nothing.
func checkMarkers(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return err
	}
	tables, marker := false, false
	for _, name := range names {
		tables = tables || strings.HasPrefix(name, "MANIFEST-") || strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".log")
		marker = marker || strings.HasPrefix(name, "marker.manifest.")
	}
	if tables && !marker {
		return fmt.Errorf("%w: file marker.manifest.*", errMissing)
	}
	return nil
}
