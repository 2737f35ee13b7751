package core

import (
	"bytes"
	"slices"
	"strings"
)

// topicIndex is a tree of the words of binding patterns: "*" stands for one word, "#" for any number, none too (AMQP 0-9-1 section 3.1.3.3).
type topicIndex struct {
	root topicNode
}

type topicNode struct {
	next map[string]*topicNode
	to   []target
}

func (t *topicIndex) add(b *Binding) {
	n := &t.root
	for word := range words(b.key) {
		child := n.next[word]
		if child == nil {
			child = new(topicNode)
			if n.next == nil {
				n.next = map[string]*topicNode{}
			}
			n.next[word] = child
		}
		n = child
	}
	n.to = append(n.to, b.to)
}

func (t *topicIndex) remove(b *Binding) {
	path := []*topicNode{&t.root}
	var names []string
	for word := range words(b.key) {
		child := path[len(path)-1].next[word]
		if child == nil {
			return
		}
		path, names = append(path, child), append(names, word)
	}
	leaf := path[len(path)-1]
	if i := slices.Index(leaf.to, b.to); i >= 0 {
		leaf.to = slices.Delete(leaf.to, i, i+1)
	}
	for i := len(path) - 1; i > 0 && len(path[i].to) == 0 && len(path[i].next) == 0; i-- {
		delete(path[i-1].next, names[i-1])
	}
}

// words splits a key at its dots; the empty key has no words.
func words(key string) func(func(string) bool) {
	if key == "" {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(key, ".")
}

func (t *topicIndex) find(key, _ []byte, to []target) []target {
	s := topicSearch{to: to, seen: map[topicStep]bool{}}
	s.walk(&t.root, key, len(key) == 0)
	return s.to
}

// topicSearch is one walk over the tree. Patterns such as "#.#.#" lead to the same place on many ways; seen takes each only once, which
// keeps the work within nodes times words.
type topicSearch struct {
	to   []target
	seen map[topicStep]bool
}

type topicStep struct {
	node *topicNode
	left int // bytes of the key that are left, -1 at its end
}

func (s *topicSearch) walk(n *topicNode, rest []byte, end bool) {
	step := topicStep{n, len(rest)}
	if end {
		step.left = -1
	}
	if s.seen[step] {
		return
	}
	s.seen[step] = true
	if end {
		s.to = append(s.to, n.to...)
		if any := n.next["#"]; any != nil {
			s.walk(any, nil, true)
		}
		return
	}
	word, after, more := bytes.Cut(rest, []byte{'.'})
	if child := n.next[string(word)]; child != nil && string(word) != "#" && string(word) != "*" {
		s.walk(child, after, !more)
	}
	if one := n.next["*"]; one != nil {
		s.walk(one, after, !more)
	}
	any := n.next["#"]
	if any == nil {
		return
	}
	s.walk(any, rest, false)
	for more = true; more; rest = after { // "#" takes one word more each time
		_, after, more = bytes.Cut(rest, []byte{'.'})
		s.walk(any, after, !more)
	}
}
