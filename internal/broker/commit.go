package broker

import (
	"errors"
	"time"

	"github.com/openintegrationhub/leat/internal/broker/core"
	"github.com/openintegrationhub/leat/internal/broker/server"
)

// wake starts the goroutines that write and read. It never blocks.
func (b *Broker) wake(write, read bool) {
	if write {
		select {
		case b.commits <- struct{}{}:
		default:
		}
	}
	if read {
		select {
		case b.loads <- struct{}{}:
		default:
		}
	}
}

// taken is what one virtual host gave to a commit.
type taken struct {
	space *server.Space
	ops   []core.Op
	batch uint64
}

// commit is the goroutine that writes: all that has come together while the last batch was being synced is the next one.
func (b *Broker) commit() {
	for {
		select {
		case <-b.commits:
			b.commitAll(false)
		case w := <-b.writes:
			b.commitAll(false) // what it may refer to comes first
			b.commitWrites(w)
		case <-b.stop:
			b.commitAll(true)
			return
		}
	}
}

// commitWrites writes w and the others that wait by now, as one.
func (b *Broker) commitWrites(w write) {
	group, lists := []write{w}, [][]core.Op{w.ops}
	for {
		select {
		case w := <-b.writes:
			group, lists = append(group, w), append(lists, w.ops)
			continue
		default:
		}
		break
	}
	err := b.commitOps(lists...)
	for _, w := range group {
		w.done <- err
	}
}

// lingerTime is how long facts are gathered when consumers are quick: less than syncing takes on most disks. lazyTime is how long
// acknowledgements wait for a message to be written with: without it each step of a flow would have two commits a message, and its next
// message would wait for the second one.
const (
	lingerTime = 500 * time.Microsecond
	lazyTime   = 5 * time.Millisecond
)

// linger gives quick consumers the time to make a write unnecessary, and acknowledgements the time to be written with something else.
func (b *Broker) linger() {
	haste := b.haste()
	if haste == lazy {
		timer := time.NewTimer(lazyTime)
		defer timer.Stop()
		for haste == lazy {
			select {
			case <-b.commits:
				haste = b.haste()
			case <-timer.C:
				return
			case <-b.stop:
				return
			}
		}
	}
	if haste == hasty {
		time.Sleep(lingerTime)
	}
}

// haste is how soon what is pending should be written: the soonest of all virtual hosts.
func (b *Broker) haste() haste {
	most := none
	for _, sp := range b.list() {
		v := sp.VHost
		v.Mu.Lock()
		switch {
		case !v.Pending():
		case v.Lazy():
			most = max(most, lazy)
		case v.Hasty():
			most = max(most, hasty)
		default:
			most = urgent
		}
		v.Mu.Unlock()
		if most == urgent {
			break
		}
	}
	return most
}

type haste int

const (
	none  haste = iota // nothing is pending
	lazy               // nobody waits for it
	hasty              // it may soon be unnecessary
	urgent
)

// commitAll writes until nothing is left; last makes it the last time.
func (b *Broker) commitAll(last bool) {
	var all []taken
	var lists [][]core.Op
	for {
		all, lists = all[:0], lists[:0]
		if !last {
			b.linger()
		}
		for _, sp := range b.list() {
			v := sp.VHost
			v.Mu.Lock()
			if v.Pending() || last {
				if ops, batch := v.Take(last); len(ops) > 0 {
					all, lists = append(all, taken{sp, ops, batch}), append(lists, ops)
				}
				b.wake(false, v.WantsLoad())
			}
			v.Mu.Unlock()
		}
		if len(all) == 0 {
			return
		}
		last = false
		err := b.commitOps(lists...)
		if err != nil {
			b.opts.Logger.Error("store can't be written", "err", err)
		}
		for _, t := range all {
			t.space.Do(func(v *core.VHost) {
				if err == nil {
					v.Committed(t.batch, t.ops)
				}
				t.space.Notify(err)
			})
		}
		if err != nil {
			return
		}
	}
}

func (b *Broker) commitOps(lists ...[]core.Op) error {
	if b.store == nil {
		return nil
	}
	err := b.store.Commit(lists...)
	b.lookAtDisk()
	return err
}

// define writes definitions of the broker itself, and returns when they are on disk.
func (b *Broker) define(ops ...core.Op) error {
	w := write{ops: ops, done: make(chan error, 1)}
	select {
	case b.writes <- w:
		return <-w.done
	case <-b.stop:
		return ErrClosed
	}
}

// load is the goroutine that reads messages back into queues.
func (b *Broker) load() {
	for {
		select {
		case <-b.loads:
		case <-b.stop:
			return
		}
		for _, sp := range b.list() {
			b.loadSpace(sp)
		}
	}
}

func (b *Broker) loadSpace(sp *server.Space) {
	for {
		sp.VHost.Mu.Lock()
		loads := sp.VHost.TakeLoads()
		sp.VHost.Mu.Unlock()
		if len(loads) == 0 {
			return
		}
		for _, l := range loads {
			entries, err := b.store.Load(l)
			sp.Do(func(v *core.VHost) {
				if err == nil {
					err = v.Loaded(l, entries)
				}
				sp.Notify(nil)
			})
			if err != nil {
				b.opts.Logger.Error("messages can't be read: the store is damaged; stop, and restore the data folder from a backup",
					"dir", b.opts.Dir, "vhost", sp.VHost.Name(), "err", errors.Unwrap(err))
			}
		}
	}
}
