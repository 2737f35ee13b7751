package flow

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones must be the same on every machine, also in an image without them

	"github.com/netresearch/go-cron"
)

// DefaultSchedule is that of a polled node that gives none: every minute.
const DefaultSchedule = "* * * * *"

// everyHour is the Hour field of a schedule that leaves the hour open.
const everyHour = 1<<24 - 1

// Schedule says when a polled node gets its tick: a cron expression in a time zone. The zero Schedule never does.
//
// Cron is read by the library with UTC only, as arithmetic on wall clocks; what daylight saving does to a wall clock is decided here.
type Schedule struct {
	text  string
	zone  *time.Location
	clock *cron.SpecSchedule // nil for @every
	every time.Duration
}

// NewSchedule reads a cron expression of five fields, of six with the second in front, or @hourly and the like. The zone is a
// name of the IANA database; empty is UTC. Of two restricted days (of month and of week) either is enough, as cron has always done.
func NewSchedule(expression, zone string) (Schedule, error) {
	loc, err := loadZone(zone)
	if err != nil {
		return Schedule{}, err
	}
	s := Schedule{text: expression, zone: loc}
	if word, rest, _ := strings.Cut(expression, " "); word == "@every" {
		s.every, err = time.ParseDuration(strings.TrimSpace(rest))
		if err != nil || s.every < time.Second || s.every%time.Second != 0 {
			return Schedule{}, fmt.Errorf("bad schedule %q: @every takes whole seconds, minutes and hours, such as @every 90s", shorten(expression))
		}
		return s, nil
	}
	if s.clock, err = readCron(expression); err != nil {
		return Schedule{}, fmt.Errorf("bad schedule %q: %w", shorten(expression), err)
	}
	if s.Next(time.Unix(0, 0)).IsZero() {
		return Schedule{}, fmt.Errorf("bad schedule %q: there is no such day", shorten(expression))
	}
	return s, nil
}

func loadZone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, errors.New(`time zone "Local" is another one on each machine; name it, such as "Europe/Berlin"`)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf(`unknown time zone %q; use a name such as "Europe/Berlin" or "UTC"`, shorten(name))
	}
	return loc, nil
}

// IsZero tells whether there is no schedule at all.
func (s Schedule) IsZero() bool { return s.text == "" }

// Equal tells whether both fire at the same times because they are written the same.
func (s Schedule) Equal(t Schedule) bool { return s.String() == t.String() }

// Expression is the cron expression as written.
func (s Schedule) Expression() string { return s.text }

// Zone is the name of the time zone, UTC by default; empty for the zero Schedule.
func (s Schedule) Zone() string {
	if s.zone == nil {
		return ""
	}
	return s.zone.String()
}

// String gives the expression and the zone.
func (s Schedule) String() string {
	if s.IsZero() {
		return ""
	}
	return s.text + " " + s.Zone()
}

// Next is the first time after the given one at which the schedule fires, in its zone; zero if there is none within ten years.
//
// A schedule that leaves the hour open fires by the time that really passes, in every hour of a day of 23 or 25. One that names hours
// fires at each of its wall clock times once: right after the gap for a time that is skipped, and at the first of two that are the
// same. @every counts from the epoch, so that it doesn't depend on when it's asked.
func (s Schedule) Next(after time.Time) time.Time {
	switch {
	case s.IsZero():
		return time.Time{}
	case s.every > 0:
		return time.Unix(0, 0).Add(after.Sub(time.Unix(0, 0)).Truncate(s.every)).Add(s.every).In(s.zone)
	case s.clock.Hour&everyHour == everyHour:
		return s.nextPassing(after.In(s.zone))
	}
	return s.nextWall(after.In(s.zone))
}

// nextPassing looks for the next time between two changes of the zone's offset, then after the next change, and so on.
func (s Schedule) nextPassing(after time.Time) time.Time {
	for {
		_, offset := after.Zone()
		shift := time.Duration(offset) * time.Second
		n := s.clock.Next(after.UTC().Add(shift))
		if n.IsZero() {
			return time.Time{}
		}
		t := n.Add(-shift).In(s.zone)
		_, end := after.ZoneBounds()
		if end.IsZero() || t.Before(end) {
			return t
		}
		_, offset = end.Zone()
		// The clock's step is a second, so this asks for end itself or later.
		n = s.clock.Next(end.UTC().Add(time.Duration(offset)*time.Second - time.Second))
		if t = n.Add(-time.Duration(offset) * time.Second).In(s.zone); t.Equal(end) {
			return t
		}
		after = end
	}
}

// nextWall looks for the next wall clock time that has not been on the clock before.
func (s Schedule) nextWall(after time.Time) time.Time {
	_, offset := after.Zone()
	wall := after.UTC().Add(time.Duration(offset) * time.Second)
	for {
		wall = s.clock.Next(wall)
		if wall.IsZero() {
			return time.Time{}
		}
		if t := instant(wall, s.zone); t.After(after) {
			return t
		}
	}
}

// instant is when a zone's clock shows a wall time, given as if in UTC: the first of two, or the end of the gap that skips it.
func instant(wall time.Time, zone *time.Location) time.Time {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	start, end := t.ZoneBounds()
	_, offset := t.Zone()
	switch shown := t.UTC().Add(time.Duration(offset) * time.Second); {
	case shown.After(wall):
		return start
	case shown.Before(wall):
		return end
	case start.IsZero():
		return t
	}
	_, offset = start.Add(-1).Zone()
	if first := wall.Add(-time.Duration(offset) * time.Second); first.Before(start) {
		return first.In(zone)
	}
	return t
}
