package scheduler_test

import (
	"testing"
	"time"

	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/scheduler"
)

func schedule(t testing.TB, text, zone string) flow.Schedule {
	t.Helper()
	s, err := flow.NewSchedule(text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDue(t *testing.T) {
	for name, test := range map[string]struct {
		schedule, zone string
		last, now      string
		tick, wait     string
	}{
		"before the next time it waits":                    {"* * * * *", "", "2026-01-01T12:00:00Z", "2026-01-01T12:00:59.9Z", "", "2026-01-01T12:01:00Z"},
		"at the time it's due":                             {"* * * * *", "", "2026-01-01T12:00:00Z", "2026-01-01T12:01:00Z", "2026-01-01T12:01:00Z", ""},
		"after a first tick at an odd time":                {"* * * * *", "", "2026-01-01T12:00:31.5Z", "2026-01-01T12:00:32Z", "", "2026-01-01T12:01:00Z"},
		"of a night of missed ticks one is left":           {"* * * * *", "", "2026-01-01T20:00:00Z", "2026-01-02T08:00:30Z", "2026-01-02T08:00:00Z", ""},
		"of years of missed seconds one is left":           {"* * * * * *", "", "2016-01-01T20:00:00Z", "2026-01-02T08:00:30.5Z", "2026-01-02T08:00:30Z", ""},
		"missed days":                                      {"0 3 * * *", "", "2026-01-01T03:00:00Z", "2026-01-05T02:59:59Z", "2026-01-04T03:00:00Z", ""},
		"bursts with long gaps":                            {"* * * 1 *", "", "2024-01-05T00:00:00Z", "2026-07-01T00:00:00Z", "2026-01-31T23:59:00Z", ""},
		"a night with an hour twice":                       {"30 2 * * *", "Europe/Berlin", "2026-10-24T02:30:00+02:00", "2026-10-25T12:00:00Z", "2026-10-25T02:30:00+02:00", ""},
		"a night without that hour":                        {"30 2 * * *", "Europe/Berlin", "2026-03-28T02:30:00+01:00", "2026-03-29T12:00:00Z", "2026-03-29T03:00:00+02:00", ""},
		"every 90 seconds":                                 {"@every 90s", "", "2026-01-01T00:00:00Z", "2026-01-01T00:04:00Z", "2026-01-01T00:03:00Z", ""},
		"a last tick that's ahead of this clock":           {"* * * * *", "", "2026-01-01T12:01:00Z", "2026-01-01T12:00:58Z", "", "2026-01-01T12:02:00Z"},
		"two missed ticks, the second in this very moment": {"* * * * *", "", "2026-01-01T12:00:00Z", "2026-01-01T12:02:00Z", "2026-01-01T12:02:00Z", ""},
	} {
		t.Run(name, func(t *testing.T) {
			tick, wait := scheduler.Due(schedule(t, test.schedule, test.zone), at(t, test.last), at(t, test.now))
			if want := at(t, test.tick); !tick.Equal(want) {
				t.Errorf("tick is %v, want %v", tick, want)
			}
			if want := at(t, test.wait); !wait.Equal(want) {
				t.Errorf("wait is %v, want %v", wait, want)
			}
		})
	}
}

func TestDueOfNoScheduleIsNever(t *testing.T) {
	if tick, wait := scheduler.Due(flow.Schedule{}, time.Unix(0, 0), time.Unix(1e9, 0)); !tick.IsZero() || !wait.IsZero() {
		t.Errorf("got %v and %v, want neither", tick, wait)
	}
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	if text == "" {
		return time.Time{}
	}
	v, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
