package jsonata

// scope lists the variables that one kind of frame has slots for.
type scope struct {
	parent *scope
	names  []string
	tuple  map[string]bool // names that the tuples of a path bind
	sealed bool            // compiled already: $eval can't add slots any more
}

func (s *scope) slot(name string) int {
	for i, n := range s.names {
		if n == name {
			return i
		}
	}
	return -1
}

// compiler turns a resolved syntax tree into nodes.
type compiler struct {
	lib    map[string]*function
	vars   map[string]Value
	scope  *scope
	level  int            // how deep evaluation is nested within the current function body
	report func(e *Error) // what Check wants to know; may be nil
	err    *Error
}

// sub compiles a part of the expression that is evaluated within n.
func (c *compiler) sub(n *ast) node {
	c.level++
	defer func() { c.level-- }()
	return c.compile(n)
}

func (c *compiler) subs(list []*ast) []node {
	nodes := make([]node, len(list))
	for i, n := range list {
		nodes[i] = c.sub(n)
	}
	return nodes
}

// compile makes the node of n with its predicates and grouping.
func (c *compiler) compile(n *ast) node {
	if n.kind == aPath {
		return c.path(n)
	}
	if n.predicate == nil && n.group == nil && !n.keepArray {
		return c.bare(n, false)
	}
	w := &wrapped{inner: c.bare(n, true), keepArray: n.keepArray}
	for _, stage := range n.predicate {
		w.filters = append(w.filters, c.filter(stage.lhs, true))
	}
	if n.group != nil {
		w.group = c.group(n.group, n.group)
	}
	return w
}

// bare makes the node of n alone. With raw, the node hands out sequences as they are.
func (c *compiler) bare(n *ast, raw bool) node {
	switch n.kind {
	case aString, aNumber, aValue:
		return &constant{literal(n)}
	case aName:
		return &nameNode{name: n.text, raw: raw}
	case aVariable:
		return c.variable(n, n.text, raw)
	case aParent:
		return c.variable(n, n.slot.name(), raw)
	case aWildcard:
		return &wildcard{raw: raw}
	case aDescendant:
		return &descendants{raw: raw}
	case aRegex:
		return c.regex(n)
	case aBinary:
		return c.binary(n)
	case aNegate:
		return &negate{operand: c.sub(n.lhs), at: n}
	case aArray:
		return c.array(n)
	case aObject:
		return c.group(n, n)
	case aBlock:
		return c.block(n, raw)
	case aCall:
		return c.call(n, nil, raw)
	case aPartial:
		return c.partial(n)
	case aLambda:
		return c.lambda(n)
	case aCondition:
		cond := &condition{test: c.sub(n.lhs), then: c.sub(n.rhs), raw: raw}
		if n.third != nil {
			cond.otherwise = c.sub(n.third)
		}
		return cond
	case aDefault:
		return &elvis{left: c.sub(n.lhs), right: c.sub(n.rhs), raw: raw}
	case aCoalesce:
		return &coalesce{left: c.sub(n.lhs), right: c.sub(n.rhs), raw: raw}
	case aBind:
		return c.bind(n)
	case aApply:
		return c.apply(n, raw)
	case aTransform:
		t := &transform{pattern: c.sub(n.lhs), update: c.sub(n.rhs), updateAt: n.rhs, clone: c.variable(n, "clone", false)}
		if n.third != nil {
			t.remove, t.removeAt = c.sub(n.third), n.third
		}
		return t
	}
	return &constant{} // resolve lets nothing else through
}

// open begins a scope with the variables that the expressions bind directly.
func (c *compiler) open(names []string, tuple map[string]bool, exprs ...*ast) *scope {
	s := &scope{parent: c.scope, names: names, tuple: tuple}
	for _, e := range exprs {
		collectBinds(e, s)
	}
	c.scope = s
	return s
}

func (c *compiler) close() {
	c.scope.sealed = true
	c.scope = c.scope.parent
}

// collectBinds gives s a slot for each variable bound below n, other than in scopes of their own.
func collectBinds(n *ast, s *scope) {
	if n == nil {
		return
	}
	switch n.kind {
	case aBlock:
		collectBindsAround(n, s)
		return
	case aLambda:
		return
	case aBind:
		if s.slot(n.lhs.text) < 0 {
			s.names = append(s.names, n.lhs.text)
		}
		collectBinds(n.rhs, s)
		return
	}
	for _, part := range []*ast{n.lhs, n.rhs, n.third} {
		collectBinds(part, s)
	}
	for _, part := range n.list {
		collectBinds(part, s)
	}
	for _, pair := range n.pairs {
		collectBinds(pair[0], s)
		collectBinds(pair[1], s)
	}
	for _, t := range n.terms {
		collectBinds(t.expr, s)
	}
	collectBindsAround(n, s)
}

// collectBindsAround looks into what stands around n: predicates, stages and grouping.
func collectBindsAround(n *ast, s *scope) {
	for _, part := range n.predicate {
		collectBinds(part, s)
	}
	for _, part := range n.stages {
		collectBinds(part, s)
	}
	collectBinds(n.group, s)
}

func (c *compiler) block(n *ast, raw bool) node {
	before := c.scope
	s := c.open(nil, nil, n.list...)
	if len(s.names) > 0 {
		b := &block{scope: s, exprs: c.subs(n.list), raw: raw}
		c.close()
		return b
	}
	c.scope = before // no frame needed
	if len(n.list) == 1 && !givesSequence(n.list[0]) {
		return c.sub(n.list[0])
	}
	return &block{exprs: c.subs(n.list), raw: raw}
}

// givesSequence tells whether the result of n may be a sequence even after it has been reduced once: then the block
// around it reduces it once more.
func givesSequence(n *ast) bool {
	switch n.kind {
	case aBinary, aNegate, aString, aNumber, aValue, aObject, aArray, aRegex, aLambda, aName:
		return n.predicate != nil || n.group != nil || n.keepArray
	case aPath:
		return n.keepOne || n.lastStep().kind != aName
	}
	return true
}

func (c *compiler) bind(n *ast) node {
	b := &bind{value: c.sub(n.rhs), name: n.lhs.text, slot: c.scope.slot(n.lhs.text)}
	return b
}

// variable resolves a name to the places where it may be bound, innermost first.
func (c *compiler) variable(n *ast, name string, raw bool) node {
	switch name {
	case "":
		return &contextItem{raw}
	case "$":
		return c.lookup(n, name, &rootItem{}, raw)
	}
	return c.lookup(n, name, nil, raw)
}

func (c *compiler) lookup(n *ast, name string, known node, raw bool) node {
	v := &variable{name: name, known: known, raw: raw}
	depth := 0
	for s := c.scope; s != nil; s = s.parent {
		if s.tuple[name] {
			v.places = append(v.places, place{depth: depth, slot: -1})
		}
		if i := s.slot(name); i >= 0 {
			v.places = append(v.places, place{depth: depth, slot: i})
		}
		depth++
	}
	global, bound := c.vars[name]
	if !bound {
		if f, ok := c.lib[name]; ok {
			global, bound = funcValue(f), true
		}
	}
	v.global = global
	if c.report != nil && !bound && known == nil && len(v.places) == 0 && n.kind == aVariable {
		c.report(&Error{Code: "U2001", Token: name, named: true, Position: n.pos, start: n.start})
	}
	if len(v.places) == 1 && v.places[0].slot >= 0 && known == nil {
		return &localVariable{variable: v, depth: v.places[0].depth, slot: v.places[0].slot}
	}
	return v
}

func (c *compiler) lambda(n *ast) node {
	params := make([]string, len(n.list))
	for i, p := range n.list {
		params[i] = p.text
	}
	level := c.level
	c.level = 0
	l := &lambda{params: n.list, sig: n.sig}
	l.scope = c.open(dedupe(params), nil, n.rhs)
	for _, p := range params {
		l.slots = append(l.slots, l.scope.slot(p))
	}
	l.body = c.compile(n.rhs)
	c.close()
	c.level = level
	return l
}

func dedupe(names []string) []string {
	out := names[:0:0]
	for _, n := range names {
		s := scope{names: out}
		if s.slot(n) < 0 {
			out = append(out, n)
		}
	}
	return out
}
