package scheduler_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/scheduler"
)

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
		pass(90 * time.Second)
		b.mu.Lock()
		clear(b.newest) // the operator has made its queues anew
		b.mu.Unlock()
		s.Update([]plan.Entry{anew})
		pass(time.Second)
		stop()
		if diff := cmp.Diff([]float64{0, 90}, b.ticks(t, begin)); diff != "" {
			t.Errorf("ticks (-want +got):\n%s", diff)
		}
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
