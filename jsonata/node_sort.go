package jsonata

// sorting is the order-by step ^(...).
type sorting struct {
	terms []sortTerm
	at    *ast
}

type sortTerm struct {
	expr node
	desc bool
	at   *ast
}

func (c *compiler) sorting(n *ast) *sorting {
	s := &sorting{at: n}
	for _, t := range n.terms {
		s.terms = append(s.terms, sortTerm{c.sub(t.expr), t.desc, t.expr})
	}
	return s
}

// sortItem is an item with the keys worked out so far: each is evaluated once, and only when a comparison asks for it.
type sortItem struct {
	item  Value
	tuple *tuple
	env   *frame
	keys  []Value
}

func (s *sorting) items(ev *evaluator, in *array, fr *frame) ([]Value, *Error) {
	list := make([]*sortItem, in.len())
	for i := range list {
		list[i] = &sortItem{item: in.at(i), env: fr}
	}
	list, err := s.sort(ev, list)
	if err != nil {
		return nil, err
	}
	items := make([]Value, len(list))
	for i, it := range list {
		items[i] = it.item
	}
	return items, nil
}

func (s *sorting) tuples(ev *evaluator, in []*tuple, fr *frame, sc *scope) ([]*tuple, *Error) {
	list := make([]*sortItem, len(in))
	for i, t := range in {
		list[i] = &sortItem{item: t.item, tuple: t, env: ev.tupleFrame(fr, sc, t.vars)}
	}
	list, err := s.sort(ev, list)
	if err != nil {
		return nil, err
	}
	out := make([]*tuple, len(list))
	for i, it := range list {
		out[i] = it.tuple
	}
	return out, nil
}

func (s *sorting) sort(ev *evaluator, list []*sortItem) ([]*sortItem, *Error) {
	if err := ev.charge(len(list) * 3 * valueBytes); err != nil {
		return nil, err
	}
	return mergeSort(ev, list, func(a, b *sortItem) (bool, *Error) { return s.after(ev, a, b) })
}

// mergeSort sorts stably, comparing in the order in which the reference does; after tells whether a belongs behind b.
func mergeSort[T any](ev *evaluator, list []T, after func(a, b T) (bool, *Error)) ([]T, *Error) {
	if len(list) <= 1 {
		return list, nil
	}
	mid := len(list) / 2
	left, err := mergeSort(ev, list[:mid:mid], after)
	if err != nil {
		return nil, err
	}
	right, err := mergeSort(ev, list[mid:], after)
	if err != nil {
		return nil, err
	}
	out := make([]T, 0, len(list))
	for len(left) > 0 && len(right) > 0 {
		if err := ev.tick(); err != nil {
			return nil, err
		}
		behind, err := after(left[0], right[0])
		if err != nil {
			return nil, err
		}
		if behind {
			out = append(out, right[0])
			right = right[1:]
			continue
		}
		out = append(out, left[0])
		left = left[1:]
	}
	return append(append(out, left...), right...), nil
}

func (s *sorting) key(ev *evaluator, it *sortItem, term int) (Value, *Error) {
	if term < len(it.keys) {
		return it.keys[term], nil
	}
	v, err := s.terms[term].expr.eval(ev, it.item, it.env)
	if err == nil {
		it.keys = append(it.keys, v)
	}
	return v, err
}

// after compares by all terms. Items without a key go last.
func (s *sorting) after(ev *evaluator, a, b *sortItem) (bool, *Error) {
	for i := range s.terms {
		x, err := s.key(ev, a, i)
		if err != nil {
			return false, err
		}
		y, err := s.key(ev, b, i)
		if err != nil {
			return false, err
		}
		if x.k == kUndefined || y.k == kUndefined {
			if x.k == y.k {
				continue
			}
			return x.k == kUndefined, nil
		}
		sortable := func(v Value) bool { return v.k == kNumber || v.k == kString }
		if !sortable(x) || !sortable(y) {
			bad := x
			if sortable(x) {
				bad = y
			}
			return false, fail("T2008", bad).at(s.at)
		}
		if x.k != y.k {
			return false, fail("T2007", y).at(s.at)
		}
		var greater, less bool
		if x.k == kNumber {
			less = x.num() < y.num()
			greater = !less && x.num() != y.num() // also what isn't a number
		} else {
			if err := ev.read(x); err != nil {
				return false, err
			}
			c := compareStrings(x.str(), y.str())
			greater, less = c > 0, c < 0
		}
		if greater || less {
			return greater != s.terms[i].desc, nil
		}
	}
	return false, nil
}
