package store_test

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/openintegrationhub/leat/internal/broker/core"
	"github.com/openintegrationhub/leat/internal/broker/store"
)

// fullFS is a disk that can be full.
type fullFS struct {
	vfs.FS
	full *atomic.Bool
}

func (f fullFS) wrap(file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return fullFile{file, f.full}, nil
}

func (f fullFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.wrap(f.FS.Create(name, c))
}

func (f fullFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.wrap(f.FS.ReuseForWrite(from, to, c))
}

type fullFile struct {
	vfs.File
	full *atomic.Bool
}

func (f fullFile) Write(p []byte) (int, error) {
	if f.full.Load() {
		return 0, syscall.ENOSPC
	}
	return f.File.Write(p)
}

func TestACommitOnAFullDiskWaitsForSpace(t *testing.T) {
	fs := fullFS{FS: vfs.NewCrashableMem(), full: new(atomic.Bool)}
	noticed, goOn := make(chan struct{}), make(chan struct{})
	s, err := store.Open(store.Options{Dir: "data", FS: fs, Logger: slog.New(slog.DiscardHandler), Full: func() {
		close(noticed)
		<-goOn
	}})
	if err != nil {
		t.Fatal(err)
	}
	define := func(key string) []core.Op {
		return []core.Op{{Kind: core.OpDefine, Key: key, Value: []byte{0, 0, 0, 0}}}
	}
	if err := s.Commit(define("before")); err != nil {
		t.Fatal(err)
	}
	fs.full.Store(true)
	done := make(chan error, 1)
	go func() { done <- s.Commit(define("during")) }()
	select {
	case <-noticed:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was told that the disk is full")
	}
	select {
	case err := <-done:
		t.Fatalf("the commit has ended (%v) on a full disk", err)
	default:
	}
	fs.full.Store(false)
	close(goOn)
	if err := errors.Join(<-done, s.Commit(define("after")), s.Close()); err != nil {
		t.Fatal(err)
	}
	again, err := store.Open(store.Options{Dir: "data", FS: fs, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if list, err := again.Definitions(); err != nil || len(list) != 3 {
		t.Errorf("found %d definitions, %v; want 3", len(list), err)
	}
}
