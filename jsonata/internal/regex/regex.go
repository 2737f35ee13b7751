// Package regex matches regular expressions as JavaScript does (ECMA-262 2018 with Annex B, without the u flag): on
// UTF-16 units, with backreferences, lookahead and lookbehind. Go's regexp has neither those nor JavaScript's classes.
// It backtracks, on a stack of its own, and calls back every so often so that a caller can stop it.
package regex

import "errors"

// Regex is a compiled pattern, safe for concurrent use.
type Regex struct {
	source    string
	code      []inst
	captures  int // groups including the whole match
	registers int // of empty-loop checks, behind the captures
	names     []string
	fold      bool
	multiline bool
	first     int // the unit that every match starts with, -1 if not known
}

// String returns the pattern.
func (r *Regex) String() string { return r.source }

// Error tells what is wrong with a pattern.
type Error struct{ Reason string }

func (e *Error) Error() string { return "invalid regular expression: " + e.Reason }

// ErrStack is returned when a match needs more memory than the matcher may use.
var ErrStack = errors.New("regular expression needs too much memory")

type op uint8

const (
	opMatch op = iota
	opChar
	opAny
	opSet
	opSplit   // try x, then y
	opJump    // to x
	opSave    // position into capture register x
	opClear   // captures from x up to y
	opMark    // position into register x, for opMoved
	opMoved   // fails unless the position has changed since opMark x
	opBegin   // ^
	opEnd     // $
	opWord    // \b
	opNotWord // \B
	opBackref // to group x
	opLook    // lookaround: body follows, continues at x; y&1 negative
	opLoop    // greedy loop over one set: x at least, y at most
	opLazy    // the same, lazy
)

type inst struct {
	op   op
	back bool // reads backwards, within lookbehind
	unit uint16
	x, y int
	set  *set
}

// set is a class of units.
type set struct {
	ranges  []span
	ascii   [4]uint32 // of the units below 128
	negated bool
}

type span struct{ lo, hi uint16 }

func (s *set) add(lo, hi uint16) {
	s.ranges = append(s.ranges, span{lo, hi})
	for u := int(lo); u <= int(hi) && u < 128; u++ {
		s.ascii[u>>5] |= 1 << (u & 31)
	}
}

func (s *set) addSet(o *set) {
	if !o.negated {
		for _, r := range o.ranges {
			s.add(r.lo, r.hi)
		}
		return
	}
	next := 0
	for _, r := range o.sorted() {
		if int(r.lo) > next {
			s.add(uint16(next), r.lo-1)
		}
		next = max(next, int(r.hi)+1)
	}
	if next <= 0xFFFF {
		s.add(uint16(next), 0xFFFF)
	}
}

func (s *set) sorted() []span {
	out := append([]span(nil), s.ranges...)
	for i := 1; i < len(out); i++ {
		for j := i; j > 0 && out[j].lo < out[j-1].lo; j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}

func (s *set) contains(u uint16) bool {
	if u < 128 {
		return s.ascii[u>>5]&(1<<(u&31)) != 0
	}
	for _, r := range s.ranges {
		if u >= r.lo && u <= r.hi {
			return true
		}
	}
	return false
}

func (s *set) has(u uint16, fold bool) bool {
	in := s.contains(u)
	if !in && fold {
		for v := simpleFold(u); v != u && !in; v = simpleFold(v) {
			in = canonical(v) == canonical(u) && s.contains(v)
		}
	}
	return in != s.negated
}

func setOf(units ...uint16) *set {
	s := new(set)
	for i := 0; i+1 < len(units); i += 2 {
		s.add(units[i], units[i+1])
	}
	return s
}

func digits() *set { return setOf('0', '9') }
func word() *set   { return setOf('0', '9', 'A', 'Z', '_', '_', 'a', 'z') }
func space() *set {
	return setOf('\t', '\r', ' ', ' ', 0xA0, 0xA0, 0x1680, 0x1680, 0x2000, 0x200A, 0x2028, 0x2029, 0x202F, 0x202F,
		0x205F, 0x205F, 0x3000, 0x3000, 0xFEFF, 0xFEFF)
}

func isLineEnd(u uint16) bool { return u == '\n' || u == '\r' || u == 0x2028 || u == 0x2029 }

func isWord(u uint16) bool {
	return u >= '0' && u <= '9' || u >= 'A' && u <= 'Z' || u == '_' || u >= 'a' && u <= 'z'
}
