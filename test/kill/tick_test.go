package kill_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/topology"
)

// tickFlow ticks each second. Its step is a process that only writes down its variables and never consumes, so the queue keeps each tick as
// it was sent.
const tickFlow = `{"apiVersion": "elastic.io/v1", "kind": "Flow", "metadata": {"name": "ticks", "namespace": "flows"}, "spec": {
	"nodes": [{"id": "in", "image": "test/keeper", "function": "keep", "first": true, "isPolling": true, "schedule": "* * * * * *"}], "connections": []}}`

// span is a life of leat as the test saw it: every tick that was due between ready and end has to be there.
type span struct{ start, ready, end time.Time }

// slack is how long a tick may take from its time until it's on disk, on a busy machine.
const slack = 500 * time.Millisecond

func TestKillDoublesAndLosesNoTick(t *testing.T) {
	kills := 4
	if full {
		kills = 12
	}
	random := seeded(t)
	folder := t.TempDir()
	file, env := filepath.Join(folder, "flow.json"), filepath.Join(folder, "env")
	if err := os.WriteFile(file, []byte(tickFlow), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newProgram(t, "--component", fmt.Sprintf("test/keeper=env >%[1]s.new; mv %[1]s.new %[1]s; exec sleep 1000", env), file)
	spans := liveAndDie(p, random, env, kills)
	ticks := readTicks(t, env)
	t.Logf("%d ticks in %d lives, from %v to %v", len(ticks), len(spans), ticks[0].Format("15:04:05.000"), ticks[len(ticks)-1].Format("15:04:05"))

	seen := map[time.Time]bool{} // all in UTC
	for i, at := range ticks {
		if seen[at] {
			t.Errorf("the tick of %v was sent twice", at)
		}
		seen[at] = true
		if i > 0 && at.Nanosecond() != 0 {
			t.Errorf("tick %d is of %v: no time of the schedule", i, at)
		}
	}
	for i, s := range spans {
		t.Logf("life %d: started %v, ready %v, killed %v", i, s.start.Format("15:04:05.000"), s.ready.Format("15:04:05.000"), s.end.Format("15:04:05.000"))
		for at := s.ready.UTC().Truncate(time.Second).Add(time.Second); at.Before(s.end.Add(-slack)); at = at.Add(time.Second) {
			if !seen[at] {
				t.Errorf("the tick of %v, in life %d, is lost", at, i)
			}
		}
		if i == 0 {
			continue
		}
		overdue, made := 0, false
		for at := range seen {
			if at.After(spans[i-1].end) && at.Before(s.start) {
				overdue++
			}
			made = made || at.After(spans[i-1].end) && !at.After(s.ready)
		}
		missed := spans[i-1].end.UTC().Truncate(time.Second).Add(time.Second)
		if overdue > 1 || missed.Before(s.start) && !made {
			t.Errorf("%d ticks were sent for the time before life %d, in which the first missed was that of %v: want the newest only", overdue, i, missed)
		}
	}
}

// liveAndDie starts and kills the program at random, and leaves it running.
func liveAndDie(p *program, random *rand.Rand, env string, kills int) (spans []span) {
	for i := range kills + 1 {
		os.Remove(env)
		s := span{start: time.Now()}
		p.start()
		p.await("the flow's start", 30*time.Second, func() bool { return started(p.address) })
		p.await("variables of the step", 10*time.Second, func() bool { _, err := os.Stat(env); return err == nil })
		s.ready = time.Now()
		life := time.Duration(random.IntN(3000)) * time.Millisecond
		if random.IntN(2) == 0 { // ends while a tick is on its way
			life = time.Until(time.Now().Add(life).Truncate(time.Second).Add(time.Second)) + time.Duration(random.IntN(5000))*time.Microsecond
		}
		wait(life)
		s.end = time.Now()
		if spans = append(spans, s); i < kills {
			p.kill()
			wait(time.Duration(random.IntN(2500)) * time.Millisecond) // some ticks are missed
		}
	}
	return spans
}

// started tells whether the flow is there. The program as a whole isn't ready: the flow's only step takes no message, so that they can be counted.
func started(address string) bool {
	response, err := http.Get("http://" + address + "/readyz")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	var answer struct{ Waiting map[string]string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return false
	}
	_, step := answer.Waiting["ticks/in"]
	return step && len(answer.Waiting) == 1
}

// readTicks takes all ticks out of the step's queue, with the step's own account, and returns their times in order.
func readTicks(t *testing.T, env string) (ticks []time.Time) {
	t.Helper()
	text, err := os.ReadFile(env)
	if err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		variables[name] = value
	}
	conn, err := amqp.Dialer{URL: variables["ELASTICIO_AMQP_URI"]}.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	queue := variables["ELASTICIO_LISTEN_MESSAGES_ON"]
	n, _, err := conn.Pending(queue)
	if err != nil {
		t.Fatal(err)
	}
	c, err := conn.Consume(queue, 1000)
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(10*time.Second, func() { c.Cancel() })
	defer timer.Stop()
	for range n {
		d, ok := c.Next()
		if !ok {
			t.Fatalf("%d of %d ticks came", len(ticks), n)
		}
		at, err := time.Parse(time.RFC3339Nano, d.Headers.Text(topology.TickHeader))
		if err != nil {
			t.Fatal(err)
		}
		ticks = append(ticks, at.UTC())
	}
	if len(ticks) == 0 {
		t.Fatal("no ticks")
	}
	return ticks
}
