package jsonata

import "math"

var objectFunctions = []builtin{
	{"keys", "<x-:a<s>>", 1, fnKeys},
	{"lookup", "<x-s:x>", 2, fnLookup},
	{"spread", "<x-:a<o>>", 1, fnSpread},
	{"merge", "<a<o>:o>", 1, fnMerge},
	{"type", "<x:s>", 1, fnType},
	{"clone", "<(oa)-:o>", 1, fnClone},
	{"error", "<s?:x>", 1, fnError},
	{"assert", "<bs?:x>", 2, fnAssert},
	{"eval", "<sx?:x>", 2, fnEval},
}

func fnKeys(c *call, args []Value) (Value, *Error) {
	seen := map[string]bool{}
	out, err := c.keysOf(nil, args[0], seen, 0)
	if err != nil {
		return Value{}, err
	}
	return c.newArray(out, seq)
}

func (c *call) keysOf(out []Value, v Value, seen map[string]bool, depth int) ([]Value, *Error) {
	if depth > maxValueDepth {
		return out, tooDeep()
	}
	if err := c.ev.tick(); err != nil {
		return out, err
	}
	switch v.k {
	case kArray:
		a := v.array()
		if a.n > 0 {
			return out, nil // numbers only
		}
		for i := range a.items {
			var err *Error
			if out, err = c.keysOf(out, a.items[i], seen, depth+1); err != nil {
				return out, err
			}
		}
	case kObject:
		for _, m := range v.object().members {
			if !seen[m.key] {
				seen[m.key] = true
				out = append(out, text(m.key))
			}
		}
	}
	return out, nil
}

func fnLookup(c *call, args []Value) (Value, *Error) {
	if args[1].k != kString {
		return Value{}, nil
	}
	switch args[0].k {
	case kObject:
		return args[0].object().get(args[1].str()), nil
	case kArray:
		return c.lookup(args[0].array(), args[1].str(), 0)
	}
	return Value{}, nil
}

func (c *call) lookup(a *array, key string, depth int) (Value, *Error) {
	return c.ev.lookup(a, key, depth)
}

func fnSpread(c *call, args []Value) (Value, *Error) {
	switch args[0].k {
	case kArray:
		var out []Value
		a := args[0].array()
		for i := range a.len() {
			if err := c.ev.tick(); err != nil {
				return Value{}, err
			}
			var err *Error
			if out, err = c.spread(out, a.at(i), 0); err != nil {
				return Value{}, err
			}
		}
		return c.newArray(out, seqUnlessJoined(a))
	case kObject:
		out, err := c.spread(nil, args[0], 0)
		if err != nil {
			return Value{}, err
		}
		return c.newArray(out, seq)
	}
	return args[0], nil
}

// seqUnlessJoined: what the reference has appended to is a plain array; what it has not is still a sequence.
func seqUnlessJoined(a *array) flags {
	for i := range a.len() {
		if a.at(i).k != kUndefined {
			return 0
		}
	}
	return seq
}

func (c *call) spread(out []Value, v Value, depth int) ([]Value, *Error) {
	if depth > maxValueDepth {
		return out, tooDeep()
	}
	switch v.k {
	case kObject:
		for _, m := range v.object().members {
			if err := c.ev.charge(memberBytes); err != nil {
				return out, err
			}
			out = append(out, objectValue(&object{members: []member{m}}))
		}
		return out, nil
	case kArray:
		a := v.array()
		for i := range a.len() {
			var err *Error
			if out, err = c.spread(out, a.at(i), depth+1); err != nil {
				return out, err
			}
		}
		return out, c.ev.work(a.len())
	case kUndefined:
		return out, nil
	}
	return append(out, v), nil
}

func fnMerge(c *call, args []Value) (Value, *Error) {
	if args[0].k != kArray {
		return Value{}, nil
	}
	o := &object{}
	for _, item := range args[0].array().items {
		for _, m := range item.object().members {
			o.set(m.key, m.val)
			if err := c.ev.charge(memberBytes); err != nil {
				return Value{}, err
			}
			if err := c.ev.tick(); err != nil {
				return Value{}, err
			}
		}
	}
	return objectValue(o), nil
}

func fnType(_ *call, args []Value) (Value, *Error) {
	switch args[0].k {
	case kNull:
		return text("null"), nil
	case kBool:
		return text("boolean"), nil
	case kNumber:
		ok, err := finite(args[0])
		if !ok {
			return text("object"), err // as the reference calls NaN
		}
		return text("number"), nil
	case kString:
		return text("string"), nil
	case kArray:
		return text("array"), nil
	case kObject:
		return text("object"), nil
	case kFunc:
		return text("function"), nil
	}
	return Value{}, nil
}

func fnClone(c *call, args []Value) (Value, *Error) {
	if args[0].k == kArray && args[0].array().is(outer) {
		return c.ev.clone(args[0].array().at(0), nil, 0)
	}
	return c.ev.clone(args[0], nil, 0)
}

// clone copies v as a round trip through the text that $string makes of it would, which cuts numbers to 15 digits; owner
// may change the copy.
func (ev *evaluator) clone(v Value, owner *clones, depth int) (Value, *Error) {
	if depth > maxValueDepth {
		return v, tooDeep()
	}
	if err := ev.tick(); err != nil {
		return v, err
	}
	switch v.k {
	case kArray:
		a := v.array()
		if err := ev.charge((a.len() + 1) * valueBytes); err != nil {
			return v, err
		}
		items := make([]Value, a.len())
		for i := range items {
			item, err := ev.clone(a.at(i), owner, depth+1)
			if err != nil {
				return v, err
			}
			if item.k == kUndefined {
				item = null
			}
			items[i] = item
		}
		return plain(items), nil
	case kObject:
		members := v.object().members
		if err := ev.charge((len(members) + 1) * memberBytes); err != nil {
			return v, err
		}
		o := &object{members: make([]member, 0, len(members)), owner: owner}
		for _, m := range members {
			if m.val.k == kUndefined {
				continue
			}
			val, err := ev.clone(m.val, owner, depth+1)
			if err != nil {
				return v, err
			}
			o.members = append(o.members, member{m.key, val})
		}
		o.reindex()
		return objectValue(o), nil
	case kFunc:
		return emptyText, nil
	case kNumber:
		switch f := v.num(); {
		case math.IsInf(f, 0):
			return v, fail("D1001", v)
		case math.IsNaN(f):
			return null, nil
		default:
			return number(shorten(f)), nil
		}
	}
	return v, nil
}

func fnError(_ *call, args []Value) (Value, *Error) {
	return Value{}, messageError("D3137", args[0], "$error() function evaluated")
}

func fnAssert(c *call, args []Value) (Value, *Error) {
	if yes, err := c.ev.truth(args[0]); yes || err != nil {
		return Value{}, err
	}
	return Value{}, messageError("D3141", args[1], "$assert() statement failed")
}

func messageError(code string, message Value, otherwise string) *Error {
	e := fail(code, Value{})
	e.Message = otherwise
	if message.k == kString && message.n > 0 {
		e.Message = message.str()
	}
	return e
}

// treeBytes is what a compiled expression takes for each of its characters, at most.
const treeBytes = 256

// fnEval compiles and evaluates an expression where $eval is called: it sees the variables there.
func fnEval(c *call, args []Value) (Value, *Error) {
	if args[0].k != kString {
		return Value{}, nil
	}
	in := c.in
	if args[1].k != kUndefined {
		in = args[1]
		if in.k == kArray && !in.array().is(seq) {
			in = arrayValue(&array{items: []Value{in}, flags: seq | outer})
		}
	}
	src := args[0].str()
	if err := c.ev.work(len(src)); err != nil {
		return Value{}, err
	}
	if err := c.ev.charge(len(src) * treeBytes); err != nil {
		return Value{}, err
	}
	tree, err := parse(src)
	if err == nil {
		tree, err = resolve(tree)
	}
	if err != nil {
		return Value{}, fail("D3120", text(err.finish(src).Message))
	}
	var sc *scope
	if c.env != nil {
		sc = c.env.scope
	}
	comp := &compiler{lib: c.ev.lib, vars: c.ev.vars, scope: sc, level: 1}
	n := comp.compile(tree)
	if comp.err != nil {
		return Value{}, fail("D3120", text(comp.err.finish(src).Message))
	}
	if err := c.ev.enter(); err != nil {
		return Value{}, err
	}
	defer func() { c.ev.depth-- }()
	v, err := n.eval(c.ev, in, c.env)
	if err == nil {
		return v, nil
	}
	if err.Code[0] == 'U' {
		return Value{}, err
	}
	return Value{}, fail("D3121", text(err.finish(src).Message))
}
