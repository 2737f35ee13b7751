package jsonata

import (
	"math"
	"unicode/utf16"
	"unicode/utf8"
)

// printer says how JSON is written.
type printer struct {
	ev     *evaluator // whose time and memory it takes; may be nil
	most   int        // bytes; 0 is no limit
	indent bool
	shown  bool // as $string shows it: numbers cut to 15 digits, functions as ""
}

// AppendJSON appends v as JSON, as JavaScript's JSON.stringify writes it, except that keys keep their order: functions
// and undefined members are left out, and numbers that aren't finite become null. Undefined itself appends nothing. A
// value that takes more than 64 MiB, or is nested deeper than 10,000 levels, is an error.
func AppendJSON(dst []byte, v Value) ([]byte, error) {
	out, err := appendJSON(dst, v, printer{most: defaultResult})
	if err != nil {
		return dst, err.finish("")
	}
	return out, nil
}

func appendJSON(dst []byte, v Value, p printer) ([]byte, *Error) {
	if v.k == kUndefined || v.k == kFunc && !p.shown {
		return dst, nil
	}
	if p.most > 0 {
		p.most += len(dst)
	}
	out, err := p.value(dst, v, 0)
	if err == nil && p.most > 0 && len(out) > p.most {
		err = limitError("U1003", "the result is longer than %d bytes", p.most-len(dst))
	}
	return out, err
}

func (p *printer) value(dst []byte, v Value, depth int) ([]byte, *Error) {
	switch v.k {
	case kBool:
		if v.n == 1 {
			return append(dst, "true"...), nil
		}
		return append(dst, "false"...), nil
	case kNumber:
		f := v.num()
		if p.shown {
			if math.IsInf(f, 0) {
				return dst, fail("D1001", v)
			}
			f = shorten(f)
		}
		if f-f != 0 {
			return append(dst, "null"...), nil
		}
		return appendNumber(dst, f), nil
	case kString:
		return appendQuoted(dst, v.str()), nil
	case kArray:
		return p.array(dst, v.array(), depth+1)
	case kObject:
		return p.object(dst, v.object(), depth+1)
	case kFunc:
		if p.shown {
			return append(dst, `""`...), nil
		}
	}
	return append(dst, "null"...), nil
}

// check bounds depth, length and time.
func (p *printer) check(dst []byte, depth int) *Error {
	if depth > maxValueDepth {
		return tooDeep()
	}
	if p.most > 0 && len(dst) > p.most {
		return limitError("U1003", "the result is longer than %d bytes", p.most)
	}
	if p.ev != nil {
		return p.ev.tick()
	}
	return nil
}

func (p *printer) line(dst []byte, depth int) []byte {
	if !p.indent {
		return dst
	}
	dst = append(dst, '\n')
	for range depth {
		dst = append(dst, "  "...)
	}
	return dst
}

func (p *printer) array(dst []byte, a *array, depth int) ([]byte, *Error) {
	dst = append(dst, '[')
	for i := range a.len() {
		err := p.check(dst, depth)
		if err != nil {
			return dst, err
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = p.line(dst, depth)
		if dst, err = p.value(dst, a.at(i), depth); err != nil {
			return dst, err
		}
	}
	if a.len() > 0 {
		dst = p.line(dst, depth-1)
	}
	return append(dst, ']'), nil
}

func (p *printer) object(dst []byte, o *object, depth int) ([]byte, *Error) {
	dst = append(dst, '{')
	first := true
	for i := range o.members {
		m := &o.members[i]
		err := p.check(dst, depth)
		if err != nil {
			return dst, err
		}
		if m.val.k == kUndefined || m.val.k == kFunc && !p.shown {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = p.line(dst, depth)
		dst = append(appendQuoted(dst, m.key), ':')
		if p.indent {
			dst = append(dst, ' ')
		}
		if dst, err = p.value(dst, m.val, depth); err != nil {
			return dst, err
		}
	}
	if !first {
		dst = p.line(dst, depth-1)
	}
	return append(dst, '}'), nil
}

const hex = "0123456789abcdef"

func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := decode(s[i:])
			if utf16.IsSurrogate(r) {
				dst = append(dst, s[start:i]...)
				dst = append(dst, '\\', 'u', 'd', hex[r>>8&15], hex[r>>4&15], hex[r&15])
				start = i + n
			}
			i += n
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// stringify appends v as $string shows it.
func (ev *evaluator) stringify(dst []byte, v Value, indent bool) ([]byte, *Error) {
	switch v.k {
	case kString:
		return append(dst, v.str()...), nil
	case kFunc, kUndefined:
		return dst, nil
	case kNumber:
		f := v.num()
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return dst, fail("D3001", v)
		}
		return appendNumber(dst, shorten(f)), nil
	case kArray:
		if v.array().is(outer) {
			v = v.array().at(0)
		}
	}
	p := printer{ev: ev, most: int(min(ev.memory, 1<<40)) + 1, indent: indent, shown: true}
	return appendJSON(dst, v, p)
}
