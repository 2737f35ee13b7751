package jsonata

import (
	"math"
	"slices"
	"unsafe"
)

// kind tells what a Value holds.
type kind uint8

const (
	kUndefined kind = iota
	kNull
	kBool
	kNumber
	kString
	kArray
	kObject
	kFunc
	kUnset // only in frames: a variable that hasn't been bound yet
	kTail  // only inside a lambda's body: the call kept in evaluator.tail
)

// Value is one JSONata value: undefined (the zero Value), null, a boolean, number, string, array, object or function.
// A Value is immutable and may be shared by any number of evaluations at once.
//
// It takes 24 bytes and no heap: p points at string bytes, an array, object or function according to k; n is the
// bits of a number, the length of a string, or 0/1 of a boolean.
type Value struct {
	p unsafe.Pointer
	n uint64
	k kind
}

var (
	null      = Value{k: kNull}
	vTrue     = Value{k: kBool, n: 1}
	vFalse    = Value{k: kBool}
	emptyText = Value{k: kString}
)

// IsUndefined reports whether v is JSONata's undefined, the result of an expression that selects nothing.
func (v Value) IsUndefined() bool { return v.k == kUndefined }

func number(f float64) Value { return Value{k: kNumber, n: math.Float64bits(f)} }

func text(s string) Value {
	return Value{k: kString, n: uint64(len(s)), p: unsafe.Pointer(unsafe.StringData(s))}
}

func boolean(b bool) Value {
	if b {
		return vTrue
	}
	return vFalse
}

func arrayValue(a *array) Value   { return Value{k: kArray, p: unsafe.Pointer(a)} }
func objectValue(o *object) Value { return Value{k: kObject, p: unsafe.Pointer(o)} }
func funcValue(f *function) Value { return Value{k: kFunc, p: unsafe.Pointer(f)} }

// The accessors below trust the caller to have looked at the kind.

func (v Value) num() float64    { return math.Float64frombits(v.n) }
func (v Value) str() string     { return unsafe.String((*byte)(v.p), int(v.n)) }
func (v Value) isTrue() bool    { return v.k == kBool && v.n == 1 }
func (v Value) array() *array   { return (*array)(v.p) }
func (v Value) object() *object { return (*object)(v.p) }
func (v Value) fn() *function   { return (*function)(v.p) }

// flags mark arrays that the language treats specially.
type flags uint8

const (
	// seq: a result sequence, not an array of the data: of length one it stands for its item, empty for undefined.
	seq flags = 1 << iota
	// cons: made by an array constructor at the end of a path: not flattened into the result.
	cons
	// keep: a sequence that stays an array even with one item, because of [].
	keep
	// outer: the sequence that wraps the input document when that is an array.
	outer
)

// array is a list of values; a range such as [1..n] keeps only its first number and length.
type array struct {
	items []Value
	from  float64
	n     int // length of a range; 0 when items are given
	flags flags
	tup   []*tuple // the tuples of a tuple stream: items is then unused
}

func (a *array) len() int {
	if a.n > 0 {
		return a.n
	}
	if a.tup != nil {
		return len(a.tup)
	}
	return len(a.items)
}

func (a *array) at(i int) Value {
	if a.n > 0 {
		return number(a.from + float64(i))
	}
	if a.tup != nil {
		return a.tup[i].item
	}
	return a.items[i]
}

func (a *array) is(f flags) bool { return a.flags&f != 0 }

// appendTo appends all items to dst.
func (a *array) appendTo(dst []Value) []Value {
	if a.n == 0 && a.tup == nil {
		return append(dst, a.items...)
	}
	for i := range a.len() {
		dst = append(dst, a.at(i))
	}
	return dst
}

func isSeq(v Value) bool { return v.k == kArray && v.array().is(seq) }

func sequence(items ...Value) Value { return arrayValue(&array{items: items, flags: seq}) }

func plain(items []Value) Value { return arrayValue(&array{items: items}) }

// member is one key of an object with its value.
type member struct {
	key string
	val Value
}

// indexFrom is the number of keys from which an object carries an index.
const indexFrom = 12

// object keeps its members in the order of their first appearance.
type object struct {
	members []member
	index   map[string]int // nil while there are few members
	owner   *clones        // the copy that this object was made for, which may still change it
}

// clones stands for one deep copy made by $clone. It has a size, so that no two have the same address.
type clones struct{ _ byte }

func (o *object) find(key string) int {
	if o.index != nil {
		if i, ok := o.index[key]; ok {
			return i
		}
		return -1
	}
	for i := range o.members {
		if o.members[i].key == key {
			return i
		}
	}
	return -1
}

// get returns the value of key, undefined if there is none.
func (o *object) get(key string) Value {
	if i := o.find(key); i >= 0 {
		return o.members[i].val
	}
	return Value{}
}

// set adds or replaces a member. Only for objects that nobody else has seen yet.
func (o *object) set(key string, v Value) {
	if i := o.find(key); i >= 0 {
		o.members[i].val = v
		return
	}
	o.members = append(o.members, member{key, v})
	switch {
	case o.index != nil:
		o.index[key] = len(o.members) - 1
	case len(o.members) >= indexFrom:
		o.reindex()
	}
}

func (o *object) reindex() {
	o.index = nil
	if len(o.members) < indexFrom {
		return
	}
	o.index = make(map[string]int, len(o.members))
	for i := range o.members {
		o.index[o.members[i].key] = i
	}
}

// remove deletes members, keeping the order of the others.
func (o *object) remove(keys map[string]bool) {
	o.members = slices.DeleteFunc(o.members, func(m member) bool { return keys[m.key] })
	o.reindex()
}
