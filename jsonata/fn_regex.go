package jsonata

import (
	"math"
	"strconv"
	"strings"

	"github.com/openintegrationhub/leat/jsonata/internal/regex"
)

func (c *compiler) regex(n *ast) node {
	re, err := regex.Compile(n.text, n.flags)
	if err != nil {
		if c.err == nil {
			c.err = &Error{Code: "S0303", Token: "/" + n.text + "/" + n.flags, named: true, Message: err.Error(), Position: n.pos, start: n.start}
		}
		return &constant{}
	}
	return &constant{funcValue(&function{arity: 2, regex: re, at: n, native: callRegex, passed: true})}
}

// callRegex makes a regular expression a function: from a string, or the text of a number, boolean or null, to its first match from a position
// on, which has the next in turn. In anything else it finds nothing.
func callRegex(c *call, args []Value) (Value, *Error) {
	if len(args) == 0 {
		return Value{}, nil
	}
	t, ok := scalarText(args[0])
	if !ok {
		return Value{}, nil
	}
	s, from := newSubject(t), 0
	if len(args) > 1 && args[1].k == kNumber && args[1].num() > 0 {
		if args[1].num() > float64(s.length()) {
			return Value{}, nil
		}
		from = int(args[1].num())
	}
	m, err := s.match(c.ev, c.fn.regex, from)
	return matchResult(c.fn, s, m), err
}

// scalarText is what JavaScript makes of a scalar when it wants a string.
func scalarText(v Value) (string, bool) {
	switch v.k {
	case kString:
		return v.str(), true
	case kNumber:
		return formatNumber(v.num()), true
	case kBool:
		return strconv.FormatBool(v.isTrue()), true
	case kNull:
		return "null", true
	}
	return "", false
}

// matchResult is the object that a matcher returns for m.
func matchResult(re *function, s *subject, m *found) Value {
	if m == nil {
		return Value{}
	}
	next := &function{arity: 0, passed: true, native: func(c *call, _ []Value) (Value, *Error) {
		if m.end >= s.length() {
			return Value{}, nil
		}
		following, err := s.after(c.ev, re, m)
		return matchResult(re, s, following), err
	}}
	o := m.object("start")
	return objectValue(&object{members: []member{o.members[0], o.members[1], {"end", number(float64(m.end))}, o.members[2],
		{"next", funcValue(next)}}})
}

// subject is a string that a matcher goes over; offsets are UTF-16 units.
type subject struct {
	s     string
	units []uint16 // of a string that isn't ASCII
}

func newSubject(s string) *subject {
	if isASCII(s) {
		return &subject{s: s}
	}
	return &subject{s: s, units: toUTF16(s)}
}

func (s *subject) length() int {
	if s.units != nil {
		return len(s.units)
	}
	return len(s.s)
}

func (s *subject) cut(from, to int) string {
	if s.units != nil {
		return fromUTF16(s.units[from:to])
	}
	return s.s[from:to]
}

// found is one match; groups are undefined where they took no part.
type found struct {
	text       string
	start, end int
	groups     []Value
	next       Value // a custom matcher's function for the next match
	given      Value // what a custom matcher gave
}

func (m *found) object(position string) *object {
	return &object{members: []member{
		{"match", text(m.text)},
		{position, number(float64(m.start))},
		{"groups", plain(m.groups)},
	}}
}

func (s *subject) match(ev *evaluator, re *regex.Regex, from int) (*found, *Error) {
	const stepsOfOne = 8 // however short it is
	if err := ev.work(stepsOfOne); err != nil {
		return nil, err
	}
	t := regex.ASCII(s.s)
	if s.units != nil {
		t = regex.UTF16(s.units)
	}
	var stopped *Error
	at, err := re.Match(t, from, func() error {
		if stopped = ev.work(stepsBetweenChecks); stopped != nil {
			return stopped
		}
		return nil
	})
	switch {
	case stopped != nil:
		return nil, stopped
	case err != nil:
		return nil, limitError("U1003", "%v", err)
	case at == nil:
		return nil, nil
	}
	m := &found{text: s.cut(at[0], at[1]), start: at[0], end: at[1], groups: make([]Value, len(at)/2-1)}
	for i := range m.groups {
		if from, to := at[2*i+2], at[2*i+3]; from >= 0 && to >= from {
			m.groups[i] = text(s.cut(from, to))
		}
	}
	return m, ev.charge(len(m.text) + (len(m.groups)+8)*valueBytes)
}

// matches calls each for every match, until it returns false.
func (c *call) matches(pattern *function, s *subject, each func(m *found) (bool, *Error)) *Error {
	if pattern.regex == nil {
		return c.customMatches(pattern, s, each)
	}
	m, err := s.match(c.ev, pattern.regex, 0)
	for m != nil && err == nil {
		var more bool
		if more, err = each(m); err != nil || m.end >= s.length() {
			break
		}
		// The next match is looked for even when it isn't wanted: it may be an error.
		if m, err = s.after(c.ev, pattern, m); !more {
			break
		}
	}
	return err
}

// after finds the match after m. Only the first match may be empty.
func (s *subject) after(ev *evaluator, re *function, m *found) (*found, *Error) {
	next, err := s.match(ev, re.regex, m.end)
	if err == nil && next != nil && next.start == next.end {
		return nil, fail("D1004", text(re.regex.String())).at(re.at)
	}
	return next, err
}

// customMatches goes over the matches that a function gives in the shape of a regular expression's.
func (c *call) customMatches(f *function, s *subject, each func(m *found) (bool, *Error)) *Error {
	args := []Value{text(s.s)}
	for {
		v, err := c.askMatcher(f, args)
		if err != nil || v.k == kUndefined {
			return err
		}
		m, ok := matchOf(v)
		if !ok {
			return fail("T1010", v)
		}
		more, err := each(m)
		if !more || err != nil {
			return err
		}
		if err := c.ev.tick(); err != nil {
			return err
		}
		f, args = m.next.fn(), nil
	}
}

// askMatcher calls a function that stands for a regular expression.
func (c *call) askMatcher(f *function, args []Value) (Value, *Error) {
	v, err := c.ev.call(f, args, null, c.env)
	if f.native == nil { // an empty sequence of a built-in function is no match object, rather than no match
		v = finish(v)
	}
	return v, err
}

// looksLikeMatch says whether v has a part of a match object. $contains asks for no more, and takes what JavaScript calls false for a match, too.
func looksLikeMatch(v Value) bool {
	if v.k != kObject {
		return !truthy(v)
	}
	o := v.object()
	return o.get("start").k == kNumber || o.get("groups").k == kArray || o.get("next").k == kFunc
}

// matchOf reads a match object, if v is one.
func matchOf(v Value) (*found, bool) {
	if v.k != kObject {
		return nil, false
	}
	o := v.object()
	start, end, groups, next := o.get("start"), o.get("end"), o.get("groups"), o.get("next")
	if start.k != kNumber && end.k != kNumber || groups.k != kArray || next.k != kFunc {
		return nil, false
	}
	m := &found{given: v, next: next, groups: groups.array().appendTo(nil)}
	if t := o.get("match"); t.k == kString {
		m.text = t.str()
	}
	if start.k == kNumber {
		m.start = int(max(0, min(start.num(), math.MaxInt32)))
	}
	if end.k == kNumber {
		m.end = int(max(0, min(end.num(), math.MaxInt32)))
	}
	return m, true
}

// limit reads the optional limit of matches; negative is the error code.
func limit(v Value, code string) (float64, *Error) {
	if v.k != kNumber {
		return math.Inf(1), nil
	}
	if v.num() < 0 {
		return 0, fail(code, v)
	}
	return v.num(), nil
}

func fnMatch(c *call, args []Value) (Value, *Error) {
	if args[0].k != kString {
		return Value{}, nil
	}
	most, err := limit(args[2], "D3040")
	if err != nil {
		return Value{}, err
	}
	var out []Value
	if most > 0 {
		err = c.matches(args[1].fn(), newSubject(args[0].str()), func(m *found) (bool, *Error) {
			out = append(out, objectValue(m.object("index")))
			return float64(len(out)) < most, c.ev.charge(3 * memberBytes)
		})
	}
	if err != nil {
		return Value{}, err
	}
	return c.newArray(out, seq)
}

func fnContains(c *call, args []Value) (Value, *Error) {
	if args[0].k != kString {
		return Value{}, nil
	}
	switch args[1].k {
	case kString:
		return boolean(strings.Contains(args[0].str(), args[1].str())), nil
	case kUndefined:
		return Value{}, nil
	}
	s := newSubject(args[0].str())
	if re := args[1].fn().regex; re != nil {
		m, err := s.match(c.ev, re, 0)
		return boolean(m != nil), err
	}
	v, err := c.askMatcher(args[1].fn(), []Value{args[0]})
	if err == nil && v.k != kUndefined && !looksLikeMatch(v) {
		err = fail("T1010", v)
	}
	return boolean(v.k != kUndefined), err
}

func fnSplit(c *call, args []Value) (Value, *Error) {
	if args[0].k != kString {
		return Value{}, nil
	}
	most, err := limit(args[2], "D3020")
	if err != nil {
		return Value{}, err
	}
	if args[1].k == kUndefined && most > 0 { // the reference breaks here
		return Value{}, fail("T0410", args[1])
	}
	s := args[0].str()
	var out []Value
	add := func(part string) (bool, *Error) {
		if float64(len(out)) >= most {
			return false, nil
		}
		out = append(out, text(part))
		return float64(len(out)) < most, c.ev.charge(valueBytes)
	}
	if args[1].k != kFunc && !math.IsInf(most, 0) {
		most = math.Mod(math.Trunc(most), 1<<32) // as JavaScript's split takes it
	}
	switch {
	case !(most > 0): // also what is no number
	case args[1].k == kFunc:
		err = c.splitRegex(s, args[1].fn(), add)
	case args[1].n == 0 && args[1].k == kString:
		err = splitUnits(s, add)
	default:
		sep, rest := args[1].str(), s
		for err == nil {
			part, after, more := strings.Cut(rest, sep)
			var goOn bool
			if goOn, err = add(part); !goOn || !more {
				break
			}
			rest = after
		}
	}
	if err != nil {
		return Value{}, err
	}
	return c.newArray(out, 0)
}

func (c *call) splitRegex(s string, f *function, add func(string) (bool, *Error)) *Error {
	sub, at, open := newSubject(s), 0, true
	err := c.matches(f, sub, func(m *found) (more bool, err *Error) {
		more, err = add(sub.cut(min(at, sub.length()), max(min(m.start, sub.length()), min(at, sub.length()))))
		at, open = m.end, more
		return more, err
	})
	if err == nil && open {
		_, err = add(sub.cut(min(at, sub.length()), sub.length()))
	}
	return err
}

// splitUnits cuts between all UTF-16 units, as JavaScript does.
func splitUnits(s string, add func(string) (bool, *Error)) *Error {
	sub := newSubject(s)
	for i := range sub.length() {
		if more, err := add(sub.cut(i, i+1)); !more || err != nil {
			return err
		}
	}
	return nil
}

func fnReplace(c *call, args []Value) (Value, *Error) {
	if args[0].k != kString {
		return Value{}, nil
	}
	if args[1].k == kString && args[1].n == 0 {
		return Value{}, fail("D3010", args[1])
	}
	most, err := limit(args[3], "D3011")
	if err != nil {
		return Value{}, err
	}
	s := args[0].str()
	if !(most > 0) {
		return args[0], nil
	}
	switch args[1].k {
	case kUndefined: // the reference breaks here
		return Value{}, fail("T0410", args[1])
	case kString:
		return c.replaceText(s, args[1].str(), args[2], most)
	}
	sub, at, count := newSubject(s), 0, 0.0
	base := len(c.ev.text)
	defer func() { c.ev.text = c.ev.text[:base] }()
	err = c.matches(args[1].fn(), sub, func(m *found) (bool, *Error) {
		start := max(min(m.start, sub.length()), at)
		c.ev.text = append(c.ev.text, sub.cut(at, start)...)
		at = min(start+lenUTF16(m.text), sub.length())
		if err := c.appendReplacement(args[1].fn(), sub, m, args[2]); err != nil {
			return false, err
		}
		count++
		return count < most, c.ev.roomFor(len(c.ev.text))
	})
	if err != nil {
		return Value{}, err
	}
	c.ev.text = append(c.ev.text, sub.cut(at, sub.length())...)
	return c.ev.takeText(base)
}

func (c *call) replaceText(s, pattern string, with Value, most float64) (Value, *Error) {
	n := -1
	if most < math.MaxInt32 {
		n = int(math.Ceil(most))
	}
	replacement := "undefined" // what the reference makes of a missing one
	if with.k == kFunc {
		replacement = ""
	}
	if with.k == kString {
		replacement = with.str()
	}
	if err := c.ev.roomFor(len(s) + strings.Count(s, pattern)*len(replacement)); err != nil {
		return Value{}, err
	}
	return c.made(mendSurrogates(strings.Replace(s, pattern, replacement, n)))
}

// appendReplacement appends what takes the place of a match: the function's result, or the string with its $1 filled in.
func (c *call) appendReplacement(pattern *function, s *subject, m *found, with Value) *Error {
	if with.k == kFunc {
		match := m.given
		if match.k == kUndefined {
			match = matchResult(pattern, s, m)
		}
		v, err := c.ev.call(with.fn(), []Value{match}, null, c.env)
		if err != nil {
			return err
		}
		if v = finish(v); v.k != kString {
			return fail("D3012", v)
		}
		c.ev.text = append(c.ev.text, v.str()...)
		return nil
	}
	if with.k == kString {
		c.ev.text = expand(c.ev.text, with.str(), m)
	}
	return nil
}

// expand fills in $0 (the match), $1 ... (the groups) and $$.
func expand(dst []byte, s string, m *found) []byte {
	for {
		at := strings.IndexByte(s, '$')
		if at < 0 {
			return append(dst, s...)
		}
		dst = append(dst, s[:at]...)
		s = s[at+1:]
		switch {
		case strings.HasPrefix(s, "$"):
			dst, s = append(dst, '$'), s[1:]
			continue
		case strings.HasPrefix(s, "0"):
			dst, s = append(dst, m.text...), s[1:]
			continue
		}
		// As many digits as a group's number can have; one fewer if that group doesn't exist.
		most := 1
		if n := len(m.groups); n > 0 {
			most = len(strconv.Itoa(n))
		}
		index, digits := groupNumber(s, most)
		if most > 1 && index > len(m.groups) {
			index, digits = groupNumber(s, most-1)
		}
		if digits == 0 {
			dst = append(dst, '$')
			continue
		}
		if index >= 1 && index <= len(m.groups) && m.groups[index-1].k == kString {
			dst = append(dst, m.groups[index-1].str()...)
		}
		s = s[digits:]
	}
}

func groupNumber(s string, most int) (n, digits int) {
	for digits < most && digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		n = n*10 + int(s[digits]-'0')
		digits++
	}
	return n, digits
}
