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
	valSlab []Value
	memSlab []member
	objSlab []object
	arrSlab []array
}

// ParseJSON parses one JSON document, to be evaluated by any number of expressions. The value keeps a copy of the input.
// Duplicate keys count once, with the last value. Nesting beyond 10,000 levels is an error.
func ParseJSON(data []byte) (Value, error) {
	r := &reader{src: string(data)}
	// Room for what a document of this size usually holds.
	n := len(data)/24 + 4
	r.memSlab = make([]member, 0, n)
	v, err := r.document()
	if err != nil {
		return Value{}, err
	}
	return v, nil
}

func (r *reader) document() (Value, error) {
	v, err := r.value()
	if err != nil {
		return v, err
	}
	if r.space(); r.at < len(r.src) {
		return v, r.unexpected()
	}
	return v, nil
}

func (r *reader) unexpected() error {
	if r.at >= len(r.src) {
		return fmt.Errorf("parse JSON: unexpected end at offset %d", r.at)
	}
	c, _ := utf8.DecodeRuneInString(r.src[r.at:])
	return fmt.Errorf("parse JSON: unexpected %q at offset %d", c, r.at)
}

func (r *reader) space() {
	for r.at < len(r.src) {
		switch r.src[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

func (r *reader) value() (Value, error) {
	r.space()
	if r.at >= len(r.src) {
		return Value{}, r.unexpected()
	}
	switch c := r.src[r.at]; {
	case c == '"':
		s, err := r.str()
		return text(s), err
	case c == '{':
		return r.object()
	case c == '[':
		return r.array()
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

func (r *reader) number() (Value, error) {
	s, start := r.src, r.at
	i := start
	if s[i] == '-' {
		i++
	}
	digits := func() bool {
		from := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > from
	}
	bad := func() (Value, error) { r.at = i; return Value{}, r.unexpected() }
	first := i
	if !digits() || s[first] == '0' && i > first+1 {
		return bad()
	}
	if i-first <= 15 && (i >= len(s) || s[i] != '.' && s[i] != 'e' && s[i] != 'E') {
		r.at = i
		n := int64(0)
		for _, c := range []byte(s[first:i]) {
			n = n*10 + int64(c-'0')
		}
		f := float64(n)
		if first > start {
			f = -f // also -0
		}
		return number(f), nil
	}
	if i < len(s) && s[i] == '.' {
		if i++; !digits() {
			return bad()
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return bad()
		}
	}
	r.at = i
	f, _ := strconv.ParseFloat(s[start:i], 64) // out of range gives infinity, as in JavaScript
	return number(f), nil
}

func (r *reader) str() (string, error) {
	r.at++
	start := r.at
	for i := start; i < len(r.src); i++ {
		switch c := r.src[i]; {
		case c == '"':
			r.at = i + 1
			return r.valid(r.src[start:i]), nil
		case c == '\\':
			return r.escaped(start, i)
		case c < ' ':
			r.at = i
			return "", r.unexpected()
		}
	}
	r.at = len(r.src)
	return "", r.unexpected()
}

// valid replaces invalid UTF-8, as encoding/json does.
func (r *reader) valid(s string) string {
	if isASCII(s) || utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// escaped reads on from the first backslash, at i.
func (r *reader) escaped(start, i int) (string, error) {
	buf := append(make([]byte, 0, 2*(i-start)+16), r.valid(r.src[start:i])...)
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
		if i++; i >= len(r.src) {
			break
		}
		if e, ok := escapes[r.src[i]]; ok {
			buf = append(buf, e)
			i++
			continue
		}
		if r.src[i] != 'u' || i+5 > len(r.src) {
			r.at = i
			return "", r.unexpected()
		}
		u, err := strconv.ParseUint(r.src[i+1:i+5], 16, 16)
		if err != nil {
			r.at = i
			return "", r.unexpected()
		}
		buf = encode(buf, rune(u))
		i += 5
	}
	r.at = len(r.src)
	return "", r.unexpected()
}

func (r *reader) enter() error {
	r.at++
	if r.depth++; r.depth > maxValueDepth {
		return fmt.Errorf("parse JSON: nested deeper than %d levels", maxValueDepth)
	}
	return nil
}

func (r *reader) array() (Value, error) {
	if err := r.enter(); err != nil {
		return Value{}, err
	}
	base := len(r.values)
	r.space()
	if r.at < len(r.src) && r.src[r.at] == ']' {
		r.at++
		r.depth--
		return r.newArray(nil), nil
	}
	for {
		v, err := r.value()
		if err != nil {
			return v, err
		}
		r.values = append(r.values, v)
		r.space()
		if r.at >= len(r.src) {
			return v, r.unexpected()
		}
		switch r.src[r.at] {
		case ',':
			r.at++
			continue
		case ']':
			r.at++
			r.depth--
			items := r.carveValues(r.values[base:])
			r.values = r.values[:base]
			return r.newArray(items), nil
		}
		return v, r.unexpected()
	}
}

func (r *reader) newArray(items []Value) Value {
	if len(r.arrSlab) == cap(r.arrSlab) {
		r.arrSlab = make([]array, 0, max(4, min(256, 2*cap(r.arrSlab))))
	}
	r.arrSlab = append(r.arrSlab, array{items: items})
	return arrayValue(&r.arrSlab[len(r.arrSlab)-1])
}

func (r *reader) carveValues(items []Value) []Value {
	n := len(items)
	if cap(r.valSlab)-len(r.valSlab) < n {
		r.valSlab = make([]Value, 0, max(n, 16, min(1024, 2*cap(r.valSlab))))
	}
	from := len(r.valSlab)
	r.valSlab = append(r.valSlab, items...)
	return r.valSlab[from : from+n : from+n]
}

func (r *reader) object() (Value, error) {
	if err := r.enter(); err != nil {
		return Value{}, err
	}
	base := len(r.members)
	r.space()
	if r.at < len(r.src) && r.src[r.at] == '}' {
		r.at++
		r.depth--
		return r.newObject(nil), nil
	}
	for {
		if r.space(); r.at >= len(r.src) || r.src[r.at] != '"' {
			return Value{}, r.unexpected()
		}
		key, err := r.str()
		if err != nil {
			return Value{}, err
		}
		if r.space(); r.at >= len(r.src) || r.src[r.at] != ':' {
			return Value{}, r.unexpected()
		}
		r.at++
		v, err := r.value()
		if err != nil {
			return v, err
		}
		r.members = append(r.members, member{key, v})
		if r.space(); r.at >= len(r.src) {
			return v, r.unexpected()
		}
		switch r.src[r.at] {
		case ',':
			r.at++
			continue
		case '}':
			r.at++
			r.depth--
			o := r.newObject(r.members[base:])
			r.members = r.members[:base]
			return o, nil
		}
		return v, r.unexpected()
	}
}

// newObject copies the members, leaving out keys that come again.
func (r *reader) newObject(members []member) Value {
	if len(r.objSlab) == cap(r.objSlab) {
		r.objSlab = make([]object, 0, max(4, min(256, 2*cap(r.objSlab))))
	}
	r.objSlab = append(r.objSlab, object{})
	o := &r.objSlab[len(r.objSlab)-1]
	n := len(members)
	if cap(r.memSlab)-len(r.memSlab) < n {
		r.memSlab = make([]member, 0, max(n, 16, min(1024, 2*cap(r.memSlab))))
	}
	from := len(r.memSlab)
	o.members = r.memSlab[from:from:min(from+n, cap(r.memSlab))]
	if n < indexFrom {
		for _, m := range members {
			o.set(m.key, m.val)
		}
	} else {
		o.index = make(map[string]int, n)
		for _, m := range members {
			o.set(m.key, m.val)
		}
	}
	r.memSlab = r.memSlab[:from+len(o.members)]
	o.members = o.members[:len(o.members):len(o.members)]
	return objectValue(o)
}
