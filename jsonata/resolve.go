package jsonata

import "strconv"

// resolver turns the syntax tree into paths with steps, stages and groupings, and finds which step every parent
// operator means. It rewrites the nodes in place.
type resolver struct {
	slots int
}

func resolve(n *ast) (*ast, *Error) {
	var r resolver
	n, err := r.node(n)
	if err != nil {
		return nil, err
	}
	if n.kind == aParent || n.seeking != nil {
		err := noParent(n)
		if n.kind == aPath || n.kind == aParent {
			err.Position = 0 // the reference has no position for these; line and column tell it
		}
		return nil, err
	}
	return n, nil
}

func noParent(n *ast) *Error {
	return &Error{Code: "S0217", Token: n.kindName(), named: true, Position: n.pos, start: n.start}
}

func (n *ast) kindName() string {
	switch n.kind {
	case aBinary, aNegate, aArray, aObject:
		if n.kind == aBinary {
			return "binary"
		}
		return "unary"
	case aCondition, aDefault, aCoalesce:
		return "condition"
	}
	return astNames[n.kind]
}

func (r *resolver) all(list []*ast, onto *ast) *Error {
	for i, n := range list {
		n, err := r.node(n)
		if err != nil {
			return err
		}
		list[i] = n
		if onto != nil {
			pushAncestry(onto, n)
		}
	}
	return nil
}

// node resolves n and what is below it. Long because each kind of node has its case here, a few lines each.
func (r *resolver) node(n *ast) (*ast, *Error) {
	switch n.kind {
	case aEnd:
		return nil, &Error{Code: "S0207", Token: "(end)", named: true, Position: n.pos, start: n.start}
	case aName, aOperator:
		return wrapPath(&ast{kind: aName, text: n.text, start: n.start, pos: n.pos, keepArray: n.keepArray}), nil
	case aParent:
		n.slot = &slot{label: "!" + strconv.Itoa(r.slots), level: 1}
		r.slots++
		return n, nil
	case aBinary:
		return r.binary(n)
	case aSort:
		return r.orderBy(n)
	case aGrouped:
		return r.grouped(n)
	case aFocused:
		return r.focused(n)
	case aIndexed:
		return r.indexed(n)
	case aNegate:
		return r.negate(n)
	case aObject:
		return n, r.pairs(n, n)
	case aArray:
		return n, r.all(n.list, n)
	case aBlock:
		if err := r.all(n.list, n); err != nil {
			return nil, err
		}
		for _, e := range n.list {
			if e.consArray || e.kind == aPath && e.steps()[0].consArray {
				n.consArray = true
			}
		}
		return n, nil
	case aCall, aPartial:
		if err := r.all(n.list, n); err != nil {
			return nil, err
		}
		return r.child(n, &n.lhs)
	case aLambda:
		if _, err := r.child(n, &n.rhs); err != nil {
			return nil, err
		}
		n.rhs = markTail(n.rhs)
		return n, nil
	case aCondition, aDefault, aCoalesce:
		return r.conditional(n)
	case aBind:
		var err *Error
		n.rhs, err = r.node(n.rhs)
		if err == nil {
			pushAncestry(n, n.rhs)
		}
		return n, err
	case aApply:
		for _, side := range []**ast{&n.lhs, &n.rhs} {
			if _, err := r.child(n, side); err != nil {
				return nil, err
			}
		}
		n.keepArray = n.keepArray || n.lhs.keepArray || n.rhs.keepArray
		return n, nil
	case aTransform:
		for _, part := range []**ast{&n.lhs, &n.rhs, &n.third} {
			if *part == nil {
				continue
			}
			if _, err := r.child(n, part); err != nil {
				return nil, err
			}
		}
		return n, nil
	}
	return n, nil
}

// child resolves what at points to; parents sought below it are not handed up.
func (r *resolver) child(n *ast, at **ast) (*ast, *Error) {
	c, err := r.node(*at)
	if err != nil {
		return nil, err
	}
	*at = c
	return n, nil
}

func wrapPath(step *ast) *ast {
	return &ast{kind: aPath, list: []*ast{step}, start: step.start, pos: step.pos, keepOne: step.keepArray}
}

// steps are the steps of a path.
func (n *ast) steps() []*ast { return n.list }

func (n *ast) lastStep() *ast { return n.list[len(n.list)-1] }

func (r *resolver) conditional(n *ast) (*ast, *Error) {
	for _, part := range []**ast{&n.lhs, &n.rhs, &n.third} {
		if *part == nil {
			continue
		}
		c, err := r.node(*part)
		if err != nil {
			return nil, err
		}
		*part = c
		pushAncestry(n, c)
	}
	return n, nil
}

func (r *resolver) negate(n *ast) (*ast, *Error) {
	operand, err := r.node(n.lhs)
	if err != nil {
		return nil, err
	}
	n.lhs = operand
	if operand.kind == aNumber { // even where a predicate follows
		return negated(operand), nil
	}
	pushAncestry(n, operand)
	return n, nil
}

func (r *resolver) pairs(n, onto *ast) *Error {
	for i := range n.pairs {
		for j := range n.pairs[i] {
			e, err := r.node(n.pairs[i][j])
			if err != nil {
				return err
			}
			n.pairs[i][j] = e
			if onto != nil {
				pushAncestry(onto, e)
			}
		}
	}
	return nil
}

func (r *resolver) binary(n *ast) (*ast, *Error) {
	switch n.text {
	case ".":
		return r.path(n)
	case "[":
		return r.filter(n)
	}
	var err *Error
	if n.lhs, err = r.node(n.lhs); err != nil {
		return nil, err
	}
	pushAncestry(n, n.lhs)
	if n.rhs, err = r.node(n.rhs); err != nil {
		return nil, err
	}
	pushAncestry(n, n.rhs)
	return n, nil
}

// path joins both sides of a dot into one path.
func (r *resolver) path(n *ast) (*ast, *Error) {
	left, err := r.node(n.lhs)
	if err != nil {
		return nil, err
	}
	path := left
	if left.kind != aPath {
		path = &ast{kind: aPath, list: []*ast{left}, start: left.start, pos: left.pos}
		if left.kind == aParent {
			path.seeking = []*slot{left.slot}
		}
	}
	rest, err := r.node(n.rhs)
	if err != nil {
		return nil, err
	}
	if rest.kind == aCall && rest.lhs.kind == aPath && len(rest.lhs.list) == 1 && rest.lhs.list[0].kind == aName &&
		path.lastStep().kind == aCall {
		path.lastStep().hint = rest.lhs.list[0].text
	}
	if rest.kind == aPath {
		path.list = append(path.list, rest.list...)
	} else {
		if rest.predicate != nil {
			rest.stages, rest.predicate = rest.predicate, nil
		}
		path.list = append(path.list, rest)
	}
	for _, step := range path.list {
		switch step.kind {
		case aNumber, aValue:
			e := &Error{Code: "S0213", Position: step.pos, start: step.start}
			e.value = literal(step)
			return nil, e
		case aString:
			step.kind = aName
		}
		if step.keepArray {
			path.keepOne = true
		}
	}
	if first := path.list[0]; first.kind == aArray {
		first.consArray = true
	}
	if last := path.lastStep(); last.kind == aArray {
		last.consArray = true
	}
	return path, resolveAncestry(path)
}

// literal is the value of a string, number, true, false or null.
func literal(n *ast) Value {
	switch {
	case n.kind == aNumber:
		return number(n.num)
	case n.kind == aString:
		return text(n.text)
	case n.text == "true":
		return vTrue
	case n.text == "false":
		return vFalse
	}
	return null
}

func (r *resolver) filter(n *ast) (*ast, *Error) {
	left, err := r.node(n.lhs)
	if err != nil {
		return nil, err
	}
	step, inPath := left, left.kind == aPath
	if inPath {
		step = left.lastStep()
	}
	if step.group != nil {
		return nil, &Error{Code: "S0209", Position: n.pos, start: n.start}
	}
	pred, err := r.node(n.rhs)
	if err != nil {
		return nil, err
	}
	if pred.seeking != nil {
		for _, s := range pred.seeking {
			if s.level == 1 {
				if _, err := seekParent(step, s); err != nil {
					return nil, err
				}
				continue
			}
			s.level--
		}
		pushAncestry(step, pred)
	}
	stage := &ast{kind: aFilter, lhs: pred, start: n.start, pos: n.pos}
	if inPath {
		step.stages = append(step.stages, stage)
	} else {
		step.predicate = append(step.predicate, stage)
	}
	return left, nil
}

func (r *resolver) grouped(n *ast) (*ast, *Error) {
	left, err := r.node(n.lhs)
	if err != nil {
		return nil, err
	}
	if left.group != nil {
		return nil, &Error{Code: "S0210", Position: n.pos, start: n.start}
	}
	if err := r.pairs(n.rhs, nil); err != nil {
		return nil, err
	}
	left.group = n.rhs
	left.group.start, left.group.pos = n.start, n.pos
	left.keepArray = left.keepArray || n.keepArray
	return left, nil
}

func (r *resolver) orderBy(n *ast) (*ast, *Error) {
	path, err := r.node(n.lhs)
	if err != nil {
		return nil, err
	}
	if path.kind != aPath {
		path = &ast{kind: aPath, list: []*ast{path}, start: path.start, pos: path.pos}
	}
	sort := &ast{kind: aSort, text: "^", terms: n.terms, start: n.start, pos: n.pos}
	for i := range sort.terms {
		e, err := r.node(sort.terms[i].expr)
		if err != nil {
			return nil, err
		}
		sort.terms[i].expr = e
		pushAncestry(sort, e)
	}
	path.list = append(path.list, sort)
	path.keepArray = path.keepArray || n.keepArray
	return path, resolveAncestry(path)
}

func (r *resolver) focused(n *ast) (*ast, *Error) {
	left, err := r.node(n.lhs)
	if err != nil {
		return nil, err
	}
	step := left
	if left.kind == aPath {
		step = left.lastStep()
	}
	if step.stages != nil || step.predicate != nil {
		return nil, &Error{Code: "S0215", Position: n.pos, start: n.start}
	}
	if step.kind == aSort {
		return nil, &Error{Code: "S0216", Position: n.pos, start: n.start}
	}
	if n.keepArray {
		step.keepArray = true
		left.keepOne = true
	}
	step.focus, step.tuple = n.rhs.text, true
	return left, nil
}

func (r *resolver) indexed(n *ast) (*ast, *Error) {
	path, err := r.node(n.lhs)
	if err != nil {
		return nil, err
	}
	if path.kind != aPath {
		step := path
		if step.predicate != nil {
			step.stages, step.predicate = step.predicate, nil
		}
		path = &ast{kind: aPath, list: []*ast{step}, start: step.start, pos: step.pos}
	}
	step := path.lastStep()
	if step.stages == nil {
		step.index = n.rhs.text
	} else {
		step.stages = append(step.stages, &ast{kind: aIndex, text: n.rhs.text, start: n.start, pos: n.pos})
	}
	step.tuple = true
	path.keepOne = path.keepOne || n.keepArray
	return path, nil
}

// markTail marks the calls whose result is the lambda's result, so that they need no stack.
func markTail(n *ast) *ast {
	if n.predicate != nil || n.group != nil || n.keepArray {
		return n
	}
	switch n.kind {
	case aCall:
		n.tail = true
	case aCondition:
		n.rhs = markTail(n.rhs)
		if n.third != nil {
			n.third = markTail(n.third)
		}
	case aDefault, aCoalesce:
		n.rhs = markTail(n.rhs)
	case aBlock:
		if len(n.list) > 0 {
			last := len(n.list) - 1
			n.list[last] = markTail(n.list[last])
		}
	}
	return n
}
