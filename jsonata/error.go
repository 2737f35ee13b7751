package jsonata

import (
	"fmt"
	"strings"
)

// Error is what Compile, Check and Eval return when an expression is wrong or can't be evaluated.
type Error struct {
	// Code is the reference implementation's: S (syntax), T (type), D (dynamic). Codes starting with U are limits:
	// U1001 depth, U1002 time, U1003 size; U1004 is an input that can't be converted, U2001 a variable that nothing
	// binds (Check only).
	Code string
	// Token is the operator, name or symbol at fault, when there is one.
	Token string
	// Position is where the token ends, in UTF-16 units from the start of the expression, as the reference counts.
	Position int
	// Message is one sentence for the author of the expression.
	Message string
	// Value is the offending value, as Eval would return it; nil when there is none.
	Value any

	src   string // the expression
	start int    // where the token starts, UTF-16 units; -1 when unknown
	cause error
	named bool   // Token was set on purpose, even if empty
	shown string // the token for the message: the first one set
	value Value
	// placed: the caller must leave Position alone, as after a tail call
	placed bool
}

// Error gives the message with its code.
func (e *Error) Error() string { return e.Message + " (" + e.Code + ")" }

// Unwrap returns what a custom function or the context gave as the reason, if any.
func (e *Error) Unwrap() error { return e.cause }

// Line is the line of the token's start, counted from 1; 0 when the position isn't known.
func (e *Error) Line() int { line, _ := e.place(); return line }

// Column is the column of the token's start, counted from 1 in characters; 0 when the position isn't known.
func (e *Error) Column() int { _, col := e.place(); return col }

func (e *Error) place() (line, col int) {
	if e.start < 0 && e.Position == 0 {
		return 0, 0
	}
	at := e.Position
	if e.start >= 0 {
		at = e.start
	}
	line, col = 1, 1
	for _, r := range e.src {
		if at <= 0 {
			break
		}
		at--
		if r > 0xFFFF {
			at--
		}
		if r == '\n' {
			line, col = line+1, 1
			continue
		}
		col++
	}
	return line, col
}

// fail makes an error whose message comes from the code's template; token and value fill it in.
func fail(code string, v Value) *Error { return &Error{Code: code, value: v, start: -1} }

func failToken(code, token string, v Value) *Error {
	return &Error{Code: code, Token: token, named: true, value: v, start: -1}
}

// at gives the error the place of n, unless it has one already. Paths have no position for the reference: line and column
// tell it.
func (e *Error) at(n *ast) *Error {
	if e.Position != 0 {
		return e
	}
	if e.start < 0 {
		e.start = n.start
	}
	if n.kind != aPath {
		e.Position = n.pos
	}
	return e
}

func (e *Error) token(t string) *Error {
	if !e.named && e.Token == "" && t != "" {
		e.Token, e.named = t, true
	}
	if e.shown == "" {
		e.shown = e.Token
	}
	return e
}

// under reports the error at n, an operator that takes errors of its operands for its own, as the reference's do. Line
// and column keep telling where the error really is.
func (e *Error) under(n *ast) *Error {
	e.token(n.text).at(n)
	e.Token, e.Position = n.text, n.pos
	return e
}

// finish fills what users see: message, value and source.
func (e *Error) finish(src string) *Error {
	if e.src == "" {
		e.src = src
	}
	if e.Value == nil && e.value.k != kUndefined {
		e.Value = toAny(e.value, 1000)
	}
	if e.Message == "" {
		e.Message = e.describe()
	}
	return e
}

func (e *Error) describe() string {
	format, ok := messages[e.Code]
	if !ok {
		return "evaluation failed"
	}
	val := ""
	if strings.Contains(format, "{value}") {
		val = brief(e.value)
	}
	token := e.shown
	if token == "" {
		token = e.Token
	}
	if token == "" {
		token = "this"
	}
	return strings.NewReplacer("{token}", token, "{value}", val).Replace(format)
}

// brief is v as JSON, cut to a length that suits a message.
func brief(v Value) string {
	if v.k == kNumber {
		return formatNumber(v.num()) // JSON has no Infinity
	}
	const longest = 60
	b, _ := appendJSON(nil, v, printer{most: 2 * longest}) // what was written before the limit will do
	if len(b) > longest {
		return strings.ToValidUTF8(string(b[:longest]), "") + "..."
	}
	return string(b)
}

// limitError reports a limit of this package, with what the limit was.
func limitError(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), start: -1}
}
