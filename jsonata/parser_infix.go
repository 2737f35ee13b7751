package jsonata

// infix continues left with operator t; the token after t is current.
func (p *parser) infix(t token, left *ast) (*ast, *Error) {
	n := t.node(aBinary)
	n.lhs = left
	var err *Error
	switch t.text {
	case "(":
		return p.call(n, left)
	case "[":
		return p.filter(n, left)
	case "{":
		obj, err := p.objectLiteral(t)
		n.kind, n.rhs = aGrouped, obj
		return n, err
	case "^":
		return p.orderBy(n)
	case "?":
		return p.conditional(n)
	case "@", "#":
		n.kind = aFocused
		if t.text == "#" {
			n.kind = aIndexed
		}
		n.rhs, err = p.expression(80)
		if err == nil && n.rhs.kind != aVariable {
			return nil, &Error{Code: "S0214", Token: t.text, named: true, Position: n.rhs.pos, start: n.rhs.start}
		}
		return n, err
	case ":=":
		if left.kind != aVariable {
			return nil, &Error{Code: "S0212", Token: left.describe(), named: true, Position: left.pos, start: left.start}
		}
		n.kind = aBind
		n.rhs, err = p.expression(9)
		return n, err
	case "?:", "??":
		n.kind = aDefault
		if t.text == "??" {
			n.kind = aCoalesce
		}
		n.rhs, err = p.expression(0)
		return n, err
	case "~>":
		n.kind = aApply
	}
	n.rhs, err = p.expression(binaryPower(t.text))
	return n, err
}

func binaryPower(op string) int {
	p := parser{tok: token{kind: tokOperator, text: op}}
	return p.power()
}

func (p *parser) conditional(n *ast) (*ast, *Error) {
	n.kind = aCondition
	var err *Error
	if n.rhs, err = p.expression(0); err != nil {
		return nil, err
	}
	if p.is(":") {
		if err = p.advance(false); err != nil {
			return nil, err
		}
		n.third, err = p.expression(0)
	}
	return n, err
}

func (p *parser) filter(n, left *ast) (*ast, *Error) {
	if p.is("]") {
		step := left
		for step != nil && step.kind == aBinary && step.text == "[" {
			step = step.lhs
		}
		step.keepArray = true
		return left, asError(p.advance(false))
	}
	var err *Error
	if n.rhs, err = p.expression(0); err != nil {
		return nil, err
	}
	return n, asError(p.expect("]", true))
}

func (p *parser) orderBy(n *ast) (*ast, *Error) {
	n.kind = aSort
	if err := p.expect("(", false); err != nil {
		return nil, err
	}
	for {
		var t term
		var err *Error
		if p.is("<") || p.is(">") {
			t.desc = p.is(">")
			if err = p.advance(false); err != nil {
				return nil, err
			}
		}
		if t.expr, err = p.expression(0); err != nil {
			return nil, err
		}
		n.terms = append(n.terms, t)
		if !p.is(",") {
			break
		}
		if err = p.advance(false); err != nil {
			return nil, err
		}
	}
	return n, asError(p.expect(")", false))
}

// call reads the arguments of a call or partial application, or the parameters and body of a lambda.
func (p *parser) call(n, left *ast) (*ast, *Error) {
	n.kind = aCall
	for more := !p.is(")"); more; {
		if p.is("?") {
			n.kind = aPartial
			n.list = append(n.list, p.tok.node(aPlaceholder))
			if err := p.advance(false); err != nil {
				return nil, err
			}
		} else {
			arg, err := p.expression(0)
			if err != nil {
				return nil, err
			}
			n.list = append(n.list, arg)
		}
		if more = p.is(","); more {
			if err := p.advance(false); err != nil {
				return nil, err
			}
		}
	}
	if err := p.expect(")", true); err != nil {
		return nil, err
	}
	if left.kind == aName && (left.text == "function" || left.text == "\u03bb") {
		return p.lambda(n)
	}
	return n, nil
}

func (p *parser) lambda(n *ast) (*ast, *Error) {
	n.kind = aLambda
	n.lhs = nil
	for i, arg := range n.list {
		if arg.kind != aVariable {
			return nil, &Error{Code: "S0208", Token: arg.describe(), named: true, Position: arg.pos, start: arg.start,
				value: number(float64(i + 1))}
		}
	}
	if p.is("<") {
		if err := p.signature(n); err != nil {
			return nil, err
		}
	}
	if err := p.expect("{", false); err != nil {
		return nil, err
	}
	var err *Error
	if n.rhs, err = p.expression(0); err != nil {
		return nil, err
	}
	return n, asError(p.expect("}", false))
}

// signature gathers the tokens of <...> and hands them to parseSignature.
func (p *parser) signature(n *ast) *Error {
	at, depth, sig := p.tok, 1, "<"
	for depth > 0 && !p.is("{") && p.tok.kind != tokEnd {
		if err := p.advance(false); err != nil {
			return err
		}
		switch {
		case p.is(">"):
			depth--
		case p.is("<"):
			depth++
		}
		sig += p.tok.describe()
	}
	if err := p.expect(">", false); err != nil {
		return err
	}
	s, err := parseSignature(sig)
	if err != nil {
		err.Position, err.start = at.pos+err.Position, at.start+err.Position
		return err
	}
	n.sig = s
	return nil
}

// describe is the node's own token, for errors.
func (n *ast) describe() string {
	switch n.kind {
	case aEnd:
		return "(end)"
	case aNumber:
		return formatNumber(n.num)
	case aRegex:
		return showRegex(n.text, n.flags)
	}
	return n.text
}
