package jsonata

import (
	"strings"

	"github.com/openintegrationhub/leat/jsonata/internal/regex"
)

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
	typed    bool     // has a type parameter
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

// parseSignature reads a signature such as <s-nn?:s>. An error's position is its offset.
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
				return nil, &Error{Code: "S0402", value: textValue(choice), Position: lenUTF16(text[:i]), start: -1}
			}
			s.params = append(s.params, param{mask: choiceMask(choice)})
			i = end
		case '<':
			if last == nil || !last.array && last.mask != tFunc {
				return nil, &Error{Code: "S0401", value: textValue(last.letter()), Position: lenUTF16(text[:i]), start: -1}
			}
			end := closing(text, i, '<', '>')
			last.typed, last.sub = true, text[i+1:end]
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

// choiceMask is the set of types in parentheses. The reference makes a class of a regular expression of them, so ^ at the start means all others,
// and s-z is a range.
func choiceMask(choice string) typeMask {
	mask, plain := tMissing, true
	for i := range len(choice) {
		m, known := typeLetters[choice[i]]
		mask, plain = mask|m, plain && known
	}
	if plain {
		return mask
	}
	class, err := regex.Compile("^["+choice+"m]$", "")
	if err != nil {
		return 0
	}
	mask = 0
	for letter, m := range typeLetters {
		if at, err := class.Match(regex.ASCII(string(letter)), 0, nil); err == nil && at != nil {
			mask |= m
		}
	}
	return mask
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

// modify applies a modifier. The reference writes it behind the regular expression of the parameter, so a second one makes the first prefer
// fewer arguments, and the context of a parameter that may be left out already is one that may be anything.
func (p *param) modify(c byte) {
	if p.mask == 0 {
		return
	}
	if c == '-' {
		p.context, p.ctxMask = true, p.mask
		if p.optional {
			p.ctxMask = tAny
		}
	}
	switch {
	case c == '+':
		p.many = true
	case p.optional || p.many:
		p.lazy = true
	default:
		p.optional = true
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
	p := &s.params[len(counts)]
	low, fits := p.takes(types)
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

// few is how many parameters and arguments match may try in all ways there are.
const few = 8

// matchMany decides the same as match for any number of parameters and arguments: it works out first, from the last
// parameter on, from which argument on the parameters fit.
func (s *signature) matchMany(ev *evaluator, types []typeMask) ([]int, *Error) {
	total := len(types) + 1
	if err := ev.charge((len(s.params) + 1) * total); err != nil {
		return nil, err
	}
	fit := make([][]bool, len(s.params)+1)
	fit[len(s.params)] = make([]bool, total)
	fit[len(s.params)][len(types)] = true
	for i := len(s.params) - 1; i >= 0; i-- {
		fit[i] = make([]bool, total)
		for at := range total {
			low, high := s.params[i].takes(types[at:])
			if err := ev.work(1 + high/8); err != nil {
				return nil, err
			}
			for n := low; n <= high && !fit[i][at]; n++ {
				fit[i][at] = fit[i+1][at+n]
			}
		}
	}
	if !fit[0][0] {
		return nil, nil
	}
	counts, at := make([]int, len(s.params)), 0
	for i := range s.params {
		n, last := s.params[i].takes(types[at:])
		step := 1
		if !s.params[i].lazy {
			n, last, step = last, n, -1
		}
		for ; n != last && !fit[i+1][at+n]; n += step {
		}
		counts[i] = n
		at += n
	}
	return counts, nil
}

// takes is how few and how many of the arguments from the first on the parameter may take; more than it can when none.
func (p *param) takes(types []typeMask) (low, high int) {
	low, most := 1, 1
	if p.optional {
		low = 0
	}
	if p.many {
		most = len(types)
	}
	for high < min(most, len(types)) && types[high]&p.mask != 0 {
		high++
	}
	return low, high
}

// longestPrefix counts the arguments that fit the parameters from the first on, for an error to name the next one.
func (s *signature) longestPrefix(ev *evaluator, types []typeMask) (int, *Error) {
	good := 0
	reach := make([]bool, len(types)+1) // after the parameters so far, which arguments may come next
	reach[0] = true
	for i := range s.params {
		next, best := make([]bool, len(types)+1), -1
		for at := range reach {
			if !reach[at] {
				continue
			}
			low, high := s.params[i].takes(types[at:])
			if err := ev.work(1 + high/8); err != nil {
				return 0, err
			}
			for n := low; n <= high; n++ {
				next[at+n] = true
				best = max(best, at+n)
			}
		}
		if best < 0 {
			break
		}
		good, reach = best, next
	}
	return good, nil
}

// validate checks args and returns them as the function wants them: with the context put in and single values
// wrapped where arrays are wanted. The result may live in ev.stack.
func (s *signature) validate(ev *evaluator, args []Value, context Value) ([]Value, *Error) {
	if s.simple && len(args) == len(s.params) {
		ok, err := s.fitsOneToOne(ev, args)
		if ok || err != nil {
			return args, err
		}
	}
	var tbuf [8]typeMask
	types := tbuf[:0]
	for _, a := range args {
		types = append(types, typeOf(a))
	}
	var cbuf [few]int
	counts := cbuf[:0]
	fits := false
	if len(s.params) <= few && len(types) <= few {
		fits = s.match(types, counts)
	} else {
		var err *Error
		if counts, err = s.matchMany(ev, types); err != nil {
			return nil, err
		}
		fits = counts != nil
	}
	if !fits {
		return nil, s.mismatch(ev, args, types)
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
		exact := spells(types[matched:matched+n], p.sub)
		for range n {
			arg, err := p.convert(ev, next(), types[matched], exact)
			if err != nil {
				return nil, err
			}
			ev.stack = append(ev.stack, arg)
			matched++
		}
	}
	return ev.stack[base:len(ev.stack):len(ev.stack)], nil
}

// mismatch is the error that names the first argument which doesn't fit.
func (s *signature) mismatch(ev *evaluator, args []Value, types []typeMask) *Error {
	bad, err := s.longestPrefix(ev, types)
	if err != nil {
		return err
	}
	e := fail("T0410", Value{})
	if bad < len(args) {
		e.value = args[bad]
	}
	return e
}

// fitsOneToOne is the usual case: every parameter has its argument, and none has to be changed.
func (s *signature) fitsOneToOne(ev *evaluator, args []Value) (bool, *Error) {
	for i, a := range args {
		p := &s.params[i]
		t := typeOf(a)
		if t&p.mask == 0 || p.array && t != tArray && t != tMissing {
			return false, nil
		}
		if !p.typed || !p.array || t != tArray {
			continue
		}
		if all, err := p.allItems(ev, a.array()); !all || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (p *param) allItems(ev *evaluator, a *array) (bool, *Error) {
	if a.n > 0 {
		return p.subMask == tNumber, nil
	}
	if err := ev.work(len(a.items) / 8); err != nil {
		return false, err
	}
	for i := range a.items {
		if typeOf(a.items[i]) != p.subMask {
			return false, nil
		}
	}
	return true, nil
}

// spells tells whether text has the letters of the types.
func spells(types []typeMask, text string) bool {
	if len(types) != len(text) {
		return false
	}
	for i, t := range types {
		if typeLetters[text[i]] != t {
			return false
		}
	}
	return true
}

// convert wraps a single value into an array where the parameter is one, and checks the items' type. exact: the types of
// all that the parameter takes spell the items' type.
func (p *param) convert(ev *evaluator, arg Value, t typeMask, exact bool) (Value, *Error) {
	if !p.array || t == tMissing {
		return arg, nil
	}
	if t == tArray && arg.k == kArray {
		if !p.typed {
			return arg, nil
		}
		all, err := p.allItems(ev, arg.array())
		if err == nil && !all {
			err = fail("T0412", arg)
		}
		return arg, err
	}
	if p.typed && !exact {
		return arg, fail("T0412", arg)
	}
	return plain([]Value{arg}), nil
}
