package jsonata

// arrayNode is [a, b, ...].
type arrayNode struct {
	items  []node
	nested []bool // the item is itself an array constructor: kept, not flattened
	cons   bool
}

func (c *compiler) array(n *ast) node {
	a := &arrayNode{items: c.subs(n.list), cons: n.consArray}
	for _, item := range n.list {
		a.nested = append(a.nested, item.kind == aArray)
	}
	return a
}

func (n *arrayNode) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	var out array
	if n.cons {
		out.flags = cons
	}
	buf := ev.buf()
	defer func() { ev.release(buf) }()
	for i, item := range n.items {
		v, err := item.eval(ev, in, fr)
		if err != nil {
			return v, err
		}
		switch {
		case v.k == kUndefined:
		case v.k != kArray || n.nested[i]:
			buf = append(buf, v)
		case len(n.items) == 1 && v.array().n > 0: // a range alone need not be written out
			r := v.array()
			out.from, out.n = r.from, r.n
			return arrayValue(&out), nil
		default:
			if err := ev.grow(len(buf), v.array()); err != nil {
				return v, err
			}
			buf = v.array().appendTo(buf)
		}
	}
	if err := ev.charge(len(buf) * valueBytes); err != nil {
		return Value{}, err
	}
	if len(buf) > 0 {
		out.items = append(make([]Value, 0, len(buf)), buf...)
	}
	return arrayValue(&out), nil
}

// grow checks that the items of a fit behind n others, before they are written out.
func (ev *evaluator) grow(n int, a *array) *Error { return ev.growBy(n, a.len()) }

// growBy checks that more items fit behind n others.
func (ev *evaluator) growBy(n, more int) *Error {
	if err := ev.fits(n + more); err != nil {
		return err
	}
	if err := ev.roomFor((n + more) * valueBytes); err != nil {
		return err
	}
	return ev.work(more / 16)
}

// pair is one key expression of an object or grouping with its value expression.
type pair struct {
	key   node
	fixed string // the key when it is a literal
	lit   bool
	val   node
}

// group is both the object constructor {...} and the grouping of a sequence by keys.
type group struct {
	pairs []pair
	fixed bool // all keys are literals, none twice
	scope *scope
	at    *ast
}

func (c *compiler) group(n, at *ast) *group {
	g := &group{at: at, fixed: true}
	seen := map[string]bool{}
	for _, p := range n.pairs {
		q := pair{key: c.sub(p[0]), val: c.sub(p[1])}
		if k, ok := q.key.(*constant); ok && k.v.k == kString {
			q.fixed, q.lit = k.v.str(), true
		}
		g.fixed = g.fixed && q.lit && !seen[q.fixed]
		seen[q.fixed] = true
		g.pairs = append(g.pairs, q)
	}
	return g
}

func (n *group) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) { return n.over(ev, in, fr) }

// over builds the object for the item or the sequence in.
func (n *group) over(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	switch tuples := in.k == kArray && in.array().tup != nil; {
	case tuples && in.array().len() == 0:
		return objectValue(&object{}), nil
	case n.scope != nil && !tuples:
		fr = ev.tupleFrame(fr, n.scope, nil) // no step got so far as to make tuples
	}
	if in.k != kArray && n.fixed {
		return n.single(ev, in, fr)
	}
	return n.gather(ev, in, fr)
}

// single is the usual object constructor: one context item, known keys.
func (n *group) single(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	if err := ev.charge(len(n.pairs)*memberBytes + valueBytes); err != nil {
		return Value{}, err
	}
	o := &object{members: make([]member, 0, len(n.pairs))}
	for i := range n.pairs {
		p := &n.pairs[i]
		v, err := p.val.eval(ev, in, fr)
		if err != nil {
			return v, err
		}
		if v.k != kUndefined {
			o.members = append(o.members, member{p.fixed, v})
		}
	}
	if len(o.members) >= indexFrom {
		o.reindex()
	}
	return objectValue(o), nil
}

// bucketBytes is what a bucket takes with its entry in the index.
const bucketBytes = 256

// bucket collects what belongs to one key.
type bucket struct {
	key  string
	pair int
	data array    // items; of one item that item itself is the context
	tups []*tuple // the same for a tuple stream
	one  Value
	n    int
}

func (b *bucket) add(v Value) {
	switch { // undefined adds nothing
	case b.n > 0 && v.k == kUndefined:
		return
	case b.n == 1 && b.one.k == kUndefined:
		b.one = v
		return
	}
	switch b.n++; b.n {
	case 1:
		b.one = v
		return
	case 2: // as $append does: arrays are joined
		b.push(b.one)
	}
	b.push(v)
}

func (b *bucket) push(v Value) {
	if v.k == kArray {
		b.data.items = v.array().appendTo(b.data.items)
		return
	}
	b.data.items = append(b.data.items, v)
}

func (n *group) gather(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	var list array
	switch {
	case in.k != kArray:
		list.items = []Value{in}
	case in.array().len() == 0:
		list.items = []Value{{}}
	default:
		list = *in.array()
	}
	tuples := list.tup != nil && n.scope != nil
	var buckets []*bucket
	index := map[string]int{}
	for i := range list.len() {
		if err := ev.tick(); err != nil {
			return Value{}, err
		}
		item, env := list.at(i), fr
		if tuples {
			env = ev.tupleFrame(fr, n.scope, list.tup[i].vars)
		}
		for p := range n.pairs {
			key, err := n.pairs[p].key.eval(ev, item, env)
			if err != nil {
				return key, err
			}
			if key.k == kUndefined {
				continue
			}
			if key.k != kString {
				return key, fail("T1003", key).at(n.at)
			}
			if err := ev.read(key); err != nil {
				return key, err
			}
			at, ok := index[key.str()]
			if !ok {
				if err := ev.charge(bucketBytes); err != nil {
					return key, err
				}
				at = len(buckets)
				index[key.str()] = at
				buckets = append(buckets, &bucket{key: key.str(), pair: p})
			}
			b := buckets[at]
			if b.pair != p {
				return key, fail("D1009", key).at(n.at)
			}
			if err := ev.charge(2 * valueBytes); err != nil {
				return key, err
			}
			if tuples {
				b.tups = append(b.tups, list.tup[i])
				continue
			}
			b.add(item)
		}
	}
	return n.build(ev, buckets, fr)
}

func (n *group) build(ev *evaluator, buckets []*bucket, fr *frame) (Value, *Error) {
	if err := ev.charge(len(buckets) * memberBytes); err != nil {
		return Value{}, err
	}
	o := &object{members: make([]member, 0, len(buckets))}
	for _, b := range buckets {
		context, env := b.one, fr
		switch {
		case b.tups != nil:
			merged := mergeTuples(b.tups)
			context, env = merged.item, ev.tupleFrame(fr, n.scope, merged.vars)
		case b.n > 1:
			context = arrayValue(&b.data)
		}
		v, err := n.pairs[b.pair].val.eval(ev, context, env)
		if err != nil {
			return v, err
		}
		if v.k != kUndefined {
			o.members = append(o.members, member{b.key, v})
		}
	}
	o.reindex()
	return objectValue(o), nil
}
