package runner

import (
	"sync"
	"time"
)

// window is how many messages the broker may have on their way to the step: as many as fit into a number of bytes, going by the largest that
// came lately. Brokers can't change it for a consumer, and one that takes another's place on the same channel gets messages out of order from
// RabbitMQ's quorum queues. So a change takes a new connection, and what was on its way comes again: it's made where it matters, and not often.
type window struct {
	min, max int
	bytes    int

	mu      sync.Mutex // guards what follows
	size    int
	largest float64
	changed time.Time
}

const (
	windowFade   = 0.99        // of the largest, with each message
	windowGrowth = time.Minute // between changes to a larger one
)

func newWindow(o Options) *window {
	return &window{min: min(o.Settings.Prefetch, o.Window), max: o.Window, bytes: o.WindowBytes, size: o.Window}
}

// fit notes a message of n bytes, and tells whether the window has to change. That's at once if it's far too large.
func (w *window) fit(n int, now time.Time) (changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.largest = max(float64(n), w.largest*windowFade, 1)
	size := min(max(int(float64(w.bytes)/w.largest), w.min), w.max)
	shrink, grow := size <= w.size/2, size >= 2*w.size || size == w.max && w.size < w.max
	if !shrink && (!grow || now.Sub(w.changed) < windowGrowth) {
		return false
	}
	w.size, w.changed = size, now
	return true
}

// now returns the size.
func (w *window) now() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size
}
