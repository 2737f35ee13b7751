package regex

import "unsafe"

// Text is a string prepared for matching.
type Text struct {
	ascii string
	units []uint16
}

// ASCII prepares a string that has only ASCII characters.
func ASCII(s string) Text { return Text{ascii: s} }

// UTF16 prepares any string.
func UTF16(units []uint16) Text { return Text{units: units} }

// Match finds the first match at or after from. The result has start and end of the match and of every group, -1 for
// groups that take no part; nil if there is none. pause is called every 1,024 steps; its error ends the match.
func (r *Regex) Match(t Text, from int, pause func() error) ([]int, error) {
	if t.units != nil {
		return search(r, t.units, from, pause)
	}
	return search(r, unsafe.Slice(unsafe.StringData(t.ascii), len(t.ascii)), from, pause)
}

// back is an entry of the backtrack stack: a place to go on from, or a register to restore.
type back struct {
	pc, pos int // pc -1: put pos back into register reg
	reg     int
	low     int // of a loop: also every position from pos down (or up) to low
	step    int8
}

type matcher[E byte | uint16] struct {
	*Regex
	in    []E
	regs  []int
	stack []back
	steps int // since the last pause
	pause func() error
}

const (
	stepsPerPause = 1024
	maxStack      = 4 << 20
	lazyStep      = 2 // an entry of a lazy loop: reg is its instruction, low how many more units it may take
)

func search[E byte | uint16](r *Regex, in []E, from int, pause func() error) ([]int, error) {
	m := &matcher[E]{Regex: r, in: in, regs: make([]int, 2*r.captures+r.registers), pause: pause}
	for at := from; at <= len(in); at++ {
		if r.first >= 0 {
			for at < len(in) && int(in[at]) != r.first {
				at++
			}
			if at == len(in) {
				return nil, nil
			}
		}
		for i := range m.regs {
			m.regs[i] = -1
		}
		end, ok, err := m.run(0, at)
		if err != nil {
			return nil, err
		}
		if ok {
			m.regs[0], m.regs[1] = at, end
			return m.regs[:2*r.captures], nil
		}
	}
	return nil, nil
}

func (m *matcher[E]) set(reg, to int) {
	m.stack = append(m.stack, back{pc: -1, reg: reg, pos: m.regs[reg]})
	m.regs[reg] = to
}

func (m *matcher[E]) count() error {
	if m.steps++; m.steps < stepsPerPause {
		return nil
	}
	m.steps = 0
	if len(m.stack) > maxStack {
		return ErrStack
	}
	return m.pause()
}

// read gives the unit that the instruction looks at and the position behind it.
func (m *matcher[E]) read(back bool, pos int) (uint16, int, bool) {
	if back {
		if pos == 0 {
			return 0, 0, false
		}
		return uint16(m.in[pos-1]), pos - 1, true
	}
	if pos >= len(m.in) {
		return 0, 0, false
	}
	return uint16(m.in[pos]), pos + 1, true
}

// run executes the code from pc. On success the registers hold the captures; the entries that it has left on the stack
// are dropped, since a lookaround is never entered again.
func (m *matcher[E]) run(pc, pos int) (int, bool, error) {
	base := len(m.stack)
	for {
		if err := m.count(); err != nil {
			return 0, false, err
		}
		i := &m.code[pc]
		ok := true
		switch i.op {
		case opMatch:
			return pos, true, nil
		case opChar, opAny, opSet:
			u, next, has := m.read(i.back, pos)
			if ok = has && m.one(i, u); ok {
				pos = next
			}
		case opSplit:
			m.stack = append(m.stack, back{pc: i.y, pos: pos})
			pc = i.x
			continue
		case opJump:
			pc = i.x
			continue
		case opLook:
			matched, err := m.look(i, pc, pos)
			if err != nil {
				return 0, false, err
			}
			if ok = matched; ok {
				pc = i.x
				continue
			}
		case opLoop:
			pos, ok = m.loop(i, pc, pos)
		case opLazy:
			pos, ok = m.lazy(i, pc, pos)
		default:
			pos, ok = m.simple(i, pos)
		}
		if ok {
			pc++
			continue
		}
		if pc, pos, ok = m.backtrack(base); !ok {
			return 0, false, nil
		}
	}
}

// backtrack undoes registers and finds the next place to try.
func (m *matcher[E]) backtrack(base int) (pc, pos int, ok bool) {
	for len(m.stack) > base {
		top := len(m.stack) - 1
		b := &m.stack[top]
		if b.pc < 0 {
			m.regs[b.reg] = b.pos
			m.stack = m.stack[:top]
			continue
		}
		if b.step == lazyStep {
			i := &m.code[b.reg]
			u, next, has := m.read(i.back, b.pos)
			if !has || !i.set.has(u, m.fold) {
				m.stack = m.stack[:top]
				continue
			}
			pc, b.pos = b.pc, next
			if b.low--; b.low == 0 {
				m.stack = m.stack[:top]
			}
			return pc, next, true
		}
		pc, pos = b.pc, b.pos
		if b.step != 0 && b.pos != b.low {
			b.pos += int(b.step)
		} else {
			m.stack = m.stack[:top]
		}
		return pc, pos, true
	}
	return 0, 0, false
}

func (m *matcher[E]) one(i *inst, u uint16) bool {
	switch i.op {
	case opChar:
		return u == i.unit || m.fold && canonical(u) == i.unit
	case opAny:
		return !isLineEnd(u)
	}
	return i.set.has(u, m.fold)
}

// simple executes what neither branches nor reads one unit.
func (m *matcher[E]) simple(i *inst, pos int) (int, bool) {
	switch i.op {
	case opSave, opMark:
		m.set(i.x, pos)
	case opClear:
		for r := i.x; r < i.y; r++ {
			m.set(r, -1)
		}
	case opMoved:
		return pos, m.regs[i.x] != pos
	case opBegin:
		return pos, pos == 0 || m.multiline && isLineEnd(uint16(m.in[pos-1]))
	case opEnd:
		return pos, pos == len(m.in) || m.multiline && isLineEnd(uint16(m.in[pos]))
	case opWord, opNotWord:
		left := pos > 0 && isWord(uint16(m.in[pos-1]))
		right := pos < len(m.in) && isWord(uint16(m.in[pos]))
		return pos, (left != right) == (i.op == opWord)
	case opBackref:
		return m.backref(i, pos)
	}
	return pos, true
}

func (m *matcher[E]) backref(i *inst, pos int) (int, bool) {
	from, to := m.regs[2*i.x], m.regs[2*i.x+1]
	if from < 0 || to < 0 {
		return pos, true
	}
	n := to - from
	start := pos
	if i.back {
		start = pos - n
	}
	if start < 0 || start+n > len(m.in) {
		return pos, false
	}
	for k := range n {
		a, b := uint16(m.in[from+k]), uint16(m.in[start+k])
		if a != b && !(m.fold && canonical(a) == canonical(b)) {
			return pos, false
		}
	}
	m.steps += n
	if i.back {
		return start, true
	}
	return pos + n, true
}

// look tries the lookaround that starts at pc. Captures of a positive one stay, to be undone by backtracking.
func (m *matcher[E]) look(i *inst, pc, pos int) (bool, error) {
	base := len(m.stack)
	before := append([]int(nil), m.regs...)
	_, ok, err := m.run(pc+1, pos)
	if err != nil {
		return false, err
	}
	m.stack = m.stack[:base]
	negative := i.y == 1
	if !ok || negative {
		copy(m.regs, before)
		return ok != negative, nil
	}
	for r, old := range before {
		if m.regs[r] != old {
			m.stack = append(m.stack, back{pc: -1, reg: r, pos: old})
		}
	}
	return true, nil
}

// loop takes as many units of the set as it can, and leaves one entry for all shorter ways.
func (m *matcher[E]) loop(i *inst, pc, pos int) (int, bool) {
	n, at := 0, pos
	var low int
	for {
		if n == i.x {
			low = at
		}
		if n == i.y {
			break
		}
		u, next, has := m.read(i.back, at)
		if !has || !i.set.has(u, m.fold) {
			break
		}
		n, at = n+1, next
	}
	m.steps += n / 8
	if n < i.x {
		return pos, false
	}
	if at != low {
		step := -1
		if i.back {
			step = 1
		}
		m.stack = append(m.stack, back{pc: pc + 1, pos: at + step, low: low, step: int8(step)})
	}
	return at, true
}

// lazy takes as few units as it may, and leaves an entry that takes one more.
func (m *matcher[E]) lazy(i *inst, pc, pos int) (int, bool) {
	at := pos
	for range i.x {
		u, next, has := m.read(i.back, at)
		if !has || !i.set.has(u, m.fold) {
			return pos, false
		}
		at = next
	}
	if i.y > i.x {
		m.stack = append(m.stack, back{pc: pc + 1, pos: at, reg: pc, low: i.y - i.x, step: lazyStep})
	}
	return at, true
}
