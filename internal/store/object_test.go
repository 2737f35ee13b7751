package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/openintegrationhub/leat/internal/store"
)

func (s suite) putObject(t *testing.T, id, body string) store.Object {
	t.Helper()
	o, err := s.PutObject(t.Context(), store.Object{ID: id, Namespace: "flows", Flow: "f1", Step: "s", ContentType: "text/plain"}, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// object returns the bytes of an object; "none" if there's no such object.
func (s suite) object(t *testing.T, id string) string {
	t.Helper()
	_, r, err := s.Object(t.Context(), id)
	if errors.Is(err, store.ErrNoObject) {
		return "none"
	}
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestObjectsComeBackAsTheyWere(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		for _, n := range []int{0, 1, 256<<10 - 1, 256 << 10, 256<<10 + 1, 1 << 20} {
			body := strings.Repeat("x", n)
			put := s.putObject(t, fmt.Sprint("o", n), body)
			got, r, err := s.Object(t.Context(), put.ID)
			if err != nil || got != put || got.Bytes != int64(n) || got.Expires != s.clock.now.Add(7*24*time.Hour) {
				t.Errorf("%d bytes: got %+v, %v, want %+v", n, got, err, put)
			}
			if err := iotest.TestReader(r, []byte(body)); err != nil && n < 1<<20 { // which takes long
				t.Errorf("%d bytes: %v", n, err)
			}
		}
		s.putObject(t, "o1", "another")
		if got := s.object(t, "o1"); got != "another" {
			t.Errorf("a replaced object is %q", got)
		}
		if err := s.DeleteObject(t.Context(), "o1"); err != nil {
			t.Fatal(err)
		}
		if got := s.object(t, "o1"); got != "none" {
			t.Errorf("a deleted object is %q", got)
		}
		s.wantChunks(t, 0+1+1+1+2+4-1)
	})
}

// wantChunks checks how much is in the database.
func (s suite) wantChunks(t *testing.T, want int) {
	t.Helper()
	got, err := s.Count(t.Context(), "object_chunks")
	if err != nil || got != want {
		t.Errorf("%d chunks, %v, want %d", got, err, want)
	}
}

func TestAnObjectThatBreaksOffLeavesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		s.putObject(t, "o", "first")
		broken := errors.New("broken")
		body := io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), iotest.ErrReader(broken))
		if _, err := s.PutObject(t.Context(), store.Object{ID: "o"}, body); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		if got := s.object(t, "o"); got != "first" {
			t.Errorf("the object is %.20q", got)
		}
		s.wantChunks(t, 1)
	})
}

func TestObjectsExpire(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		s.putObject(t, "long", "a")
		short := store.Object{ID: "short", Namespace: "flows", Flow: "f1", Step: "s", Expires: s.clock.now.Add(time.Hour)}
		if _, err := s.PutObject(t.Context(), short, strings.NewReader("b")); err != nil {
			t.Fatal(err)
		}
		s.clock.now = s.clock.now.Add(time.Hour)
		if long, short := s.object(t, "long"), s.object(t, "short"); long != "a" || short != "none" {
			t.Errorf("after an hour: %q and %q", long, short)
		}
		s.clock.now = s.clock.now.Add(7 * 24 * time.Hour)
		s.putObject(t, "new", "c") // which looks through the others
		if got := s.object(t, "long"); got != "none" {
			t.Errorf("after a week: %q", got)
		}
		s.wantChunks(t, 1)
	})
}

// A process that dies while it stores an object leaves chunks that belong to nothing.
func TestUnfinishedObjectsGoAfterADay(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		s.putObject(t, "o", "x")
		lost := fmt.Sprintf("INSERT INTO object_chunks (upload, position, data, created_at) VALUES ('lost', 0, 'x', %d)", s.clock.now.UnixMilli())
		if err := s.Exec(t.Context(), lost); err != nil {
			t.Fatal(err)
		}
		s.clock.now = s.clock.now.Add(24 * time.Hour)
		s.putObject(t, "p", "x") // it might still be going on
		s.wantChunks(t, 3)
		s.clock.now = s.clock.now.Add(time.Hour)
		s.putObject(t, "q", "x")
		s.wantChunks(t, 3)
	})
}

func TestObjectsHaveABound(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		s.putObject(t, "a", strings.Repeat("x", 600))
		_, err := s.PutObject(t.Context(), store.Object{ID: "b"}, strings.NewReader(strings.Repeat("x", 401)))
		if !errors.Is(err, store.ErrObjectsFull) {
			t.Errorf("got %v", err)
		}
		s.putObject(t, "c", strings.Repeat("x", 400))
		s.wantChunks(t, 2)
	}, func(o *store.Options) { o.ObjectsBytesMax = 1000 })
}

func TestObjectsGoWithTheirFlow(t *testing.T) {
	onBoth(t, func(t *testing.T, s suite) {
		s.putObject(t, "o", "x")
		if err := s.Forget(t.Context(), "flows", "f2"); err != nil {
			t.Fatal(err)
		}
		if got := s.object(t, "o"); got != "x" {
			t.Errorf("after another flow was removed: %q", got)
		}
		if err := s.Forget(t.Context(), "flows", "f1"); err != nil {
			t.Fatal(err)
		}
		if got := s.object(t, "o"); got != "none" {
			t.Errorf("after its flow was removed: %q", got)
		}
		s.wantChunks(t, 0)
	})
}
