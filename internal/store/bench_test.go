package store_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/openintegrationhub/leat/internal/store"
)

// A start of `leat run` that needs the store pays this; the goal is below 15 ms.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for name, file := range map[string]func(int) string{
		"new":      func(i int) string { return fmt.Sprint(i, ".db") },
		"existing": func(int) string { return "same.db" },
	} {
		b.Run(name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				i++
				s, err := store.New(store.Options{Database: filepath.Join(dir, file(i)), Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Open(b.Context()); err != nil {
					b.Fatal(err)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDocuments(b *testing.B) {
	s, err := store.New(store.Options{Database: filepath.Join(b.TempDir(), "a.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	key := store.Key{Kind: store.Snapshot, Namespace: "flows", Flow: "f1", Name: "s"}
	b.Run("update", func(b *testing.B) {
		for b.Loop() {
			if err := s.Update(b.Context(), key, func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage(`{"a":1}`), nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("get", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Get(b.Context(), key); err != nil {
				b.Fatal(err)
			}
		}
	})
}
