package main

import "fmt"

const chainSteps = 3

// benchChain measures messages through three steps of echo functions, with everything durable: over the embedded broker, and the same over
// RabbitMQ. Bare loops over RabbitMQ show how much of the difference is the broker's.
func benchChain(s *settings) error {
	fast, err := embedded(s.dir)
	if err != nil {
		return err
	}
	defer fast.stop()
	slow, err := rabbitTarget()
	if err != nil {
		return err
	}
	chain := func(name string, t *target, step func(*world, int) stage) *variant {
		return &variant{name: name, measure: func() (result, error) {
			w, err := newWorld(t, chainSteps)
			if err != nil {
				return result{}, err
			}
			defer w.close()
			var stages []stage
			for i := range chainSteps {
				stages = append(stages, step(w, i))
			}
			return w.measure(s, stages)
		}}
	}
	sdk := func(w *world, i int) stage { return w.sdkStage(i) }
	bare := func(w *world, i int) stage { return w.bareStage(i, false) }
	ours := chain("Leat: SDK, embedded broker", fast, sdk)
	same := chain("SDK, RabbitMQ", slow, sdk)
	loop := chain("bare loop, RabbitMQ", slow, bare)
	fmt.Printf("three steps, 1 KiB, prefetch %d, %d messages on their way at a time; everything persistent and confirmed\n\n", prefetch, windowSize)
	return compare(s, "chain", []*variant{ours, same, loop}, same, loop)
}
