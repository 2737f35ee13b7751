package jsonata

var higherFunctions = []builtin{
	{"map", "<af>", 2, fnMap},
	{"filter", "<af>", 2, fnFilter},
	{"single", "<af?>", 2, fnSingle},
	{"reduce", "<afj?:j>", 3, fnReduce},
	{"sift", "<o-f?:o>", 2, fnSift},
	{"each", "<o-f:a>", 2, fnEach},
}

// arguments is how many arguments f wants to be called with, up to most.
func (f *function) arguments(most int) int {
	if f.arity < 0 {
		return most
	}
	return min(most, max(1, f.arity))
}

// invoke calls f with as many of the arguments as it wants.
func (c *call) invoke(f *function, args ...Value) (Value, *Error) {
	if err := c.ev.tick(); err != nil {
		return Value{}, err
	}
	base := len(c.ev.stack)
	c.ev.stack = append(c.ev.stack, args[:f.arguments(len(args))]...)
	v, err := c.ev.call(f, c.ev.stack[base:len(c.ev.stack):len(c.ev.stack)], null, c.env)
	c.ev.stack = c.ev.stack[:base]
	return v, err
}

func fnMap(c *call, args []Value) (Value, *Error) {
	if args[0].k != kArray {
		return Value{}, nil
	}
	a, f := args[0].array(), args[1].fn()
	var out []Value
	for i := range a.len() {
		v, err := c.invoke(f, a.at(i), number(float64(i)), args[0])
		if err != nil {
			return v, err
		}
		if v.k != kUndefined {
			out = append(out, v)
			if err := c.ev.roomFor(len(out) * valueBytes); err != nil {
				return v, err
			}
		}
	}
	return c.newArray(out, seq)
}

func fnFilter(c *call, args []Value) (Value, *Error) {
	if args[0].k != kArray {
		return Value{}, nil
	}
	a, f := args[0].array(), args[1].fn()
	var out []Value
	for i := range a.len() {
		v, err := c.invoke(f, a.at(i), number(float64(i)), args[0])
		if err != nil {
			return v, err
		}
		keep, err := c.ev.truth(v)
		if err != nil {
			return v, err
		}
		if keep {
			out = append(out, a.at(i))
		}
	}
	return c.newArray(out, seq)
}

func fnSingle(c *call, args []Value) (Value, *Error) {
	if args[0].k != kArray {
		return Value{}, nil
	}
	a, found := args[0].array(), false
	var one Value
	for i := range a.len() {
		hit := true
		if args[1].k == kFunc {
			v, err := c.invoke(args[1].fn(), a.at(i), number(float64(i)), args[0])
			if err != nil {
				return v, err
			}
			if hit, err = c.ev.truth(v); err != nil {
				return v, err
			}
		}
		if !hit {
			continue
		}
		if found {
			return Value{}, fail("D3138", Value{})
		}
		one, found = a.at(i), true
	}
	if !found {
		return Value{}, fail("D3139", Value{})
	}
	return one, nil
}

func fnReduce(c *call, args []Value) (Value, *Error) {
	if args[0].k != kArray {
		return Value{}, nil
	}
	a, f := args[0].array(), args[1].fn()
	if f.arity >= 0 && f.arity < 2 {
		return Value{}, fail("D3050", Value{})
	}
	acc, i := args[2], 0
	if acc.k == kUndefined && a.len() > 0 {
		acc, i = a.at(0), 1
	}
	for ; i < a.len(); i++ {
		v, err := c.invoke(f, acc, a.at(i), number(float64(i)), args[0])
		if err != nil {
			return v, err
		}
		acc = v
	}
	return acc, nil
}

func fnSift(c *call, args []Value) (Value, *Error) {
	if args[0].k != kObject || args[1].k != kFunc {
		return Value{}, nil
	}
	out := &object{}
	for _, m := range args[0].object().members {
		v, err := c.invoke(args[1].fn(), m.val, text(m.key), args[0])
		if err != nil {
			return v, err
		}
		keep, err := c.ev.truth(v)
		if err != nil {
			return v, err
		}
		if keep {
			if err := c.ev.charge(memberBytes); err != nil {
				return v, err
			}
			out.set(m.key, m.val)
		}
	}
	if len(out.members) == 0 {
		return Value{}, nil
	}
	return objectValue(out), nil
}

func fnEach(c *call, args []Value) (Value, *Error) {
	if args[0].k != kObject {
		return c.newArray(nil, seq)
	}
	var out []Value
	for _, m := range args[0].object().members {
		v, err := c.invoke(args[1].fn(), m.val, text(m.key), args[0])
		if err != nil {
			return v, err
		}
		if v.k != kUndefined {
			out = append(out, v)
		}
	}
	return c.newArray(out, seq)
}
