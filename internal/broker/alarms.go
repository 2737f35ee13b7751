package broker

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// alarms are the reasons to block publishers that hold at the moment.
type alarms struct {
	mu     sync.Mutex // guards what follows
	memory bool
	disk   bool
	forced bool // by SetMemoryAlarm
}

// watchEvery is how often memory and disk are looked at.
const watchEvery = time.Second

// watch is the goroutine that looks at memory and disk.
func (b *Broker) watch() {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		b.look()
		if b.store != nil {
			if err := b.store.Anchor(); err != nil {
				b.opts.Logger.Error("store can't be anchored", "err", err)
			}
		}
		select {
		case <-ticker.C:
		case <-b.stop:
			return
		}
	}
}

func (b *Broker) look() {
	memory, disk := b.short(), b.diskShort()
	b.alarm(func(a *alarms) { a.memory, a.disk = memory, disk })
}

func (b *Broker) diskShort() bool {
	if b.store == nil || b.opts.DiskFree == 0 {
		return false
	}
	free, err := diskFree(b.opts.Dir)
	return err == nil && free < b.opts.DiskFree
}

// lookAtDisk looks at the disk when a good part of what must be free was written since the last time: a quick disk may be full before watch
// looks again. The committer calls it.
func (b *Broker) lookAtDisk() {
	written := b.store.Written()
	if b.opts.DiskFree == 0 || written-b.lookedAt < b.opts.DiskFree/4 {
		return
	}
	b.lookedAt = written
	disk := b.diskShort()
	b.alarm(func(a *alarms) { a.disk = disk })
}

// short says whether memory is. What is garbage doesn't count, but it takes a collection to know, which isn't made at every look.
func (b *Broker) short() bool {
	high := b.opts.MemoryHigh
	if high == 0 || memoryUsed() <= high {
		b.looks = 0
		return false
	}
	if b.looks++; b.looks%collectEvery != 1 {
		return true
	}
	debug.FreeOSMemory()
	return memoryUsed() > high
}

// collectEvery is how many looks pass between collections while memory is short.
const collectEvery = 5

// alarm changes the reasons and tells the server.
func (b *Broker) alarm(change func(*alarms)) {
	a := &b.alarms
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.reason()
	change(a)
	if now := a.reason(); now != before {
		if now != "" {
			b.opts.Logger.Warn("publishers are blocked", "reason", now)
		} else {
			b.opts.Logger.Info("publishers go on")
		}
		b.server.SetAlarm(now)
	}
}

// reason is in RabbitMQ's words.
func (a *alarms) reason() string {
	memory := a.memory || a.forced
	switch {
	case memory && a.disk:
		return "low on memory & disk"
	case memory:
		return "low on memory"
	case a.disk:
		return "low on disk"
	}
	return ""
}

// SetMemoryAlarm blocks publishers as if memory were short, or lets them go on: for tests.
func (b *Broker) SetMemoryAlarm(on bool) { b.alarm(func(a *alarms) { a.forced = on }) }

// diskFull is called by the store when a write found no space. It returns when there is some again.
func (b *Broker) diskFull() {
	b.full.Store(true)
	defer b.full.Store(false)
	b.opts.Logger.Error("disk is full, writes wait for space", "dir", b.opts.Dir)
	b.alarm(func(a *alarms) { a.disk = true })
	ticker := time.NewTicker(watchEvery / 5)
	defer ticker.Stop()
	for range ticker.C {
		if free, err := diskFree(b.opts.Dir); err != nil || free > max(b.opts.DiskFree, fullMargin) {
			return
		}
	}
}

// fullMargin is how many bytes must be free before a write that failed is tried again.
const fullMargin = 1 << 20

// memoryUsed is how many bytes the process has from the system.
func memoryUsed() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}
