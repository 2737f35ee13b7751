package watchdog_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/watchdog"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// look is what's seen at a time after the start, and what has to be found.
type look struct {
	at   time.Duration
	step watchdog.Step
	want string // problem, and "!" if the step is restarted; "" for nothing
}

// step runs since a time after the start, with one replica.
func step(since time.Duration, q *watchdog.Queue) watchdog.Step {
	return watchdog.Step{Key: "f/s", Replicas: 1, Since: start.Add(since), Queue: q}
}

func queue(consumers, ready, unacked int, moved uint64) *watchdog.Queue {
	return &watchdog.Queue{Consumers: consumers, Ready: ready, Unacked: unacked, Moved: moved}
}

func TestFindings(t *testing.T) {
	options := watchdog.Options{DeafAfter: time.Minute, StuckAfter: 10 * time.Minute, BackoffMax: 30 * time.Minute}
	const s, m, h = time.Second, time.Minute, time.Hour
	patient := step(0, queue(1, 0, 1, 1))
	patient.StuckAfter = 2 * h
	crew := func(since time.Duration, consumers int) watchdog.Step {
		crew := step(since, queue(consumers, 0, 0, 0))
		crew.Replicas = 3
		return crew
	}
	for name, looks := range map[string][]look{
		"a step that consumes is well": {
			{0, step(0, queue(1, 0, 0, 0)), ""}, {h, step(0, queue(1, 500, 0, 0)), ""},
		},
		"a step has a while to begin": {
			{0, step(0, queue(0, 0, 0, 0)), ""}, {59 * s, step(0, queue(0, 0, 0, 0)), ""}, {m, step(0, queue(1, 0, 0, 0)), ""},
		},
		"a step that runs and never consumes is restarted, each time later": {
			{0, step(0, queue(0, 3, 0, 0)), ""}, {m, step(0, queue(0, 3, 0, 0)), "deaf!"},
			{m + s, step(m, queue(0, 3, 0, 0)), ""}, {2*m + s, step(m, queue(0, 3, 0, 0)), "deaf"}, {3*m + s, step(m, queue(0, 3, 0, 0)), "deaf!"},
			{3*m + 2*s, step(3*m, queue(0, 3, 0, 0)), ""}, {7*m + s, step(3*m, queue(0, 3, 0, 0)), "deaf"}, {7*m + 2*s, step(3*m, queue(0, 3, 0, 0)), "deaf!"},
		},
		"a consumer that comes back in time is no problem": {
			{0, step(0, queue(1, 0, 0, 0)), ""}, {5 * m, step(0, queue(0, 0, 0, 0)), ""}, {5*m + 50*s, step(0, queue(1, 0, 0, 0)), ""},
			{9 * m, step(0, queue(0, 0, 0, 0)), ""}, {9*m + 50*s, step(0, queue(0, 0, 0, 0)), ""},
		},
		"a replica that's missing is found": {
			{0, crew(0, 3), ""}, {m, crew(0, 2), ""}, {2 * m, crew(0, 2), "deaf!"},
		},
		"after a while without a problem the waits are short again": {
			{0, step(0, queue(0, 0, 0, 0)), ""}, {m, step(0, queue(0, 0, 0, 0)), "deaf!"},
			{2 * m, step(m, queue(1, 0, 0, 0)), ""}, {4 * m, step(m, queue(1, 0, 0, 0)), ""},
			{5 * m, step(m, queue(0, 0, 0, 0)), ""}, {6 * m, step(m, queue(0, 0, 0, 0)), "deaf!"},
		},
		"a step that works long on a message isn't stuck": {
			{0, step(0, queue(1, 0, 1, 1)), ""}, {9 * m, step(0, queue(1, 7, 1, 1)), ""}, {9*m + s, step(0, queue(1, 7, 1, 3)), ""}, {18 * m, step(0, queue(1, 0, 1, 3)), ""},
		},
		"a step that settles nothing is stuck": {
			{0, step(0, queue(1, 0, 0, 0)), ""}, {m, step(0, queue(1, 0, 1, 1)), ""}, {11*m - s, step(0, queue(1, 0, 1, 1)), ""},
			{11 * m, step(0, queue(1, 9, 1, 1)), "stuck!"}, {11*m + s, step(11*m, queue(1, 9, 1, 2)), ""}, {22 * m, step(11*m, queue(1, 9, 1, 2)), "stuck"},
			{31*m + s, step(11*m, queue(1, 9, 1, 2)), "stuck!"},
		},
		"a step that rejects everything isn't stuck": {
			{0, step(0, queue(1, 9, 1, 1)), ""}, {9 * m, step(0, queue(1, 9, 1, 2)), ""}, {18 * m, step(0, queue(1, 9, 1, 3)), ""}, {27 * m, step(0, queue(1, 9, 1, 4)), ""},
		},
		"a step that holds nothing isn't stuck": {
			{0, step(0, queue(1, 0, 1, 1)), ""}, {9 * m, step(0, queue(1, 0, 0, 1)), ""}, {18 * m, step(0, queue(1, 0, 1, 1)), ""}, {27 * m, step(0, queue(1, 0, 1, 1)), ""},
		},
		"a step may say that it works longer": {
			{0, patient, ""}, {119 * m, patient, ""}, {2 * h, patient, "stuck!"},
		},
		"a missing queue is found at once, and doesn't make restarts without end": {
			{0, step(0, nil), "queue missing!"}, {s, step(s, nil), "queue missing"}, {59 * s, step(s, nil), "queue missing"}, {m, step(s, nil), "queue missing!"},
			{2 * m, step(m, nil), "queue missing"}, {3 * m, step(m, nil), "queue missing!"},
			{3*m + s, step(3*m, queue(1, 0, 0, 0)), ""}, {10 * m, step(3*m, queue(1, 0, 0, 0)), ""}, {11 * m, step(3*m, queue(1, 0, 0, 0)), ""},
			{20 * m, step(3*m, nil), "queue missing!"},
		},
		"a step that doesn't run is somebody else's": {
			{0, watchdog.Step{Key: "f/s", Replicas: 1}, ""}, {h, watchdog.Step{Key: "f/s", Replicas: 1, Queue: queue(0, 5, 0, 0)}, ""},
		},
		"a step that shouldn't run is well": {
			{0, watchdog.Step{Key: "f/s", Since: start, Queue: queue(0, 5, 0, 0)}, ""}, {h, watchdog.Step{Key: "f/s", Since: start}, ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := watchdog.New(options)
			for _, l := range looks {
				got := ""
				for _, f := range w.Look(start.Add(l.at), []watchdog.Step{l.step}) {
					got = string(f.Problem)
					if f.Restart {
						got += "!"
					}
					if f.Key != "f/s" || f.Reason == "" {
						t.Errorf("after %v: %+v", l.at, f)
					}
				}
				if got != l.want {
					t.Errorf("after %v: found %q, want %q", l.at, got, l.want)
				}
			}
		})
	}
}

func TestReasonsAreForPeople(t *testing.T) {
	w := watchdog.New(watchdog.Options{})
	steps := []watchdog.Step{
		{Key: "deaf", Replicas: 1, Since: start, Queue: queue(0, 1, 0, 0)},
		{Key: "few", Replicas: 3, Since: start, Queue: queue(2, 0, 0, 0)},
		{Key: "missing", Replicas: 1, Since: start},
		{Key: "stuck", Replicas: 1, Since: start, Queue: queue(1, 0, 3, 1)},
		{Key: "well", Replicas: 1, Since: start, Queue: queue(1, 0, 0, 0)},
	}
	w.Look(start, steps)
	got := map[string]string{}
	for _, f := range w.Look(start.Add(30*time.Minute), steps) {
		got[f.Key] = f.Reason
	}
	want := map[string]string{
		"deaf":    "runs, but hasn't consumed its queue for 30m0s; messages waiting: 1",
		"few":     "has 3 replicas, but for 30m0s only 2 consume its queue",
		"missing": "has lost its queue or its exchange: somebody has deleted it",
		"stuck":   "holds 3 messages and has settled none for 30m0s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

// A step that goes and comes back under the same name begins anew.
func TestWhatIsNotSeenIsForgotten(t *testing.T) {
	w := watchdog.New(watchdog.Options{})
	deaf := []watchdog.Step{step(0, queue(0, 0, 0, 0))}
	w.Look(start, deaf)
	w.Look(start.Add(time.Minute), nil)
	if got := w.Look(start.Add(2*time.Minute), deaf); len(got) != 0 {
		t.Errorf("found %+v", got)
	}
}
