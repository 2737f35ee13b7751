package scheduler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/scheduler"
	"github.com/openintegrationhub/leat/internal/topology"
)

// broker keeps ticks, and the newest of each flow in its tick queue.
type broker struct {
	mu       sync.Mutex // guards all below
	sent     []amqp.Publishing
	newest   map[string]message.Headers
	fail     func(publish bool) (taken bool, err error) // nil for a broker that's well
	latency  time.Duration
	attempts int
	busy     int
	busyMax  int
}

func newBroker() *broker { return &broker{newest: make(map[string]message.Headers)} }

func (b *broker) Publish(ctx context.Context, vhost string, p amqp.Publishing) error {
	b.enter()
	defer b.leave()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.attempts++
	taken, err := true, error(nil)
	if b.fail != nil {
		taken, err = b.fail(true)
	}
	if taken {
		b.sent = append(b.sent, p)
		b.newest[vhost+" "+p.Exchange+":ticks"] = p.Headers
	}
	return err
}

func (b *broker) Peek(ctx context.Context, vhost, queue string) (message.Headers, bool, error) {
	b.enter()
	defer b.leave()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.attempts++
	if b.fail != nil {
		if _, err := b.fail(false); err != nil {
			return nil, false, err
		}
	}
	h, found := b.newest[vhost+" "+queue]
	return h, found, nil
}

func (b *broker) enter() {
	b.mu.Lock()
	b.busy++
	b.busyMax = max(b.busyMax, b.busy)
	wait := b.latency
	b.mu.Unlock()
	if wait > 0 {
		<-time.After(wait)
	}
}

func (b *broker) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy--
}

func (b *broker) setFail(f func(publish bool) (bool, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = f
}

func (b *broker) count() (sent, attempts int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sent), b.attempts
}

// ticks returns the seconds since the start at which ticks were scheduled.
func (b *broker) ticks(t testing.TB, start time.Time) []float64 {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var got []float64
	for _, p := range b.sent {
		v, err := time.Parse(time.RFC3339Nano, p.Headers.Text(topology.TickHeader))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v.Sub(start).Seconds())
	}
	return got
}

func polling(t testing.TB, name, cron string) plan.Entry {
	return plan.Entry{Namespace: "flows", Flow: name, Step: "step_1", VHost: "flows", Exchange: name, InputKey: name + ".step_1.input",
		Polling: true, Schedule: schedule(t, cron, ""), TickKey: name + ".step_1.tick", TickQueue: name + ":ticks", UserID: "leat"}
}

// start runs a scheduler and returns it with the function that stops it.
func start(t testing.TB, b *broker, entries ...plan.Entry) (*scheduler.Scheduler, func()) {
	t.Helper()
	s, err := scheduler.New(scheduler.Options{Publisher: b, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s.Update(entries)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	return s, func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

// pass lets time go by, and the scheduler finish what's due then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// inBubble runs f from 12:00:10 on a day of 2026; zero is 12:00:00.
func inBubble(t *testing.T, f func(t *testing.T, zero time.Time)) {
	synctest.Test(t, func(t *testing.T) {
		zero := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		<-time.After(time.Until(zero.Add(10 * time.Second)))
		f(t, zero)
	})
}

func wantTicks(t *testing.T, b *broker, zero time.Time, want ...float64) {
	t.Helper()
	if diff := cmp.Diff(want, b.ticks(t, zero)); diff != "" {
		t.Errorf("ticks, in seconds (-want +got):\n%s", diff)
	}
}

func TestNewFlowGetsATickAtOnceAndThenBySchedule(t *testing.T) {
	inBubble(t, func(t *testing.T, zero time.Time) {
		b := newBroker()
		s, stop := start(t, b)
		defer stop()
		pass(5 * time.Second)
		s.Update([]plan.Entry{polling(t, "f1", "* * * * *")})
		pass(0)
		wantTicks(t, b, zero, 15)
		pass(2 * time.Minute)
		wantTicks(t, b, zero, 15, 60, 120)
		s.Update(nil)
		pass(time.Hour)
		wantTicks(t, b, zero, 15, 60, 120)
	})
}

func TestRestartNeitherLosesNorRepeatsTicks(t *testing.T) {
	inBubble(t, func(t *testing.T, zero time.Time) {
		b := newBroker()
		for range 30 { // each life of 7 s, the next begins 4 s later
			_, stop := start(t, b, polling(t, "f1", "*/10 * * * * *"))
			pass(7 * time.Second)
			stop()
			pass(4 * time.Second)
		}
		want := []float64{10}
		for i := range 32 {
			want = append(want, float64(20+10*i))
		}
		wantTicks(t, b, zero, want...)
	})
}

func TestTicksMissedWhileDownAreSentAsOne(t *testing.T) {
	inBubble(t, func(t *testing.T, zero time.Time) {
		b := newBroker()
		_, stop := start(t, b, polling(t, "f1", "* * * * *"))
		pass(0)
		stop()
		pass(time.Hour)
		_, stop = start(t, b, polling(t, "f1", "* * * * *"))
		pass(time.Minute)
		stop()
		wantTicks(t, b, zero, 10, 3600, 3660)
	})
}

func TestScheduleChangedWhileDownCountsFromTheStart(t *testing.T) {
	inBubble(t, func(t *testing.T, zero time.Time) {
		b := newBroker()
		_, stop := start(t, b, polling(t, "f1", "0 * * * *"))
		pass(0)
		stop()
		pass(5 * time.Minute)
		_, stop = start(t, b, polling(t, "f1", "*/2 * * * *"))
		pass(2 * time.Minute)
		stop()
		wantTicks(t, b, zero, 10, 360)
	})
}

func TestChangedScheduleHoldsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, zero time.Time) {
		b := newBroker()
		s, stop := start(t, b, polling(t, "f1", "0 3 * * *"))
		defer stop()
		pass(10 * time.Minute)
		s.Update([]plan.Entry{polling(t, "f1", "* * * * *")})
		pass(time.Minute)
		wantTicks(t, b, zero, 10, 660)
		s.Update([]plan.Entry{polling(t, "f1", "0 13 * * *")})
		pass(time.Hour)
		wantTicks(t, b, zero, 10, 660, 3600)
	})
}

func TestSuspendedFlowsGetNoTicks(t *testing.T) {
	inBubble(t, func(t *testing.T, zero time.Time) {
		b := newBroker()
		active, asleep := polling(t, "f1", "* * * * *"), polling(t, "f1", "* * * * *")
		asleep.Suspended = true
		s, stop := start(t, b, asleep)
		pass(5 * time.Minute)
		wantTicks(t, b, zero)
		s.Update([]plan.Entry{active})
		pass(time.Minute)
		s.Update([]plan.Entry{asleep})
		pass(10 * time.Minute)
		s.Update([]plan.Entry{active})
		pass(0)
		wantTicks(t, b, zero, 310, 360)
		pass(time.Minute)
		wantTicks(t, b, zero, 310, 360, 1020)
		stop()
	})
}

// Deleted and made again within one update: the new flow's first tick is due at once, as with any new flow.
func TestAFlowMadeAnewUnderItsNameIsANewFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begin := newBroker(), time.Now()
		old, anew := polling(t, "f1", "0 * * * *"), polling(t, "f1", "0 * * * *")
		old.CryptoPassword, old.CryptoIV = "one", "1gmpybK4iLRRyyu0"
		anew.CryptoPassword, anew.CryptoIV = "two", "1gmpybK4iLRRyyu0"
		s, stop := start(t, b, old)
		time.Sleep(90 * time.Second)
		b.mu.Lock()
		clear(b.newest) // the operator has made its queues anew
		b.mu.Unlock()
		s.Update([]plan.Entry{anew})
		time.Sleep(time.Second)
		stop()
		if diff := cmp.Diff([]float64{0, 90}, b.ticks(t, begin)); diff != "" {
			t.Errorf("ticks (-want +got):\n%s", diff)
		}
	})
}

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

func TestTickIsAMessageThatEveryComponentTakes(t *testing.T) {
	inBubble(t, func(t *testing.T, zero time.Time) {
		b := newBroker()
		e := polling(t, "f1", "* * * * *")
		e.CryptoPassword, e.CryptoIV = "k8HO8UurPfKUNjECNAbvLRjBHWkIWz", "1gmpybK4iLRRyyu0"
		_, stop := start(t, b, e)
		pass(0)
		stop()
		p := b.sent[0]
		if p.Exchange != "f1" || p.Key != "f1.step_1.tick" {
			t.Errorf("sent to %s %s", p.Exchange, p.Key)
		}
		execution := p.Headers.Text("threadId")
		want := message.Headers{"taskId": "f1", "userId": "leat", "messageId": p.Headers["messageId"], "threadId": execution,
			"x-eio-meta-trace-id": execution, "execId": strings.ReplaceAll(execution, "-", ""), "tick": "2026-11-22T12:00:10Z",
			"tickSchedule": "* * * * * UTC"}
		if diff := cmp.Diff(want, p.Headers); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
		c, err := message.NewCipher(e.CryptoPassword, e.CryptoIV)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := c.Decrypt(p.Body, 1)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(plain, &got); err != nil {
			t.Fatal(err)
		}
		if got["id"] == p.Headers["messageId"] || len(execution) != 36 {
			t.Errorf("ids are wrong: %v, %v", got["id"], p.Headers)
		}
		empty := map[string]any{}
		if diff := cmp.Diff(map[string]any{"id": got["id"], "attachments": empty, "body": empty, "headers": empty, "metadata": empty}, got); diff != "" {
			t.Errorf("envelope (-want +got):\n%s", diff)
		}
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

func TestManyFlowsAreCheapAndBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, zero time.Time) {
		const flows = 10_000
		b := newBroker()
		b.latency = time.Millisecond
		entries := make([]plan.Entry, flows)
		for i := range entries {
			entries[i] = polling(t, fmt.Sprint("f", i), "* * * * *")
		}
		_, stop := start(t, b, entries...)
		pass(40 * time.Second)
		if sent, _ := b.count(); sent != flows {
			t.Errorf("%d first ticks, want %d", sent, flows)
		}
		pass(40 * time.Second)
		stop()
		if sent, _ := b.count(); sent != 2*flows {
			t.Errorf("%d ticks in two minutes, want %d", sent, 2*flows)
		}
		if b.busyMax > 32 {
			t.Errorf("%d calls at a time, want at most 32", b.busyMax)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	for want, opts := range map[string]scheduler.Options{
		"scheduler options: Publisher: missing":         {Logger: logger},
		"scheduler options: Logger: missing":            {Publisher: newBroker()},
		"scheduler options: Timeout: -1s is negative":   {Publisher: newBroker(), Logger: logger, Timeout: -time.Second},
		"scheduler options: PublishMax: -1 is negative": {Publisher: newBroker(), Logger: logger, PublishMax: -1},
	} {
		if _, err := scheduler.New(opts); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
