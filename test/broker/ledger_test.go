package broker_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// ledger is what the clients of the crash test know to be true.
type ledger struct {
	mu        sync.Mutex // guards what follows
	sent      [crashProducers]int
	confirmed [crashProducers][]bool // by sequence number
	confirms  int
	queues    [crashQueues]queueBook
	disorder  int
	redone    int // deliveries of what had been acked durably
	early     int // deliveries of what had been acked, but maybe not durably
	examples  strings.Builder
}

// queueBook is what the consumer of one queue has seen of each producer.
type queueBook struct {
	seen, acked, durable [crashProducers]map[int]bool
	highest              [crashProducers]int
	last                 time.Time
}

func newLedger() *ledger {
	l := &ledger{}
	for q := range l.queues {
		for p := range crashProducers {
			book := &l.queues[q]
			book.seen[p], book.acked[p], book.durable[p], book.highest[p] = map[int]bool{}, map[int]bool{}, map[int]bool{}, -1
		}
	}
	return l
}

// destinations of a message: every tenth goes to all queues.
func destinations(seq int) (key string, queues []int) {
	if seq%10 == 0 {
		for q := range crashQueues {
			queues = append(queues, q)
		}
		return "all", queues
	}
	q := seq % crashQueues
	return strconv.Itoa(q), []int{q}
}

type unconfirmed struct {
	seq     int
	confirm *amqp.DeferredConfirmation
}

// produce publishes numbered messages. What isn't confirmed when the connection breaks is neither sent again nor counted.
func produce(url string, p int, l *ledger, stop <-chan struct{}) {
	for {
		ch := channel(url, stop)
		if ch == nil {
			return
		}
		if ch.Confirm(false) != nil {
			continue
		}
		flight := make(chan unconfirmed, crashInFlight)
		var settled sync.WaitGroup
		settled.Go(func() {
			for u := range flight {
				if u.confirm.Wait() {
					l.confirm(p, u.seq)
				}
			}
		})
		stopped := publishAll(ch, p, l, flight, stop)
		close(flight)
		settled.Wait()
		if stopped {
			return
		}
	}
}

func publishAll(ch *amqp.Channel, p int, l *ledger, flight chan<- unconfirmed, stop <-chan struct{}) (stopped bool) {
	padding := strings.Repeat(".", 200)
	for {
		select {
		case <-stop:
			return true
		default:
		}
		seq := l.next(p)
		key, _ := destinations(seq)
		c, err := ch.PublishWithDeferredConfirm(crashExchange, key, true, false, amqp.Publishing{
			DeliveryMode: amqp.Persistent, Body: fmt.Appendf(nil, "%d %d %s", p, seq, padding),
		})
		if err != nil {
			return false
		}
		flight <- unconfirmed{seq, c}
	}
}

func (l *ledger) next(p int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	seq := l.sent[p]
	l.sent[p]++
	l.confirmed[p] = append(l.confirmed[p], false)
	return seq
}

func (l *ledger) confirm(p, seq int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.confirmed[p][seq] = true
	l.confirms++
}

type message struct{ p, seq int }

// mark is a message published after some acks on the same channel. Its confirm says that they are on disk, too.
type mark struct {
	acks    []message
	confirm *amqp.DeferredConfirmation
}

// consume takes and acknowledges all of one queue, over as many connections as it takes.
func consume(url string, q int, l *ledger, stop <-chan struct{}) {
	for {
		ch := channel(url, stop)
		if ch == nil {
			return
		}
		if ch.Qos(crashPrefetch, 0, false) != nil || ch.Confirm(false) != nil {
			continue
		}
		in, err := ch.Consume(crashQueue(q), "", false, false, false, false, nil)
		if err != nil {
			continue
		}
		if consumeSession(ch, in, q, l, stop) {
			return
		}
	}
}

func consumeSession(ch *amqp.Channel, in <-chan amqp.Delivery, q int, l *ledger, stop <-chan struct{}) (stopped bool) {
	var acks []message
	var marks []mark
	session := [crashProducers]int{} // next sequence number that's in order, by producer
	for {
		var d amqp.Delivery
		var open bool
		select {
		case <-stop:
			return true
		case d, open = <-in:
		}
		if !open {
			return false
		}
		var m message
		if _, err := fmt.Sscan(string(d.Body[:min(len(d.Body), 40)]), &m.p, &m.seq); err != nil {
			panic(err)
		}
		l.delivered(q, m, &session)
		if d.Ack(false) != nil {
			return false
		}
		l.acknowledged(q, m)
		if acks = append(acks, m); len(acks) >= 20 {
			c, err := ch.PublishWithDeferredConfirm("", crashQueue(q)+"-marks", false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("mark")})
			if err != nil {
				return false
			}
			marks, acks = append(marks, mark{acks, c}), nil
		}
		for len(marks) > 0 && isDone(marks[0].confirm) {
			if marks[0].confirm.Acked() {
				l.durable(q, marks[0].acks)
			}
			marks = marks[1:]
		}
	}
}

func isDone(c *amqp.DeferredConfirmation) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// delivered checks the order: in one session numbers rise, and what is new is higher than all that was seen before.
func (l *ledger) delivered(q int, m message, session *[crashProducers]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	book := &l.queues[q]
	book.last = time.Now()
	if m.seq < session[m.p] || (!book.seen[m.p][m.seq] && m.seq < book.highest[m.p]) {
		l.disorder++
		l.example("queue %d, producer %d: message %d after %d, highest ever %d, seen before %t", q, m.p, m.seq, session[m.p]-1, book.highest[m.p], book.seen[m.p][m.seq])
	}
	session[m.p] = m.seq + 1
	book.highest[m.p] = max(book.highest[m.p], m.seq)
	book.seen[m.p][m.seq] = true
	switch {
	case book.durable[m.p][m.seq]:
		l.redone++
		l.example("queue %d, producer %d: message %d again after its ack was durable", q, m.p, m.seq)
	case book.acked[m.p][m.seq]:
		l.early++
	}
}

func (l *ledger) acknowledged(q int, m message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queues[q].acked[m.p][m.seq] = true
}

func (l *ledger) durable(q int, acks []message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range acks {
		l.queues[q].durable[m.p][m.seq] = true
	}
}

// example keeps the first few violations.
func (l *ledger) example(format string, args ...any) {
	if l.examples.Len() < 2000 {
		fmt.Fprintf(&l.examples, format+"\n", args...)
	}
}

// await polls the books, up to a minute.
func (l *ledger) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	within(t, what, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return ok()
	})
}

// awaitConfirms waits until n more messages have been confirmed.
func (l *ledger) awaitConfirms(t *testing.T, n int) {
	t.Helper()
	l.mu.Lock()
	want := l.confirms + n
	l.mu.Unlock()
	l.await(t, fmt.Sprintf("%d more confirms", n), func() bool { return l.confirms >= want })
}

// awaitDrained waits until the consumers have got nothing for a second.
func (l *ledger) awaitDrained(t *testing.T) {
	t.Helper()
	l.await(t, "the queues are empty", func() bool {
		for q := range l.queues {
			if time.Since(l.queues[q].last) < time.Second {
				return false
			}
		}
		return true
	})
}

type crashReport struct {
	confirmed, lost, acked, durableRedelivered, earlyRedelivered, disorder int
	examples                                                               string
}

// report counts messages by queue: one that goes to six queues counts six times.
func (l *ledger) report() crashReport {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := crashReport{durableRedelivered: l.redone, earlyRedelivered: l.early, disorder: l.disorder}
	for p, list := range l.confirmed {
		for seq, confirmed := range list {
			if !confirmed {
				continue
			}
			_, queues := destinations(seq)
			for _, q := range queues {
				r.confirmed++
				if !l.queues[q].seen[p][seq] {
					r.lost++
					l.example("queue %d, producer %d: message %d was confirmed and never delivered", q, p, seq)
				}
			}
		}
	}
	for q := range l.queues {
		for p := range crashProducers {
			r.acked += len(l.queues[q].acked[p])
		}
	}
	r.examples = l.examples.String()
	return r
}
