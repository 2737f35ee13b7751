package local

import (
	"context"
	"maps"
	"sync"
	"time"
)

// arrivals tells when processes begin to consume. The broker sees their connections, but not which process has which. So a process counts as
// consuming when its queue has a consumer that wasn't there before the process started, and that no other process has been told of.
type arrivals struct {
	consumers func(q queueName) map[string]bool // names of the connections that consume

	mu   sync.Mutex // guards told
	told map[queueName]map[string]bool
}

type queueName struct{ vhost, queue string }

const arrivalLook = 20 * time.Millisecond

// expect looks who consumes a queue now. The function that it returns waits for somebody else; false means that ctx was done before.
func (a *arrivals) expect(q queueName) (arrived func(context.Context) bool) {
	before := a.consumers(q)
	return func(ctx context.Context) bool {
		ticker := time.NewTicker(arrivalLook)
		defer ticker.Stop()
		for !a.take(q, before) {
			select {
			case <-ctx.Done():
				return false
			case <-ticker.C:
			}
		}
		return true
	}
}

// take tells one caller, and no other, of a consumer that isn't one of before.
func (a *arrivals) take(q queueName, before map[string]bool) bool {
	now := a.consumers(q)
	a.mu.Lock()
	defer a.mu.Unlock()
	told := a.told[q]
	if told == nil {
		told = map[string]bool{}
		a.told[q] = told
	}
	maps.DeleteFunc(told, func(connection string, _ bool) bool { return !now[connection] })
	for connection := range now {
		if !before[connection] && !told[connection] {
			told[connection] = true
			return true
		}
	}
	return false
}

// consumersOf names the connections that consume a queue of the embedded broker.
func (w *World) consumersOf(q queueName) map[string]bool {
	found := map[string]bool{}
	for _, c := range w.broker.Consumers(q.vhost) {
		if c.Queue == q.queue {
			found[c.Connection] = true
		}
	}
	return found
}
