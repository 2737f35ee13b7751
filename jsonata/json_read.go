package jsonata

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// reader parses JSON (RFC 8259) into values. Strings without escapes share the memory of the input.
type reader struct {
	src   string
	at    int
	depth int

	values  []Value  // of the arrays under way
	members []member // of the objects under way

	// What values are made of comes in slabs, which they keep.
	valSlab []Value
	memSlab []member
	objSlab []object
	arrSlab []array
	last    sizes // of the last document: what the next one is expected to have
	sizes   sizes
}

// sizes counts what a document has.
type sizes struct{ values, members, objects, arrays int }

// ParseJSON parses one JSON document, to be evaluated by any number of expressions. The value keeps a copy of the input.
// Duplicate keys count once, with the last value. Nesting beyond 10,000 levels is an error.
func ParseJSON(data []byte) (Value, error) {
	r := &reader{last: sizes{members: len(data) / 24}}
	return r.parse(data, nil)
}

// parse reads a document, but builds only what is needed of it; nil is everything.
func (r *reader) parse(data []byte, need *need) (Value, error) {
	r.src, r.at, r.depth, r.sizes = string(data), 0, 0, sizes{}
	most := len(data)/2 + 1 // even the shortest part of a document has a sign beside it
	r.valSlab = make([]Value, 0, min(r.last.values, most))
	r.memSlab = make([]member, 0, min(r.last.members, most))
	r.objSlab = make([]object, 0, min(r.last.objects, most))
	r.arrSlab = make([]array, 0, min(r.last.arrays, most))
	v, err := r.value(need)
	if err != nil {
		return v, err
	}
	if r.space(); r.at < len(r.src) {
		return v, r.unexpected()
	}
	return v, nil
}

// forget lets go of the document.
func (r *reader) forget() {
	*r = reader{values: spare(r.values), members: spare(r.members), last: r.sizes}
}

// spare empties a buffer, to be used again unless it is large.
func spare[T any](b []T) []T {
	if cap(b) > largestKept {
		return nil
	}
	clear(b[:cap(b)])
	return b[:0]
}

func (r *reader) unexpected() error {
	if r.at >= len(r.src) {
		return fmt.Errorf("parse JSON: unexpected end at offset %d", r.at)
	}
	c, _ := utf8.DecodeRuneInString(r.src[r.at:])
	return fmt.Errorf("parse JSON: unexpected %q at offset %d", c, r.at)
}

func (r *reader) space() {
	for r.at < len(r.src) && r.src[r.at] <= ' ' {
		switch r.src[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

func (r *reader) value(need *need) (Value, error) {
	r.space()
	if r.at >= len(r.src) {
		return Value{}, r.unexpected()
	}
	switch c := r.src[r.at]; {
	case c == '"':
		s, err := r.str()
		return text(s), err
	case c == '{':
		return r.object(need)
	case c == '[':
		return r.array(need)
	case c == '-' || c >= '0' && c <= '9':
		return r.number()
	case c == 't':
		return vTrue, r.word("true")
	case c == 'f':
		return vFalse, r.word("false")
	case c == 'n':
		return null, r.word("null")
	}
	return Value{}, r.unexpected()
}

func (r *reader) word(w string) error {
	for i := range len(w) {
		if r.at >= len(r.src) || r.src[r.at] != w[i] {
			return r.unexpected()
		}
		r.at++
	}
	return nil
}

// digits moves over digits and reports whether there were any.
func (r *reader) digits() bool {
	from := r.at
	for r.at < len(r.src) && r.src[r.at]-'0' <= 9 {
		r.at++
	}
	return r.at > from
}

// scanNumber moves over a number and tells how many decimals it has, -1 of one with an exponent.
func (r *reader) scanNumber() (decimals int, err error) {
	s := r.src
	if s[r.at] == '-' {
		r.at++
	}
	first := r.at
	if !r.digits() || s[first] == '0' && r.at > first+1 {
		return 0, r.unexpected()
	}
	if r.at < len(s) && s[r.at] == '.' {
		r.at++
		point := r.at
		if !r.digits() {
			return 0, r.unexpected()
		}
		decimals = r.at - point
	}
	if r.at < len(s) && s[r.at]|0x20 == 'e' {
		if r.at++; r.at < len(s) && (s[r.at] == '+' || s[r.at] == '-') {
			r.at++
		}
		if !r.digits() {
			return 0, r.unexpected()
		}
		decimals = -1
	}
	return decimals, nil
}

// powersOfTen are exact as doubles; a quotient of two exact doubles is rounded correctly.
var powersOfTen = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

func (r *reader) number() (Value, error) {
	start := r.at
	decimals, err := r.scanNumber()
	if err != nil {
		return Value{}, err
	}
	s := r.src[start:r.at]
	if len(s) > len(powersOfTen) || decimals < 0 {
		f, _ := strconv.ParseFloat(s, 64) // out of range gives infinity, as in JavaScript
		return number(f), nil
	}
	n := int64(0)
	for i := range len(s) {
		if d := s[i] - '0'; d <= 9 {
			n = n*10 + int64(d)
		}
	}
	f := float64(n) / powersOfTen[decimals]
	if s[0] == '-' {
		f = -f // also -0
	}
	return number(f), nil
}

func (r *reader) str() (string, error) {
	r.at++
	start := r.at
	all := byte(0) // whether there is anything but ASCII
	for i := start; i < len(r.src); i++ {
		c := r.src[i]
		if c == '"' {
			r.at = i + 1
			if all < utf8.RuneSelf {
				return r.src[start:i], nil
			}
			return valid(r.src[start:i]), nil
		}
		if c == '\\' {
			return r.escaped(start, i)
		}
		if c < ' ' {
			r.at = i
			return "", r.unexpected()
		}
		all |= c
	}
	r.at = len(r.src)
	return "", r.unexpected()
}

// valid replaces invalid UTF-8, as encoding/json does.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// escaped reads on from the first backslash, at i.
func (r *reader) escaped(start, i int) (string, error) {
	buf := append(make([]byte, 0, 2*(i-start)+16), valid(r.src[start:i])...)
	for i < len(r.src) {
		c := r.src[i]
		switch {
		case c == '"':
			r.at = i + 1
			return mendSurrogates(string(buf)), nil
		case c < ' ':
			r.at = i
			return "", r.unexpected()
		case c != '\\':
			char, size := utf8.DecodeRuneInString(r.src[i:])
			buf = utf8.AppendRune(buf, char)
			i += size
			continue
		}
		char, size := escape(r.src[i:])
		if size == 0 {
			r.at = min(i+1, len(r.src))
			return "", r.unexpected()
		}
		buf = encode(buf, char)
		i += size
	}
	r.at = len(r.src)
	return "", r.unexpected()
}

// escape reads the escape sequence that s starts with; size 0 if it is none.
func escape(s string) (char rune, size int) {
	if len(s) < 2 {
		return 0, 0
	}
	if e, ok := escapes[s[1]]; ok {
		return rune(e), 2
	}
	if s[1] != 'u' || len(s) < 6 {
		return 0, 0
	}
	u, err := strconv.ParseUint(s[2:6], 16, 16)
	if err != nil {
		return 0, 0
	}
	return rune(u), 6
}

func (r *reader) enter() error {
	r.at++
	if r.depth++; r.depth > maxValueDepth {
		return fmt.Errorf("parse JSON: nested deeper than %d levels", maxValueDepth)
	}
	return nil
}

// next moves past the comma between two parts, or past the end; it reports which.
func (r *reader) next(end byte) (more bool, err error) {
	r.space()
	if r.at < len(r.src) {
		switch r.src[r.at] {
		case ',':
			r.at++
			return true, nil
		case end:
			r.at++
			r.depth--
			return false, nil
		}
	}
	return false, r.unexpected()
}

// empty moves past the end of an array or object if that comes at once.
func (r *reader) empty(end byte) bool {
	if r.space(); r.at >= len(r.src) || r.src[r.at] != end {
		return false
	}
	r.at++
	r.depth--
	return true
}

func (r *reader) array(need *need) (Value, error) {
	if err := r.enter(); err != nil {
		return Value{}, err
	}
	if r.empty(']') {
		return r.newArray(nil), nil
	}
	base := len(r.values)
	for more := true; more; {
		v, err := r.value(need)
		if err != nil {
			return v, err
		}
		r.values = append(r.values, v)
		if more, err = r.next(']'); err != nil {
			return v, err
		}
	}
	a := r.newArray(r.values[base:])
	r.values = r.values[:base]
	return a, nil
}

func (r *reader) newArray(items []Value) Value {
	r.sizes.values += len(items)
	r.sizes.arrays++
	if len(r.arrSlab) == cap(r.arrSlab) {
		r.arrSlab = make([]array, 0, max(4, min(256, 2*cap(r.arrSlab))))
	}
	r.arrSlab = append(r.arrSlab, array{})
	a := &r.arrSlab[len(r.arrSlab)-1]
	if n := len(items); n > 0 {
		if cap(r.valSlab)-len(r.valSlab) < n {
			r.valSlab = make([]Value, 0, max(n, 16, min(1024, 2*cap(r.valSlab))))
		}
		from := len(r.valSlab)
		r.valSlab = append(r.valSlab, items...)
		a.items = r.valSlab[from : from+n : from+n]
	}
	return arrayValue(a)
}

// key reads a key and the colon behind it.
func (r *reader) key() (string, error) {
	if r.space(); r.at >= len(r.src) || r.src[r.at] != '"' {
		return "", r.unexpected()
	}
	key, err := r.str()
	if err != nil {
		return "", err
	}
	if r.space(); r.at >= len(r.src) || r.src[r.at] != ':' {
		return "", r.unexpected()
	}
	r.at++
	return key, nil
}

func (r *reader) object(need *need) (Value, error) {
	if err := r.enter(); err != nil {
		return Value{}, err
	}
	if r.empty('}') {
		return r.newObject(nil), nil
	}
	base := len(r.members)
	for more := true; more; {
		key, err := r.key()
		if err != nil {
			return Value{}, err
		}
		below := need
		if need != nil && !need.all {
			below = need.of(key)
		}
		if below == nil && need != nil {
			err = r.skip()
		} else {
			var v Value
			v, err = r.value(below)
			r.members = append(r.members, member{key, v})
		}
		if err != nil {
			return Value{}, err
		}
		if more, err = r.next('}'); err != nil {
			return Value{}, err
		}
	}
	o := r.newObject(r.members[base:])
	r.members = r.members[:base]
	return o, nil
}

// newObject copies the members, leaving out keys that come again.
func (r *reader) newObject(members []member) Value {
	n := len(members)
	r.sizes.members += n
	r.sizes.objects++
	if len(r.objSlab) == cap(r.objSlab) {
		r.objSlab = make([]object, 0, max(4, min(256, 2*cap(r.objSlab))))
	}
	r.objSlab = append(r.objSlab, object{})
	o := &r.objSlab[len(r.objSlab)-1]
	if n == 0 {
		return objectValue(o)
	}
	if cap(r.memSlab)-len(r.memSlab) < n {
		r.memSlab = make([]member, 0, max(n, 16, min(1024, 2*cap(r.memSlab))))
	}
	from := len(r.memSlab)
	o.members = r.memSlab[from:from:min(from+n, cap(r.memSlab))]
	if n >= indexFrom {
		o.index = make(map[string]int, n)
	}
	for i := range members {
		o.set(members[i].key, members[i].val)
	}
	r.memSlab = r.memSlab[:from+len(o.members)]
	o.members = o.members[:len(o.members):len(o.members)]
	return objectValue(o)
}
