package scheduler

import (
	"time"

	"github.com/openintegrationhub/leat/internal/flow"
)

// Due tells what a flow's schedule asks for at now, last being the scheduled time of the last tick that was sent. It returns either the
// scheduled time of a tick to send now, or the time to wait for; both are zero when nothing is ever due again.
//
// Of several missed ticks only the newest is due: a flow that was down for a night gets one tick, not a flood.
func Due(s flow.Schedule, last, now time.Time) (tick, wait time.Time) {
	next := s.Next(last)
	if next.IsZero() || next.After(now) {
		return time.Time{}, next
	}
	return newest(s, last, now), time.Time{}
}

// newest returns the last time of s that is after from and not after now, of which there is at least one. Schedules only look forward, so
// it searches by halves, down to the second that is the finest step of a schedule.
func newest(s flow.Schedule, from, now time.Time) time.Time {
	until := now // there's none after from and up to now that is also after until
	for until.Sub(from) > time.Second {
		middle := from.Add(until.Sub(from) / 2)
		if s.Next(middle).After(now) || s.Next(middle).IsZero() {
			until = middle
		} else {
			from = middle
		}
	}
	tick := s.Next(from)
	for {
		next := s.Next(tick)
		if next.IsZero() || next.After(now) {
			return tick
		}
		tick = next
	}
}
