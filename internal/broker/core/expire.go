package core

import "container/heap"

// deadline is when a message that enters q now expires, 0 when it doesn't.
func (q *Queue) deadline(m *Message) int64 {
	ttl := m.ttl
	if q.ttl >= 0 && (ttl < 0 || q.ttl < ttl) {
		ttl = q.ttl
	}
	if ttl < 0 {
		return 0
	}
	return q.vhost.now + ttl
}

// expire lets go of the messages at the head whose time is up at now. Those behind one that isn't due wait for it, as in RabbitMQ.
func (q *Queue) expire(now int64) {
	for i := range q.levels {
		lv := &q.levels[i]
		for lv.window.len() > 0 {
			if e := lv.window.at(0); e.expires == 0 || e.expires > now {
				break
			}
			q.vhost.Expired++
			q.bury(lv, lv.pop(), reasonExpired)
		}
	}
}

// schedule asks to be called when the head expires or the queue has been unused for long enough.
func (q *Queue) schedule() {
	var due int64
	for i := range q.levels {
		if lv := &q.levels[i]; lv.window.len() > 0 {
			if at := lv.window.at(0).expires; at != 0 && (due == 0 || at < due) {
				due = at
			}
		}
	}
	if q.expires > 0 && len(q.consumers) == 0 {
		if at := q.usedAt + q.expires; due == 0 || at < due {
			due = at
		}
	}
	if due == 0 || q.timerAt != 0 && q.timerAt <= due {
		return
	}
	q.timerAt = due
	heap.Push(&q.vhost.timers, timer{due, q})
}

// Due is when Tick should be called next, in ms since 1970; 0 when there's nothing to wait for.
func (v *VHost) Due() int64 {
	if len(v.timers) == 0 {
		return 0
	}
	return v.timers[0].due
}

// Tick does what is due at the time last set.
func (v *VHost) Tick() {
	for len(v.timers) > 0 && v.timers[0].due <= v.now {
		t := heap.Pop(&v.timers).(timer)
		q := t.queue
		if q.deleted || q.timerAt != t.due {
			continue
		}
		q.timerAt = 0
		if q.expires > 0 && len(q.consumers) == 0 && q.usedAt+q.expires <= v.now {
			v.deleteQueue(q)
			continue
		}
		v.touch(q)
	}
}

type timer struct {
	due   int64
	queue *Queue
}

type timerHeap []timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h timerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)        { *h = append(*h, x.(timer)) }
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = timer{}
	*h = old[:len(old)-1]
	return t
}
