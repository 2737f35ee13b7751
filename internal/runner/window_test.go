package runner

import (
	"testing"
	"time"
)

func TestTheWindowFollowsTheSizeOfMessages(t *testing.T) {
	const kb, mb = 1 << 10, 1 << 20
	for name, test := range map[string]struct {
		prefetch int
		sizes    []int // bytes of messages, one after the other
		want     int
	}{
		"none yet":                     {1, nil, 100},
		"small ones":                   {1, []int{kb}, 100},
		"some of half a megabyte":      {1, []int{mb / 2}, 32},
		"large ones":                   {1, []int{10 * mb}, 1},
		"a large one among small ones": {1, []int{kb, kb, 10 * mb, kb}, 1},
		"a little larger than before":  {1, []int{kb, 200 * kb}, 100}, // 81 would fit
		"as many as are worked on":     {20, []int{10 * mb}, 20},
		"an empty one":                 {1, []int{0}, 100},
	} {
		w := newWindow(Options{Window: 100, WindowBytes: 16 * mb, Settings: Settings{Prefetch: test.prefetch}})
		for _, n := range test.sizes {
			w.fit(n, time.Now())
		}
		if size := w.now(); size != test.want {
			t.Errorf("%s: %d messages, want %d", name, size, test.want)
		}
	}
}

// Each change brings messages again, so there are few.
func TestTheWindowForgetsALargeMessageSlowly(t *testing.T) {
	w := newWindow(Options{Window: 100, WindowBytes: 16 << 20, Settings: Settings{Prefetch: 1}})
	now := time.Now()
	w.fit(10<<20, now)
	for i := range 10_000 {
		if w.fit(1<<10, now.Add(time.Duration(i)*time.Millisecond)) {
			t.Fatalf("the window grows after %d ms", i)
		}
	}
	if !w.fit(1<<10, now.Add(windowGrowth)) || w.now() != 100 {
		t.Errorf("after a minute of small ones: %d messages, want 100", w.now())
	}
}
