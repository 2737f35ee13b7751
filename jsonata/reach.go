package jsonata

import "slices"

// need is what an expression can reach of one place of its input: all of it, or the members named, and those of them in
// turn. What is needed of an array is needed of each of its items. Needing nothing of a value still is to need to know
// that it's there and whether it's an object or an array of how many items.
type need struct {
	all     bool
	names   []string
	members []*need
}

// of gives the need of a member, nil if there is none.
func (n *need) of(name string) *need {
	for i := range n.names {
		if n.names[i] == name {
			return n.members[i]
		}
	}
	return nil
}

const (
	// mostNames is how many members are told apart at one place: looking for one among more would cost more than it saves.
	mostNames = 64
	// mostPlaces is how many places one value may come from, mostNeeds how many are told apart in all.
	mostPlaces = 16
	mostNeeds  = 10_000
)

// settle drops what no longer matters, and gives up where names are too many.
func (n *need) settle() {
	if n.all = n.all || len(n.names) > mostNames; n.all {
		n.names, n.members = nil, nil
	}
	for _, m := range n.members {
		m.settle()
	}
}

// places are where in the input a value may come from. A value that is computed, or wholly needed anyway, has none.
type places []*need

// reach finds out what an expression needs of its input. It follows names from the root and the context; whatever is
// done to a value other than to look up names in it, or to pick, sort and group items, needs the whole value.
type reach struct {
	root  *need
	lost  bool            // the expression does what isn't followed: it needs everything
	count int             // of needs
	bound map[string]bool // variables that it binds itself
	lib   map[string]*function
	vars  map[string]Value
}

// reachOf returns the need of the root, nil if it is everything.
func reachOf(n *ast, lib map[string]*function, vars map[string]Value) *need {
	r := &reach{root: &need{}, lib: lib, vars: vars, bound: map[string]bool{}}
	r.gather(n)
	if !r.lost {
		r.use(r.expr(n, places{r.root}))
	}
	r.root.settle()
	if r.lost || r.root.all {
		return nil
	}
	return r.root
}

// gather notes the variables that are bound, and what makes it hopeless: parents and bindings of context and position,
// which keep items for later steps, and $eval, which may do anything.
func (r *reach) gather(n *ast) {
	if n == nil {
		return
	}
	switch {
	case n.tuple, n.kind == aParent, n.kind == aIndex, n.kind == aVariable && n.text == "eval":
		r.lost = true
	case n.kind == aBind:
		r.bound[n.lhs.text] = true
	case n.kind == aLambda:
		for _, p := range n.list {
			r.bound[p.text] = true
		}
	}
	n.children(r.gather)
}

// children calls each for every node directly below n; some may be nil.
func (n *ast) children(each func(*ast)) {
	for _, c := range []*ast{n.lhs, n.rhs, n.third, n.group} {
		each(c)
	}
	for _, list := range [][]*ast{n.list, n.predicate, n.stages} {
		for _, c := range list {
			each(c)
		}
	}
	for _, p := range n.pairs {
		each(p[0])
		each(p[1])
	}
	for _, t := range n.terms {
		each(t.expr)
	}
}

// use needs all of what is at the places.
func (r *reach) use(at places) {
	for _, n := range at {
		n.all = true
	}
}

// expr gives the places of n's value for a context item from the places in.
func (r *reach) expr(n *ast, in places) places {
	if r.lost {
		return nil
	}
	out := r.bare(n, in)
	for _, p := range n.predicate {
		r.use(r.expr(p.lhs, out))
	}
	if n.group != nil {
		r.pairs(n.group, out)
		return nil
	}
	return out
}

func (r *reach) bare(n *ast, in places) places {
	switch n.kind {
	case aString, aNumber, aValue, aRegex:
		return nil
	case aName:
		return r.member(in, n.text)
	case aVariable:
		switch n.text {
		case "":
			return in
		case "$":
			return places{r.root}
		}
		return nil // bound values are wholly needed
	case aBinary:
		r.use(r.expr(n.lhs, in))
		r.use(r.expr(n.rhs, in))
		return nil
	case aNegate:
		r.use(r.expr(n.lhs, in))
		return nil
	case aArray:
		return r.each(n.list, in)
	case aObject:
		r.pairs(n, in)
		return nil
	case aBlock:
		var last places
		for _, e := range n.list {
			last = r.expr(e, in)
		}
		return last
	case aCondition:
		r.use(r.expr(n.lhs, in))
		out := r.expr(n.rhs, in)
		if n.third != nil {
			out = r.union(out, r.expr(n.third, in))
		}
		return out
	case aDefault:
		r.use(r.expr(n.lhs, in))
		return r.expr(n.rhs, in)
	case aCoalesce:
		return r.each([]*ast{n.lhs, n.rhs}, in)
	case aPath:
		return r.path(n, in)
	case aCall, aPartial:
		r.call(n, in, nil)
		return nil
	case aApply:
		r.use(r.expr(n.lhs, in))
		if n.rhs.kind == aCall {
			r.call(n.rhs, in, n.lhs)
			return nil
		}
		r.use(r.expr(n.rhs, in))
		return nil
	}
	r.rest(n, in)
	return nil
}

// rest needs all that its parts touch: wildcards the context, functions what their bodies touch of it.
func (r *reach) rest(n *ast, in places) {
	switch n.kind {
	case aBind, aLambda:
		r.use(r.expr(n.rhs, in))
	case aTransform: // its parts see its argument, which is wholly needed, or the root
		n.children(func(c *ast) {
			if c != nil {
				r.use(r.expr(c, nil))
			}
		})
	default:
		r.use(in)
	}
}

func (r *reach) each(list []*ast, in places) places {
	var out places
	for _, n := range list {
		out = r.union(out, r.expr(n, in))
	}
	return out
}

// member gives the places of a member of what is at the places in.
func (r *reach) member(in places, name string) places {
	out := make(places, 0, len(in))
	for _, n := range in {
		if n.all {
			continue // and so is the member
		}
		m := n.of(name)
		if m == nil {
			m = &need{}
			n.names, n.members = append(n.names, name), append(n.members, m)
			r.count++
		}
		out = append(out, m)
	}
	r.lost = r.lost || r.count > mostNeeds
	return out
}

// union gives the places of either, once each. Where they are too many, all of what is there is needed.
func (r *reach) union(a, b places) places {
	out := a[:len(a):len(a)]
	for _, n := range b {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	if len(out) > mostPlaces {
		r.use(out)
		return nil
	}
	return out
}

func (r *reach) pairs(n *ast, in places) {
	for _, p := range n.pairs {
		r.use(r.expr(p[0], in))
		r.use(r.expr(p[1], in))
	}
}

func (r *reach) path(n *ast, in places) places {
	at := in
	for _, s := range n.list {
		if s.kind == aSort {
			for _, t := range s.terms {
				r.use(r.expr(t.expr, at))
			}
		} else {
			at = r.expr(s, at)
		}
		for _, stage := range s.stages {
			r.use(r.expr(stage.lhs, at))
		}
	}
	return at
}

// call needs all of the arguments, and of the context where that may become one.
func (r *reach) call(n *ast, in places, first *ast) {
	args := n.list
	if first != nil {
		args = append([]*ast{first}, args...)
	}
	for _, a := range n.list {
		if a.kind != aPlaceholder {
			r.use(r.expr(a, in))
		}
	}
	callee := n.lhs
	r.use(r.expr(callee, in))
	f := r.lib[callee.text]
	if _, other := r.vars[callee.text]; callee.kind != aVariable || f == nil || other || r.bound[callee.text] ||
		callee.predicate != nil || callee.group != nil {
		r.use(in)
		return
	}
	if n.kind == aCall && f.sig.mayTakeContext(args) {
		r.use(in)
	}
}

// mayTakeContext tells whether the context might take the place of the first argument. It says no only where the
// arguments given match the first parameters for certain, whatever they turn out to be.
func (s *signature) mayTakeContext(args []*ast) bool {
	contextual := false
	for _, p := range s.params {
		contextual = contextual || p.context
	}
	if !contextual || s.simple && len(args) == len(s.params) {
		return false
	}
	if !s.simple || len(args) == 0 || len(args) > len(s.params) {
		return true
	}
	for i, p := range s.params {
		if i > 0 && p.context || i >= len(args) && !p.optional {
			return true
		}
	}
	// One argument: if it isn't right for the first parameter, it mustn't be for another one.
	if len(args) == 1 {
		for _, p := range s.params[1:] {
			if p.mask&^s.params[0].mask != 0 {
				return args[0].types()&^s.params[0].mask != 0
			}
		}
		return false
	}
	for i, a := range args {
		if a.types()&^s.params[i].mask != 0 {
			return true
		}
	}
	return false
}

// types are those that the value of n may have.
func (n *ast) types() typeMask {
	if n.predicate != nil || n.group != nil || n.keepArray {
		return tAny
	}
	switch n.kind {
	case aString:
		return tString
	case aNumber:
		return tNumber
	case aNegate:
		return tNumber | tMissing
	case aBinary:
		switch n.text {
		case "+", "-", "*", "/", "%":
			return tNumber | tMissing
		case "&":
			return tString
		case "=", "!=", "and", "or", "in":
			return tBool
		}
	}
	return tAny
}
