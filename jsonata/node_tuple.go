package jsonata

// binding is one variable of a tuple.
type binding struct {
	name string
	val  Value
	next *binding
}

func (b *binding) with(name string, v Value) *binding {
	if name == "" {
		return b
	}
	return &binding{name, v, b}
}

// tuple is an item of a path together with the variables that the steps before have bound.
type tuple struct {
	item Value
	vars *binding
}

func (t *tuple) lookup(name string) (Value, bool) {
	if t == nil {
		return Value{}, false
	}
	for b := t.vars; b != nil; b = b.next {
		if b.name == name {
			return b.val, true
		}
	}
	return Value{}, false
}

// tupleFrame makes the tuple's variables visible.
func (ev *evaluator) tupleFrame(fr *frame, s *scope, vars *binding) *frame {
	f := ev.newFrame(fr, s)
	f.tup = &tuple{vars: vars}
	return f
}

// runTuples evaluates the steps from number from on, which is the first to bind a variable.
func (n *path) runTuples(ev *evaluator, in *array, fr *frame, from int) (Value, *Error) {
	var tuples []*tuple
	for i := from; i < len(n.steps); i++ {
		st := &n.steps[i]
		var err *Error
		switch {
		case st.sort != nil && i == from:
			tuples, err = n.sortToTuples(ev, st, in, fr)
		case st.sort != nil:
			tuples, err = st.sort.tuples(ev, tuples, fr, n.scope)
			if err == nil {
				tuples, err = n.tupleStages(ev, st, tuples, fr)
			}
		default:
			if i == from {
				tuples = startTuples(in)
			}
			tuples, err = n.tupleStep(ev, st, tuples, fr)
		}
		if err != nil {
			return Value{}, err
		}
	}
	stream := &array{tup: tuples, flags: seq}
	if tuples == nil {
		stream.tup = []*tuple{}
	}
	if n.group != nil {
		return n.group.over(ev, arrayValue(stream), fr)
	}
	if n.tuples {
		return arrayValue(stream), nil
	}
	items := make([]Value, len(tuples))
	for i, t := range tuples {
		items[i] = t.item
	}
	v := sequence(items...)
	if n.keepOne || n.keepArray {
		v.array().flags |= keep
	}
	return finish(v), nil
}

func startTuples(in *array) []*tuple {
	tuples := make([]*tuple, in.len())
	for i := range tuples {
		tuples[i] = &tuple{item: in.at(i)}
	}
	return tuples
}

const tupleBytes = 128 // with a variable

// tupleStep evaluates one step for every tuple.
func (n *path) tupleStep(ev *evaluator, st *step, tuples []*tuple, fr *frame) ([]*tuple, *Error) {
	var out []*tuple
	for _, t := range tuples {
		v, err := st.node.eval(ev, t.item, ev.tupleFrame(fr, n.scope, t.vars))
		if err != nil {
			return nil, err
		}
		if v.k == kUndefined {
			continue
		}
		list := array{items: []Value{v}}
		if v.k == kArray {
			list = *v.array()
		}
		for j := range list.len() {
			next := &tuple{vars: t.vars}
			switch {
			case list.tup != nil:
				next.item, next.vars = list.tup[j].item, join(list.tup[j].vars, t.vars)
			case st.focus != "":
				next.item, next.vars = t.item, t.vars.with(st.focus, list.at(j))
			default:
				next.item = list.at(j)
			}
			if list.tup == nil && st.index != "" {
				next.vars = next.vars.with(st.index, number(float64(j)))
			}
			if list.tup == nil {
				next.vars = next.vars.with(st.ancestor, t.item)
			}
			out = append(out, next)
			if err := ev.tupleMade(len(out)); err != nil {
				return nil, err
			}
		}
	}
	return n.tupleStages(ev, st, out, fr)
}

func (ev *evaluator) tupleMade(n int) *Error {
	if err := ev.fits(n); err != nil {
		return err
	}
	if err := ev.charge(tupleBytes); err != nil {
		return err
	}
	return ev.tick()
}

// join puts the variables of a before those of b.
func join(a, b *binding) *binding {
	if a == nil {
		return b
	}
	return &binding{a.name, a.val, join(a.next, b)}
}

func (n *path) tupleStages(ev *evaluator, st *step, tuples []*tuple, fr *frame) ([]*tuple, *Error) {
	for _, s := range st.stages {
		if s.filter == nil {
			numbered := make([]*tuple, len(tuples))
			for i, t := range tuples {
				numbered[i] = &tuple{t.item, t.vars.with(s.index, number(float64(i)))}
			}
			tuples = numbered
			continue
		}
		var err *Error
		if tuples, err = n.filterTuples(ev, s.filter, tuples, fr); err != nil {
			return nil, err
		}
	}
	return tuples, nil
}

func (n *path) filterTuples(ev *evaluator, f *filter, tuples []*tuple, fr *frame) ([]*tuple, *Error) {
	var out []*tuple
	for i, t := range tuples {
		if err := ev.tick(); err != nil {
			return nil, err
		}
		res := number(f.at)
		if !f.fixed {
			var err *Error
			if res, err = f.expr.eval(ev, t.item, ev.tupleFrame(fr, n.scope, t.vars)); err != nil {
				return nil, err
			}
		}
		count, err := ev.hits(res, i, len(tuples))
		if err == nil {
			err = ev.growBy(len(out), count)
		}
		if err != nil {
			return nil, err
		}
		for range count {
			out = append(out, t)
		}
	}
	return out, nil
}

func (n *path) sortToTuples(ev *evaluator, st *step, in *array, fr *frame) ([]*tuple, *Error) {
	items, err := st.sort.items(ev, in, fr)
	if err != nil {
		return nil, err
	}
	tuples := make([]*tuple, len(items))
	for i, v := range items {
		tuples[i] = &tuple{item: v}
		tuples[i].vars = tuples[i].vars.with(st.index, number(float64(i)))
	}
	return n.tupleStages(ev, st, tuples, fr)
}

// mergeTuples joins the tuples of one group into one whose item and variables hold the values of all.
func mergeTuples(tuples []*tuple) *tuple {
	if len(tuples) == 1 {
		return tuples[0]
	}
	var names []string
	values := map[string]*bucket{}
	item := &bucket{}
	for _, t := range tuples {
		item.add(t.item)
		seen := map[string]bool{}
		for b := t.vars; b != nil; b = b.next {
			if seen[b.name] {
				continue // hidden by a later binding
			}
			seen[b.name] = true
			if values[b.name] == nil {
				values[b.name] = &bucket{}
				names = append(names, b.name)
			}
			values[b.name].add(b.val)
		}
	}
	merged := &tuple{item: item.value()}
	for _, name := range names {
		merged.vars = merged.vars.with(name, values[name].value())
	}
	return merged
}

func (b *bucket) value() Value {
	if b.n > 1 {
		return arrayValue(&b.data)
	}
	return b.one
}
