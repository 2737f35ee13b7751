package server

import (
	"errors"
	"sync"
	"time"

	"github.com/openintegrationhub/leat/internal/broker/core"
)

// Space is a virtual host that many connections use at once. All access goes through Do or a lock-unlock pair, which lets what was
// started come to its end, then wakes those it concerns.
type Space struct {
	VHost *core.VHost
	wake  func(write, read bool) // there is something to write or to read
	cond  *sync.Cond
	err   error // the store has failed
	dirty []*conn
	timer *time.Timer
	due   int64 // what timer is set to
	gone  bool
}

// NewSpace makes a Space. wake must not block; it's told whether VHost.Pending and whether VHost.WantsLoad.
func NewSpace(v *core.VHost, wake func(write, read bool)) *Space {
	sp := &Space{VHost: v, wake: wake}
	sp.cond = sync.NewCond(&v.Mu)
	return sp
}

// Do calls f while the virtual host is locked.
func (sp *Space) Do(f func(*core.VHost)) {
	sp.lock()
	f(sp.VHost)
	sp.unlock()
}

func (sp *Space) lock() {
	sp.VHost.Mu.Lock()
	sp.VHost.SetNow(time.Now().UnixMilli())
}

func (sp *Space) unlock() {
	v := sp.VHost
	v.Flush()
	write, read := v.Pending(), v.WantsLoad()
	sp.arm()
	var few [4]*conn
	dirty := append(few[:0], sp.dirty...)
	for _, c := range sp.dirty {
		c.dirty = false
	}
	clear(sp.dirty)
	sp.dirty = sp.dirty[:0]
	v.Mu.Unlock()
	for _, c := range dirty {
		c.out.flush()
	}
	if write || read {
		sp.wake(write, read)
	}
}

// arm sets the timer to what is due next.
func (sp *Space) arm() {
	due := sp.VHost.Due()
	if due == 0 || sp.gone || sp.due != 0 && sp.due <= due {
		return
	}
	sp.due = due
	wait := time.Until(time.UnixMilli(due))
	if sp.timer == nil {
		sp.timer = time.AfterFunc(wait, sp.tick)
		return
	}
	sp.timer.Reset(wait)
}

func (sp *Space) tick() {
	sp.lock()
	sp.due = 0
	if !sp.gone {
		sp.VHost.Tick()
	}
	sp.unlock()
}

// Notify tells those who wait for a commit or a read. The caller holds the lock; err says that nothing will be committed any more.
func (sp *Space) Notify(err error) {
	if err != nil {
		sp.err = err
	}
	sp.cond.Broadcast()
}

// Stop ends timers and waits.
func (sp *Space) Stop() {
	sp.VHost.Mu.Lock()
	defer sp.VHost.Mu.Unlock()
	sp.gone = true
	if sp.err == nil {
		sp.err = errStopped
	}
	if sp.timer != nil {
		sp.timer.Stop()
	}
	sp.cond.Broadcast()
}

var errStopped = errors.New("virtual host is gone")

// Await blocks until batch is on disk.
func (sp *Space) Await(batch uint64) error {
	sp.VHost.Mu.Lock()
	defer sp.VHost.Mu.Unlock()
	for sp.VHost.CommittedBatch() < batch && sp.err == nil {
		sp.cond.Wait()
	}
	return sp.err
}

// awaitChange blocks until something was committed or read.
func (sp *Space) awaitChange() error {
	sp.VHost.Mu.Lock()
	defer sp.VHost.Mu.Unlock()
	if sp.err == nil && (sp.VHost.WantsLoad() || sp.VHost.Reading()) {
		sp.cond.Wait()
	}
	return sp.err
}
