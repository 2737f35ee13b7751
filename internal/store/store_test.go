package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/store"
)

var _ api.Documents = (*store.Store)(nil)

// clock is a time that tests set.
type clock struct{ now time.Time }

// suite is what a test of both databases gets: a store, and a way to open its database a second time.
type suite struct {
	*store.Store
	clock  *clock
	reopen func(t *testing.T) *store.Store
}

// onBoth runs a test on SQLite and on PostgreSQL.
func onBoth(t *testing.T, test func(t *testing.T, s suite), change ...func(*store.Options)) {
	for name, database := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "a store?#%.db") },
		"postgres": func(t *testing.T) string { return database(t) },
	} {
		t.Run(name, func(t *testing.T) {
			c := &clock{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
			opts := store.Options{Database: database(t), Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return c.now }}
			for _, f := range change {
				f(&opts)
			}
			reopen := func(t *testing.T) *store.Store {
				t.Helper()
				s, err := store.New(opts)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
				return s
			}
			test(t, suite{Store: reopen(t), clock: c, reopen: reopen})
		})
	}
}

func set(t *testing.T, s *store.Store, key store.Key, value string) {
	t.Helper()
	if err := s.Update(t.Context(), key, func(json.RawMessage) (json.RawMessage, error) {
		if value == "" {
			return nil, nil
		}
		return json.RawMessage(value), nil
	}); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s *store.Store, key store.Key) string {
	t.Helper()
	value, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

func TestDocumentsAreKept(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		key := store.Key{Kind: store.Snapshot, Namespace: "flows", Flow: "f1", Name: "mapper:step_1"}
		if got := get(t, s.Store, key); got != "" {
			t.Errorf("a document that isn't there is %s", got)
		}
		value := `{"a":"\u0000ä` + "\xff" + `","n":1.0}`
		set(t, s.Store, key, `{}`)
		set(t, s.Store, key, value)
		for _, other := range []store.Key{
			{Kind: store.StartupData, Namespace: "flows", Flow: "f1", Name: "mapper:step_1"},
			{Kind: store.Snapshot, Namespace: "flows2", Flow: "f1", Name: "mapper:step_1"},
			{Kind: store.Snapshot, Namespace: "flows", Flow: "f2", Name: "mapper:step_1"},
			{Kind: store.Snapshot, Namespace: "flows", Flow: "f1", Name: "Mapper:step_1"},
		} {
			if got := get(t, s.Store, other); got != "" {
				t.Errorf("%v is %s", other, got)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(t.Context(), key); err == nil {
			t.Error("a closed store answers")
		}
		again := s.reopen(t)
		if got := get(t, again, key); got != value {
			t.Errorf("got %s after a restart, want %s", got, value)
		}
		set(t, again, key, "")
		if got := get(t, again, key); got != "" {
			t.Errorf("a deleted document is %s", got)
		}
	})
}

func TestUpdatesOfOneDocumentFollowEachOther(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		key := store.Key{Kind: store.Snapshot, Namespace: "flows", Flow: "f1", Name: "s"}
		second := s.reopen(t)
		var all sync.WaitGroup
		for i := range 20 {
			one := s.Store
			if i%2 == 1 {
				one = second
			}
			all.Go(func() {
				err := one.Update(t.Context(), key, func(current json.RawMessage) (json.RawMessage, error) {
					n := 0
					if current != nil {
						if err := json.Unmarshal(current, &n); err != nil {
							return nil, err
						}
					}
					return json.Marshal(n + 1)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := get(t, s.Store, key); got != "20" {
			t.Errorf("20 increments make %s", got)
		}
	})
}

func TestRefusedUpdateChangesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		key := store.Key{Kind: store.AccountKeys, Namespace: "flows", Name: "a"}
		set(t, s.Store, key, `1`)
		want := errors.New("no")
		if err := s.Update(t.Context(), key, func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage(`2`), want }); err != want {
			t.Errorf("got %v, want the error of change", err)
		}
		if got := get(t, s.Store, key); got != "1" {
			t.Errorf("got %s, want 1", got)
		}
	})
}

func TestForgetRemovesWhatBelongsToAFlow(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		mine, other := failure("f1", "m"), failure("f2", "m")
		record(t, s.Store, mine)
		record(t, s.Store, other)
		set(t, s.Store, store.Key{Kind: store.Snapshot, Namespace: "flows", Flow: "f1", Name: "s"}, `{}`)
		account := store.Key{Kind: store.AccountKeys, Namespace: "flows", Name: "a"}
		set(t, s.Store, account, `{}`)
		if err := s.Forget(t.Context(), "flows", "f1"); err != nil {
			t.Fatal(err)
		}
		if got := get(t, s.Store, store.Key{Kind: store.Snapshot, Namespace: "flows", Flow: "f1", Name: "s"}); got != "" {
			t.Errorf("its snapshot is still %s", got)
		}
		if got := get(t, s.Store, account); got == "" {
			t.Error("the account, which isn't the flow's, has gone")
		}
		if list := list(t, s.Store, store.Filter{}); len(list) != 1 || list[0].Flow != "f2" {
			t.Errorf("errors left: %+v", list)
		}
		if err := s.Forget(t.Context(), "flows", ""); err == nil {
			t.Error("forgot a flow without a name")
		}
	})
}

func TestNewerTablesAreRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Exec(t.Context(), "UPDATE schema_version SET version = 99"); err != nil {
			t.Fatal(err)
		}
		err := s.reopen(t).Open(t.Context())
		if err == nil || !strings.Contains(err.Error(), "its tables are of version 99, this program knows 2: use a newer one") {
			t.Errorf("got %v", err)
		}
	})
}

func TestManyProcessesMayStartAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		var all sync.WaitGroup
		for range 5 {
			one := s.reopen(t)
			all.Go(func() {
				if err := one.Open(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}

func TestOptionsAreChecked(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	for want, opts := range map[string]store.Options{
		"store options: Database: missing":                                         {Logger: logger},
		"store options: Logger: missing":                                           {Database: "a.db"},
		`store options: Database: unknown kind "mysql": use a file or postgres://`: {Database: "mysql://x", Logger: logger},
		"store options: Database: not a valid URL":                                 {Database: "postgres://u:secret%zz@h/", Logger: logger},
		"store options: ErrorsAge, ErrorsMax or ErrorsBytesMax: negative":          {Database: "a.db", Logger: logger, ErrorsMax: -1},
	} {
		if _, err := store.New(opts); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	s, err := store.New(store.Options{Database: filepath.Join(t.TempDir(), "no", "folder.db"), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err == nil {
		t.Error("opened a file in a folder that doesn't exist")
	}
}

func failure(flow, id string) store.Failure {
	return store.Failure{Source: store.Report, Namespace: "flows", Flow: flow, Step: "step_1", Execution: "e-" + id, Message: id,
		Time: time.Date(2026, 11, 22, 12, 0, 0, 5e6, time.UTC), Reason: "Error: boom", Stack: "at x"}
}

func deadLetter(flow, id string) store.Failure {
	f := failure(flow, id)
	f.Source, f.Reason, f.Stack = store.DeadLetter, "rejected", ""
	f.Headers, f.Input = message.Headers{"messageId": id, "n": float64(1)}, []byte(`{"body":{}}`)
	f.Time = f.Time.Add(time.Second)
	return f
}

func record(t *testing.T, s *store.Store, f store.Failure) int64 {
	t.Helper()
	id, err := s.Record(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func list(t *testing.T, s *store.Store, f store.Filter) []store.Error {
	t.Helper()
	all, err := s.Errors(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, s *store.Store, id int64) store.Error {
	t.Helper()
	e, err := s.Error(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestReportAndDeadLetterAreOneError(t *testing.T) {
	for name, order := range map[string][]store.Failure{
		"report first":      {failure("f1", "m1"), deadLetter("f1", "m1")},
		"dead letter first": {deadLetter("f1", "m1"), failure("f1", "m1")},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s suite) {
				var ids []int64
				for _, f := range order {
					ids = append(ids, record(t, s.Store, f))
				}
				if ids[0] != ids[1] {
					t.Errorf("ids are %v, want one", ids)
				}
				want := store.Error{ID: ids[0], Namespace: "flows", Flow: "f1", Step: "step_1", Execution: "e-m1", Message: "m1", State: store.Open,
					Times: 1, First: order[0].Time, Last: deadLetter("", "").Time, Reason: "Error: boom", Stack: "at x",
					Headers: message.Headers{"messageId": "m1", "n": float64(1)}, Input: []byte(`{"body":{}}`), Bytes: 11}
				if diff := cmp.Diff(want, read(t, s.Store, ids[0])); diff != "" {
					t.Errorf("error (-want +got):\n%s", diff)
				}
				want.Stack, want.Headers, want.Input = "", nil, nil
				if diff := cmp.Diff([]store.Error{want}, list(t, s.Store, store.Filter{})); diff != "" {
					t.Errorf("list (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Senders of some generations give all that they make of one message the same id.
func TestMessagesOfOneIDStayApart(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		ids := map[string]int64{}
		for _, body := range []string{"1", "2", "3"} {
			letter, report := deadLetter("f1", "m1"), failure("f1", "m1")
			letter.Input = []byte(`{"id":"x", "body":{"n":` + body + `}}`)
			report.Input = []byte(`{"body":{"n":` + body + `.0},"headers":{},"id":"x"}`) // written anew
			ids[body] = record(t, s.Store, report)
			if id := record(t, s.Store, letter); id != ids[body] {
				t.Errorf("dead letter %d isn't that of report %d", id, ids[body])
			}
		}
		if len(list(t, s.Store, store.Filter{})) != 3 {
			t.Errorf("ids are %v, want three", ids)
		}
		unknown := record(t, s.Store, failure("f1", "m1"))
		if unknown != ids["3"] {
			t.Errorf("a report without its message went to %d, want the newest of %v", unknown, ids)
		}
		if got := read(t, s.Store, ids["1"]); string(got.Input) != `{"id":"x", "body":{"n":1}}` || got.Times != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestHeadersWithoutJSONFormAreText(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		f := deadLetter("f1", "m1")
		f.Headers = message.Headers{"a": math.NaN(), "b": map[string]any{"c": math.Inf(1)}, "d": true}
		want := message.Headers{"a": "NaN", "b": "map[c:+Inf]", "d": true}
		if diff := cmp.Diff(want, read(t, s.Store, record(t, s.Store, f)).Headers); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
	})
}

func TestErrorsWithoutMessageStayApart(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		if first, second := record(t, s.Store, failure("f1", "")), record(t, s.Store, failure("f1", "")); first == second {
			t.Error("two errors at start became one")
		}
	})
}

func TestReplayedErrorIsOpenAgainWhenItFailsAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		id := record(t, s.Store, failure("f1", "m1"))
		record(t, s.Store, deadLetter("f1", "m1"))
		for _, step := range []struct {
			state store.State
			f     *store.Failure
			want  store.State
			times int
		}{
			{state: store.Replayed, want: store.Replayed, times: 1},
			{f: ptr(failure("f1", "m1")), want: store.Open, times: 2},
			{f: ptr(deadLetter("f1", "m1")), want: store.Open, times: 2},
			{state: store.Discarded, want: store.Discarded, times: 2},
			{f: ptr(deadLetter("f1", "m1")), want: store.Open, times: 3},
			{state: store.Discarded, want: store.Discarded, times: 3},
			{f: ptr(failure("f1", "m1")), want: store.Discarded, times: 3}, // the report of what was discarded comes late
		} {
			if step.f != nil {
				record(t, s.Store, *step.f)
			} else if n, err := s.SetState(t.Context(), store.Filter{IDs: []int64{id}}, step.state); n != 1 || err != nil {
				t.Fatalf("set state: %d, %v", n, err)
			}
			if got := read(t, s.Store, id); got.State != step.want || got.Times != step.times {
				t.Fatalf("after %+v: %s, %d times", step, got.State, got.Times)
			}
		}
	})
}

func ptr[T any](v T) *T { return &v }

func TestErrorsAreFiltered(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		for i := range 5 {
			f := failure("f1", fmt.Sprint("m", i))
			f.Step = fmt.Sprint("step_", i%2)
			record(t, s.Store, f)
		}
		third := failure("f2", "m")
		third.Namespace = "more"
		id := record(t, s.Store, third)
		for name, test := range map[string]struct {
			filter store.Filter
			want   int
		}{
			"all":            {store.Filter{}, 6},
			"flow":           {store.Filter{Flow: "f1"}, 5},
			"namespace":      {store.Filter{Namespace: "more"}, 1},
			"step of a flow": {store.Filter{Flow: "f1", Step: "step_1"}, 2},
			"execution":      {store.Filter{Execution: "e-m3"}, 1},
			"state":          {store.Filter{State: store.Discarded}, 0},
			"ids":            {store.Filter{IDs: []int64{id, 999}}, 1},
			"limit":          {store.Filter{Limit: 4}, 4},
			"before":         {store.Filter{Before: id}, 5},
		} {
			if got := list(t, s.Store, test.filter); len(got) != test.want {
				t.Errorf("%s: %d errors, want %d", name, len(got), test.want)
			}
		}
		if n, err := s.SetState(t.Context(), store.Filter{Flow: "f1", Step: "step_1", State: store.Open}, store.Discarded); n != 2 || err != nil {
			t.Errorf("discarded %d, %v, want 2", n, err)
		}
		if n, err := s.SetState(t.Context(), store.Filter{State: store.Open, Limit: 1}, store.Replayed); n != 1 || err != nil {
			t.Errorf("marked %d as replayed, %v, want 1", n, err)
		}
		if _, err := s.Error(t.Context(), 999); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("error 999: got %v", err)
		}
	})
}

func TestAnythingAComponentSaysCanBeStored(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		f := failure("f1", "m\x00\xff")
		f.Reason, f.Stack, f.Input = "a\x00b\xffc"+strings.Repeat("ä", 5000), strings.Repeat("x", 100_000), []byte{0, 255}
		got := read(t, s.Store, record(t, s.Store, f))
		if got.Message != "m" || !strings.HasPrefix(got.Reason, "abcää") || len(got.Reason) > 4096 || len(got.Stack) != 64<<10 ||
			string(got.Input) != "\x00\xff" {
			t.Errorf("got %q, %d, %d, %q", got.Message, len(got.Reason), len(got.Stack), got.Input)
		}
	})
}

func TestListOfErrorsIsBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		for i := range 12 {
			f := deadLetter("f1", fmt.Sprint("m", i))
			f.Input = make([]byte, 100)
			record(t, s.Store, f)
		}
		if _, err := s.SetState(t.Context(), store.Filter{Execution: "e-m11"}, store.Replayed); err != nil {
			t.Fatal(err)
		}
		s.prune(t, 1) // of 12: 10 stay, the replayed one goes first
		if got := list(t, s.Store, store.Filter{}); len(got) != 10 || got[0].Message != "m10" || got[9].Message != "m1" {
			t.Errorf("left: %+v", got)
		}
		f := deadLetter("f1", "large")
		f.Input = make([]byte, 4500)
		record(t, s.Store, f)
		s.prune(t, 5) // the large one and 5 others are 5000 bytes
		if got := list(t, s.Store, store.Filter{}); len(got) != 6 || got[0].Message != "large" || got[5].Message != "m6" {
			t.Errorf("left: %+v", got)
		}
		if _, err := s.SetState(t.Context(), store.Filter{Execution: "e-large"}, store.Discarded); err != nil {
			t.Fatal(err)
		}
		s.clock.now = s.clock.now.Add(31 * 24 * time.Hour)
		s.prune(t, 0)
		if got := list(t, s.Store, store.Filter{Execution: "e-large"}); len(got) != 0 {
			t.Error("a discarded error stays after 31 days")
		}
		if got := list(t, s.Store, store.Filter{State: store.Open}); len(got) != 5 {
			t.Errorf("%d open errors after 31 days, want 5", len(got))
		}
	}, func(o *store.Options) { o.ErrorsMax, o.ErrorsBytesMax = 10, 5000 })
}

func (s suite) prune(t *testing.T, lost int) {
	t.Helper()
	if got, err := s.Prune(t.Context()); got != lost || err != nil {
		t.Errorf("prune gave up %d open errors, %v, want %d", got, err, lost)
	}
}
