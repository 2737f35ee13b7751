package regex

// maxCode bounds what counted repetitions expand to.
const maxCode = 50_000

type emitter struct {
	*Regex
	back bool
	fail error
}

func (r *Regex) compile(n *node) error {
	e := &emitter{Regex: r}
	e.emit(n)
	e.add(inst{op: opMatch})
	if e.fail != nil {
		return e.fail
	}
	r.first = -1
	if c := r.code[0]; c.op == opChar && !r.fold {
		r.first = int(c.unit)
	}
	return nil
}

func (e *emitter) add(i inst) int {
	i.back = e.back
	if len(e.code) >= maxCode {
		e.fail = &Error{"too large"}
		return 0
	}
	e.code = append(e.code, i)
	return len(e.code) - 1
}

func (e *emitter) emit(n *node) {
	if e.fail != nil {
		return
	}
	switch n.kind {
	case nChar:
		u := n.unit
		if e.fold {
			u = canonical(u)
		}
		e.add(inst{op: opChar, unit: u})
	case nAny:
		e.add(inst{op: opAny})
	case nSet:
		e.add(inst{op: opSet, set: n.set})
	case nSeq:
		for i := range n.list {
			if e.back {
				i = len(n.list) - 1 - i
			}
			e.emit(n.list[i])
		}
	case nAlt:
		e.alternatives(n)
	case nRepeat:
		e.repeat(n)
	case nGroup:
		e.group(n)
	case nBegin:
		e.add(inst{op: opBegin})
	case nEnd:
		e.add(inst{op: opEnd})
	case nWord:
		e.add(inst{op: opWord})
	case nNotWord:
		e.add(inst{op: opNotWord})
	case nBackref:
		e.add(inst{op: opBackref, x: n.group})
	case nNamedRef:
		e.named(n)
	case nLook:
		e.look(n)
	}
}

func (e *emitter) named(n *node) {
	for i, name := range e.names {
		if name == n.name {
			e.add(inst{op: opBackref, x: i})
			return
		}
	}
	e.fail = &Error{"invalid named reference"}
}

func (e *emitter) alternatives(n *node) {
	var ends []int
	for i, alt := range n.list {
		if i == len(n.list)-1 {
			e.emit(alt)
			break
		}
		split := e.add(inst{op: opSplit})
		e.patchX(split, len(e.code))
		e.emit(alt)
		ends = append(ends, e.add(inst{op: opJump}))
		e.patchY(split, len(e.code))
	}
	for _, at := range ends {
		e.patchX(at, len(e.code))
	}
}

func (e *emitter) patchX(at, to int) {
	if e.fail == nil {
		e.code[at].x = to
	}
}

func (e *emitter) patchY(at, to int) {
	if e.fail == nil {
		e.code[at].y = to
	}
}

func (e *emitter) group(n *node) {
	if n.group == 0 {
		e.emit(n.list[0])
		return
	}
	open, shut := 2*n.group, 2*n.group+1
	if e.back {
		open, shut = shut, open
	}
	e.add(inst{op: opSave, x: open})
	e.emit(n.list[0])
	e.add(inst{op: opSave, x: shut})
}

func (e *emitter) look(n *node) {
	back := e.back
	e.back = n.back
	flag := 0
	if n.not {
		flag = 1
	}
	at := e.add(inst{op: opLook, y: flag})
	e.emit(n.list[0])
	e.add(inst{op: opMatch})
	e.patchX(at, len(e.code))
	e.back = back
}

// unbounded stands for no upper bound in opLoop and opLazy.
const unbounded = int(^uint(0) >> 1)

func (e *emitter) repeat(n *node) {
	body := n.list[0]
	if n.hi == 0 {
		return
	}
	if body.kind == nSet || body.kind == nAny || body.kind == nChar {
		e.loop(n, body)
		return
	}
	for range n.lo {
		e.iteration(n, false)
		if e.fail != nil {
			return
		}
	}
	if n.hi < 0 {
		split := e.add(inst{op: opSplit})
		e.iteration(n, true)
		e.add(inst{op: opJump, x: split})
		e.branch(split, n.lazy)
		return
	}
	var splits []int
	for range n.hi - n.lo {
		splits = append(splits, e.add(inst{op: opSplit}))
		e.iteration(n, true)
		if e.fail != nil {
			return
		}
	}
	for _, s := range splits {
		e.branch(s, n.lazy)
	}
}

// branch makes the split at s prefer what follows it, or the end if lazy.
func (e *emitter) branch(s int, lazy bool) {
	x, y := s+1, len(e.code)
	if lazy {
		x, y = y, x
	}
	e.patchX(s, x)
	e.patchY(s, y)
}

// iteration is one round of a repeat: captures within start anew, and an optional round must not be empty.
func (e *emitter) iteration(n *node, optional bool) {
	if n.to >= n.from {
		e.add(inst{op: opClear, x: 2 * n.from, y: 2*n.to + 2})
	}
	if !optional {
		e.emit(n.list[0])
		return
	}
	reg := 2*e.captures + e.registers
	e.registers++
	e.add(inst{op: opMark, x: reg})
	e.emit(n.list[0])
	e.add(inst{op: opMoved, x: reg})
}

func (e *emitter) loop(n, body *node) {
	s := body.set
	switch body.kind {
	case nAny:
		s = setOf('\n', '\n', '\r', '\r', 0x2028, 0x2029)
		s.negated = true
	case nChar:
		s = setOf(body.unit, body.unit)
	}
	hi := n.hi
	if hi < 0 {
		hi = unbounded
	}
	kind := opLoop
	if n.lazy {
		kind = opLazy
	}
	e.add(inst{op: kind, x: n.lo, y: hi, set: s})
}
