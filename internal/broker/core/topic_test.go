package core

import (
	"slices"
	"strings"
	"testing"
)

// matches is the definition of topic matching, slow and simple: the oracle.
func matches(pattern, key []string) bool {
	switch {
	case len(pattern) == 0:
		return len(key) == 0
	case pattern[0] == "#":
		return matches(pattern[1:], key) || len(key) > 0 && matches(pattern, key[1:])
	case len(key) == 0:
		return false
	}
	return (pattern[0] == "*" || pattern[0] == key[0]) && matches(pattern[1:], key[1:])
}

func split(s string) []string { return slices.Collect(words(s)) }

func FuzzTopic(f *testing.F) {
	for _, seed := range [][3]string{
		{"a.*.c", "#", "a.b.c"}, {"#.c", "a.#", "a.c"}, {"*", "", "x"}, {"#.#.#", "a..b", "a..b"}, {"", "#", ""}, {"*.#", "#.*", "a"}, {"#", "*", "*"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, p1, p2, key string) {
		if len(p1) > 40 || len(p2) > 40 || len(key) > 40 || strings.Count(p1+p2, "#") > 6 {
			return // the oracle is exponential
		}
		one, two := &Queue{name: "1"}, &Queue{name: "2"}
		index := &topicIndex{}
		first := &Binding{key: p1, to: target{queue: one}}
		index.add(first)
		index.add(&Binding{key: p2, to: target{queue: two}})
		check := func(q *Queue, want bool, pattern string) {
			got := slices.Contains(index.find([]byte(key), nil, nil), target{queue: q})
			if got != want {
				t.Errorf("pattern %q, key %q: found %v, want %v", pattern, key, got, want)
			}
		}
		check(one, matches(split(p1), split(key)), p1)
		check(two, matches(split(p2), split(key)), p2)
		index.remove(first)
		check(one, false, p1+" (removed)")
		check(two, matches(split(p2), split(key)), p2)
	})
}
