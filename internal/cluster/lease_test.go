package cluster_test

import (
	"testing"
	"time"

	"github.com/openintegrationhub/leat/internal/cluster"
)

func TestALeaseIsFreshUntilAnotherCouldLeadSoon(t *testing.T) {
	for name, test := range map[string]struct {
		age   time.Duration
		spare time.Duration
		want  bool
	}{
		"just renewed":            {0, 10 * time.Second, true},
		"renewed a moment ago":    {4 * time.Second, 10 * time.Second, true},
		"not for a while":         {6 * time.Second, 10 * time.Second, false},
		"run out":                 {16 * time.Second, 0, false},
		"about to run out":        {14 * time.Second, 0, true},
		"after the machine slept": {time.Hour, 0, false},
		"after the clock was set": {-time.Hour, 10 * time.Second, true}, // the monotonic one counts
	} {
		renewed := time.Now().Add(-test.age)
		if got := cluster.FreshLease(15*time.Second, renewed).Fresh(test.spare); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	if cluster.FreshLease(15*time.Second, time.Time{}).Fresh(0) {
		t.Error("a lease that nobody has is fresh")
	}
	// A machine that slept: only the wall clock has gone on.
	if cluster.FreshLease(15*time.Second, time.Now().Add(-time.Minute).Round(0)).Fresh(0) {
		t.Error("a lease of before the sleep is fresh")
	}
}
