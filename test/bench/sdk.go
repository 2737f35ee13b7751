package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// drained is how many messages wait in the queue of the step that is measured.
const drained = 20_000

// benchSDK measures one step that takes all messages out of its queue and sends each on to the next queue, which nobody reads: with the SDK,
// as a bare loop that does what the wire format asks, and as one that hands bytes on.
func benchSDK(s *settings) error {
	slow, err := rabbitTarget()
	if err != nil {
		return err
	}
	fast, err := embedded(s.dir)
	if err != nil {
		return err
	}
	defer fast.stop()
	fmt.Printf("one step, 1 KiB, %d messages, prefetch %d, confirms pipelined. CPU is of the step's process", drained, prefetch)
	fmt.Printf(" (in which the embedded broker runs too).\n")
	for _, t := range []*target{slow, fast} {
		fmt.Printf("\n%s:\n\n", t.name)
		step := func(name string, run func(*world) stage) *variant {
			return &variant{name: name, measure: func() (result, error) { return drain(t, run) }}
		}
		sdk := step("SDK", func(w *world) stage { return w.sdkStage(0) })
		codec := step("bare loop with codec", func(w *world) stage { return w.bareStage(0, true) })
		bytes := step("bare loop, bytes only", func(w *world) stage { return w.bareStage(0, false) })
		if err := compare(s, "message", []*variant{sdk, codec, bytes}, codec, bytes); err != nil {
			return err
		}
	}
	return nil
}

// drain fills the queue of the first of two steps, and measures how long a stage takes to empty it.
func drain(t *target, step func(*world) stage) (r result, err error) {
	w, err := newWorld(t, 2)
	if err != nil {
		return result{}, err
	}
	defer w.close()
	if err := w.fill(drained); err != nil {
		return result{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	w.end, w.goal, w.reached = 0, drained, cancel
	var group sync.WaitGroup
	begin, own, other := time.Now(), ownCPU(), t.cpu()
	group.Go(func() { w.fail(step(w)(ctx)) })
	<-ctx.Done()
	n := float64(w.done.Load())
	r = result{rate: n / time.Since(begin).Seconds(), cpu: (ownCPU() - own) / cpuTime(n), broker: (t.cpu() - other) / cpuTime(n)}
	group.Wait()
	if failure := w.failed.Load(); failure != nil {
		return r, *failure
	}
	if n < drained {
		return r, fmt.Errorf("%.0f of %d messages came through", n, drained)
	}
	return r, nil
}
