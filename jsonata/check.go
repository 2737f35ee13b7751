package jsonata

import "slices"

// Check lists what is wrong with an expression without evaluating it: a syntax error, or else every call of an unknown
// function (T1006), every call that lacks its $ (T1005), every variable that nothing binds (U2001) and every call of a
// built-in function with more arguments than it takes (T0410), in the order of their places. Options say which functions
// and variables there are.
func Check(expr string, opts ...Option) []*Error {
	var list []*Error
	_, _, err := compileExpr(expr, opts, func(e *Error) { list = append(list, e.finish(expr)) })
	if err != nil {
		return []*Error{err}
	}
	slices.SortStableFunc(list, func(a, b *Error) int { return a.start - b.start })
	return list
}

// checkCall reports a call that can't succeed.
func (c *compiler) checkCall(cn *callNode, n *ast) {
	if c.report == nil {
		return
	}
	at := n.lhs
	if at.kind == aPath {
		at = at.list[0]
	}
	fail := func(code, token string) {
		c.report(&Error{Code: code, Token: token, named: true, Position: at.pos, start: at.start})
	}
	if cn.path != "" && len(n.lhs.list) == 1 {
		if _, ok := c.lib[cn.path]; ok {
			fail("T1005", cn.path)
			return
		}
		if _, ok := c.vars[cn.path]; ok {
			fail("T1005", cn.path)
		}
		return
	}
	if v, ok := cn.proc.(*variable); ok && n.lhs.kind == aVariable && !v.bound() {
		fail("T1006", n.lhs.text)
		return
	}
	given := len(n.list)
	if cn.context != nil {
		given++
	}
	if f := cn.static; f != nil && f.sig != nil && f.sig.simple && given > len(f.sig.params) {
		fail("T0410", cn.name)
	}
}

// bound reports whether anything can give the variable a value.
func (n *variable) bound() bool {
	return len(n.places) > 0 || n.known != nil || n.global.k != kUndefined
}
