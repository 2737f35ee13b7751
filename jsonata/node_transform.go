package jsonata

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
	copied := new(clones)
	if result, err = c.ev.clone(result, copied, 0); err != nil {
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
	for i := range list.len() {
		if err := n.change(c.ev, list.at(i), fr, copied); err != nil {
			return result, err
		}
	}
	return result, nil
}

// change updates one match in place: it belongs to the copy, which nobody else has seen.
func (n *transform) change(ev *evaluator, match Value, fr *frame, copied *clones) *Error {
	if err := ev.tick(); err != nil {
		return err
	}
	update, err := n.update.eval(ev, match, fr)
	if err != nil {
		return err
	}
	mine := match.k == kObject && match.object().owner == copied
	if update.k != kUndefined {
		if update.k != kObject {
			return fail("T2011", update).at(n.updateAt)
		}
		if mine {
			for _, m := range update.object().members {
				match.object().set(m.key, m.val)
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
	if mine {
		for i := range list.len() {
			match.object().remove(list.at(i).str())
		}
	}
	return nil
}
