package local

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/topology"
)

const drainLook = 50 * time.Millisecond

// drain waits until a removed step has worked off all that waits for it or will come back to it, for as long as the flow allows.
func (w *World) drain(ctx context.Context, f *flow.Flow, id string) {
	ctx, cancel := context.WithTimeout(ctx, f.DrainTimeout)
	defer cancel()
	// Steps share the queues of messages that come back, so whose they are isn't known: those that wait now get the time that they need.
	back := time.Now().Add(w.longestRebound(f, f.DrainTimeout))
	for w.held(f, topology.StepQueue(f.Name, id))+w.held(f, topology.FerryQueue(f.Name)) > 0 || time.Now().Before(back) && w.longestRebound(f, f.DrainTimeout) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(drainLook):
		}
	}
}

// longestRebound returns how long at most it takes until a message that waits to come back does, of delays up to a limit; 0 if none waits.
func (w *World) longestRebound(f *flow.Flow, limit time.Duration) (longest time.Duration) {
	for _, q := range w.broker.Queues(f.Namespace) {
		if delay, ok := topology.ReboundDelay(f.Name, q.Name); ok && q.Ready > 0 && delay <= limit {
			longest = max(longest, delay)
		}
	}
	return longest
}

// held returns how many messages a queue has, those included that a step has in work; 0 if there's no such queue.
func (w *World) held(f *flow.Flow, queue string) int {
	for _, q := range w.broker.Queues(f.Namespace) {
		if q.Name == queue {
			return q.Ready + q.Unacked
		}
	}
	return 0
}

// removeEmpty removes from the broker what the flow no longer has. What a removed step has left goes to the errors list first. Messages that
// wait to come back keep their queue: it goes when the flow is next applied and they are gone.
func (w *World) removeEmpty(ctx context.Context, conn *amqp.Conn, f *flow.Flow, remove topology.Topology) error {
	var empty []topology.Queue
	for _, q := range remove.Queues {
		if step, ok := stepOfQueue(f, q.Name); ok {
			if err := w.giveUp(ctx, conn, f, step); err != nil {
				return err
			}
		}
		if n := w.held(f, q.Name); n > 0 {
			w.opts.Logger.Info("queue stays until its messages have come back", "flow", f.Name, "queue", q.Name, "messages", n)
			continue
		}
		empty = append(empty, q)
	}
	return conn.Remove(topology.Topology{Bindings: remove.Bindings, Queues: empty, Exchanges: remove.Exchanges})
}

// stepOfQueue is the step whose input a queue of f is.
func stepOfQueue(f *flow.Flow, queue string) (id string, ok bool) {
	rest, _ := strings.CutPrefix(queue, f.Name+":")
	id, ok = strings.CutSuffix(rest, ":messages")
	return id, ok && topology.StepQueue(f.Name, id) == queue
}

// giveUp makes dead letters of what waits for a removed step, as the flow's drainTimeout promises: they are in the errors list then.
func (w *World) giveUp(ctx context.Context, conn *amqp.Conn, f *flow.Flow, step string) error {
	queue, key := topology.StepQueue(f.Name, step), topology.Key(f.Name, step, topology.DeadLetter)
	given := 0
	for n := w.held(f, queue); n > 0; n = w.held(f, queue) {
		way := topology.Topology{Bindings: []topology.Binding{{Source: f.Name, Key: key, Queue: topology.DeadLetterQueue(f.Name)}}}
		if err := conn.Declare(way); err != nil { // an earlier change may have removed it
			return err
		}
		why := message.Headers{topology.ReasonHeader: "its step was removed from the flow"}
		if err := conn.Move(ctx, queue, n, f.Name, key, why); err != nil {
			return fmt.Errorf("give up messages of removed step %q: %w", step, err)
		}
		if err := conn.Remove(way); err != nil {
			return err
		}
		given += n
	}
	if given > 0 {
		w.opts.Logger.Warn("messages of a removed step are in the list of errors now", "flow", f.Name, "step", step, "messages", given)
	}
	return nil
}
