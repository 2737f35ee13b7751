package jsonata

import "math"

// maxNesting bounds how deep the syntax tree of an expression can get.
const maxNesting = 2500

// parser is a top-down operator precedence parser (Pratt, 1973), which is how the reference defines the grammar.
type parser struct {
	lex   lexer
	tok   token
	depth int
}

// power is how strongly an operator binds to what stands left of it.
func (p *parser) power() int {
	if p.tok.kind != tokOperator {
		return 0
	}
	switch p.tok.text {
	case "[", "(", "@", "#":
		return 80
	case ".":
		return 75
	case "{":
		return 70
	case "*", "/", "%":
		return 60
	case "+", "-", "&":
		return 50
	case "=", "<", ">", "^", "!=", "<=", ">=", "~>", "in", "?:", "??":
		return 40
	case "and":
		return 30
	case "or":
		return 25
	case "?":
		return 20
	case ":=":
		return 10
	}
	return 0
}

// parse reads a whole expression.
func parse(src string) (*ast, *Error) {
	p := &parser{lex: lexer{src: src}}
	if err := p.advance(false); err != nil {
		return nil, err
	}
	n, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokEnd {
		return nil, p.fail("S0201")
	}
	return n, nil
}

func (p *parser) fail(code string) *Error {
	return &Error{Code: code, Token: p.tok.describe(), named: true, Position: p.tok.pos, start: p.tok.start}
}

func (p *parser) advance(infix bool) *Error {
	t, err := p.lex.next(infix)
	if err != nil {
		return err
	}
	// Operators that never start or continue anything.
	if t.kind == tokOperator && (t.text == "!" || t.text == "~") {
		return &Error{Code: "S0204", Token: t.text, named: true, Position: t.pos, start: t.start}
	}
	p.tok = t
	return nil
}

func (p *parser) is(op string) bool { return p.tok.kind == tokOperator && p.tok.text == op }

// expect moves over the operator op.
func (p *parser) expect(op string, infix bool) *Error {
	if !p.is(op) {
		code := "S0202"
		if p.tok.kind == tokEnd {
			code = "S0203"
		}
		err := p.fail(code)
		err.value = text(op)
		return err
	}
	return p.advance(infix)
}

func (p *parser) expression(power int) (*ast, *Error) {
	before := p.depth
	defer func() { p.depth = before }()
	if err := p.deeper(); err != nil {
		return nil, err
	}
	t := p.tok
	if err := p.advance(true); err != nil {
		return nil, err
	}
	left, err := p.prefix(t)
	for err == nil && power < p.power() {
		if err = p.deeper(); err != nil {
			break
		}
		t = p.tok
		if err = p.advance(false); err != nil {
			break
		}
		left, err = p.infix(t, left)
	}
	return left, err
}

// deeper counts both nesting and chains of operators, since a chain becomes a deep tree too.
func (p *parser) deeper() *Error {
	if p.depth++; p.depth > maxNesting {
		err := limitError("U1001", "the expression is nested deeper than %d levels", maxNesting)
		err.Position, err.start = p.tok.pos, p.tok.start
		return err
	}
	return nil
}

func (t token) node(k astKind) *ast { return &ast{kind: k, text: t.text, start: t.start, pos: t.pos} }

// prefix makes the operand that t starts; the token after t is current.
func (p *parser) prefix(t token) (*ast, *Error) {
	switch t.kind {
	case tokEnd:
		return t.node(aEnd), nil
	case tokName:
		return t.node(aName), nil
	case tokVariable:
		return t.node(aVariable), nil
	case tokString:
		return t.node(aString), nil
	case tokNumber:
		n := t.node(aNumber)
		n.num = t.num
		return n, nil
	case tokValue:
		return t.node(aValue), nil
	case tokRegex:
		n := t.node(aRegex)
		n.flags = t.flags
		return n, nil
	}
	switch t.text {
	case "and", "or", "in":
		return t.node(aOperator), nil
	case "*":
		return t.node(aWildcard), nil
	case "**":
		return t.node(aDescendant), nil
	case "%":
		return t.node(aParent), nil
	case "-":
		operand, err := p.expression(70)
		n := t.node(aNegate)
		n.lhs = operand
		return n, err
	case "(":
		return p.block(t)
	case "[":
		return p.arrayLiteral(t)
	case "{":
		return p.objectLiteral(t)
	case "|":
		return p.transform(t)
	}
	return nil, &Error{Code: "S0211", Token: t.text, named: true, Position: t.pos, start: t.start}
}

func (p *parser) block(t token) (*ast, *Error) {
	n := t.node(aBlock)
	for !p.is(")") {
		e, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		n.list = append(n.list, e)
		if !p.is(";") {
			break
		}
		if err := p.advance(false); err != nil {
			return nil, err
		}
	}
	return n, asError(p.expect(")", true))
}

func (p *parser) arrayLiteral(t token) (*ast, *Error) {
	n := t.node(aArray)
	if p.is("]") {
		return n, asError(p.advance(true))
	}
	for {
		item, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		if p.is("..") {
			r := p.tok.node(aBinary)
			r.lhs = item
			if err = p.advance(false); err != nil {
				return nil, err
			}
			if r.rhs, err = p.expression(0); err != nil {
				return nil, err
			}
			item = r
		}
		n.list = append(n.list, item)
		if !p.is(",") {
			break
		}
		if err := p.advance(false); err != nil {
			return nil, err
		}
	}
	return n, asError(p.expect("]", true))
}

func (p *parser) objectLiteral(t token) (*ast, *Error) {
	n := t.node(aObject)
	if p.is("}") {
		return n, asError(p.advance(true))
	}
	for {
		key, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		if err = p.expect(":", false); err != nil {
			return nil, err
		}
		val, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		n.pairs = append(n.pairs, [2]*ast{key, val})
		if !p.is(",") {
			break
		}
		if err := p.advance(false); err != nil {
			return nil, err
		}
	}
	return n, asError(p.expect("}", true))
}

func (p *parser) transform(t token) (n *ast, err *Error) {
	n = t.node(aTransform)
	if n.lhs, err = p.expression(0); err != nil {
		return nil, err
	}
	if err = p.expect("|", false); err != nil {
		return nil, err
	}
	if n.rhs, err = p.expression(0); err != nil {
		return nil, err
	}
	if p.is(",") {
		if err = p.advance(false); err != nil {
			return nil, err
		}
		if n.third, err = p.expression(0); err != nil {
			return nil, err
		}
	}
	return n, asError(p.expect("|", false))
}

// asError exists to keep the happy path of a return on one line.
func asError(err *Error) *Error { return err }

// negated folds the sign into a number, which keeps -0 as it is.
func negated(n *ast) *ast {
	n.num = math.Copysign(n.num, -1*math.Copysign(1, n.num))
	return n
}
