package regex

import (
	"strconv"
	"unicode/utf16"
)

type nodeKind uint8

const (
	nEmpty nodeKind = iota
	nChar
	nAny
	nSet
	nSeq
	nAlt
	nRepeat
	nGroup
	nBegin
	nEnd
	nWord
	nNotWord
	nBackref
	nNamedRef
	nLook
)

type node struct {
	kind      nodeKind
	unit      uint16
	set       *set
	list      []*node
	lo, hi    int // of a repeat; hi -1 is no bound
	lazy      bool
	group     int // number, 0 for none
	from, to  int // groups within a repeat
	back, not bool
	name      string
}

const maxNesting = 250

type parser struct {
	src    []uint16
	at     int
	groups int
	total  int // groups in the whole pattern
	named  bool
	names  []string
	depth  int
}

// Compile parses a pattern. Flags: i ignores case, m lets ^ and $ match at line ends.
func Compile(pattern, flags string) (*Regex, error) {
	p := &parser{src: utf16.Encode([]rune(pattern))}
	p.scanGroups()
	n, err := p.alternatives()
	if err == nil && p.at < len(p.src) {
		err = &Error{"unmatched )"}
	}
	if err != nil {
		return nil, err
	}
	r := &Regex{source: pattern, captures: p.groups + 1, names: p.names}
	for _, f := range flags {
		r.fold = r.fold || f == 'i'
		r.multiline = r.multiline || f == 'm'
	}
	return r, r.compile(n)
}

// scanGroups counts the groups beforehand: whether \7 is a backreference depends on it.
func (p *parser) scanGroups() {
	class := false
	for i := 0; i < len(p.src); i++ {
		switch p.src[i] {
		case '\\':
			i++
		case '[':
			class = true
		case ']':
			class = false
		case '(':
			if class {
				continue
			}
			if i+1 >= len(p.src) || p.src[i+1] != '?' {
				p.total++
			} else if i+3 < len(p.src) && p.src[i+2] == '<' && p.src[i+3] != '=' && p.src[i+3] != '!' {
				p.total++
				p.named = true
			}
		}
	}
	p.names = make([]string, p.total+1)
}

func (p *parser) peek() int {
	if p.at < len(p.src) {
		return int(p.src[p.at])
	}
	return -1
}

func (p *parser) take(s string) bool {
	for i := range len(s) {
		if p.at+i >= len(p.src) || p.src[p.at+i] != uint16(s[i]) {
			return false
		}
	}
	p.at += len(s)
	return true
}

func (p *parser) alternatives() (*node, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, &Error{"nested too deep"}
	}
	defer func() { p.depth-- }()
	alt := &node{kind: nAlt}
	for {
		seq := &node{kind: nSeq}
		for p.peek() != -1 && p.peek() != '|' && p.peek() != ')' {
			n, err := p.term()
			if err != nil {
				return nil, err
			}
			seq.list = append(seq.list, n)
		}
		alt.list = append(alt.list, seq)
		if !p.take("|") {
			break
		}
	}
	if len(alt.list) == 1 {
		return alt.list[0], nil
	}
	return alt, nil
}

func (p *parser) term() (*node, error) {
	before := p.groups
	n, quantifiable, err := p.atom()
	if err != nil {
		return nil, err
	}
	lo, hi, ok, err := p.quantifier()
	if err != nil || !ok {
		return n, err
	}
	if !quantifiable {
		return nil, &Error{"nothing to repeat"}
	}
	r := &node{kind: nRepeat, list: []*node{n}, lo: lo, hi: hi, from: before + 1, to: p.groups}
	r.lazy = p.take("?")
	return r, nil
}

func (p *parser) quantifier() (lo, hi int, ok bool, err error) {
	switch p.peek() {
	case '*':
		p.at++
		return 0, -1, true, nil
	case '+':
		p.at++
		return 1, -1, true, nil
	case '?':
		p.at++
		return 0, 1, true, nil
	case '{':
		return p.braces()
	}
	return 0, 0, false, nil
}

// braces reads {n}, {n,} or {n,m}; anything else is literal text.
func (p *parser) braces() (lo, hi int, ok bool, err error) {
	start := p.at
	p.at++
	lo, ok = p.integer()
	if ok {
		hi = lo
		if p.take(",") {
			var bounded bool
			if hi, bounded = p.integer(); !bounded {
				hi = -1
			}
		}
		ok = p.take("}")
	}
	if !ok {
		p.at = start
		return 0, 0, false, nil
	}
	if hi >= 0 && hi < lo {
		return 0, 0, false, &Error{"numbers out of order in {}"}
	}
	return lo, hi, true, nil
}

const largestCount = 1 << 30

func (p *parser) integer() (int, bool) {
	n, ok := 0, false
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		n, ok = min(n*10+c-'0', largestCount), true
		p.at++
	}
	return n, ok
}

func (p *parser) atom() (n *node, quantifiable bool, err error) {
	c := p.src[p.at]
	if _, _, ok, err := p.quantifier(); ok || err != nil {
		if err == nil {
			err = &Error{"nothing to repeat"}
		}
		return nil, false, err
	}
	p.at++
	switch c {
	case '^':
		return &node{kind: nBegin}, false, nil
	case '$':
		return &node{kind: nEnd}, false, nil
	case '.':
		return &node{kind: nAny}, true, nil
	case '[':
		s, err := p.class()
		return &node{kind: nSet, set: s}, true, err
	case '(':
		return p.group()
	case '\\':
		return p.escape()
	}
	return &node{kind: nChar, unit: c}, true, nil
}

func (p *parser) group() (*node, bool, error) {
	n, quantifiable := &node{kind: nGroup}, true
	switch {
	case p.take("?:"):
	case p.take("?="):
		n.kind = nLook
	case p.take("?!"):
		n.kind, n.not = nLook, true
	case p.take("?<="):
		n.kind, n.back, quantifiable = nLook, true, false
	case p.take("?<!"):
		n.kind, n.back, n.not, quantifiable = nLook, true, true, false
	case p.take("?<"):
		name, err := p.groupName()
		if err != nil {
			return nil, false, err
		}
		for _, other := range p.names {
			if other == name {
				return nil, false, &Error{"duplicate group name"}
			}
		}
		p.groups++
		n.group = p.groups
		p.names[n.group] = name
	case p.take("?"):
		return nil, false, &Error{"invalid group"}
	default:
		p.groups++
		n.group = p.groups
	}
	body, err := p.alternatives()
	if err != nil {
		return nil, false, err
	}
	if !p.take(")") {
		return nil, false, &Error{"unterminated group"}
	}
	n.list = []*node{body}
	return n, quantifiable, nil
}

func (p *parser) groupName() (string, error) {
	start := p.at
	for p.peek() != -1 && p.peek() != '>' {
		c := p.peek()
		if !isWord(uint16(c)) && c != '$' && c < 128 || p.at == start && c >= '0' && c <= '9' {
			return "", &Error{"invalid group name"}
		}
		p.at++
	}
	name := string(utf16.Decode(p.src[start:p.at]))
	if !p.take(">") || name == "" {
		return "", &Error{"invalid group name"}
	}
	return name, nil
}

// escape reads what follows a backslash outside of a class.
func (p *parser) escape() (*node, bool, error) {
	c := p.peek()
	switch {
	case c == -1:
		return nil, false, &Error{`\ at the end of the pattern`}
	case c == 'b' || c == 'B':
		p.at++
		if c == 'b' {
			return &node{kind: nWord}, false, nil
		}
		return &node{kind: nNotWord}, false, nil
	case c >= '1' && c <= '9':
		start := p.at
		if n, _ := p.integer(); n <= p.total {
			return &node{kind: nBackref, group: n}, true, nil
		}
		p.at = start
	case c == 'k' && p.named:
		p.at++
		if !p.take("<") {
			return nil, false, &Error{"invalid named reference"}
		}
		name, err := p.groupName()
		return &node{kind: nNamedRef, name: name}, true, err
	}
	if s := p.classEscape(); s != nil {
		return &node{kind: nSet, set: s}, true, nil
	}
	return &node{kind: nChar, unit: p.charEscape()}, true, nil
}

// classEscape reads \d and its like.
func (p *parser) classEscape() *set {
	var s *set
	switch p.peek() {
	case 'd', 'D':
		s = digits()
	case 'w', 'W':
		s = word()
	case 's', 'S':
		s = space()
	default:
		return nil
	}
	s.negated = p.src[p.at] < 'a'
	p.at++
	return s
}

func (p *parser) charEscape() uint16 {
	c := p.src[p.at]
	p.at++
	switch c {
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'v':
		return '\v'
	case 'c':
		if l := p.peek(); l >= 'a' && l <= 'z' || l >= 'A' && l <= 'Z' {
			p.at++
			return uint16(l % 32)
		}
		p.at--
		return '\\'
	case 'x':
		return p.hex(2, c)
	case 'u':
		return p.hex(4, c)
	}
	if c < '0' || c > '7' {
		return c
	}
	// Legacy octal: up to three digits, up to 377.
	n := c - '0'
	for i := 0; i < 2 && p.peek() >= '0' && p.peek() <= '7' && n*8+uint16(p.peek()-'0') <= 255; i++ {
		n = n*8 + uint16(p.peek()-'0')
		p.at++
	}
	return n
}

// hex reads n digits, or leaves them alone and means the letter itself.
func (p *parser) hex(n int, letter uint16) uint16 {
	if p.at+n > len(p.src) {
		return letter
	}
	u, err := strconv.ParseUint(string(utf16.Decode(p.src[p.at:p.at+n])), 16, 16)
	if err != nil {
		return letter
	}
	p.at += n
	return uint16(u)
}

func (p *parser) class() (*set, error) {
	s := &set{negated: p.take("^")}
	for {
		if p.peek() == -1 {
			return nil, &Error{"unterminated character class"}
		}
		if p.take("]") {
			return s, nil
		}
		lo, loSet := p.classAtom()
		if p.peek() != '-' || p.at+1 >= len(p.src) || p.src[p.at+1] == ']' {
			addAtom(s, lo, loSet)
			continue
		}
		p.at++
		hi, hiSet := p.classAtom()
		if loSet != nil || hiSet != nil {
			addAtom(s, lo, loSet)
			addAtom(s, '-', nil)
			addAtom(s, hi, hiSet)
			continue
		}
		if hi < lo {
			return nil, &Error{"range out of order in character class"}
		}
		s.add(lo, hi)
	}
}

func addAtom(s *set, u uint16, sub *set) {
	if sub != nil {
		s.addSet(sub)
		return
	}
	s.add(u, u)
}

func (p *parser) classAtom() (uint16, *set) {
	c := p.src[p.at]
	p.at++
	if c != '\\' || p.peek() == -1 {
		return c, nil
	}
	if p.take("b") {
		return '\b', nil
	}
	if s := p.classEscape(); s != nil {
		return 0, s
	}
	return p.charEscape(), nil
}
