// Package jsonata is JSONata 2.x, the query and transformation language for JSON (https://jsonata.org), in Go. It gives
// the results and error codes of the reference implementation (npm jsonata 2.2).
//
// An expression is compiled once and evaluated any number of times, by any number of goroutines:
//
//	e, err := jsonata.Compile(`Account.Order.Product.(Price * Quantity) ~> $sum()`)
//	out, err := e.EvalJSON(ctx, body)
//
// Expressions may come from strangers: nothing that an expression or an input does can panic, overflow the stack, or use
// more depth, memory or time than the limits and the context allow.
package jsonata

import (
	"bytes"
	"context"
	"math"
	"sync"
	"time"
)

// Expr is a compiled expression. It is immutable and safe for concurrent use.
type Expr struct {
	src    string
	root   node
	tree   *ast
	scope  *scope
	need   *need // what EvalJSON reads of its input; nil is everything
	lib    map[string]*function
	vars   map[string]Value
	limits Limits
	clock  func() time.Time
	spare  sync.Pool // of evaluators
}

// Compile parses an expression. The error is an *Error with the reference's code and the position.
func Compile(expr string, opts ...Option) (*Expr, error) {
	e, _, err := compileExpr(expr, opts, nil)
	if err != nil {
		return nil, err
	}
	return e, nil
}

func compileExpr(expr string, opts []Option, report func(*Error)) (*Expr, *ast, *Error) {
	cfg := newConfig(opts)
	if cfg.err != nil {
		return nil, nil, cfg.err.finish(expr)
	}
	tree, err := parse(expr)
	if err == nil {
		tree, err = resolve(tree)
	}
	if err != nil {
		return nil, nil, err.finish(expr)
	}
	e := &Expr{src: expr, tree: tree, lib: library, vars: cfg.vars, limits: cfg.limits, clock: cfg.now}
	c := &compiler{lib: e.lib, vars: e.vars, report: report}
	e.scope = c.open(nil, nil, tree)
	c.level = 1
	e.root = c.compile(tree)
	c.close()
	if c.err != nil {
		return nil, nil, c.err.finish(expr)
	}
	e.need = reachOf(tree, e.lib, e.vars)
	return e, tree, nil
}

// String returns the expression as it was given to Compile.
func (e *Expr) String() string { return e.src }

// Eval evaluates the expression for an input as encoding/json decodes it (map[string]any, []any, float64, string, bool,
// nil), an Object, a Value, or Undefined for no input. The result has the same types; Undefined when nothing is selected.
// The context's end ends the evaluation with code U1002. Errors are of type *Error.
func (e *Expr) Eval(ctx context.Context, input any) (any, error) {
	in, err := fromAny(input, 0)
	if err != nil {
		return nil, err.finish(e.src)
	}
	ev := e.evaluator(ctx)
	defer e.done(ev)
	v, err := e.run(ev, in)
	if err == nil {
		err = ev.measure(v, 0)
	}
	if err != nil {
		return nil, err.finish(e.src)
	}
	return toAny(v, math.MaxInt), nil
}

// EvalValue evaluates the expression for a parsed input. Several expressions may share one.
func (e *Expr) EvalValue(ctx context.Context, input Value) (Value, error) {
	ev := e.evaluator(ctx)
	defer e.done(ev)
	v, err := e.run(ev, input)
	if err != nil {
		return Value{}, err.finish(e.src)
	}
	return v, nil
}

// EvalJSON evaluates the expression for a JSON document and returns the result as JSON, with keys in their order;
// (nil, nil) when the result is undefined. Parts of the document that the expression can't reach have to be JSON, but
// aren't built.
func (e *Expr) EvalJSON(ctx context.Context, input []byte) ([]byte, error) {
	ev := e.evaluator(ctx)
	defer e.done(ev)
	in, err := ev.reader.parse(input, e.need)
	if err != nil {
		return nil, err
	}
	v, fault := e.run(ev, in)
	if fault == nil {
		ev.text, fault = appendJSON(ev.text[:0], v, printer{ev: ev, most: e.limits.ResultBytes})
	}
	if fault != nil {
		return nil, fault.finish(e.src)
	}
	if len(ev.text) == 0 {
		return nil, nil
	}
	return bytes.Clone(ev.text), nil
}

func (e *Expr) evaluator(ctx context.Context) *evaluator {
	ev, _ := e.spare.Get().(*evaluator)
	if ev == nil {
		ev = &evaluator{limits: &e.limits, lib: e.lib, vars: e.vars, clock: e.clock}
	}
	ev.ctx, ev.done, ev.memory = ctx, ctx.Done(), e.limits.Memory
	return ev
}

func (e *Expr) done(ev *evaluator) {
	ev.reset()
	e.spare.Put(ev)
}

func (e *Expr) run(ev *evaluator, in Value) (Value, *Error) {
	if err := ev.check(); err != nil {
		return Value{}, err
	}
	ev.root = in
	if in.k == kArray && !in.array().is(seq) {
		in = arrayValue(&array{items: []Value{in}, flags: seq | outer})
	}
	return e.root.eval(ev, in, ev.newFrame(nil, e.scope))
}
