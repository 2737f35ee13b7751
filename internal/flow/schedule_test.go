package flow_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/flow"
)

func TestScheduleFiresWhenTheClockOfItsZoneSays(t *testing.T) {
	// Summer time in Berlin: 2026-03-29 02:00 becomes 03:00 (01:00 UTC), 2026-10-25 03:00 becomes 02:00 (01:00 UTC).
	tests := map[string]struct {
		cron, zone, after string
		want              []string
	}{
		"every minute, strictly after the time asked": {"* * * * *", "", "2026-11-22T16:00:00Z",
			[]string{"2026-11-22T16:01:00Z", "2026-11-22T16:02:00Z"}},
		"a part of a second doesn't matter": {"* * * * *", "", "2026-11-22T16:00:59.999999999Z",
			[]string{"2026-11-22T16:01:00Z"}},
		"seconds come first": {"*/20 * * * * *", "", "2026-11-22T16:00:30Z",
			[]string{"2026-11-22T16:00:40Z", "2026-11-22T16:01:00Z"}},
		"@hourly": {"@hourly", "Asia/Kolkata", "2026-11-22T16:00:00Z",
			[]string{"2026-11-22T22:00:00+05:30", "2026-11-22T23:00:00+05:30"}},
		"@every counts from the epoch": {"@every 90s", "", "2026-11-22T16:00:01Z",
			[]string{"2026-11-22T16:01:30Z", "2026-11-22T16:03:00Z"}},
		"either of two days is enough": {"0 0 13 * fri", "", "2026-11-08T00:00:00Z",
			[]string{"2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z", "2026-11-27T00:00:00Z", "2026-12-04T00:00:00Z", "2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z"}},
		"leap day": {"0 0 29 2 *", "", "2026-11-08T00:00:00Z",
			[]string{"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}},
		"leap day around a year without one": {"30 12 29 2 *", "Europe/Berlin", "2096-03-01T00:00:00Z",
			[]string{"2104-02-29T12:30:00+01:00"}},
		"a daily time that spring skips fires after the gap, once": {"30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z",
			[]string{"2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"}},
		"several skipped times fire once together": {"*/20 2 * * *", "Europe/Berlin", "2026-03-29T00:59:00Z",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"}},
		"a daily time that comes twice in autumn fires at the first": {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		"asked between the two, it's over for the day": {"30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z",
			[]string{"2026-10-26T02:30:00+01:00"}},
		"every half hour goes on through the spring gap": {"*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z",
			[]string{"2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"}},
		"every half hour goes on through the doubled hour": {"*/30 * * * *", "Europe/Berlin", "2026-10-25T00:15:00Z",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:00:00+01:00"}},
		"hourly at a minute through the doubled hour": {"15 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z",
			[]string{"2026-10-25T02:15:00+02:00", "2026-10-25T02:15:00+01:00", "2026-10-25T03:15:00+01:00"}},
		"a midnight that doesn't exist": {"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z",
			[]string{"2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"}},
		"a zone that shifts by half an hour": {"*/20 * * * *", "Australia/Lord_Howe", "2026-04-04T14:45:00Z",
			[]string{"2026-04-05T01:40:00+10:30", "2026-04-05T02:00:00+10:30", "2026-04-05T02:20:00+10:30", "2026-04-05T02:40:00+10:30", "2026-04-05T03:00:00+10:30"}},
	}
	// Lord Howe went from +11 to +10:30 at 15:00 UTC on 2026-04-04: 02:00 became 01:30.
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := flow.NewSchedule(tt.cron, tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339Nano, tt.after)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for range tt.want {
				at = s.Next(at)
				got = append(got, at.Format(time.RFC3339Nano))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("times differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryHalfHourOfAYearFiresInEveryZone(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Casablanca"} {
		s, err := flow.NewSchedule("*/30 * * * *", zone)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 365 * 24 * 2 {
			next := s.Next(at)
			if next.Sub(at) != 30*time.Minute {
				t.Fatalf("%s: after %s comes %s", zone, at, next)
			}
			at = next
		}
	}
}

func TestNoScheduleNeverFires(t *testing.T) {
	var s flow.Schedule
	if !s.IsZero() || !s.Next(time.Now()).IsZero() || s.String() != "" {
		t.Errorf("got %q, next %s", s, s.Next(time.Now()))
	}
}

func TestScheduleTellsWhatItIs(t *testing.T) {
	s, err := flow.NewSchedule("0 9 * * mon-fri", "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.String(), "0 9 * * mon-fri Europe/Berlin"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	other, _ := flow.NewSchedule("0 9 * * mon-fri", "")
	if s.Equal(other) || !s.Equal(s) {
		t.Error("schedules in two zones are equal, or one isn't equal to itself")
	}
}
