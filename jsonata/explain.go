package jsonata

import (
	"fmt"
	"strconv"
	"strings"
)

// Explain prints how the expression is understood, as a tree: one node a line, children indented, with the line and
// column of each.
func (e *Expr) Explain() string {
	p := &explainer{src: e.src}
	p.node("", e.tree)
	return p.String()
}

type explainer struct {
	strings.Builder
	src   string
	depth int
}

// line prints one line: what the node is to its parent, what it is, and where.
func (p *explainer) line(role, what string, n *ast) {
	at := (&Error{src: p.src, Position: n.pos, start: n.start})
	line, col := at.place()
	if role != "" {
		role += ": "
	}
	fmt.Fprintf(p, "%s%s%s  %d:%d\n", strings.Repeat("  ", p.depth), role, what, line, col)
}

func (p *explainer) in(f func()) {
	p.depth++
	f()
	p.depth--
}

func (p *explainer) node(role string, n *ast) {
	if n == nil {
		return
	}
	p.line(role, n.title(), n)
	p.in(func() {
		for _, part := range n.parts() {
			p.node(part.role, part.n)
		}
		for _, pair := range n.pairs {
			p.node("key", pair[0])
			p.node("value", pair[1])
		}
		for _, t := range n.terms {
			order := "ascending"
			if t.desc {
				order = "descending"
			}
			p.node(order, t.expr)
		}
		for _, f := range n.predicate {
			p.node("filter", f.lhs)
		}
		for _, s := range n.stages {
			if s.kind == aIndex {
				p.line("", "position as $"+s.text, s)
				continue
			}
			p.node("filter", s.lhs)
		}
		p.node("group", n.group)
	})
}

// title is what one node is, without its children.
func (n *ast) title() string {
	var b strings.Builder
	switch n.kind {
	case aString:
		b.WriteString("string " + strconv.Quote(n.text))
	case aNumber:
		b.WriteString("number " + formatNumber(n.num))
	case aVariable:
		b.WriteString("variable $" + n.text)
	case aBinary, aNegate, aSort:
		b.WriteString("operator " + n.text)
	case aBind:
		b.WriteString("bind $" + n.lhs.text)
	case aLambda:
		b.WriteString("function(")
		for i, param := range n.list {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString("$" + param.text)
		}
		b.WriteString(")")
		if n.sig != nil {
			b.WriteString(n.sig.text)
		}
	case aCall, aPartial:
		b.WriteString(map[astKind]string{aCall: "call", aPartial: "partial application"}[n.kind])
		if n.tail {
			b.WriteString(" (tail)")
		}
	case aParent:
		b.WriteString("parent %")
	case aRegex:
		b.WriteString("regex /" + n.text + "/" + n.flags)
	case aName, aValue:
		b.WriteString(astNames[n.kind] + " " + n.text)
	default:
		b.WriteString(astNames[n.kind])
	}
	for _, bound := range []struct{ name, how string }{{n.focus, ", item as $"}, {n.index, ", position as $"}} {
		if bound.name != "" {
			b.WriteString(bound.how + bound.name)
		}
	}
	if n.ancestor != nil {
		b.WriteString(", context kept for %")
	}
	if n.keepArray || n.keepOne {
		b.WriteString(", always an array")
	}
	return b.String()
}

type astPart struct {
	role string
	n    *ast
}

// parts lists the children of n with what they are to it.
func (n *ast) parts() []astPart {
	var parts []astPart
	add := func(role string, c *ast) {
		if c != nil {
			parts = append(parts, astPart{role, c})
		}
	}
	switch n.kind {
	case aCall, aPartial:
		add("function", n.lhs)
	case aLambda:
		add("body", n.rhs)
		return parts
	case aBind:
		add("", n.rhs)
	case aCondition:
		add("if", n.lhs)
		add("then", n.rhs)
		add("else", n.third)
	case aTransform:
		add("pattern", n.lhs)
		add("update", n.rhs)
		add("delete", n.third)
	default:
		add("", n.lhs)
		add("", n.rhs)
	}
	role := map[astKind]string{aPath: "step", aCall: "argument", aPartial: "argument"}[n.kind]
	for _, c := range n.list {
		add(role, c)
	}
	return parts
}
