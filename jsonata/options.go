package jsonata

import (
	"context"
	"math"
	"time"
)

// Limits bound what one evaluation may use. A zero field takes its default; a negative one lifts the limit.
type Limits struct {
	// Depth is how deep evaluation may nest, counted in steps of the syntax tree as the reference does: a recursive
	// call takes about three. Default 10,000. Tail calls don't count. Beyond: U1001. It can't be lifted, since Go's
	// stack is finite; the most is 100,000.
	Depth int
	// Sequence is how many items one array or sequence may hold. Default 10,000,000, the reference's limit of a range.
	// Beyond: U1003.
	Sequence int
	// Memory is how many bytes an evaluation may build, in total, for arrays, objects and strings. Default 512 MiB.
	// Beyond: U1003.
	Memory int64
	// ResultBytes is how long the JSON that EvalJSON returns may get. Default 64 MiB. Beyond: U1003.
	ResultBytes int
	// Steps is how many steps an evaluation may take, regardless of time; regular expressions count theirs too.
	// Default: no limit, since time is bounded through ctx. Beyond: U1002.
	Steps int64
}

const (
	defaultDepth  = 10_000
	mostDepth     = 100_000
	mostSequence  = 10_000_000
	defaultMemory = 512 << 20
	defaultResult = 64 << 20
)

func (l Limits) withDefaults() Limits {
	if l.Depth == 0 {
		l.Depth = defaultDepth
	}
	if l.Depth < 0 || l.Depth > mostDepth {
		l.Depth = mostDepth
	}
	l.Sequence = orDefault(l.Sequence, mostSequence)
	l.Memory = orDefault(l.Memory, defaultMemory)
	l.ResultBytes = orDefault(l.ResultBytes, defaultResult)
	l.Steps = orDefault(l.Steps, int64(-1))
	return l
}

func orDefault[T int | int64](n, def T) T {
	switch {
	case n == 0:
		n = def
	}
	if n < 0 {
		return T(^uint(0) >> 1)
	}
	return n
}

// Func is a custom function. Arguments and result are values as Eval takes and returns them; Undefined stands for a
// missing argument and may be returned. An error ends the evaluation with code D3137, unless it is an *Error.
type Func func(ctx context.Context, args []any) (any, error)

// Option changes how an expression is compiled.
type Option func(*config)

type config struct {
	limits Limits
	vars   map[string]Value
	now    func() time.Time
	err    *Error
}

func newConfig(opts []Option) *config {
	c := &config{vars: map[string]Value{}, now: time.Now}
	for _, o := range opts {
		o(c)
	}
	c.limits = c.limits.withDefaults()
	return c
}

// WithLimits replaces the default limits.
func WithLimits(l Limits) Option { return func(c *config) { c.limits = l } }

// WithVariable binds $name to a value as Eval takes it.
func WithVariable(name string, value any) Option {
	return func(c *config) {
		v, err := fromAny(value, 0)
		if err != nil {
			c.err = err
			return
		}
		c.vars[name] = v
	}
}

// WithFunction registers f as $name. The signature, such as <s-n?:s>, checks and completes the arguments before f sees
// them; empty takes any arguments. See https://docs.jsonata.org/embedding-extending#function-signature-syntax
func WithFunction(name, signature string, f Func) Option {
	return func(c *config) {
		fn := &function{name: name, arity: -1, native: f.call}
		if signature != "" {
			sig, err := parseSignature(signature)
			if err != nil {
				c.err = err
				return
			}
			fn.sig, fn.arity = sig, len(sig.params)
		}
		c.vars[name] = funcValue(fn)
	}
}

// WithClock sets where $now and $millis get the time from; default time.Now.
func WithClock(now func() time.Time) Option { return func(c *config) { c.now = now } }

func (f Func) call(c *call, args []Value) (Value, *Error) {
	in := make([]any, len(args))
	for i, a := range args {
		if err := c.ev.measure(a, 0); err != nil {
			return Value{}, err
		}
		in[i] = toAny(a, math.MaxInt)
	}
	out, err := f(c.ev.ctx, in)
	if err != nil {
		if e, ok := err.(*Error); ok { //nolint:errorlint // a wrapped Error keeps its wrapping message
			return Value{}, e
		}
		return Value{}, &Error{Code: "D3137", Message: err.Error(), cause: err, start: -1}
	}
	v, e := fromAny(out, 0)
	if e != nil {
		return Value{}, e
	}
	return v, nil
}
