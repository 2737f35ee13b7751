package timer_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/openintegrationhub/leat/component/componenttest"
	"github.com/openintegrationhub/leat/components/timer"
)

// clock is a time that the test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestATickBecomesAMessageWithTheTime(t *testing.T) {
	c := &clock{at(t, "2026-11-22T17:00:00.213999+01:00")}
	step := componenttest.Open(t, timer.New(c.now), componenttest.Options{Config: `{"interval":"minute"}`})

	got := step.Process(t, componenttest.Message(`{}`))
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	want := `{"fireTime":"2026-11-22T16:00:00.213Z","lastPoll":"1970-01-01T00:00:00.000Z"}`
	if diff := cmp.Diff(want, string(got.Messages[0].Body)); diff != "" {
		t.Errorf("first body: (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]json.RawMessage{json.RawMessage(`{"lastPoll":"2026-11-22T16:00:00.213Z"}`)}, got.Snapshots); diff != "" {
		t.Errorf("snapshots: (-want +got)\n%s", diff)
	}

	c.at = c.at.Add(time.Minute)
	got = step.Process(t, componenttest.Message(`{}`))
	want = `{"fireTime":"2026-11-22T16:01:00.213Z","lastPoll":"2026-11-22T16:00:00.213Z"}`
	if diff := cmp.Diff(want, string(got.Messages[0].Body)); diff != "" {
		t.Errorf("second body: (-want +got)\n%s", diff)
	}
}

// TestIntervals gives each timer a tick every minute from 2026-11-22, a Sunday, 22:30:30 on, and counts messages.
func TestIntervals(t *testing.T) {
	for name, test := range map[string]struct {
		config  string
		minutes int
		want    []string // times of messages; nil for "each tick"
	}{
		"no interval is each tick": {config: `{}`, minutes: 90},
		"minute is each tick":      {config: `{"interval":"minute"}`, minutes: 90},
		"hour":                     {config: `{"interval":"hour"}`, minutes: 160, want: []string{"22T22:30", "22T23:00", "23T00:00", "23T01:00"}},
		"day":                      {config: `{"interval":"day"}`, minutes: 3 * 24 * 60, want: []string{"22T22:30", "23T00:00", "24T00:00", "25T00:00"}},
		"week begins on Monday": {config: `{"interval":"week"}`, minutes: 9 * 24 * 60,
			want: []string{"22T22:30", "23T00:00", "30T00:00"}},
		"month": {config: `{"interval":"month"}`, minutes: 20 * 24 * 60, want: []string{"22T22:30", "01T00:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &clock{at(t, "2026-11-22T22:30:30Z")}
			step := componenttest.Open(t, timer.New(c.now), componenttest.Options{Config: test.config})
			var got, ticks []string
			for range test.minutes {
				result := step.Process(t, componenttest.Message(`{}`))
				if result.Err != nil {
					t.Fatal(result.Err)
				}
				ticks = append(ticks, c.at.Format("02T15:04"))
				if len(result.Messages) > 0 {
					got = append(got, c.at.Format("02T15:04"))
				}
				c.at = c.at.Add(time.Minute)
			}
			want := test.want
			if want == nil {
				want = ticks
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("messages at: (-want +got)\n%s", diff)
			}
		})
	}
}

func TestTheIntervalGoesOnAfterARestart(t *testing.T) {
	c := &clock{at(t, "2026-11-22T16:59:00Z")}
	o := componenttest.Options{Config: `{"interval":"hour"}`, Snapshot: `{"lastPoll":"2026-11-22T16:00:00.213Z"}`}
	step := componenttest.Open(t, timer.New(c.now), o)
	if got := step.Process(t, componenttest.Message(`{}`)); len(got.Messages) != 0 || len(got.Snapshots) != 0 {
		t.Errorf("at 16:59: got %d messages, %d snapshots; want none", len(got.Messages), len(got.Snapshots))
	}
	c.at = at(t, "2026-11-22T17:00:00.001Z")
	got := step.Process(t, componenttest.Message(`{}`))
	want := `{"fireTime":"2026-11-22T17:00:00.001Z","lastPoll":"2026-11-22T16:00:00.213Z"}`
	if diff := cmp.Diff(want, string(got.Messages[0].Body)); diff != "" {
		t.Errorf("at 17:00: (-want +got)\n%s", diff)
	}
	c.at = at(t, "2026-11-22T16:30:00Z")
	if got := step.Process(t, componenttest.Message(`{}`)); len(got.Messages) != 0 {
		t.Errorf("the clock was set back: got %d messages, want none", len(got.Messages))
	}
}

func TestStartAndEndTimeAreLimits(t *testing.T) {
	for now, want := range map[string]int{
		"2026-11-22T15:59:59.999Z": 0,
		"2026-11-22T16:00:00Z":     1,
		"2026-11-22T17:00:00Z":     1,
		"2026-11-22T17:00:00.001Z": 0,
	} {
		c := &clock{at(t, now)}
		o := componenttest.Options{Config: `{"startTime":"2026-11-22T16:00:00.000Z","endTime":"2026-11-22T17:00:00Z"}`}
		got := componenttest.Open(t, timer.New(c.now), o).Process(t, componenttest.Message(`{}`))
		if len(got.Messages) != want {
			t.Fatalf("at %s: got %d messages, want %d", now, len(got.Messages), want)
		}
		if want == 1 && !strings.Contains(string(got.Messages[0].Body), `"lastPoll":"2026-11-22T16:00:00.000Z"`) {
			t.Errorf("at %s: got %s, want startTime as lastPoll", now, got.Messages[0].Body)
		}
	}
}

func TestTheMessageGetsItsIDFromTheRunner(t *testing.T) {
	step := componenttest.Open(t, timer.New(time.Now), componenttest.Options{})
	tick := componenttest.Message(`{}`)
	if got := step.Process(t, tick).Messages[0].ID; got == tick.ID {
		t.Errorf("the message has the id of its tick, %s", got)
	}
}

func TestTheSimpleTriggerIgnoresTheInterval(t *testing.T) {
	c := &clock{at(t, "2026-11-22T16:00:00Z")}
	for _, config := range []string{`{"interval":"hour"}`, `{"interval":5}`, `{"interval":"fortnight"}`} {
		step := componenttest.Open(t, timer.NewSimpleTrigger(c.now), componenttest.Options{Config: config})
		for range 2 {
			if got := step.Process(t, componenttest.Message(`{}`)); got.Err != nil || len(got.Messages) != 1 {
				t.Errorf("%s: got %d messages, %v; want 1", config, len(got.Messages), got.Err)
			}
		}
	}
}

func TestCheckAndOpenFindTheSameProblems(t *testing.T) {
	for data, want := range map[string][]string{
		``:                           nil,
		`{"interval":"month"}`:       nil,
		`{"startTime":"2026-11-22"}`: nil,
		`{"interval":"Hour"}`:        {`data.interval: unknown interval "Hour"; known: minute, hour, day, week, month`},
		`{"interval":1}`:             {`data.interval: expected a string, found a number`},
		`{"endTime":"soon","interval":"x"}`: {
			`data.endTime: "soon" is no ISO 8601 time, such as 2026-11-22T16:00:00.000Z`,
			`data.interval: unknown interval "x"; known: minute, hour, day, week, month`,
		},
		`{"startTime":"2026-11-22","endTime":"2026-11-21"}`: {`data.endTime: it's before startTime`},
	} {
		var got []string
		for _, p := range timer.Component().Check("timer", json.RawMessage(data)) {
			got = append(got, p.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("check %s: (-want +got)\n%s", data, diff)
		}
		_, err := componenttest.New(timer.New(time.Now), componenttest.Options{Config: data})
		if (err != nil) != (want != nil) {
			t.Errorf("open with %s: got %v, want %d problems", data, err, len(want))
		}
	}
}

func TestABrokenSnapshotIsNotForgotten(t *testing.T) {
	for _, snapshot := range []string{`[]`, `{"lastPoll":"yesterday"}`, `{"lastPoll":7}`} {
		if _, err := componenttest.New(timer.New(time.Now), componenttest.Options{Snapshot: snapshot}); err == nil {
			t.Errorf("snapshot %s: no error", snapshot)
		}
	}
}
