package local

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// crowd is the consumers of a queue as a test wants them.
type crowd struct {
	mu    sync.Mutex // guards names
	names []string
}

func (c *crowd) set(names ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names = names
}

func (c *crowd) arrivals() *arrivals {
	return &arrivals{told: map[queueName]map[string]bool{}, consumers: func(queueName) map[string]bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		found := map[string]bool{}
		for _, name := range c.names {
			found[name] = true
		}
		return found
	}}
}

func TestAProcessConsumesWhenSomebodyNewDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{names: []string{"old"}}
		a := c.arrivals()
		var mu sync.Mutex // guards came
		var came []string
		wait := func(who string) {
			arrived := a.expect(queueName{"v", "q"})
			go func() {
				if arrived(t.Context()) {
					mu.Lock()
					defer mu.Unlock()
					came = append(came, who)
				}
			}()
		}
		look := func(want int) {
			t.Helper()
			time.Sleep(2 * arrivalLook) // of the test's own clock
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if len(came) != want {
				t.Errorf("with consumers %v: %d processes consume (%v), want %d", c.names, len(came), came, want)
			}
		}
		wait("first")
		wait("second")
		look(0)
		c.set("old", "a")
		look(1)
		c.set("a") // the old one stops: nobody new
		look(1)
		c.set("a", "b")
		look(2)
		c.set() // all are gone, and a number may be used again
		wait("third")
		look(2)
		c.set("a")
		look(3)
	})
}

func TestWaitingForAConsumerEndsWithTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := new(crowd).arrivals()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if a.expect(queueName{"v", "q"})(ctx) {
			t.Error("told of a consumer that never came")
		}
	})
}
