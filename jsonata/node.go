package jsonata

// constant is a literal.
type constant struct{ v Value }

func (n *constant) eval(*evaluator, Value, *frame) (Value, *Error) { return n.v, nil }

// contextItem is $, rootItem is $$.
type contextItem struct{ raw bool }

func (n *contextItem) eval(_ *evaluator, in Value, _ *frame) (Value, *Error) {
	if in.k == kArray && in.array().is(outer) {
		return in.array().at(0), nil
	}
	return finishUnless(n.raw, in), nil
}

type rootItem struct{}

func (*rootItem) eval(ev *evaluator, _ Value, _ *frame) (Value, *Error) { return ev.root, nil }

// place is where a variable may be bound: slot of the frame that many levels up; -1 is among the tuple's bindings.
type place struct{ depth, slot int }

type variable struct {
	name   string
	places []place
	global Value
	known  node // what it is when nothing binds it
	raw    bool
}

func (n *variable) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	for _, p := range n.places {
		f := fr.up(p.depth)
		if p.slot < 0 {
			if v, ok := f.tup.lookup(n.name); ok {
				return finishUnless(n.raw, v), nil
			}
			continue
		}
		// A frame made before $eval added names has fewer slots.
		if p.slot < len(f.vars) && f.vars[p.slot].k != kUnset {
			return finishUnless(n.raw, f.vars[p.slot]), nil
		}
	}
	return n.fallback(ev, in, fr)
}

func (n *variable) fallback(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	if ev.dynamic {
		for f := fr; f != nil; f = f.parent {
			if v, ok := f.dyn[n.name]; ok {
				return finishUnless(n.raw, v), nil
			}
		}
	}
	v := n.global
	if n.known != nil {
		v, _ = n.known.eval(ev, in, fr) // the root, which is no error
	}
	return finishUnless(n.raw, v), nil
}

// localVariable is the usual case of a variable with one place.
type localVariable struct {
	*variable
	depth, slot int
}

func (n *localVariable) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	v := fr.up(n.depth).vars[n.slot]
	if v.k == kUnset {
		return n.fallback(ev, in, fr)
	}
	return finishUnless(n.raw, v), nil
}

type bind struct {
	name  string
	slot  int
	value node
}

func (n *bind) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	v, err := n.value.eval(ev, in, fr)
	if err != nil {
		return v, err
	}
	if n.slot >= 0 && n.slot < len(fr.vars) {
		fr.vars[n.slot] = v
		return finish(v), nil
	}
	if fr.dyn == nil {
		fr.dyn = map[string]Value{}
	}
	fr.dyn[n.name] = v
	ev.dynamic = true
	return finish(v), nil
}

type block struct {
	scope *scope
	exprs []node
	raw   bool
}

func (n *block) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	if n.scope != nil {
		fr = ev.newFrame(fr, n.scope)
	}
	var v Value
	var err *Error
	for _, e := range n.exprs {
		if v, err = e.eval(ev, in, fr); err != nil {
			return v, err
		}
	}
	return finishUnless(n.raw, v), nil
}

type condition struct {
	test, then, otherwise node
	raw                   bool
}

func (n *condition) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	v, err := n.test.eval(ev, in, fr)
	if err != nil {
		return v, err
	}
	yes, err := ev.truth(v)
	if err != nil {
		return v, err
	}
	branch := n.then
	if !yes {
		branch = n.otherwise
	}
	if branch == nil {
		return Value{}, nil
	}
	v, err = branch.eval(ev, in, fr)
	return finishUnless(n.raw, v), err
}

// elvis is left ?: right.
type elvis struct {
	left, right node
	raw         bool
}

func (n *elvis) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	v, err := n.left.eval(ev, in, fr)
	if err != nil {
		return v, err
	}
	yes, err := ev.truth(v)
	if err == nil && !yes {
		v, err = n.right.eval(ev, in, fr)
	}
	return finishUnless(n.raw, v), err
}

// coalesce is left ?? right.
type coalesce struct {
	left, right node
	raw         bool
}

func (n *coalesce) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	v, err := n.left.eval(ev, in, fr)
	if err == nil && v.k == kUndefined {
		v, err = n.right.eval(ev, in, fr)
	}
	return finishUnless(n.raw, v), err
}

// nameNode is a field name, applied to all items of an array.
type nameNode struct {
	name string
	raw  bool
}

func (n *nameNode) eval(ev *evaluator, in Value, _ *frame) (Value, *Error) {
	switch in.k {
	case kObject:
		v := in.object().get(n.name)
		if n.raw {
			return v, nil
		}
		return finish(v), nil
	case kArray:
		v, err := ev.lookup(in.array(), n.name, 0)
		if err != nil || n.raw {
			return v, err
		}
		return finish(v), nil
	}
	return Value{}, nil
}

// lookup collects the values of key over all items of a, however nested.
func (ev *evaluator) lookup(a *array, key string, depth int) (Value, *Error) {
	if depth > maxValueDepth {
		return Value{}, tooDeep()
	}
	buf := ev.buf()
	defer func() { ev.release(buf) }()
	for i := range a.len() {
		if err := ev.tick(); err != nil {
			return Value{}, err
		}
		var v Value
		switch item := a.at(i); item.k {
		case kObject:
			v = item.object().get(key)
		case kArray:
			var err *Error
			if v, err = ev.lookup(item.array(), key, depth+1); err != nil {
				return v, err
			}
		}
		switch v.k {
		case kUndefined:
		case kArray:
			buf = v.array().appendTo(buf)
		default:
			buf = append(buf, v)
		}
	}
	return ev.sequenceOf(buf)
}

// sequenceOf copies items into a new sequence.
func (ev *evaluator) sequenceOf(items []Value) (Value, *Error) {
	if err := ev.fits(len(items)); err != nil {
		return Value{}, err
	}
	if err := ev.charge(len(items) * valueBytes); err != nil {
		return Value{}, err
	}
	if len(items) == 0 {
		return arrayValue(&array{flags: seq}), nil
	}
	return arrayValue(&array{items: append(make([]Value, 0, len(items)), items...), flags: seq}), nil
}

// wildcard is *: the values of all members, with arrays flattened.
type wildcard struct{ raw bool }

func (n *wildcard) eval(ev *evaluator, in Value, _ *frame) (Value, *Error) {
	if in.k == kArray && in.array().is(outer) {
		in = in.array().at(0)
	}
	var items []Value
	flag := seq
	var err *Error
	add := func(v Value) {
		if v.k == kArray {
			items, err = ev.flatten(items, v, 0)
			flag = 0 // what has been appended to is no sequence any more
			return
		}
		items = append(items, v)
	}
	switch in.k {
	case kObject:
		for i := range in.object().members {
			add(in.object().members[i].val)
			if err != nil {
				return Value{}, err
			}
		}
	case kArray:
		a := in.array()
		for i := range a.len() {
			add(a.at(i))
			if err != nil {
				return Value{}, err
			}
		}
	}
	if err := ev.charge(len(items) * valueBytes); err != nil {
		return Value{}, err
	}
	v := arrayValue(&array{items: items, flags: flag})
	if n.raw {
		return v, nil
	}
	return finish(v), nil
}

// flatten appends v to items, and if it is an array its items, however nested.
func (ev *evaluator) flatten(items []Value, v Value, depth int) ([]Value, *Error) {
	if v.k != kArray {
		return append(items, v), nil
	}
	if depth > maxValueDepth {
		return items, tooDeep()
	}
	a := v.array()
	for i := range a.len() {
		err := ev.tick()
		if err == nil {
			items, err = ev.flatten(items, a.at(i), depth+1)
		}
		if err == nil {
			err = ev.fits(len(items))
		}
		if err != nil {
			return items, err
		}
	}
	return items, nil
}

// descendants is **: the item itself and everything below it.
type descendants struct{ raw bool }

func (n *descendants) eval(ev *evaluator, in Value, _ *frame) (Value, *Error) {
	if in.k == kUndefined {
		return in, nil
	}
	buf := ev.buf()
	buf, err := ev.descend(buf, in, 0)
	defer func() { ev.release(buf) }()
	if err != nil {
		return Value{}, err
	}
	if len(buf) == 1 {
		return finish(buf[0]), nil
	}
	v, err := ev.sequenceOf(buf)
	if err != nil || n.raw {
		return v, err
	}
	return finish(v), nil
}

func (ev *evaluator) descend(items []Value, v Value, depth int) ([]Value, *Error) {
	if depth > maxValueDepth {
		return items, tooDeep()
	}
	if err := ev.tick(); err != nil {
		return items, err
	}
	if err := ev.fits(len(items)); err != nil {
		return items, err
	}
	var err *Error
	switch v.k {
	case kArray:
		a := v.array()
		for i := 0; i < a.len() && err == nil; i++ {
			items, err = ev.descend(items, a.at(i), depth+1)
		}
		return items, err
	case kObject:
		items = append(items, v)
		o := v.object()
		for i := 0; i < len(o.members) && err == nil; i++ {
			items, err = ev.descend(items, o.members[i].val, depth+1)
		}
		return items, err
	}
	return append(items, v), nil
}

// wrapped applies predicates, grouping and [] to an expression that isn't a step of a path.
type wrapped struct {
	inner     node
	filters   []*filter
	group     *group
	keepArray bool
}

func (n *wrapped) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	v, err := n.inner.eval(ev, in, fr)
	for _, f := range n.filters {
		if err != nil {
			return v, err
		}
		v, err = f.apply(ev, v, fr)
	}
	if err == nil && n.group != nil {
		v, err = n.group.over(ev, v, fr)
	}
	if err != nil {
		return v, err
	}
	if n.keepArray {
		v = keeping(v)
	}
	return finish(v), nil
}
