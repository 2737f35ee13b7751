package runner_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/internal/topology"
)

// A step holds many small messages at a time and few large ones, and nothing gets lost or out of order when that changes.
func TestAStepHoldsFewLargeMessages(t *testing.T) {
	onBrokers(t, func(t *testing.T, b target) {
		w := newWorld(t, b)
		gate := make(chan struct{})
		var got, want []int
		numbers := make(chan int, 1000)
		stop := w.run(each(func(ctx context.Context, in *component.Message, _ component.Output) error {
			var body struct{ N int }
			if err := in.DecodeBody(&body); err != nil {
				return err
			}
			select {
			case <-gate:
			case <-ctx.Done():
			}
			numbers <- body.N
			return nil
		}))
		p, err := w.conn.Publisher()
		if err != nil {
			t.Fatal(err)
		}
		send := func(n, bytes int) {
			for range n {
				w.publish(p, nil, fmt.Sprintf(`{"n":%d,"pad":"%s"}`, len(want), strings.Repeat("x", bytes)))
				want = append(want, len(want))
			}
		}
		receive := func(n int) {
			for range n {
				select {
				case gate <- struct{}{}:
				case <-time.After(patience):
					t.Fatal("no message in work")
				}
				got = append(got, <-numbers)
			}
		}
		// held is how many messages the step has when no more come to it.
		held := func(atMost int) {
			t.Helper()
			last, since := -1, time.Now()
			for end := time.Now().Add(patience); time.Since(since) < 300*time.Millisecond; <-time.After(10 * time.Millisecond) {
				ready, _, err := w.conn.Pending(topology.StepQueue(w.name, "work"))
				if err != nil || time.Now().After(end) {
					t.Fatalf("%d messages ready: %v", ready, err)
				}
				if n := len(want) - len(got) - ready; n != last {
					last, since = n, time.Now()
				}
			}
			if last < 1 || last > atMost {
				t.Errorf("the step holds %d messages, want %d at most", last, atMost)
			}
			if atMost == 100 && last < 90 {
				t.Errorf("the step holds %d small messages, want about 100", last)
			}
		}
		send(300, 10)
		receive(3)
		held(100)
		receive(297)
		send(10, 4<<20) // 4 of them fill the window; encrypted they are a third larger
		receive(1)
		held(4)
		receive(9)
		send(100, 10)
		receive(100)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("numbers of messages (-want +got):\n%s", diff)
		}
		w.noneLeft(stop)
	})
}
