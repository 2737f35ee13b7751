package jsonata

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokName
	tokVariable
	tokOperator
	tokString
	tokNumber
	tokValue // true, false, null
	tokRegex
)

// token is one word of an expression.
type token struct {
	kind       tokenKind
	text       string // name, operator, string contents, number as written, regex pattern
	num        float64
	flags      string // of a regex
	start, pos int    // where it starts and ends, UTF-16 units
}

// describe is the token as an error message or error token shows it.
func (t token) describe() string {
	switch t.kind {
	case tokEnd:
		return "(end)"
	case tokNumber:
		return formatNumber(t.num)
	case tokRegex:
		return showRegex(t.text, t.flags)
	}
	return t.text
}

// showRegex is a regular expression as JavaScript prints what the reference makes of it.
func showRegex(pattern, flags string) string {
	all := "g"
	for _, f := range []string{"i", "m"} {
		if strings.Contains(flags, f) {
			all += f
		}
	}
	return "/" + regexSource(pattern) + "/" + all
}

// regexSource escapes line ends, and slashes outside of classes, as JavaScript does.
func regexSource(pattern string) string {
	lineEnds := map[rune]string{'\n': `\n`, '\r': `\r`, 0x2028: `\u2028`, 0x2029: `\u2029`}
	var b strings.Builder
	escaped, class := false, false
	for _, r := range pattern {
		end := lineEnds[r]
		switch {
		case end != "" && escaped:
			b.WriteString(end[1:])
		case end != "":
			b.WriteString(end)
		case r == '/' && !escaped && !class:
			b.WriteString(`\/`)
		default:
			b.WriteRune(r)
		}
		class = !escaped && r == '[' || class && (escaped || r != ']')
		escaped = r == '\\' && !escaped
	}
	return b.String()
}

// lexer cuts an expression into tokens. Positions count UTF-16 units, as the reference's do.
type lexer struct {
	src   string
	at    int // byte offset
	shift int // bytes before at, minus their UTF-16 units
}

func (l *lexer) pos() int { return l.at - l.shift }

// advance moves over n bytes, which may hold non-ASCII text.
func (l *lexer) advance(n int) {
	for end := l.at + n; l.at < end; {
		c := l.src[l.at]
		if c < utf8.RuneSelf {
			l.at++
			continue
		}
		_, size := utf8.DecodeRuneInString(l.src[l.at:])
		l.at += size
		l.shift += size - 1
		if size == 4 {
			l.shift--
		}
	}
}

func (l *lexer) fail(code, token string) *Error {
	return &Error{Code: code, Token: token, named: token != "", Position: l.pos(), start: -1}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' }

const operatorChars = ".[]{}(),@#;:?+-*/%|=<>^&!~"

// twoCharOperators are tried before the single characters.
var twoCharOperators = []string{"..", ":=", "!=", ">=", "<=", "**", "~>", "?:", "??"}

// next reads one token. After an operand (infix) a slash divides, elsewhere it starts a regular expression.
func (l *lexer) next(infix bool) (token, *Error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	if l.at >= len(l.src) {
		return token{kind: tokEnd, start: l.pos(), pos: l.pos()}, nil
	}
	t := token{start: l.pos()}
	err := l.scan(&t, infix)
	t.pos = l.pos()
	return t, err
}

func (l *lexer) scan(t *token, infix bool) *Error {
	c := l.src[l.at]
	if !infix && c == '/' {
		return l.regex(t)
	}
	for _, op := range twoCharOperators {
		if strings.HasPrefix(l.src[l.at:], op) {
			t.kind, t.text = tokOperator, op
			l.at += 2
			return nil
		}
	}
	switch {
	case strings.IndexByte(operatorChars, c) >= 0:
		t.kind, t.text = tokOperator, l.src[l.at:l.at+1]
		l.at++
		return nil
	case c == '"' || c == '\'':
		return l.quoted(t, c)
	case c >= '0' && c <= '9':
		return l.number(t)
	case c == '`':
		end := strings.IndexByte(l.src[l.at+1:], '`')
		if end < 0 {
			l.advance(len(l.src) - l.at)
			return l.fail("S0105", "")
		}
		t.kind, t.text = tokName, l.src[l.at+1:l.at+1+end]
		l.advance(end + 2)
		return nil
	}
	l.name(t)
	return nil
}

// skip moves over white space and comments.
func (l *lexer) skip() *Error {
	for l.at < len(l.src) {
		if isSpace(l.src[l.at]) {
			l.at++
			continue
		}
		if !strings.HasPrefix(l.src[l.at:], "/*") {
			return nil
		}
		end := strings.Index(l.src[l.at+2:], "*/")
		if end < 0 {
			return l.fail("S0106", "")
		}
		l.advance(end + 4)
	}
	return nil
}

func (l *lexer) name(t *token) {
	end := l.at
	for end < len(l.src) && !isSpace(l.src[end]) && strings.IndexByte(operatorChars, l.src[end]) < 0 {
		end++
	}
	word := l.src[l.at:end]
	l.advance(end - l.at)
	if word[0] == '$' {
		t.kind, t.text = tokVariable, word[1:]
		return
	}
	t.text = word
	switch word {
	case "or", "and", "in":
		t.kind = tokOperator
	case "true", "false", "null":
		t.kind = tokValue
	default:
		t.kind = tokName
	}
}

// number reads digits, fraction and exponent as JSON does; the sign is an operator.
func (l *lexer) number(t *token) *Error {
	s, i := l.src[l.at:], 1
	digits := func(from int) int {
		for from < len(s) && s[from] >= '0' && s[from] <= '9' {
			from++
		}
		return from
	}
	if s[0] != '0' {
		i = digits(i)
	}
	if i+1 < len(s) && s[i] == '.' {
		if j := digits(i + 1); j > i+1 {
			i = j
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		j := i + 1
		if j < len(s) && (s[j] == '+' || s[j] == '-') {
			j++
		}
		if k := digits(j); k > j {
			i = k
		}
	}
	t.kind, t.text = tokNumber, s[:i]
	f, err := strconv.ParseFloat(t.text, 64)
	if err != nil && !isFinite(f) {
		return l.fail("S0102", t.text)
	}
	t.num = f
	l.at += i
	return nil
}

var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (l *lexer) quoted(t *token, quote byte) *Error {
	t.kind = tokString
	l.at++
	begin := l.at
	var units []uint16 // set once there is an escape
	escaped := false
	for l.at < len(l.src) {
		c := l.src[l.at]
		switch {
		case c == quote:
			if escaped {
				t.text = fromUTF16(units)
			} else {
				t.text = l.src[begin:l.at]
			}
			l.at++
			return nil
		case c == '\\':
			if !escaped {
				escaped, units = true, toUTF16(l.src[begin:l.at])
			}
			u, err := l.escape()
			if err != nil {
				return err
			}
			units = append(units, u)
		default:
			r, size := utf8.DecodeRuneInString(l.src[l.at:])
			if escaped {
				units = utf16.AppendRune(units, r)
			}
			l.advance(size)
		}
	}
	return l.fail("S0101", "")
}

func (l *lexer) escape() (uint16, *Error) {
	l.at++
	if l.at >= len(l.src) {
		return 0, l.fail("S0103", "")
	}
	c := l.src[l.at]
	if r, ok := escapes[c]; ok {
		l.at++
		return uint16(r), nil
	}
	if c != 'u' {
		_, size := utf8.DecodeRuneInString(l.src[l.at:])
		return 0, l.fail("S0103", l.src[l.at:l.at+size])
	}
	if l.at+5 > len(l.src) {
		return 0, l.fail("S0104", "")
	}
	u, err := strconv.ParseUint(l.src[l.at+1:l.at+5], 16, 16)
	if err != nil {
		return 0, l.fail("S0104", "")
	}
	l.at += 5
	return uint16(u), nil
}

// regex reads /pattern/flags. A slash inside of brackets or after a backslash doesn't end it.
func (l *lexer) regex(t *token) *Error {
	t.kind = tokRegex
	l.at++
	begin, depth := l.at, 0
	for l.at < len(l.src) {
		c := l.src[l.at]
		switch {
		case c == '\\':
			l.advance(1)
			if l.at < len(l.src) {
				_, size := utf8.DecodeRuneInString(l.src[l.at:])
				l.advance(size)
			}
			continue
		case c == '/' && depth == 0:
			t.text = l.src[begin:l.at]
			if t.text == "" {
				return l.fail("S0301", "")
			}
			l.at++
			from := l.at
			for l.at < len(l.src) && (l.src[l.at] == 'i' || l.src[l.at] == 'm') {
				l.at++
			}
			t.flags = l.src[from:l.at]
			return nil
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		}
		_, size := utf8.DecodeRuneInString(l.src[l.at:])
		l.advance(size)
	}
	return l.fail("S0302", "")
}
