package jsonata

import "github.com/openintegrationhub/leat/jsonata/internal/regex"

// function is a value that can be called: built in, custom, a lambda with its closure, or a partial application.
type function struct {
	name   string
	arity  int // parameters that higher-order functions fill; -1: as many as there are
	sig    *signature
	native func(c *call, args []Value) (Value, *Error)

	regex *regex.Regex // of a regular expression
	at    *ast         // where that is

	passed bool // as an argument: its errors keep the place they have, and it sees no context item

	lambda *lambda
	env    *frame
	in     Value

	partial *function
	bound   []Value // kUnset where arguments are still wanted
}

// call is what a native function gets to know of where it was called.
type call struct {
	ev  *evaluator
	env *frame
	fn  *function
	in  Value // the context item
}

// lambda is function(...){...}.
type lambda struct {
	params []*ast
	slots  []int
	scope  *scope
	body   node
	sig    *signature
}

func (n *lambda) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	if err := ev.charge(4 * valueBytes); err != nil {
		return Value{}, err
	}
	return funcValue(&function{arity: len(n.params), sig: n.sig, lambda: n, env: fr, in: in}), nil
}

// callNode is f(...), and with context the right side of ~>.
type callNode struct {
	proc    node
	static  *function // the built-in that proc always means
	args    []node
	context node
	name    string // of the function, for errors
	path    string // set when proc is a field name: perhaps the $ was forgotten
	level   int
	tail    bool
	raw     bool
	at      *ast
	procAt  *ast
}

func (c *compiler) call(n *ast, context node, raw bool) node {
	cn := &callNode{proc: c.callee(n.lhs), context: context, level: c.level, tail: n.tail, raw: raw, at: n, procAt: n.lhs}
	cn.args = c.subs(n.list)
	cn.name = n.lhs.value()
	if n.lhs.kind == aPath && n.lhs.list[0].kind == aName {
		cn.path = cn.name
	}
	if v, ok := cn.proc.(*variable); ok && v.known == nil && len(v.places) == 0 && v.global.k == kFunc {
		cn.static = v.global.fn()
	}
	c.checkCall(cn, n)
	return cn
}

// value is what the reference calls the node, which it takes for the name of a function: "" if nothing.
func (n *ast) value() string {
	switch n.kind {
	case aParent, aBlock, aLambda, aCondition, aDefault, aCoalesce, aTransform:
		return ""
	case aPath:
		return n.list[0].value()
	}
	return n.describe()
}

// callee compiles what is called; checkCall reports a variable that nothing binds in its own words.
func (c *compiler) callee(n *ast) node {
	if n.kind == aVariable {
		report := c.report
		c.report = nil
		defer func() { c.report = report }()
	}
	return c.sub(n)
}

func (n *callNode) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	base := len(ev.stack)
	v, err := n.run(ev, in, fr)
	ev.stack = ev.stack[:base]
	if err != nil {
		// What happens in tail position happens after the calling function has returned, for the reference.
		err.placed = err.placed || n.tail
		return v, err
	}
	if n.raw || v.k != kArray {
		return v, nil
	}
	return finish(v), nil
}

func (n *callNode) run(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	if err := ev.tick(); err != nil {
		return Value{}, err
	}
	base := len(ev.stack)
	if n.context != nil { // evaluated before the function itself
		v, err := n.context.eval(ev, in, fr)
		if err != nil {
			return v, err
		}
		ev.stack = append(ev.stack, v)
	}
	var proc Value
	f := n.static
	if f == nil {
		var err *Error
		if proc, err = n.proc.eval(ev, in, fr); err != nil {
			return proc, err
		}
		if proc.k == kUndefined && n.path != "" && ev.knows(n.path, fr) {
			return proc, failToken("T1005", n.path, Value{}).at(n.at)
		}
	}
	for _, arg := range n.args {
		v, err := arg.eval(ev, in, fr)
		if err != nil {
			return v, err
		}
		if v.k == kFunc {
			v = v.fn().pass()
		}
		ev.stack = append(ev.stack, v)
	}
	args := ev.stack[base:len(ev.stack):len(ev.stack)]
	if f == nil {
		if proc.k != kFunc {
			return proc, n.placed(fail("T1006", proc), false)
		}
		f = proc.fn()
	}
	if n.tail {
		ev.tail = tailCall{fn: f, args: append(ev.tail.args[:0], args...), node: n}
		return Value{k: kTail}, nil
	}
	ev.depth += n.level
	v, err := ev.call(f, args, f.context(in), fr)
	ev.depth -= n.level
	if err != nil {
		return v, n.placed(err, f.passed)
	}
	return v, nil
}

// pass makes f an argument. A function that is one is a new function, also for the reference.
func (f *function) pass() Value {
	if f.passed {
		return funcValue(f)
	}
	g := *f
	g.passed = true
	return funcValue(&g)
}

// context is what takes the place of a missing argument of f where the context item is in: null for functions passed as
// arguments, as in the reference.
func (f *function) context(in Value) Value {
	if f.passed {
		return null
	}
	return in
}

// placed gives an error of the call the call's name, unless it has one, and its position in any case, as the reference
// does, unless the function was passed as an argument.
func (n *callNode) placed(err *Error, passed bool) *Error {
	at := n.at
	if n.tail {
		at = n.procAt
	}
	err.at(n.at).token(n.name)
	if err.placed {
		err.placed = false
		return err
	}
	if !passed {
		err.Position = at.pos
	}
	return err
}

// knows tells whether a name is bound where fr is, for the hint that a $ is missing.
func (ev *evaluator) knows(name string, fr *frame) bool {
	if _, ok := ev.lib[name]; ok {
		return true
	}
	if _, ok := ev.vars[name]; ok {
		return true
	}
	for ; fr != nil; fr = fr.parent {
		if i := fr.scope.slot(name); i >= 0 && i < len(fr.vars) && fr.vars[i].k != kUnset && fr.vars[i].k != kUndefined {
			return true
		}
	}
	return false
}

// call calls f with args; context is what takes the place of a missing first argument, where f's signature says so.
func (ev *evaluator) call(f *function, args []Value, context Value, env *frame) (Value, *Error) {
	if f.sig != nil {
		base := len(ev.stack)
		defer func() { ev.stack = ev.stack[:base] }()
		var err *Error
		if args, err = f.sig.validate(ev, args, context); err != nil {
			return Value{}, err
		}
	}
	for i := range args {
		if err := ev.read(args[i]); err != nil {
			return Value{}, err
		}
	}
	switch {
	case f.native != nil:
		c := ev.newCall()
		c.ev, c.env, c.fn, c.in = ev, env, f, context
		v, err := f.native(c, args)
		*c = call{}
		ev.calls = append(ev.calls, c)
		if err != nil {
			err.placed = false
		}
		return v, err
	case f.partial != nil:
		return ev.callPartial(f, args, env)
	}
	return ev.callLambda(f, args, context, env)
}

// newCall takes a spare one: no function keeps its call.
func (ev *evaluator) newCall() *call {
	n := len(ev.calls)
	if n == 0 {
		return new(call)
	}
	c := ev.calls[n-1]
	ev.calls = ev.calls[:n-1]
	return c
}

func (ev *evaluator) callPartial(f *function, args []Value, env *frame) (Value, *Error) {
	full := make([]Value, 0, len(f.bound))
	for _, b := range f.bound {
		if b.k == kUnset {
			b = Value{}
			if len(args) > 0 {
				b, args = args[0], args[1:]
			}
		}
		full = append(full, b)
	}
	// A partially applied lambda isn't checked against its signature, as in the reference. Native functions are, where
	// the reference goes on with whatever it got.
	inner := *f.partial
	if inner.native == nil {
		inner.sig = nil
	}
	if err := ev.enter(); err != nil {
		return Value{}, err
	}
	defer func() { ev.depth-- }()
	return ev.call(&inner, full, null, env)
}

// enter counts one more level of nesting.
func (ev *evaluator) enter() *Error {
	if ev.depth++; ev.depth > ev.limits.Depth {
		ev.depth--
		return limitError("U1001", "the evaluation is nested deeper than %d levels", ev.limits.Depth)
	}
	return nil
}

// callLambda evaluates the body, and in a loop the calls that bodies end with. Those get the context item and the
// variables ($eval sees them) of the call that began the loop, as in the reference.
func (ev *evaluator) callLambda(f *function, args []Value, context Value, env *frame) (Value, *Error) {
	if err := ev.enter(); err != nil {
		return Value{}, err
	}
	base := len(ev.stack)
	defer func() { ev.depth, ev.stack = ev.depth-1, ev.stack[:base] }()
	var by *callNode // the tail call under way
	for {
		v, err := ev.body(f, args)
		if err == nil && v.k == kTail {
			f, by = ev.tail.fn, ev.tail.node
			ev.stack = append(ev.stack[:base], ev.tail.args...)
			args = ev.stack[base:len(ev.stack):len(ev.stack)]
			if f.lambda == nil {
				v, err = ev.call(f, args, f.context(context), env)
			} else if f.sig != nil {
				args, err = f.sig.validate(ev, args, f.context(context))
			}
		}
		if err != nil {
			// What goes wrong among the arguments of the next tail call isn't this one's.
			if by != nil && !err.placed {
				by.placed(err, false)
				err.placed = true
			}
			return v, err
		}
		if v.k != kTail {
			return v, nil
		}
	}
}

// body evaluates a lambda's body for args.
func (ev *evaluator) body(f *function, args []Value) (Value, *Error) {
	l := f.lambda
	fr := ev.newFrame(f.env, l.scope)
	for i, slot := range l.slots {
		if i < len(args) {
			fr.vars[slot] = args[i]
		} else {
			fr.vars[slot] = Value{}
		}
	}
	if err := ev.tick(); err != nil {
		return Value{}, err
	}
	if err := ev.charge((len(fr.vars) + 2) * valueBytes / 8); err != nil { // most frames are soon garbage
		return Value{}, err
	}
	return l.body.eval(ev, f.in, fr)
}

// partialNode is f(?, ...).
type partialNode struct {
	proc node
	args []node // nil where an argument is left open
	path string
	name string
	at   *ast
}

func (c *compiler) partial(n *ast) node {
	p := &partialNode{proc: c.sub(n.lhs), at: n, name: n.lhs.value()}
	if n.lhs.kind == aPath && n.lhs.list[0].kind == aName {
		p.path = p.name
	}
	for _, arg := range n.list {
		if arg.kind == aPlaceholder {
			p.args = append(p.args, nil)
			continue
		}
		p.args = append(p.args, c.sub(arg))
	}
	return p
}

func (n *partialNode) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	bound := make([]Value, len(n.args))
	for i, arg := range n.args {
		if arg == nil {
			bound[i].k = kUnset
			continue
		}
		v, err := arg.eval(ev, in, fr)
		if err != nil {
			return v, err
		}
		bound[i] = v
	}
	proc, err := n.proc.eval(ev, in, fr)
	if err != nil {
		return proc, err
	}
	switch {
	case proc.k == kUndefined && n.path != "" && ev.knows(n.path, fr):
		return proc, failToken("T1007", n.path, Value{}).at(n.at)
	case proc.k != kFunc:
		return proc, failToken("T1008", n.name, proc).at(n.at)
	}
	f := proc.fn()
	want := f.params()
	if want >= 0 { // as many as the function declares, no more, no less
		for len(bound) < want {
			bound = append(bound, Value{})
		}
		bound = bound[:want]
	}
	open := 0
	for _, b := range bound {
		if b.k == kUnset {
			open++
		}
	}
	return funcValue(&function{arity: open, partial: f, bound: bound}), nil
}

// params is how many parameters f declares, -1 for any number.
func (f *function) params() int {
	switch {
	case f.partial != nil:
		return f.arity
	case f.lambda != nil:
		return len(f.lambda.params)
	}
	return f.arity
}

// apply compiles left ~> right.
func (c *compiler) apply(n *ast, raw bool) node {
	left := c.sub(n.lhs)
	if n.rhs.kind == aCall { // its own predicates don't count, as in the reference
		c.level++
		defer func() { c.level-- }()
		return c.call(n.rhs, left, raw)
	}
	return &applyNode{left: left, right: c.sub(n.rhs), level: c.level, raw: raw, at: n}
}

// applyNode is left ~> right where right is an expression for a function.
type applyNode struct {
	left, right node
	level       int
	raw         bool
	at          *ast
}

func (n *applyNode) eval(ev *evaluator, in Value, fr *frame) (Value, *Error) {
	x, err := n.left.eval(ev, in, fr)
	if err != nil {
		return x, err
	}
	y, err := n.right.eval(ev, in, fr)
	if err != nil {
		return y, err
	}
	if y.k != kFunc {
		return y, fail("T2006", y).at(n.at)
	}
	if x.k == kFunc {
		return funcValue(chain(x.fn(), y.fn())), nil
	}
	ev.depth += n.level
	v, err := ev.call(y.fn(), []Value{x}, null, fr)
	ev.depth -= n.level
	if err != nil {
		// The reference has no token and position of its own here: only line and column tell.
		if err.placed = false; err.start < 0 && err.Position == 0 {
			err.start = n.at.start
		}
		if err.shown == "" {
			err.shown = y.fn().name
		}
		return v, err
	}
	if n.raw {
		return v, nil
	}
	return finish(v), nil
}

// chain makes the function that calls f and then g with its result.
func chain(f, g *function) *function {
	return &function{arity: 1, native: func(c *call, args []Value) (Value, *Error) {
		if err := c.ev.enter(); err != nil {
			return Value{}, err
		}
		defer func() { c.ev.depth-- }()
		first := []Value{{}}
		copy(first, args)
		v, err := c.ev.call(f, first, null, c.env)
		if err != nil {
			return v, err
		}
		return c.ev.call(g, []Value{finish(v)}, null, c.env)
	}}
}
