package jsonata

import "math"

// filter is one predicate [...].
type filter struct {
	expr  node
	fixed bool // a number literal
	at    float64
	wrap  bool // hand out a sequence even for one item
}

func (c *compiler) filter(n *ast, wrap bool) *filter {
	f := &filter{wrap: wrap}
	if n.kind == aNumber { // what may follow the number doesn't count, as in the reference
		f.fixed, f.at = true, math.Floor(n.num)
		return f
	}
	f.expr = c.sub(n)
	return f
}

// apply keeps those items of v that the predicate selects. A single item that isn't an array comes back bare.
func (f *filter) apply(ev *evaluator, v Value, fr *frame) (Value, *Error) {
	if v.k == kArray && v.array().tup != nil {
		return f.tuples(ev, v.array().tup, fr)
	}
	if f.fixed {
		return f.pick(v), nil
	}
	var list array
	if v.k == kArray {
		list = *v.array()
	} else {
		list.items = []Value{v}
	}
	buf := ev.buf()
	defer func() { ev.release(buf) }()
	count := list.len()
	for i := range count {
		if err := ev.tick(); err != nil {
			return v, err
		}
		item := list.at(i)
		res, err := f.expr.eval(ev, item, fr)
		if err != nil {
			return res, err
		}
		n, err := ev.hits(res, i, count)
		if err != nil {
			return res, err
		}
		if n > 1 {
			if err := ev.growBy(len(buf), n); err != nil {
				return res, err
			}
		}
		for range n {
			buf = append(buf, item)
		}
	}
	if len(buf) == 1 && !f.wrap && buf[0].k != kArray && buf[0].k != kUndefined {
		return buf[0], nil
	}
	return ev.sequenceOf(buf)
}

// tuples keeps the selected tuples of a stream that a block has given.
func (f *filter) tuples(ev *evaluator, list []*tuple, fr *frame) (Value, *Error) {
	out := []*tuple{}
	for i, t := range list {
		res := number(f.at)
		if !f.fixed {
			var err *Error
			if res, err = f.expr.eval(ev, t.item, fr); err != nil {
				return res, err
			}
		}
		n, err := ev.hits(res, i, len(list))
		if err != nil {
			return res, err
		}
		if err := ev.growBy(len(out), n); err != nil {
			return res, err
		}
		for range n {
			out = append(out, t)
		}
		if err := ev.tupleMade(len(out)); err != nil {
			return res, err
		}
	}
	return arrayValue(&array{tup: out, flags: seq}), nil
}

// hits tells how often a predicate with the result res selects the item number i of count.
func (ev *evaluator) hits(res Value, i, count int) (int, *Error) {
	switch res.k {
	case kNumber:
		ok, err := finite(res)
		if err != nil || !ok {
			return 0, err
		}
		return hit(res.num(), i, count), nil
	case kArray:
		a := res.array()
		if err := ev.work(a.len()); err != nil {
			return 0, err
		}
		n, numbers := 0, a.len() > 0
		for j := range a.len() {
			ok, err := finite(a.at(j))
			if err != nil {
				return 0, err
			}
			if !ok {
				numbers = false
				break
			}
			n += hit(a.at(j).num(), i, count)
		}
		if numbers {
			return n, nil
		}
	}
	if yes, err := ev.truth(res); !yes || err != nil {
		return 0, err
	}
	return 1, nil
}

func hit(f float64, i, count int) int {
	f = math.Floor(f)
	if f < 0 {
		f += float64(count)
	}
	if f == float64(i) {
		return 1
	}
	return 0
}

// pick is the predicate with a number literal: one item, counted from the end when negative.
func (f *filter) pick(v Value) Value {
	count, at := 1, f.at
	if v.k == kArray {
		count = v.array().len()
	}
	if at < 0 {
		at += float64(count)
	}
	var item Value
	if at >= 0 && at < float64(count) {
		item = v
		if v.k == kArray {
			item = v.array().at(int(at))
		}
	}
	switch {
	case item.k == kUndefined:
		return arrayValue(&array{flags: seq})
	case item.k != kArray && f.wrap:
		return sequence(item)
	}
	return item
}
