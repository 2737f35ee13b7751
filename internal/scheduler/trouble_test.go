package scheduler_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/scheduler"
	"github.com/openintegrationhub/leat/internal/topology"
)

func TestTickOfUnknownFateIsSettledByLookingItUp(t *testing.T) {
	for name, taken := range map[string]bool{"it was taken": true, "it was lost": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, zero time.Time) {
				b := newBroker()
				lost := 0
				b.fail = func(publish bool) (bool, error) {
					if !publish || lost == 2 {
						return true, nil
					}
					lost++
					return taken, errors.New("connection closed")
				}
				_, stop := start(t, b, polling(t, "f1", "* * * * *"))
				pass(3 * time.Minute)
				stop()
				wantTicks(t, b, zero, 10, 60, 120, 180)
			})
		})
	}
}

func TestBrokerThatIsAwayIsAskedSeldom(t *testing.T) {
	inBubble(t, func(t *testing.T, zero time.Time) {
		b := newBroker()
		b.fail = func(bool) (bool, error) { return false, amqp.ErrUnavailable }
		entries := []plan.Entry{}
		for i := range 1000 {
			entries = append(entries, polling(t, fmt.Sprint("f", i), "* * * * *"))
		}
		_, stop := start(t, b, entries...)
		pass(10*time.Minute + 5*time.Second)
		if _, attempts := b.count(); attempts > 150 {
			t.Errorf("%d attempts in ten minutes without a broker, want at most 150", attempts)
		}
		b.setFail(nil)
		pass(30 * time.Second)
		if sent, _ := b.count(); sent != 1000 {
			t.Errorf("%d ticks after the broker is back, want 1000", sent)
		}
		pass(30 * time.Second)
		if sent, _ := b.count(); sent != 2000 {
			t.Errorf("%d ticks a minute later, want 2000", sent)
		}
		stop()
	})
}

func TestRunningFlowSendsOneOverdueTickWhenTheBrokerIsBack(t *testing.T) {
	for name, err := range map[string]error{"away": amqp.ErrUnavailable, "unroutable": amqp.ErrUnroutable, "refused": amqp.ErrRefused,
		"lost": errors.New("lost")} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, zero time.Time) {
				b := newBroker()
				_, stop := start(t, b, polling(t, "f1", "* * * * *"))
				pass(time.Minute)
				b.setFail(func(bool) (bool, error) { return false, err })
				pass(10 * time.Minute)
				b.setFail(nil)
				pass(45 * time.Second)
				stop()
				wantTicks(t, b, zero, 10, 60, 660)
			})
		})
	}
}

func TestOneSickFlowDoesNotHoldBackOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, zero time.Time) {
		b := newBroker()
		calls := 0
		b.fail = func(publish bool) (bool, error) {
			if calls++; publish && calls%2 == 0 {
				return false, amqp.ErrUnroutable
			}
			return true, nil
		}
		_, stop := start(t, b, polling(t, "f1", "0 0 * * *"), polling(t, "f2", "0 0 * * *"))
		pass(20 * time.Second)
		stop()
		flows := map[string]bool{}
		for _, p := range b.sent {
			flows[p.Exchange] = true
		}
		if len(flows) != 2 || len(b.sent) != 2 {
			t.Errorf("ticks went to %v, want one to each of two flows", slicesOf(flows))
		}
	})
}

func slicesOf(m map[string]bool) (names []string) {
	for n := range maps.Keys(m) {
		names = append(names, n)
	}
	return names
}

func TestWatermarkFarInTheFutureDoesNotSilenceAFlow(t *testing.T) {
	inBubble(t, func(t *testing.T, zero time.Time) {
		b := newBroker()
		e := polling(t, "f1", "* * * * *")
		b.newest["flows f1:ticks"] = message.Headers{topology.TickHeader: "2099-01-01T00:00:00Z", scheduler.HeaderSchedule: e.Schedule.String()}
		_, stop := start(t, b, e)
		pass(time.Minute)
		stop()
		wantTicks(t, b, zero, 60)
	})
}

// Whatever goes wrong, ticks go forward, and a tick that comes twice comes under the same id.
func TestTicksUnderRandomTrouble(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T, zero time.Time) {
				random, trouble := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
				b := newBroker()
				b.latency = 3 * time.Millisecond
				b.fail = func(bool) (bool, error) { // it holds the broker's lock
					switch trouble.IntN(6) {
					case 0:
						return false, amqp.ErrUnavailable
					case 1:
						return false, amqp.ErrUnroutable
					case 2:
						return false, errors.New("lost before")
					case 3:
						return true, errors.New("lost after")
					}
					return true, nil
				}
				for range 40 {
					_, stop := start(t, b, polling(t, "f1", "*/5 * * * * *"))
					pass(time.Duration(random.IntN(20000)) * time.Millisecond)
					stop()
				}
				ticks := b.ticks(t, zero)
				if len(ticks) < 20 {
					t.Errorf("just %d ticks", len(ticks))
				}
				for i := 1; i < len(ticks); i++ {
					if ticks[i] <= ticks[i-1] {
						t.Errorf("tick %v after %v", ticks[i], ticks[i-1])
					}
				}
			})
		})
	}
}
