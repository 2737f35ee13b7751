package local

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// crowd is the consumers of a queue as a test wants them.
func crowd(names *[]string) *arrivals {
	return &arrivals{told: map[queueName]map[string]bool{}, consumers: func(queueName) map[string]bool {
		found := map[string]bool{}
		for _, name := range *names {
			found[name] = true
		}
		return found
	}}
}

func TestAProcessConsumesWhenSomebodyNewDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := []string{"old"}
		a := crowd(&names)
		var came []string
		wait := func(who string) {
			arrived := a.expect(queueName{"v", "q"})
			go func() {
				if arrived(t.Context()) {
					came = append(came, who)
				}
			}()
		}
		look := func(want int) {
			t.Helper()
			time.Sleep(2 * arrivalLook) // of the test's own clock
			synctest.Wait()
			if len(came) != want {
				t.Errorf("with consumers %v: %d processes consume (%v), want %d", names, len(came), came, want)
			}
		}
		wait("first")
		wait("second")
		look(0)
		names = []string{"old", "a"}
		look(1)
		names = []string{"a"} // the old one stops: nobody new
		look(1)
		names = []string{"a", "b"}
		look(2)
		names = nil // all are gone, and a number may be used again
		wait("third")
		look(2)
		names = []string{"a"}
		look(3)
	})
}

func TestWaitingForAConsumerEndsWithTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := crowd(new([]string))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if a.expect(queueName{"v", "q"})(ctx) {
			t.Error("told of a consumer that never came")
		}
	})
}
