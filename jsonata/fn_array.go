package jsonata

import "math/rand/v2"

var arrayFunctions = []builtin{
	{"append", "<xx:a>", 2, fnAppend},
	{"reverse", "<a:a>", 1, fnReverse},
	{"shuffle", "<a:a>", 1, fnShuffle},
	{"distinct", "<x:x>", 1, fnDistinct},
	{"zip", "<a+>", 0, fnZip},
	{"sort", "<af?:a>", 2, fnSort},
}

// newArray charges and makes an array; items belong to it from then on.
func (c *call) newArray(items []Value, f flags) (Value, *Error) {
	if err := c.ev.fits(len(items)); err != nil {
		return Value{}, err
	}
	if err := c.ev.charge(len(items) * valueBytes); err != nil {
		return Value{}, err
	}
	return arrayValue(&array{items: items, flags: f}), c.ev.work(len(items) / 16)
}

func fnAppend(c *call, args []Value) (Value, *Error) {
	x, y := args[0], args[1]
	switch {
	case x.k == kUndefined:
		return y, nil
	case y.k == kUndefined:
		return x, nil
	}
	n := 0
	for _, v := range args[:2] {
		if v.k == kArray {
			n += v.array().len()
		} else {
			n++
		}
	}
	if err := c.ev.fits(n); err != nil {
		return Value{}, err
	}
	if err := c.ev.roomFor(n * valueBytes); err != nil {
		return Value{}, err
	}
	items := make([]Value, 0, n)
	for _, v := range args[:2] {
		if v.k == kArray {
			items = v.array().appendTo(items)
		} else {
			items = append(items, v)
		}
	}
	return c.newArray(items, 0)
}

func (c *call) copyOf(a *array) ([]Value, *Error) {
	if err := c.ev.roomFor(a.len() * valueBytes); err != nil {
		return nil, err
	}
	return a.appendTo(make([]Value, 0, a.len())), nil
}

func fnReverse(c *call, args []Value) (Value, *Error) {
	if args[0].k != kArray || args[0].array().len() <= 1 {
		return args[0], nil
	}
	items, err := c.copyOf(args[0].array())
	if err != nil {
		return Value{}, err
	}
	reverse(items)
	return c.newArray(items, 0)
}

func fnShuffle(c *call, args []Value) (Value, *Error) {
	if args[0].k != kArray || args[0].array().len() <= 1 {
		return args[0], nil
	}
	items, err := c.copyOf(args[0].array())
	if err != nil {
		return Value{}, err
	}
	rand.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	return c.newArray(items, 0)
}

func fnDistinct(c *call, args []Value) (Value, *Error) {
	if args[0].k != kArray || args[0].array().len() <= 1 {
		return args[0], nil
	}
	a := args[0].array()
	var out []Value
	var others []Value // arrays, objects and functions, compared one by one
	texts, nums := map[string]bool{}, map[float64]bool{}
	var seen [kTail + 1]bool
	for i := range a.len() {
		if err := c.ev.tick(); err != nil {
			return Value{}, err
		}
		v := a.at(i)
		switch v.k {
		case kString:
			if err := c.ev.read(v); err != nil {
				return Value{}, err
			}
			if texts[v.str()] {
				continue
			}
			texts[v.str()] = true
		case kNumber:
			if nums[v.num()] {
				continue
			}
			nums[v.num()] = true
		case kArray, kObject, kFunc, kBool:
			found, err := c.among(others, v)
			if err != nil {
				return Value{}, err
			}
			if found {
				continue
			}
			others = append(others, v)
		default:
			if seen[v.k] {
				continue
			}
			seen[v.k] = true
		}
		out = append(out, v)
		if err := c.ev.charge(2 * valueBytes); err != nil { // of the maps
			return Value{}, err
		}
	}
	return c.newArray(out, a.flags&seq)
}

func (c *call) among(list []Value, v Value) (bool, *Error) {
	for _, o := range list {
		if err := c.ev.tick(); err != nil {
			return false, err
		}
		if same, err := c.ev.equal(o, v, 0); same || err != nil {
			return same, err
		}
	}
	return false, nil
}

func fnZip(c *call, args []Value) (Value, *Error) {
	shortest := -1
	for _, v := range args {
		n := 0
		if v.k == kArray {
			n = v.array().len()
		}
		if shortest < 0 || n < shortest {
			shortest = n
		}
	}
	if shortest <= 0 {
		return c.newArray(nil, 0)
	}
	if err := c.ev.roomFor(shortest * (len(args) + 2) * valueBytes); err != nil {
		return Value{}, err
	}
	rows := make([]Value, shortest)
	for i := range rows {
		row := make([]Value, len(args))
		for j, v := range args {
			row[j] = v.array().at(i)
		}
		v, err := c.newArray(row, 0)
		if err != nil {
			return v, err
		}
		rows[i] = v
	}
	return c.newArray(rows, 0)
}

func fnSort(c *call, args []Value) (Value, *Error) {
	if args[0].k != kArray || args[0].array().len() <= 1 {
		return args[0], nil
	}
	items, err := c.copyOf(args[0].array())
	if err != nil {
		return Value{}, err
	}
	var after func(a, b Value) (bool, *Error)
	if args[1].k == kFunc {
		after = func(a, b Value) (bool, *Error) {
			v, err := c.ev.call(args[1].fn(), []Value{a, b}, null, c.env)
			return truthy(v), err
		}
	} else if after, err = c.naturalOrder(items); err != nil {
		return Value{}, err
	}
	if items, err = mergeSort(c.ev, items, after); err != nil {
		return Value{}, err
	}
	return c.newArray(items, 0)
}

// truthy is JavaScript's notion of true, which holds for what a sort function returns.
func truthy(v Value) bool {
	switch v.k {
	case kArray, kObject, kFunc:
		return true
	case kNumber:
		return v.num() != 0 && v.num() == v.num()
	}
	return v.n > 0 // booleans and strings
}

func (c *call) naturalOrder(items []Value) (func(a, b Value) (bool, *Error), *Error) {
	k := items[0].k
	for i := range items {
		ok := k == kString
		if k == kNumber {
			var err *Error
			if ok, err = finite(items[i]); err != nil {
				return nil, err
			}
		}
		if !ok || items[i].k != k {
			return nil, fail("D3070", Value{})
		}
	}
	if k == kNumber {
		return func(a, b Value) (bool, *Error) { return a.num() > b.num(), nil }, nil
	}
	return func(a, b Value) (bool, *Error) { return compareStrings(a.str(), b.str()) > 0, c.ev.read(a) }, nil
}
