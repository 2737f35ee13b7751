package jsonata

// step is one step of a path.
type step struct {
	node   node
	name   string // of a plain field, with isName: looked up without going through node
	isName bool
	sort   *sorting
	stages []stage
	tuple  bool
	bare   bool // no stages
	// variables that the step binds for the steps after it
	focus, index, ancestor string
}

// stage is a predicate, or a variable for the position.
type stage struct {
	filter *filter
	index  string
}

// path evaluates its steps one after the other, each for all items that the one before gave.
type path struct {
	steps     []step
	names     []string // set when all steps are plain fields
	firstVar  bool     // the first step is a variable: it sees an array as one item
	firstCons bool
	keepOne   bool
	keepArray bool   // [] behind the path as a whole: unlike keepOne, it leaves an array constructor's array alone
	tuples    bool   // hands its tuples to the path around it
	scope     *scope // of the tuples, if any step makes them
	group     *group
}

func (c *compiler) path(n *ast) node {
	p := &path{keepOne: n.keepOne, keepArray: n.keepArray, tuples: n.tuple, steps: make([]step, len(n.list))}
	first := n.list[0]
	p.firstVar, p.firstCons = first.kind == aVariable, first.consArray
	plain := true
	var binds map[string]bool
	c.level++
	for i, s := range n.list {
		if s.tuple && p.scope == nil {
			binds = tupleNames(n, map[string]bool{})
			p.scope = c.open(nil, binds, n.list[i:]...)
		}
		st := &p.steps[i]
		c.step(st, s)
		plain = plain && st.isName && st.bare && !st.tuple
	}
	c.level--
	if n.group != nil {
		p.group = c.group(n.group, n.group)
		p.group.scope = p.scope
	}
	if p.scope != nil {
		c.close()
	}
	if plain && !p.keepOne && !p.keepArray && p.group == nil {
		for _, s := range n.list {
			p.names = append(p.names, s.text)
		}
	}
	return p
}

func (c *compiler) step(st *step, s *ast) {
	st.tuple, st.focus, st.index = s.tuple, s.focus, s.index
	if s.ancestor != nil {
		st.ancestor = s.ancestor.name()
	}
	st.bare = len(s.stages) == 0
	for _, stg := range s.stages {
		if stg.kind == aIndex {
			st.stages = append(st.stages, stage{index: stg.text})
			continue
		}
		st.stages = append(st.stages, stage{filter: c.filter(stg.lhs, false)})
	}
	if s.kind == aSort {
		st.sort = c.sorting(s)
		return
	}
	st.isName = s.kind == aName && s.predicate == nil && s.group == nil && !s.keepArray
	st.name = s.text
	st.node = c.compile(s)
}

// tupleNames lists the variables that the steps of n may bind.
func tupleNames(n *ast, names map[string]bool) map[string]bool {
	if n == nil {
		return names
	}
	for _, name := range []string{n.focus, n.index} {
		if name != "" {
			names[name] = true
		}
	}
	if n.kind == aIndex {
		names[n.text] = true
	}
	if n.ancestor != nil {
		names[n.ancestor.name()] = true
	}
	for _, part := range n.list {
		tupleNames(part, names)
	}
	for _, part := range n.stages {
		tupleNames(part, names)
	}
	return names
}

func (n *path) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	if n.names != nil {
		return n.walk(ev, in, fr)
	}
	return n.run(ev, in, fr, 0)
}

// walk follows plain field names as long as there are only objects.
func (n *path) walk(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	v := in
	for i, name := range n.names {
		if v.k != kObject {
			if v.k != kArray {
				return Value{}, nil
			}
			return n.run(ev, v, fr, i)
		}
		v = v.object().get(name)
	}
	if isSeq(v) {
		return finishCopy(v), nil
	}
	return v, nil
}

// finishCopy is finish for a sequence found within a value: its own [] no longer counts.
func finishCopy(v Value) Value {
	if v.array().is(keep) {
		a := *v.array()
		a.flags &^= keep
		v = arrayValue(&a)
	}
	return finish(v)
}

// run evaluates the steps from number from on.
func (n *path) run(ev *evaluator, in Value, fr *frame, from int) (Value, *Error) {
	var current array
	if in.k == kArray && (from > 0 || !n.firstVar) {
		if a := in.array(); from > 0 && a.is(cons) {
			current.items = []Value{in}
		} else {
			current = *a
		}
	} else {
		current.items = []Value{in}
	}
	bufs := [2][]Value{ev.buf(), ev.buf()}
	defer func() { ev.release(bufs[0]); ev.release(bufs[1]) }()
	for i := from; i < len(n.steps); i++ {
		st := &n.steps[i]
		if st.tuple {
			return n.runTuples(ev, &current, fr, i)
		}
		if i == 0 && n.firstCons {
			v, err := n.constructed(ev, st, in, fr)
			if err != nil || v.k == kUndefined || v.k == kArray && v.array().len() == 0 || len(n.steps) == 1 {
				return n.result(ev, v, fr, err)
			}
			current = lengthOf(v)
			if next := &n.steps[i+1]; next.sort != nil {
				switch {
				case v.k != kArray:
					current = array{items: []Value{v}}
				case v.array().len() == 1 && i+2 == len(n.steps) && next.bare:
					return n.result(ev, v, fr, nil) // nothing to sort: the array itself
				}
			}
			continue
		}
		last := i == len(n.steps)-1
		out, whole, err := n.step(ev, st, &current, fr, last, bufs[i&1][:0])
		bufs[i&1] = out
		if err != nil {
			return Value{}, err
		}
		if whole.k == kArray {
			return n.result(ev, whole, fr, nil)
		}
		if len(out) == 0 {
			return n.result(ev, arrayValue(&array{flags: seq}), fr, nil)
		}
		current = array{items: out}
	}
	if len(current.items) == 1 && !n.keepOne && !n.keepArray && n.group == nil {
		return current.items[0], nil
	}
	v, err := ev.sequenceOf(current.items)
	if last := &n.steps[len(n.steps)-1]; err == nil && last.sort != nil && last.bare && len(current.items) > 1 {
		v.array().flags = 0 // sorting gives an array
	}
	return n.result(ev, v, fr, err)
}

// constructed evaluates an array constructor that is the first step: it sees all of the input at once.
func (n *path) constructed(ev *evaluator, st *step, in Value, fr *frame) (Value, *Error) {
	if in.k != kArray {
		in = sequence(in)
	}
	return st.node.eval(ev, in, fr)
}

// lengthOf is what a step after an array constructor goes over: with a grouping or in a block, that may have given
// something else, of which only strings have a length in JavaScript.
func lengthOf(v Value) array {
	switch v.k {
	case kArray:
		return *v.array()
	case kString:
		var a array
		s := newSubject(v.str())
		for i := range s.length() {
			a.items = append(a.items, text(s.cut(i, i+1)))
		}
		return a
	}
	return array{}
}

// result applies [] and the grouping to what the last step gave.
func (n *path) result(ev *evaluator, v Value, fr *frame, err *Error) (Value, *Error) {
	if err != nil {
		return v, err
	}
	if n.keepOne && v.k == kArray {
		a := *v.array()
		switch {
		case a.is(cons) && !a.is(seq):
			a = array{items: []Value{v}, flags: seq | keep}
		default:
			a.flags |= keep
		}
		v = arrayValue(&a)
	}
	if n.group != nil {
		if v, err = n.group.over(ev, v, fr); err != nil {
			return v, err
		}
	}
	if n.keepArray {
		v = keeping(v)
	}
	return finish(v), nil
}

// keeping is v, which stays an array when it's a sequence of one.
func keeping(v Value) Value {
	if !isSeq(v) || v.array().is(keep) {
		return v
	}
	a := *v.array()
	a.flags |= keep
	return arrayValue(&a)
}

// step evaluates st for every item and appends the results to out, one level flattened. An array that is the only
// result of the last step is returned as it is.
func (n *path) step(ev *evaluator, st *step, in *array, fr *frame, last bool, out []Value) ([]Value, Value, *Error) {
	if st.sort != nil {
		return n.sortStep(ev, st, in, fr, last, out)
	}
	results := 0
	var held Value // the only result so far, when it's an array that may have to stay whole
	count := in.len()
	for i := range count {
		v, err := n.item(ev, st, in.at(i), fr)
		if err != nil {
			return out, v, err
		}
		if v.k == kUndefined {
			continue
		}
		if results++; results == 1 && last && v.k == kArray && !v.array().is(seq) {
			held = v
			continue
		}
		before := len(out)
		if held.k == kArray {
			if out, err = ev.spill(out, held); err != nil {
				return out, held, err
			}
			held = Value{}
		}
		if out, err = ev.spill(out, v); err != nil {
			return out, v, err
		}
		if err = ev.charge((len(out) - before) * valueBytes); err != nil {
			return out, v, err
		}
	}
	return out, held, nil
}

// spill appends v to out; the items of an array one by one, unless it was constructed as one.
func (ev *evaluator) spill(out []Value, v Value) ([]Value, *Error) {
	if v.k != kArray || v.array().is(cons) {
		return append(out, v), ev.tick()
	}
	if err := ev.grow(len(out), v.array()); err != nil {
		return out, err
	}
	return v.array().appendTo(out), ev.tick()
}

// item evaluates a step with its predicates for one item.
func (n *path) item(ev *evaluator, st *step, in Value, fr *frame) (v Value, err *Error) {
	if st.isName && in.k == kObject {
		v = in.object().get(st.name)
	} else if v, err = st.node.eval(ev, in, fr); err != nil {
		return v, err
	}
	for i := range st.stages {
		if v, err = st.stages[i].filter.apply(ev, v, fr); err != nil {
			return v, err
		}
	}
	return v, nil
}

func (n *path) sortStep(ev *evaluator, st *step, in *array, fr *frame, last bool, out []Value) ([]Value, Value, *Error) {
	items, err := st.sort.items(ev, in, fr)
	if err != nil {
		return out, Value{}, err
	}
	if len(st.stages) == 0 {
		return append(out, items...), Value{}, nil
	}
	v := plain(items)
	for _, s := range st.stages {
		if v, err = s.filter.apply(ev, v, fr); err != nil {
			return out, v, err
		}
	}
	if v.k != kArray {
		return append(out, v), Value{}, nil
	}
	if picked := v.array(); !picked.is(seq) && (last || picked.len() == 0) {
		return out, v, nil // an item that is an array stays one
	}
	return v.array().appendTo(out), Value{}, nil
}
