package jsonata

import "strings"

// typeMask is a set of argument types.
type typeMask uint8

const (
	tNumber typeMask = 1 << iota
	tString
	tBool
	tNull
	tArray
	tObject
	tFunc
	tMissing // undefined
)

const tAny = tNumber | tString | tBool | tNull | tArray | tObject | tFunc | tMissing

var typeLetters = map[byte]typeMask{'n': tNumber, 's': tString, 'b': tBool, 'l': tNull, 'a': tArray, 'o': tObject, 'f': tFunc, 'm': tMissing}

// typeOf is the type of an argument as signatures see it.
func typeOf(v Value) typeMask {
	switch v.k {
	case kNumber:
		return tNumber
	case kString:
		return tString
	case kBool:
		return tBool
	case kNull:
		return tNull
	case kArray:
		return tArray
	case kObject:
		return tObject
	case kFunc:
		return tFunc
	}
	return tMissing
}

// param is one parameter of a signature.
type param struct {
	mask     typeMask
	array    bool     // type a: other values are wrapped into an array
	sub      string   // type parameter of an array: a<sub>
	subMask  typeMask // of its first letter
	context  bool     // -: may be left out, the context takes its place
	ctxMask  typeMask
	optional bool
	many     bool
	lazy     bool // optional or many, but preferring fewer
}

// signature is the parsed form of <params:result>. Arguments match it as a regular expression over their types would,
// which decides what is left out when there are fewer arguments than parameters.
type signature struct {
	text   string
	params []param
	simple bool // no parameter takes more than one argument
}

// parseSignature reads a signature such as <s-nn?:s>.
func parseSignature(text string) (*signature, *Error) {
	s := &signature{text: text}
	for i := 1; i < len(text) && text[i] != ':'; i++ {
		c := text[i]
		var last *param
		if n := len(s.params); n > 0 {
			last = &s.params[n-1]
		}
		switch c {
		case 's', 'n', 'b', 'l', 'o':
			s.params = append(s.params, param{mask: typeLetters[c] | tMissing})
		case 'a':
			s.params = append(s.params, param{mask: tAny, array: true})
		case 'f':
			s.params = append(s.params, param{mask: tFunc})
		case 'j':
			s.params = append(s.params, param{mask: tAny &^ tFunc})
		case 'x':
			s.params = append(s.params, param{mask: tAny})
		case '-', '?', '+':
			if last != nil {
				last.modify(c)
			}
		case '(':
			end := closing(text, i, '(', ')')
			choice := text[i+1 : end]
			if strings.IndexByte(choice, '<') >= 0 {
				return nil, fail("S0402", textValue(choice))
			}
			p := param{mask: tMissing}
			for j := range len(choice) {
				p.mask |= typeLetters[choice[j]]
			}
			s.params = append(s.params, p)
			i = end
		case '<':
			if last == nil || !last.array && last.mask != tFunc {
				return nil, fail("S0401", textValue(last.letter()))
			}
			end := closing(text, i, '<', '>')
			last.sub = text[i+1 : end]
			if last.sub != "" {
				last.subMask = typeLetters[last.sub[0]]
			}
			i = end
		}
	}
	s.simple = true
	for _, p := range s.params {
		s.simple = s.simple && !p.many
	}
	return s, nil
}

func textValue(s string) Value { return text(s) }

func (p *param) letter() string {
	if p == nil {
		return ""
	}
	for letter, m := range typeLetters {
		if m|tMissing == p.mask {
			return string(letter)
		}
	}
	return ""
}

func (p *param) modify(c byte) {
	if p.optional || p.many {
		p.lazy = p.lazy || c != '+'
	}
	switch c {
	case '-':
		p.context, p.ctxMask, p.optional = true, p.mask, true
	case '?':
		p.optional = true
	default:
		p.many = true
	}
}

// closing finds the bracket that closes the one at i, or the end of the text.
func closing(text string, i int, open, shut byte) int {
	depth := 0
	for ; i < len(text); i++ {
		switch text[i] {
		case open:
			depth++
		case shut:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(text) - 1
}

// match decides how many arguments each parameter takes, greedily, into counts; it reports whether all fit.
func (s *signature) match(types []typeMask, counts []int) bool {
	if len(counts) == len(s.params) {
		return len(types) == 0
	}
	p := s.params[len(counts)]
	low, high := 1, 1
	if p.optional {
		low = 0
	}
	if p.many {
		high = len(types)
	}
	fits := 0
	for fits < min(high, len(types)) && types[fits]&p.mask != 0 {
		fits++
	}
	for i := low; i <= fits; i++ {
		n := i
		if !p.lazy {
			n = fits - (i - low)
		}
		if s.match(types[n:], append(counts, n)) {
			return true
		}
	}
	return false
}

// longestPrefix counts the arguments that fit the parameters from the first on, for an error to name the next one.
func (s *signature) longestPrefix(types []typeMask) int {
	good := 0
	for n := 1; n <= len(s.params); n++ {
		part := signature{params: s.params[:n]}
		best := -1
		for k := len(types); k >= 0; k-- {
			var buf [8]int
			if part.match(types[:k], buf[:0]) {
				best = k
				break
			}
		}
		if best < 0 {
			return good
		}
		good = best
	}
	return good
}

// validate checks args and returns them as the function wants them: with the context put in and single values
// wrapped where arrays are wanted. The result may live in ev.stack.
func (s *signature) validate(ev *evaluator, args []Value, context Value) ([]Value, *Error) {
	if s.simple && len(args) == len(s.params) {
		if ok := s.fitsOneToOne(args); ok {
			return args, nil
		}
	}
	var tbuf [8]typeMask
	types := tbuf[:0]
	for _, a := range args {
		types = append(types, typeOf(a))
	}
	var cbuf [8]int
	counts := cbuf[:0]
	if cap(counts) < len(s.params) {
		counts = make([]int, 0, len(s.params))
	}
	if !s.match(types, counts) {
		bad := s.longestPrefix(types)
		e := fail("T0410", Value{})
		if bad < len(args) {
			e.value = args[bad]
		}
		return nil, e
	}
	counts = counts[:len(s.params)]
	// The reference moves on to the next argument even past a parameter that took none, so that at may run ahead of
	// the argument that was matched.
	base, at, matched := len(ev.stack), 0, 0
	next := func() (arg Value) {
		if at < len(args) {
			arg = args[at]
		}
		at++
		return arg
	}
	for i, n := range counts {
		p := &s.params[i]
		if n == 0 {
			if p.context {
				if typeOf(context)&p.ctxMask == 0 {
					return nil, fail("T0411", context)
				}
				ev.stack = append(ev.stack, context)
				continue
			}
			ev.stack = append(ev.stack, next())
			continue
		}
		for range n {
			arg, err := p.convert(next(), types[matched])
			if err != nil {
				return nil, err
			}
			ev.stack = append(ev.stack, arg)
			matched++
		}
	}
	return ev.stack[base:len(ev.stack):len(ev.stack)], nil
}

// fitsOneToOne is the usual case: every parameter has its argument, and none has to be changed.
func (s *signature) fitsOneToOne(args []Value) bool {
	for i, a := range args {
		p := &s.params[i]
		t := typeOf(a)
		if t&p.mask == 0 || p.array && t != tArray && t != tMissing {
			return false
		}
		if p.sub != "" && p.array && t == tArray && !p.allItems(a.array()) {
			return false
		}
	}
	return true
}

func (p *param) allItems(a *array) bool {
	if a.n > 0 {
		return p.subMask == tNumber
	}
	for i := range a.items {
		if typeOf(a.items[i]) != p.subMask {
			return false
		}
	}
	return true
}

// convert wraps a single value into an array where the parameter is one, and checks the items' type.
func (p *param) convert(arg Value, t typeMask) (Value, *Error) {
	if !p.array || t == tMissing {
		return arg, nil
	}
	if t == tArray && arg.k == kArray {
		if p.sub != "" && !p.allItems(arg.array()) {
			return arg, fail("T0412", arg)
		}
		return arg, nil
	}
	if p.sub != "" && (len(p.sub) != 1 || p.subMask != t) {
		return arg, fail("T0412", arg)
	}
	return plain([]Value{arg}), nil
}
