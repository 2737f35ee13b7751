package store_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/openintegrationhub/leat/internal/broker/core"
	"github.com/openintegrationhub/leat/internal/broker/store"
	"github.com/openintegrationhub/leat/internal/broker/wire"
)

func open(t *testing.T, fs vfs.FS) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{Dir: "data", FS: fs, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// host is a virtual host over a store, as the broker has it, without goroutines.
type host struct {
	*testing.T
	s  *store.Store
	v  *core.VHost
	ch *core.Channel
}

type sink struct{ bodies []string }

func (s *sink) Deliver(_ uint16, _ string, _ uint64, _ bool, c wire.Content) {
	s.bodies = append(s.bodies, string(c.Body))
}
func (s *sink) Return(uint16, uint16, string, wire.Content) {}
func (s *sink) Confirm(uint16, uint64, bool, bool)          {}
func (s *sink) Cancel(uint16, string)                       {}
func (s *sink) Writable() bool                              { return true }

// newHost restores what the store has.
func newHost(t *testing.T, s *store.Store, limits core.Limits) *host {
	t.Helper()
	h := &host{T: t, s: s}
	h.v = core.New(core.Setup{Name: "/", Durable: true, Limits: limits, Now: 1, NewID: s.NewID})
	definitions, err := s.Definitions()
	h.must(err)
	metas, err := s.Metas()
	h.must(err)
	known, pointed := map[uint64]bool{}, map[uint64]bool{}
	for _, kind := range "xqy" {
		for _, d := range definitions {
			if k, _, _ := core.DefinitionVHost(d.Key); rune(k) == kind {
				h.must(h.v.Restore(d.Key, d.Value, func(q uint64) map[uint8]core.Meta { known[q] = true; return metas[q] }))
			}
		}
	}
	h.must(h.v.SharedQueues(func(q uint64) error {
		return s.Refs(q, func(id uint64) { pointed[id] = true; h.v.RestoreRef(id) })
	}))
	h.must(s.Clean(func(q uint64) bool { return known[q] }, func(id uint64) bool { return pointed[id] }))
	h.ch = h.v.NewConn(&sink{}, nil).NewChannel(1)
	return h
}

func (h *host) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// commit writes and reads until nothing is left to do.
func (h *host) commit() {
	h.Helper()
	for {
		h.v.Flush()
		ops, batch := h.v.Take(true)
		if len(ops) > 0 {
			h.must(h.s.Commit(ops))
			h.v.Committed(batch, ops)
		}
		loads := h.v.TakeLoads()
		for _, l := range loads {
			entries, err := h.s.Load(l)
			h.must(err)
			h.must(h.v.Loaded(l, entries))
		}
		if len(ops) == 0 && len(loads) == 0 {
			return
		}
	}
}

func (h *host) declare(name string, args wire.Table) {
	h.Helper()
	if _, err := h.v.Admin().DeclareQueue(core.QueueSpec{Name: name, Durable: true, Args: args}); err != nil {
		h.Fatal(err)
	}
}

func (h *host) publish(exchange, key, body string) {
	h.Helper()
	two := uint8(2)
	p := wire.Properties{DeliveryMode: &two}
	m := h.v.NewMessage()
	m.Begin(wire.AppendShortstr(wire.AppendShortstr(nil, exchange), key))
	h.must(m.Header(p.Append(nil), uint64(len(body))))
	m.Body([]byte(body))
	if err := h.ch.Publish(m, false); err != nil {
		h.Fatal(err)
	}
}

// get takes one message, "" when there's none, and acknowledges it.
func (h *host) get(queue string) (body string, redelivered bool) {
	h.Helper()
	for {
		r, err := h.ch.Get(queue, true)
		if err != nil {
			h.Fatal(err)
		}
		if r.Wait {
			h.commit()
			continue
		}
		if r.Empty {
			return "", false
		}
		body = string(r.Content.Body)
		r.Done()
		return body, r.Redelivered
	}
}

func small() core.Limits {
	return core.Limits{WindowMessages: 8, WindowBytes: 1 << 20, TotalBytes: 1 << 20, WindowBytesMin: 1 << 10}
}

func TestWhatWasCommittedSurvivesACrashAndNothingElseDoes(t *testing.T) {
	for _, unsynced := range []int{0, 30, 100} { // percent of what was not synced that survives anyway
		t.Run(fmt.Sprint(unsynced), func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			h := newHost(t, open(t, fs), small())
			h.declare("q", nil)
			for i := range 100 {
				h.publish("", "q", fmt.Sprint(i))
			}
			h.commit()
			for range 40 {
				h.get("q")
			}
			h.commit()
			for i := range 20 {
				h.publish("", "q", fmt.Sprint("late ", i))
			}
			crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rand.New(rand.NewPCG(1, uint64(unsynced)))})
			again := newHost(t, open(t, crashed), small())
			for i := 40; i < 100; i++ {
				if got, _ := again.get("q"); got != fmt.Sprint(i) {
					t.Fatalf("got %q, want %d", got, i)
				}
			}
			if got, _ := again.get("q"); got != "" {
				t.Errorf("got %q, which was never committed", got)
			}
			h.must(again.s.Close())
			h.must(h.s.Close())
		})
	}
}

// A long random run: publishes, gets, purges, deletions and crashes against a model of what must be there. Each case is one kind of
// step, which is why it is long.
func TestRandomRunsWithCrashesLoseAndRepeatNothing(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			fs := vfs.NewCrashableMem()
			h := newHost(t, open(t, fs), small())
			queues := []string{"a", "b", "c"}
			model := map[string][]string{}
			setup := func() {
				for _, q := range queues {
					h.declare(q, nil)
					if err := h.v.Admin().Bind(core.BindingSpec{Source: "amq.fanout", Destination: q}); err != nil {
						t.Fatal(err)
					}
				}
			}
			setup()
			for step := range 600 {
				q := queues[r.IntN(len(queues))]
				switch n := r.IntN(100); {
				case n < 40:
					body := fmt.Sprint("one ", step)
					h.publish("", q, body)
					model[q] = append(model[q], body)
				case n < 60:
					body := fmt.Sprint("all ", step)
					h.publish("amq.fanout", "", body)
					for _, q := range queues {
						model[q] = append(model[q], body)
					}
				case n < 90:
					want := ""
					if len(model[q]) > 0 {
						want, model[q] = model[q][0], model[q][1:]
					}
					if got, _ := h.get(q); got != want {
						t.Fatalf("step %d: queue %s: got %q, want %q", step, q, got, want)
					}
				case n < 92:
					if _, err := h.v.Admin().PurgeQueue(q); err != nil {
						t.Fatal(err)
					}
					model[q] = nil
				case n < 93:
					if _, err := h.v.Admin().DeleteQueue(q, false, false); err != nil {
						t.Fatal(err)
					}
					model[q] = nil
					setup()
				case n < 96:
					h.commit()
				case n < 98:
					h.commit()
					fs = fs.CrashClone(vfs.CrashCloneCfg{})
					h = newHost(t, open(t, fs), small())
				}
			}
			h.commit()
			for _, q := range queues {
				for _, want := range model[q] {
					if got, _ := h.get(q); got != want {
						t.Fatalf("at the end: queue %s: got %q, want %q", q, got, want)
					}
				}
			}
			h.commit()
			if left := h.s.Keys("em"); left != 0 {
				t.Errorf("%d entries and bodies are left in the store", left)
			}
			h.must(h.s.Close())
		})
	}
}

func TestPagedTransientMessagesAreGoneAfterAStart(t *testing.T) {
	fs := vfs.NewCrashableMem()
	h := newHost(t, open(t, fs), small())
	h.declare("q", nil)
	for i := range 50 {
		m := h.v.NewMessage()
		m.Begin(wire.AppendShortstr(wire.AppendShortstr(nil, ""), "q"))
		h.must(m.Header([]byte{0, 0}, 3))
		m.Body([]byte(fmt.Sprint(i)))
		if err := h.ch.Publish(m, false); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			h.publish("", "q", fmt.Sprint("kept ", i))
		}
	}
	h.commit()
	h.must(h.s.Close())
	h = newHost(t, open(t, fs), small())
	for _, want := range []string{"kept 0", "kept 10", "kept 20", "kept 30", "kept 40", ""} {
		if got, _ := h.get("q"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	h.must(h.s.Close())
}

func TestAFolderInUseIsRefused(t *testing.T) {
	dir := t.TempDir()
	o := store.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)}
	s, err := store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := store.Open(o); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second open: %v", err)
	}
}

func TestADamagedFolderIsNamedAndNotReplaced(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"manifest missing": func(t *testing.T, dir string) { remove(t, dir, "MANIFEST-*") },
		"manifest cut":     func(t *testing.T, dir string) { overwrite(t, dir, "MANIFEST-*") },
		"table damaged":    func(t *testing.T, dir string) { overwrite(t, dir, "*.sst") },
		"table missing":    func(t *testing.T, dir string) { remove(t, dir, "*.sst") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := store.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)}
			s, err := store.Open(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.Commit([]core.Op{{Kind: core.OpDefine, Key: "k", Value: make([]byte, 100)}}), s.Flush(), s.Close()); err != nil {
				t.Fatal(err)
			}
			damage(t, dir)
			s, err = store.Open(o)
			if err == nil {
				_, err = s.Definitions()
				_ = s.Close()
			}
			if err == nil {
				t.Fatal("a damaged folder was opened")
			}
			if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "backup") {
				t.Errorf("error %q doesn't say which folder, or what to do", err)
			}
		})
	}
}

func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(list) == 0 {
		t.Fatalf("no file %s: %v", pattern, err)
	}
	return list
}

func remove(t *testing.T, dir, pattern string) {
	t.Helper()
	for _, f := range files(t, dir, pattern) {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
}

// overwrite fills the files with other bytes of the same number.
func overwrite(t *testing.T, dir, pattern string) {
	t.Helper()
	for _, f := range files(t, dir, pattern) {
		old, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for i := range old {
			old[i] ^= 0x5A
		}
		if err := os.WriteFile(f, old, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
