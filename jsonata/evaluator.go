package jsonata

import (
	"context"
	"time"

	"github.com/openintegrationhub/leat/jsonata/internal/picture"
)

// node is a compiled expression. It evaluates itself for the context item in, within the frame of variables fr.
type node interface {
	eval(ev *evaluator, in Value, fr *frame) (Value, *Error)
}

// evaluator holds the state of one evaluation. It serves one goroutine.
type evaluator struct {
	ctx    context.Context
	done   <-chan struct{}
	limits *Limits
	lib    map[string]*function
	vars   map[string]Value
	clock  func() time.Time
	now    time.Time // when the evaluation began to care about the time
	root   Value

	depth   int
	steps   int64
	memory  int64 // what is left
	dynamic bool  // $eval has bound a variable that no scope foresaw
	tail    tailCall

	stack  []Value   // arguments of the calls under way
	bufs   [][]Value // spare buffers for path results
	text   []byte    // strings under construction
	reader reader    // of EvalJSON
	calls  []*call   // spare
	number numberPicture
	frames []frame // slab
	slab   []Value // of frame variables
}

// tailCall is the call that a lambda's body ends with, left to callLambda.
type tailCall struct {
	fn   *function
	args []Value
	node *callNode
}

// frame holds the variables of one block, lambda call or tuple.
type frame struct {
	parent *frame
	scope  *scope
	vars   []Value
	tup    *tuple
	dyn    map[string]Value // variables that $eval bound beyond the scope's slots
}

// numberPicture remembers the last picture of $formatNumber.
type numberPicture struct {
	text   string
	parsed *picture.Number
}

// largestKept is how many values a spare buffer may have to be kept.
const largestKept = 1 << 10

// reset makes the evaluator fit for another evaluation, without anything of the last one. The slabs go on where they
// are: what has been carved from them may live on in a function.
func (ev *evaluator) reset() {
	ev.ctx, ev.done, ev.root, ev.tail = nil, nil, Value{}, tailCall{}
	ev.now, ev.depth, ev.steps, ev.dynamic = time.Time{}, 0, 0, false
	if cap(ev.stack) > largestKept {
		ev.stack = nil
	}
	clear(ev.stack[:cap(ev.stack)])
	ev.stack = ev.stack[:0]
	for i, b := range ev.bufs {
		clear(b[:cap(b)])
		ev.bufs[i] = b[:0]
	}
	if cap(ev.text) > 64*largestKept {
		ev.text = nil
	}
	ev.text = ev.text[:0]
	ev.reader.forget()
}

const stepsBetweenChecks = 1 << 10

// tick counts one step of work and now and then looks whether time is up.
func (ev *evaluator) tick() *Error {
	ev.steps++
	if ev.steps&(stepsBetweenChecks-1) == 0 {
		return ev.check()
	}
	return nil
}

func (ev *evaluator) work(n int) *Error {
	before := ev.steps
	ev.steps += int64(n)
	if before/stepsBetweenChecks != ev.steps/stepsBetweenChecks {
		return ev.check()
	}
	return nil
}

// read counts the work of going over a text once.
func (ev *evaluator) read(v Value) *Error {
	if v.k != kString || v.n < 1<<10 {
		return nil
	}
	return ev.work(int(v.n >> 8))
}

func (ev *evaluator) check() *Error {
	if ev.steps > ev.limits.Steps {
		return limitError("U1002", "the evaluation takes more than %d steps", ev.limits.Steps)
	}
	select {
	case <-ev.done:
		e := limitError("U1002", "the evaluation was stopped: %v", context.Cause(ev.ctx))
		e.cause = context.Cause(ev.ctx)
		return e
	default:
		return nil
	}
}

const (
	valueBytes  = 24
	memberBytes = 40
)

// charge takes n bytes from what the evaluation may build.
func (ev *evaluator) charge(n int) *Error {
	ev.memory -= int64(n)
	if ev.memory < 0 {
		return limitError("U1003", "the evaluation builds more than %d bytes", ev.limits.Memory)
	}
	return nil
}

// fits checks the length of a sequence that grows.
func (ev *evaluator) fits(n int) *Error {
	if n > ev.limits.Sequence {
		return limitError("U1003", "a sequence has more than %d items", ev.limits.Sequence)
	}
	return nil
}

// newFrame makes the frame of scope s, with all its variables unbound.
func (ev *evaluator) newFrame(parent *frame, s *scope) *frame {
	if len(ev.frames) == 0 {
		ev.frames = make([]frame, 8)
	}
	f := &ev.frames[0]
	ev.frames = ev.frames[1:]
	f.parent, f.scope = parent, s
	n := len(s.names)
	if n == 0 {
		return f
	}
	if len(ev.slab) < n {
		ev.slab = make([]Value, max(n, 32))
	}
	f.vars = ev.slab[:n:n]
	ev.slab = ev.slab[n:]
	for i := range f.vars {
		f.vars[i].k = kUnset
	}
	return f
}

func (f *frame) up(n int) *frame {
	for ; n > 0; n-- {
		f = f.parent
	}
	return f
}

func (ev *evaluator) buf() []Value {
	if n := len(ev.bufs); n > 0 {
		b := ev.bufs[n-1]
		ev.bufs = ev.bufs[:n-1]
		return b
	}
	return make([]Value, 0, 16)
}

func (ev *evaluator) release(b []Value) {
	if cap(b) <= largestKept && len(ev.bufs) < 16 {
		ev.bufs = append(ev.bufs, b[:0])
	}
}

// time is the moment of the evaluation, the same for every call of $now.
func (ev *evaluator) time() time.Time {
	if ev.now.IsZero() {
		ev.now = ev.clock()
	}
	return ev.now
}

// finish turns a result sequence into what it stands for: nothing, its only item, or itself.
func finish(v Value) Value {
	if v.k != kArray {
		return v
	}
	a := v.array()
	if !a.is(seq) || a.tup != nil {
		return v
	}
	switch a.len() {
	case 0:
		return Value{}
	case 1:
		if !a.is(keep) {
			return a.at(0)
		}
	}
	return v
}

// finishUnless leaves v as it is where it's raw: predicates and [] come before the sequence is reduced.
func finishUnless(raw bool, v Value) Value {
	if raw {
		return v
	}
	return finish(v)
}

// truth is what $boolean gives, with undefined as false. Infinity is an error, wherever it is.
func (ev *evaluator) truth(v Value) (bool, *Error) {
	switch v.k {
	case kBool:
		return v.n == 1, nil
	case kNumber:
		ok, err := finite(v)
		return ok && v.num() != 0, err
	case kString:
		return v.n > 0, nil
	case kObject:
		return len(v.object().members) > 0, nil
	case kArray:
		return ev.anyTrue(v.array(), 1)
	}
	return false, nil
}

// anyTrue looks at all items, since one of them may be an error.
func (ev *evaluator) anyTrue(a *array, depth int) (bool, *Error) {
	if a.n > 1 {
		return true, nil
	}
	if depth > maxValueDepth {
		return false, tooDeep()
	}
	found := false
	for i := range a.len() {
		if err := ev.tick(); err != nil {
			return false, err
		}
		item := a.at(i)
		var yes bool
		var err *Error
		if item.k == kArray {
			yes, err = ev.anyTrue(item.array(), depth+1)
		} else {
			yes, err = ev.truth(item)
		}
		if err != nil {
			return false, err
		}
		found = found || yes
	}
	return found, nil
}

// finite checks that a number taking part in arithmetic is one.
func finite(v Value) (bool, *Error) {
	if v.k != kNumber {
		return false, nil
	}
	f := v.num()
	if f-f == 0 { // neither NaN nor infinite
		return true, nil
	}
	if f != f {
		return false, nil
	}
	return false, fail("D1001", v)
}

// equal is deep equality. Objects are equal whatever the order of their keys.
func (ev *evaluator) equal(a, b Value, depth int) (bool, *Error) {
	if a.k != b.k {
		return false, nil
	}
	switch a.k {
	case kNumber:
		return a.num() == b.num(), nil
	case kString:
		return a.str() == b.str(), ev.read(a)
	case kBool:
		return a.n == b.n, nil
	case kFunc:
		return a.p == b.p, nil
	case kArray:
		return ev.equalArrays(a.array(), b.array(), depth+1)
	case kObject:
		return ev.equalObjects(a.object(), b.object(), depth+1)
	}
	return true, nil
}

func (ev *evaluator) equalArrays(x, y *array, depth int) (bool, *Error) {
	if x == y {
		return true, nil
	}
	if x.len() != y.len() {
		return false, nil
	}
	if depth > maxValueDepth {
		return false, tooDeep()
	}
	for i := range x.len() {
		if err := ev.tick(); err != nil {
			return false, err
		}
		if same, err := ev.equal(x.at(i), y.at(i), depth); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (ev *evaluator) equalObjects(x, y *object, depth int) (bool, *Error) {
	if x == y {
		return true, nil
	}
	if len(x.members) != len(y.members) {
		return false, nil
	}
	if depth > maxValueDepth {
		return false, tooDeep()
	}
	for i := range x.members {
		if err := ev.tick(); err != nil {
			return false, err
		}
		j := y.find(x.members[i].key)
		if j < 0 {
			return false, nil
		}
		if same, err := ev.equal(x.members[i].val, y.members[j].val, depth); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

// maxValueDepth is how deep values may be nested, in input and result.
const maxValueDepth = 10_000

func tooDeep() *Error {
	return limitError("U1001", "a value is nested deeper than %d levels", maxValueDepth)
}
