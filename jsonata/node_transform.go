package jsonata

import "strconv"

// transform is |pattern|update,delete|: a function that gives a changed copy of its argument.
type transform struct {
	pattern, update, remove node
	updateAt, removeAt      *ast
	clone                   node
}

var transformSignature = mustSignature("<(oa):o>")

func mustSignature(text string) *signature {
	s, err := parseSignature(text)
	if err != nil {
		panic("signature " + text + ": " + err.Code)
	}
	return s
}

func (n *transform) eval(_ *evaluator, _ Value, fr *frame) (Value, *Error) {
	return funcValue(&function{arity: 1, sig: transformSignature, native: func(c *call, args []Value) (Value, *Error) {
		return n.apply(c, args[0], fr)
	}}), nil
}

func (n *transform) apply(c *call, arg Value, fr *frame) (Value, *Error) {
	if arg.k == kUndefined {
		return arg, nil
	}
	cloner, err := n.clone.eval(c.ev, arg, fr)
	if err != nil {
		return cloner, err
	}
	if cloner.k != kFunc {
		return cloner, fail("T2013", Value{})
	}
	result := arg
	if arg.k == kArray && arg.array().is(outer) {
		result = arg.array().at(0)
	}
	if cloner.fn() != c.ev.lib["clone"] {
		if result, err = c.ev.call(cloner.fn(), []Value{arg}, null, fr); err != nil {
			return result, err
		}
	}
	// Whatever $clone is here: only objects of our own copy are changed, never those of the input.
	copied := &copied{owner: new(clones)}
	if result, err = c.ev.clone(result, copied.owner, 0); err != nil {
		return result, err
	}
	if err := c.ev.enter(); err != nil {
		return result, err
	}
	defer func() { c.ev.depth-- }()
	matches, err := n.pattern.eval(c.ev, result, fr)
	if err != nil || matches.k == kUndefined {
		return result, err
	}
	list := array{items: []Value{matches}}
	if matches.k == kArray {
		list = *matches.array()
	}
	for i := range list.len() { // before there are other arrays in the copy, and values that hold themselves
		if list.at(i).k == kArray {
			copied.arrays = map[*array]bool{}
			if err := copied.collect(c.ev, result, 0); err != nil {
				return result, err
			}
			break
		}
	}
	for i := range list.len() {
		if err := n.change(c.ev, list.at(i), fr, copied); err != nil {
			return result, err
		}
	}
	return result, nil
}

// change updates one match in place: it belongs to the copy, which nobody else has seen.
func (n *transform) change(ev *evaluator, match Value, fr *frame, copied *copied) *Error {
	if err := ev.tick(); err != nil {
		return err
	}
	update, err := n.update.eval(ev, match, fr)
	if err != nil {
		return err
	}
	mine := copied.has(match)
	if update.k != kUndefined {
		if update.k != kObject {
			return fail("T2011", update).at(n.updateAt)
		}
		if mine {
			if err := ev.assign(match, update.object()); err != nil {
				return err
			}
		}
	}
	if n.remove == nil {
		return nil
	}
	del, err := n.remove.eval(ev, match, fr)
	if err != nil || del.k == kUndefined {
		return err
	}
	list := array{items: []Value{del}}
	if del.k == kArray {
		list = *del.array()
	}
	for i := range list.len() {
		if list.at(i).k != kString {
			return fail("T2012", del).at(n.removeAt)
		}
	}
	if !mine {
		return nil
	}
	keys := make(map[string]bool, list.len())
	for i := range list.len() {
		keys[list.at(i).str()] = true
	}
	ev.unassign(match, keys)
	return ev.work(list.len())
}

// copied is what a transform may change: its own copy of the argument.
type copied struct {
	owner  *clones
	arrays map[*array]bool // those of the copy, if any is to be changed
}

func (c *copied) has(v Value) bool {
	switch v.k {
	case kObject:
		return v.object().owner == c.owner
	case kArray:
		return c.arrays[v.array()]
	}
	return false
}

func (c *copied) collect(ev *evaluator, v Value, depth int) *Error {
	if depth > maxValueDepth {
		return tooDeep()
	}
	if err := ev.tick(); err != nil {
		return err
	}
	switch v.k {
	case kArray:
		a := v.array()
		c.arrays[a] = true
		for i := range a.len() {
			if err := c.collect(ev, a.at(i), depth+1); err != nil {
				return err
			}
		}
	case kObject:
		for _, m := range v.object().members {
			if err := c.collect(ev, m.val, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// assign puts members into an object, or those that are numbers of items into an array.
func (ev *evaluator) assign(to Value, from *object) *Error {
	if to.k == kObject {
		for _, m := range from.members {
			to.object().set(m.key, m.val)
		}
		return ev.work(len(from.members))
	}
	a := to.array()
	for _, m := range from.members {
		i, ok := itemNumber(m.key)
		if !ok {
			continue // a property of the array, which nothing shows
		}
		if i >= len(a.items) {
			more := i + 1 - len(a.items)
			if err := ev.growBy(len(a.items), more); err != nil {
				return err
			}
			if err := ev.charge(more * valueBytes); err != nil {
				return err
			}
			a.items = append(a.items, make([]Value, more)...)
		}
		a.items[i] = m.val
	}
	return nil
}

// unassign deletes members of an object, or leaves holes where the items of an array were.
func (ev *evaluator) unassign(to Value, keys map[string]bool) {
	if to.k == kObject {
		to.object().remove(keys)
		return
	}
	a := to.array()
	for key := range keys {
		if i, ok := itemNumber(key); ok && i < len(a.items) {
			a.items[i] = Value{}
		}
	}
}

// itemNumber tells whether a key is the number of an item of an array, as JavaScript has it: 0, 1, 2 ...
func itemNumber(key string) (int, bool) {
	if key == "" || len(key) > 10 || key[0] == '0' && len(key) > 1 || key[0] < '0' || key[0] > '9' {
		return 0, false
	}
	i, err := strconv.ParseUint(key, 10, 32)
	return int(i), err == nil && i < 1<<32-1
}
