// Package polltest lets tests wait, with a bound, for what tells nobody when it's there. What can run in a synctest bubble needs none of it.
package polltest

import (
	"testing"
	"time"
)

// Pauses between two questions grow from the first to the last: most waits are short, and a long one shouldn't cost what it waits for.
const (
	pauseMin = time.Millisecond
	pauseMax = 20 * time.Millisecond
)

// Within asks done at once and then again and again, until it's true or the time is over. It's asked once more at the end.
func Within(atMost time.Duration, done func() bool) bool {
	end := time.Now().Add(atMost)
	for pause := pauseMin; !done(); pause = min(2*pause, pauseMax) {
		left := time.Until(end)
		if left <= 0 {
			return false
		}
		time.Sleep(min(pause, left))
	}
	return true
}

// Eventually fails the test when done isn't true within that time, and says what there was last instead.
func Eventually(t testing.TB, atMost time.Duration, what string, done func() (ok bool, state any)) {
	t.Helper()
	var state any
	if !Within(atMost, func() (ok bool) {
		ok, state = done()
		return ok
	}) {
		t.Fatalf("not within %v: %s; last: %v", atMost, what, state)
	}
}
