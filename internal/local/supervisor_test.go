package local

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newUnit returns a unit whose runs take as long as it says and end with an error.
func newUnit(times *[]time.Duration, took func(run int) time.Duration) *unit {
	begin := time.Now()
	return &unit{logger: slog.New(slog.DiscardHandler), run: func(ctx context.Context, ready func()) error {
		*times = append(*times, time.Since(begin))
		ready()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(took(len(*times))):
			return errors.New("broken")
		}
	}}
}

func TestAFailingUnitWaitsTwiceAsLongEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times []time.Duration
		u := newUnit(&times, func(int) time.Duration { return 0 })
		u.start()
		time.Sleep(100 * time.Second) // of the test's own clock
		synctest.Wait()
		if state, restarts, failure := u.status(); state != CrashLoop || restarts != len(times) || failure == nil {
			t.Errorf("%s after %d restarts, %v; want %s after %d", state, restarts, failure, CrashLoop, len(times))
		}
		u.stop(t.Context())
		want := []time.Duration{0, 200 * time.Millisecond, 600 * time.Millisecond, 1400 * time.Millisecond, 3 * time.Second, 6200 * time.Millisecond,
			12600 * time.Millisecond, 25400 * time.Millisecond, 51 * time.Second, 81 * time.Second}
		if diff := cmp.Diff(want, times); diff != "" {
			t.Errorf("starts (-want +got):\n%s", diff)
		}
		if state, _, _ := u.status(); state != Stopped {
			t.Errorf("after stop: %s", state)
		}
	})
}

func TestAUnitThatRanLongStartsAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times []time.Duration
		u := newUnit(&times, func(run int) time.Duration {
			if run == 5 {
				return 2 * time.Minute
			}
			return 0
		})
		u.start()
		time.Sleep(2*time.Minute + 4*time.Second)
		synctest.Wait()
		u.stop(t.Context())
		if len(times) < 6 || times[5]-times[4] != 2*time.Minute+backoffMin {
			t.Errorf("starts: %v; want the sixth %s after the fifth", times, 2*time.Minute+backoffMin)
		}
	})
}

func TestAnEndWithoutErrorIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &unit{logger: slog.New(slog.DiscardHandler), run: func(context.Context, func()) error { return nil }}
		u.start()
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if state, restarts, failure := u.status(); state != Waiting || restarts != 1 || failure == nil {
			t.Errorf("%s after %d restarts, %v", state, restarts, failure)
		}
		u.stop(t.Context())
	})
}

func TestACrashLoopIsOverWhenTheUnitHasSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times []time.Duration
		u := newUnit(&times, func(run int) time.Duration {
			if run == loopAfter+1 {
				return settled + time.Second
			}
			return 0
		})
		began := time.Now()
		at := func(clock time.Duration, want State) {
			t.Helper()
			time.Sleep(clock - time.Since(began)) // of the test's own clock
			synctest.Wait()
			if state, _, _ := u.status(); state != want {
				t.Errorf("after %s: %s, want %s", clock, state, want)
			}
		}
		u.start()
		at(300*time.Millisecond, Waiting)   // two failures
		at(700*time.Millisecond, CrashLoop) // the third
		at(5*time.Second, Running)
		at(1400*time.Millisecond+settled+time.Second+10*time.Millisecond, Waiting) // a failure that is the first again
		u.stop(t.Context())
	})
}

func TestARestartIsAFailureWithItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times []time.Duration
		u := newUnit(&times, func(int) time.Duration { return time.Hour })
		u.start()
		time.Sleep(time.Second)
		deaf := errors.New("its queue has no consumer")
		u.restart(deaf)
		synctest.Wait()
		if state, restarts, failure := u.status(); state != Waiting || restarts != 1 || !errors.Is(failure, deaf) {
			t.Errorf("%s after %d restarts, %v", state, restarts, failure)
		}
		u.restart(errors.New("while it waits")) // does nothing
		time.Sleep(backoffMin)
		synctest.Wait()
		if state, restarts, _ := u.status(); state != Running || restarts != 1 {
			t.Errorf("after the back-off: %s after %d restarts", state, restarts)
		}
		u.stop(t.Context())
	})
}

func TestDifferenceNamesWhatHappened(t *testing.T) {
	order := []string{"a", "b"}
	for name, test := range map[string]struct {
		old, now map[string]counts
		want     string
	}{
		"nothing yet":      {nil, map[string]counts{"a": {}, "b": {}}, ""},
		"nothing new":      {map[string]counts{"a": {processed: 3}}, map[string]counts{"a": {processed: 3}}, ""},
		"the first":        {nil, map[string]counts{"a": {processed: 3}, "b": {processed: 1}}, "a 3, b 1"},
		"since":            {map[string]counts{"a": {processed: 3}}, map[string]counts{"a": {processed: 5}}, "a 2, b 0"},
		"failed, rebounds": {nil, map[string]counts{"a": {1, 2, 3}}, "a 1 (2 failed, 3 to come again), b 0"},
		"only failed":      {nil, map[string]counts{"b": {failed: 1}}, "a 0, b 0 (1 failed)"},
	} {
		if got := difference(order, test.old, test.now); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
