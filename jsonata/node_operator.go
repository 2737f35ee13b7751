package jsonata

import (
	"math"
)

func (c *compiler) binary(n *ast) node {
	switch n.text {
	case "+", "-", "*", "/", "%":
		return &arithmetic{op: n.text[0], left: c.sub(n.lhs), right: c.sub(n.rhs), at: n}
	case "=", "!=":
		return &equality{left: c.sub(n.lhs), right: c.sub(n.rhs), negated: n.text == "!="}
	case "<", "<=", ">", ">=":
		return &comparison{op: n.text, left: c.sub(n.lhs), right: c.sub(n.rhs), at: n}
	case "and":
		return &and{left: c.sub(n.lhs), right: c.sub(n.rhs), at: n}
	case "or":
		return &or{left: c.sub(n.lhs), right: c.sub(n.rhs), at: n}
	case "in":
		return &inclusion{left: c.sub(n.lhs), right: c.sub(n.rhs)}
	case "&":
		cat := &concat{at: []*ast{n}}
		// a & b & c is one node: it builds the text once.
		for n.lhs.kind == aBinary && n.lhs.text == "&" && n.lhs.predicate == nil && n.lhs.group == nil && !n.lhs.keepArray {
			cat.parts = append(cat.parts, c.sub(n.rhs))
			n = n.lhs
			cat.at = append(cat.at, n)
		}
		cat.parts = append(cat.parts, c.sub(n.rhs), c.sub(n.lhs))
		reverse(cat.parts)
		reverse(cat.at)
		return cat
	}
	return &span{from: c.sub(n.lhs), to: c.sub(n.rhs), at: n}
}

func reverse[T any](s []T) {
	for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
		s[i], s[j] = s[j], s[i]
	}
}

type arithmetic struct {
	op          byte
	left, right node
	at          *ast
}

func (n *arithmetic) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	x, err := n.left.eval(ev, in, fr)
	if err != nil {
		return x, err
	}
	y, err := n.right.eval(ev, in, fr)
	if err != nil {
		return y, err
	}
	if err := n.check(x, "T2001"); err != nil {
		return x, err
	}
	if err := n.check(y, "T2002"); err != nil {
		return y, err
	}
	if x.k == kUndefined || y.k == kUndefined {
		return Value{}, nil
	}
	a, b := x.num(), y.num()
	switch n.op {
	case '+':
		return number(a + b), nil
	case '-':
		return number(a - b), nil
	case '*':
		return number(a * b), nil
	case '/':
		return number(a / b), nil
	}
	return number(math.Mod(a, b)), nil
}

func (n *arithmetic) check(v Value, code string) *Error {
	if v.k == kUndefined {
		return nil
	}
	ok, err := finite(v)
	if err == nil && !ok {
		err = failToken(code, string(n.op), v)
	}
	if err != nil {
		return err.at(n.at).token(string(n.op))
	}
	return nil
}

type equality struct {
	left, right node
	negated     bool
}

func (n *equality) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	x, err := n.left.eval(ev, in, fr)
	if err != nil {
		return x, err
	}
	y, err := n.right.eval(ev, in, fr)
	if err != nil {
		return y, err
	}
	if x.k == kUndefined || y.k == kUndefined {
		return vFalse, nil
	}
	same, err := ev.equal(x, y, 0)
	return boolean(same != n.negated), err
}

type comparison struct {
	op          string
	left, right node
	at          *ast
}

func (n *comparison) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	x, err := n.left.eval(ev, in, fr)
	if err != nil {
		return x, err
	}
	y, err := n.right.eval(ev, in, fr)
	if err != nil {
		return y, err
	}
	comparable := func(v Value) bool { return v.k == kUndefined || v.k == kNumber || v.k == kString }
	if !comparable(x) || !comparable(y) {
		bad := x
		if comparable(x) {
			bad = y
		}
		return x, failToken("T2010", n.op, bad).at(n.at)
	}
	if x.k == kUndefined || y.k == kUndefined {
		return Value{}, nil
	}
	if x.k != y.k {
		return x, failToken("T2009", n.op, x).at(n.at)
	}
	if x.k == kNumber {
		return boolean(compareNumbers(n.op, x.num(), y.num())), nil
	}
	return boolean(compareNumbers(n.op, float64(compareStrings(x.str(), y.str())), 0)), ev.read(x)
}

func compareNumbers(op string, a, b float64) bool {
	switch op {
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}

type and struct {
	left, right node
	at          *ast
}

func (n *and) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	v, err := n.left.eval(ev, in, fr)
	if err != nil {
		return v, err
	}
	yes, err := ev.truth(v)
	if err == nil && yes {
		if v, err = n.right.eval(ev, in, fr); err == nil {
			yes, err = ev.truth(v)
		}
	}
	if err != nil {
		return v, err.under(n.at)
	}
	return boolean(yes), nil
}

type or struct {
	left, right node
	at          *ast
}

func (n *or) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	v, err := n.left.eval(ev, in, fr)
	if err != nil {
		return v, err
	}
	yes, err := ev.truth(v)
	if err == nil && !yes {
		if v, err = n.right.eval(ev, in, fr); err == nil {
			yes, err = ev.truth(v)
		}
	}
	if err != nil {
		return v, err.under(n.at)
	}
	return boolean(yes), nil
}

// inclusion is left in right. Only primitive values are found, as with ===.
type inclusion struct{ left, right node }

func (n *inclusion) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	x, err := n.left.eval(ev, in, fr)
	if err != nil {
		return x, err
	}
	y, err := n.right.eval(ev, in, fr)
	if err != nil {
		return y, err
	}
	if x.k == kUndefined || y.k == kUndefined {
		return vFalse, nil
	}
	if y.k != kArray {
		return boolean(identical(x, y)), nil
	}
	a := y.array()
	if err := ev.work(a.len()); err != nil {
		return y, err
	}
	for i := range a.len() {
		if err := ev.read(a.at(i)); err != nil {
			return y, err
		}
		if identical(x, a.at(i)) {
			return vTrue, nil
		}
	}
	return vFalse, nil
}

// identical compares as JavaScript's === does: arrays and objects are equal only to themselves.
func identical(a, b Value) bool {
	if a.k != b.k {
		return false
	}
	switch a.k {
	case kNumber:
		return a.num() == b.num()
	case kString:
		return a.str() == b.str()
	case kBool:
		return a.n == b.n
	}
	return a.p == b.p
}

type negate struct {
	operand node
	at      *ast
}

func (n *negate) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	v, err := n.operand.eval(ev, in, fr)
	if err != nil || v.k == kUndefined {
		return v, err
	}
	ok, err := finite(v)
	if err == nil && !ok {
		err = failToken("D1002", "-", v).at(n.at)
	}
	return number(-v.num()), err
}

// concat is the & operator over all its operands.
type concat struct {
	parts []node
	at    []*ast
}

func (n *concat) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	x, err := n.parts[0].eval(ev, in, fr)
	if err != nil {
		return x, err
	}
	base := len(ev.text)
	defer func() { ev.text = ev.text[:base] }()
	for i, part := range n.parts[1:] {
		y, err := part.eval(ev, in, fr)
		if err != nil {
			return y, err
		}
		if i == 0 {
			if err := ev.appendString(x); err != nil {
				return x, err.under(n.at[0])
			}
		}
		if err := ev.appendString(y); err != nil {
			return y, err.under(n.at[i])
		}
	}
	return ev.takeText(base)
}

// appendString appends v, as $string shows it, to the text under construction.
func (ev *evaluator) appendString(v Value) *Error {
	switch v.k {
	case kUndefined:
		return nil
	case kString:
		ev.text = append(ev.text, v.str()...)
	default:
		b, err := ev.stringify(ev.text, v, false)
		if err != nil {
			return err
		}
		ev.text = b
	}
	return ev.roomFor(len(ev.text))
}

// roomFor stops strings that would alone use up the memory.
func (ev *evaluator) roomFor(n int) *Error {
	if int64(n) > ev.memory {
		return limitError("U1003", "the evaluation builds more than %d bytes", ev.limits.Memory)
	}
	return nil
}

// takeText makes a string of the text from base on.
func (ev *evaluator) takeText(base int) (Value, *Error) {
	if err := ev.charge(len(ev.text) - base); err != nil {
		return Value{}, err
	}
	if err := ev.work((len(ev.text) - base) / 64); err != nil {
		return Value{}, err
	}
	return text(mendSurrogates(string(ev.text[base:]))), nil
}

// span is from..to within an array constructor.
type span struct {
	from, to node
	at       *ast
}

const longestSpan = 10_000_000

func (n *span) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	x, err := n.from.eval(ev, in, fr)
	if err != nil {
		return x, err
	}
	y, err := n.to.eval(ev, in, fr)
	if err != nil {
		return y, err
	}
	integer := func(v Value) bool {
		return v.k == kUndefined || v.k == kNumber && isFinite(v.num()) && v.num() == math.Trunc(v.num())
	}
	if !integer(x) {
		return x, failToken("T2003", "..", x).at(n.at)
	}
	if !integer(y) {
		return y, failToken("T2004", "..", y).at(n.at)
	}
	if x.k == kUndefined || y.k == kUndefined || x.num() > y.num() {
		return Value{}, nil
	}
	size := y.num() - x.num() + 1
	if size > longestSpan {
		return y, failToken("D2014", "..", number(size)).at(n.at)
	}
	if err := ev.fits(int(size)); err != nil {
		return y, err.at(n.at)
	}
	if size == 1 {
		return x, nil
	}
	return arrayValue(&array{from: x.num(), n: int(size), flags: seq}), nil
}
