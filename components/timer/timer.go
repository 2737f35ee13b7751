// Package timer is the built-in timer, a drop-in for elasticio/timer and elasticio/simple-trigger-component: it turns the platform's ticks
// into messages that carry the time. Its data, all of it optional:
//
//	{"interval": "hour", "startTime": "2026-01-01T00:00:00.000Z", "endTime": "2026-12-31T23:59:59.999Z"}
//
// It doesn't wait for a time itself. The platform sends a tick each minute, or as the node's schedule says, and the timer decides whether
// that tick counts. What it emits:
//
//	{"fireTime": "2026-11-22T16:00:00.213Z", "lastPoll": "2026-11-22T15:00:00.198Z"}
//
// fireTime is the moment at which the tick was processed, lastPoll the fireTime of the message before, or startTime, or 1970 in the first
// one. Both are ISO 8601 with milliseconds, in UTC. Afterwards lastPoll is kept in the step's snapshot.
package timer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/components/internal/builtin"
)

// Layout is how times are written, as JavaScript's toISOString does.
const Layout = "2006-01-02T15:04:05.000Z"

// Config is the node's data. Members that aren't listed are ignored.
type Config struct {
	// Interval is how often ticks become messages:
	//
	//	minute           each tick; the default
	//	hour, day, week, month   the first tick in each of them
	//
	// Hours and days are those of UTC, weeks begin on Monday and months on the 1st, each at 00:00 UTC. A span in which there was no tick,
	// because the flow was stopped, is not made up for. For other times, or another time zone, give the node a schedule.
	Interval string `json:"interval"`

	StartTime string `json:"startTime"` // ticks before it are ignored; ISO 8601
	EndTime   string `json:"endTime"`   // ticks after it are ignored; ISO 8601
}

// Component describes the timer.
func Component() builtin.Component {
	return builtin.Component{
		Name:      "timer",
		Images:    []string{"elasticio/timer"},
		Functions: map[string]component.Function{"timer": New(time.Now)},
		Check:     builtin.Checks(map[string]func(json.RawMessage) []builtin.Problem{"timer": check}),
	}
}

// SimpleTrigger describes the timer's successor, which knows no interval: each tick becomes a message (contract.md section 9).
func SimpleTrigger() builtin.Component {
	return builtin.Component{
		Name:      "simple-trigger",
		Images:    []string{"elasticio/simple-trigger-component"},
		Functions: map[string]component.Function{"timer": NewSimpleTrigger(time.Now)},
		Check:     builtin.Checks(map[string]func(json.RawMessage) []builtin.Problem{"timer": checkSimpleTrigger}),
	}
}

// New returns the function timer, with now as its clock.
func New(now func() time.Time) component.Function {
	return func(step *component.Step) (component.Process, error) { return open(step, step.Config, now) }
}

// NewSimpleTrigger returns the function timer of the simple trigger, with now as its clock.
func NewSimpleTrigger(now func() time.Time) component.Function {
	return func(step *component.Step) (component.Process, error) {
		return open(step, withoutInterval(step.Config), now)
	}
}

func open(step *component.Step, data json.RawMessage, now func() time.Time) (component.Process, error) {
	config, problems := parse(data)
	if err := builtin.Error(problems); err != nil {
		return nil, err
	}
	t := &timer{step: step, now: now, begin: spans[config.Interval]}
	// Both are times: parse has looked.
	t.start, _ = parseTime(config.StartTime)
	t.end, _ = parseTime(config.EndTime)
	if err := t.restore(); err != nil {
		return nil, err
	}
	return t.process, nil
}

// timer is one step. Ticks may come at the same time, if the flow asks for more than one at once.
type timer struct {
	step       *component.Step
	now        func() time.Time
	begin      func(time.Time) time.Time // of the span around a time; nil if each tick counts
	start, end time.Time                 // zero if there is no limit

	mu       sync.Mutex
	lastPoll time.Time // zero before the first message
}

type body struct {
	FireTime string `json:"fireTime"`
	LastPoll string `json:"lastPoll"`
}

type snapshot struct {
	LastPoll string `json:"lastPoll"`
}

func (t *timer) restore() error {
	if len(t.step.Snapshot) == 0 {
		return nil
	}
	var s snapshot
	if err := json.Unmarshal(t.step.Snapshot, &s); err != nil {
		return fmt.Errorf("decode snapshot: %w", err)
	}
	var err error
	if t.lastPoll, err = parseTime(s.LastPoll); err != nil {
		return fmt.Errorf("decode snapshot: lastPoll: %w", err)
	}
	return nil
}

func (t *timer) process(_ context.Context, _ *component.Message, out component.Output) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now().UTC()
	if !t.due(now) {
		return nil
	}
	last := t.lastPoll
	if last.IsZero() {
		last = t.start
	}
	if last.IsZero() {
		last = time.Unix(0, 0)
	}
	m := component.NewMessage(body{FireTime: now.Format(Layout), LastPoll: last.UTC().Format(Layout)})
	if err := out.Emit(m); err != nil {
		return err
	}
	if err := out.Snapshot(snapshot{LastPoll: now.Format(Layout)}); err != nil {
		return err
	}
	t.lastPoll = now
	return nil
}

// due tells whether a tick at now becomes a message.
func (t *timer) due(now time.Time) bool {
	if now.Before(t.start) || !t.end.IsZero() && now.After(t.end) {
		return false
	}
	// A span that begins before the last message is the one of that message. So a clock that was set back gives no second one.
	return t.begin == nil || t.lastPoll.Before(t.begin(now))
}

// spans has, for each interval, the begin of the span that a time in UTC is in; nil stands for "each tick".
var spans = map[string]func(time.Time) time.Time{
	"":       nil,
	"minute": nil,
	"hour":   func(t time.Time) time.Time { return t.Truncate(time.Hour) },
	"day":    startOfDay,
	"week": func(t time.Time) time.Time {
		sinceMonday := (int(t.Weekday()) + 6) % 7
		return startOfDay(t).AddDate(0, 0, -sinceMonday)
	},
	"month": func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) },
}

func startOfDay(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

func check(data json.RawMessage) []builtin.Problem {
	_, problems := parse(data)
	return problems
}

func checkSimpleTrigger(data json.RawMessage) []builtin.Problem {
	_, problems := parse(withoutInterval(data))
	return problems
}

// withoutInterval removes the member that the simple trigger doesn't know, whatever it holds.
func withoutInterval(data json.RawMessage) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil || members["interval"] == nil {
		return data // parse says what's wrong with it
	}
	delete(members, "interval")
	rest, err := json.Marshal(members)
	if err != nil {
		return data
	}
	return rest
}

func parse(data json.RawMessage) (Config, []builtin.Problem) {
	var config Config
	if problems := builtin.Decode(data, &config); problems != nil {
		return config, problems
	}
	var problems []builtin.Problem
	start, err := parseTime(config.StartTime)
	if err != nil {
		problems = append(problems, builtin.Problem{Path: "data.startTime", Text: err.Error()})
	}
	end, err := parseTime(config.EndTime)
	if err != nil {
		problems = append(problems, builtin.Problem{Path: "data.endTime", Text: err.Error()})
	}
	if problems == nil && !end.IsZero() && end.Before(start) {
		problems = append(problems, builtin.Problem{Path: "data.endTime", Text: "it's before startTime"})
	}
	if _, ok := spans[config.Interval]; !ok {
		text := fmt.Sprintf("unknown interval %q; known: minute, hour, day, week, month", config.Interval)
		problems = append(problems, builtin.Problem{Path: "data.interval", Text: text})
	}
	return config, problems
}

var errTime = errors.New("no ISO 8601 time, such as 2026-11-22T16:00:00.000Z")

// parseTime reads a time; "" is the zero time. A date alone is its midnight, and no zone is UTC.
func parseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is %w", s, errTime)
}
