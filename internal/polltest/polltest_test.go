package polltest_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openintegrationhub/leat/internal/polltest"
)

func TestWithinAsksUntilItIsSo(t *testing.T) {
	for name, test := range map[string]struct {
		after, took time.Duration // until it's so, and until Within knows
		want        bool
	}{
		"at once":       {0, 0, true},
		"soon":          {2 * time.Millisecond, 3 * time.Millisecond, true},
		"late":          {100 * time.Millisecond, 111 * time.Millisecond, true},
		"at the bound":  {time.Second, time.Second, true},
		"after it":      {time.Second + 1, time.Second, false},
		"long after it": {time.Hour, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				got := polltest.Within(time.Second, func() bool { return time.Since(begin) >= test.after })
				if took := time.Since(begin); got != test.want || took != test.took {
					t.Errorf("%v after %v, want %v after %v", got, took, test.want, test.took)
				}
			})
		})
	}
}

// failed keeps what a test would have said.
type failed struct {
	testing.TB
	text string
}

func (f *failed) Helper() {}

func (f *failed) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestEventuallyTellsTheLastState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, f := time.Now(), &failed{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			polltest.Eventually(f, time.Second, "an hour later", func() (bool, any) {
				passed := time.Since(begin)
				return passed >= time.Hour, passed
			})
		}()
		<-done
		if want := "not within 1s: an hour later; last: 1s"; f.text != want {
			t.Errorf("%q, want %q", f.text, want)
		}
	})
}

func TestEventuallyLetsTheTestGoOn(t *testing.T) {
	f := &failed{}
	polltest.Eventually(f, 0, "so", func() (bool, any) { return true, nil })
	if f.text != "" {
		t.Errorf("failed with %q", f.text)
	}
}
