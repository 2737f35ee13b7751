package operator

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/rabbitmq"
	"github.com/openintegrationhub/leat/internal/topology"
)

// drain takes new messages away from removed steps, lets them work off what they have, one after the other, and removes what they had when
// nothing of them runs. What is left in their queues then goes to the errors list.
func (r *reconciler) drain(ctx context.Context, q *round) error {
	key := keyOf(q.resource)
	waiting := false
	for i, id := range q.plan.Drain {
		if i > 0 { // those that send to it come first
			waiting = true
			break
		}
		if err := r.broker.remove(ctx, key, topology.Topology{Bindings: q.plan.Unbind}, nil); err != nil {
			return err
		}
		done, err := r.drained(ctx, q, id)
		if err != nil {
			return err
		}
		waiting = true
		if !done {
			continue
		}
		for _, w := range q.seen.of(id) {
			if err := r.delete(ctx, w.object); err != nil {
				return err
			}
		}
	}
	if waiting {
		return nil
	}
	for _, queue := range q.plan.Remove.Queues {
		id := stepOf(q.flow.Name, queue.Name)
		if id == "" {
			continue
		}
		if alive(q.seen.podsOf(id, "")) > 0 { // it's going, and may still have messages in work
			q.again(time.Second)
			return nil
		}
	}
	remove := q.plan.Remove
	remove.Queues = nil
	for _, queue := range q.plan.Remove.Queues {
		if id := stepOf(q.flow.Name, queue.Name); id != "" {
			given, err := r.broker.giveUp(ctx, q.flow, id)
			if given > 0 {
				r.event(q.resource, corev1.EventTypeWarning, "MessagesGivenUp", "Remove", "%d messages of removed step %s are in the list of errors now", given, id)
			}
			if err != nil {
				return err
			}
		}
		if _, ok := topology.ReboundDelay(q.flow.Name, queue.Name); ok && q.seen.broker.queues[queue.Name].Messages > 0 {
			q.again(time.Minute) // until they have come back
			continue
		}
		remove.Queues = append(remove.Queues, queue)
	}
	if err := r.broker.remove(ctx, key, topology.Topology{Bindings: q.plan.Unbind}, nil); err != nil {
		return err
	}
	return r.broker.remove(ctx, key, remove, q.plan.RemoveAccounts)
}

// drained tells whether a removed step has worked off all that it has, or has had its time.
func (r *reconciler) drained(ctx context.Context, q *round, id string) (bool, error) {
	since := time.Now()
	for _, w := range q.seen.of(id) {
		if w.draining.IsZero() {
			before := w.object.DeepCopyObject().(client.Object)
			w.object.GetAnnotations()[kube.AnnotationDrain] = since.UTC().Format(time.RFC3339)
			if err := r.client.Patch(ctx, w.object, client.MergeFrom(before), fieldOwner); err != nil {
				return false, fmt.Errorf("note that step %q is drained: %w", id, err)
			}
			r.event(q.resource, corev1.EventTypeNormal, "Draining", "Drain", "step %s was removed; it works off what waits for it", id)
			continue
		}
		if w.draining.Before(since) {
			since = w.draining
		}
	}
	if left := q.flow.DrainTimeout - time.Since(since); left <= 0 {
		return true, nil
	} else {
		q.again(min(left, time.Second))
	}
	queue := topology.StepQueue(q.flow.Name, id)
	if _, exists := q.seen.broker.queues[queue]; !exists {
		return true, nil
	}
	waiting, _, err := r.broker.pending(ctx, q.flow, queue)
	if err != nil || waiting > 0 {
		return false, err
	}
	// What is in work is known from statistics only, which lag; so they have to be younger than the last new message can be.
	if time.Since(since) < r.opts.StatisticsEvery {
		return false, nil
	}
	if err := r.broker.refresh(ctx, time.Second); err != nil {
		return false, err
	}
	idle := true
	r.broker.with(keyOf(q.resource), func(_ *snapshot, h *holding) {
		idle = h.queues[queue].Messages == 0 && !anyRebound(q.flow.Name, h.queues)
	})
	return idle, nil
}

// anyRebound tells whether a message waits to come back, to whichever step.
func anyRebound(flow string, queues map[string]rabbitmq.Queue) bool {
	for name, queue := range queues {
		if strings.HasPrefix(name, flow+":") && queue.Messages > 0 {
			if _, ok := topology.ReboundDelay(flow, name); ok {
				return true
			}
		}
	}
	return false
}
