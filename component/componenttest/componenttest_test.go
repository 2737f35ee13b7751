package componenttest_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/component/componenttest"
)

// count emits how many messages there were, and keeps the number in its snapshot.
func count(step *component.Step) (component.Process, error) {
	var config struct{ Unit string }
	if err := step.DecodeConfig(&config); err != nil {
		return nil, err
	}
	if config.Unit == "" {
		return nil, errors.New("data.unit: missing")
	}
	var state struct{ Count int }
	if len(step.Snapshot) > 0 {
		if err := json.Unmarshal(step.Snapshot, &state); err != nil {
			return nil, err
		}
	}
	return func(_ context.Context, _ *component.Message, out component.Output) error {
		state.Count++
		body := map[string]any{"count": state.Count, "unit": config.Unit, "zone": step.Getenv("ZONE")}
		return errors.Join(out.Emit(component.NewMessage(body)), out.UpdateSnapshot(state), out.UpdateSnapshot(map[string]bool{"seen": true}))
	}, nil
}

func TestAStepStartsAgainWithItsSnapshot(t *testing.T) {
	o := componenttest.Options{Config: `{"unit":"kg"}`, Env: map[string]string{"ZONE": "eu"}}
	first := componenttest.Open(t, count, o)
	first.Process(t, componenttest.Message(`{}`))

	o.Snapshot = first.Snapshot()
	got := componenttest.Open(t, count, o).Process(t, componenttest.Message(`{}`))
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	if diff := cmp.Diff(`{"count":2,"unit":"kg","zone":"eu"}`, string(got.Messages[0].Body)); diff != "" {
		t.Errorf("body: (-want +got)\n%s", diff)
	}
	want := []json.RawMessage{json.RawMessage(`{"Count":2,"seen":true}`), json.RawMessage(`{"Count":2,"seen":true}`)}
	if diff := cmp.Diff(want, got.Snapshots); diff != "" {
		t.Errorf("snapshots: (-want +got)\n%s", diff)
	}
}

func TestNewReturnsTheErrorOfTheFunction(t *testing.T) {
	_, err := componenttest.New(count, componenttest.Options{})
	if err == nil || err.Error() != "data.unit: missing" {
		t.Errorf("got %v", err)
	}
}

func TestWhatCouldNotBeSentFailsHereToo(t *testing.T) {
	for claim, emit := range map[string]func(component.Output) error{
		"a body without JSON form":        func(out component.Output) error { return out.Emit(component.NewMessage(make(chan int))) },
		"a broken body":                   func(out component.Output) error { return out.Emit(componenttest.Message(`{"a":}`)) },
		"a snapshot that is no object":    func(out component.Output) error { return out.Snapshot("x") },
		"a snapshot that is null":         func(out component.Output) error { return out.Snapshot(nil) },
		"a reply to nobody":               func(out component.Output) error { return out.Reply(component.Reply{}) },
		"an update that is not an object": func(out component.Output) error { return out.UpdateSnapshot(5) },
	} {
		f := func(*component.Step) (component.Process, error) {
			return func(_ context.Context, _ *component.Message, out component.Output) error { return emit(out) }, nil
		}
		got := componenttest.Open(t, f, componenttest.Options{}).Process(t, componenttest.Message(`{}`))
		if got.Err == nil {
			t.Errorf("%s: no error", claim)
		}
	}
}

func TestStopRunsWhatWasRegisteredOnce(t *testing.T) {
	var stopped []int
	f := func(step *component.Step) (component.Process, error) {
		step.OnStop(func() { stopped = append(stopped, 1) })
		step.OnStop(func() { stopped = append(stopped, 2) })
		return func(context.Context, *component.Message, component.Output) error { return nil }, nil
	}
	t.Run("inner", func(t *testing.T) { componenttest.Open(t, f, componenttest.Options{}).Stop() })
	if diff := cmp.Diff([]int{2, 1}, stopped); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTheFirstReplyWins(t *testing.T) {
	f := func(*component.Step) (component.Process, error) {
		return func(_ context.Context, _ *component.Message, out component.Output) error {
			return errors.Join(out.Reply(component.Reply{Status: 201}), out.Reply(component.Reply{Status: 202}))
		}, nil
	}
	got := componenttest.Open(t, f, componenttest.Options{ReplyExpected: true}).Process(t, componenttest.Message(`{}`))
	if got.Err != nil || got.Reply == nil || got.Reply.Status != 201 {
		t.Errorf("got %+v, %v; want status 201", got.Reply, got.Err)
	}
}
