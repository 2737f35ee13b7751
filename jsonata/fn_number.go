package jsonata

import (
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/openintegrationhub/leat/jsonata/internal/picture"
)

var numberFunctions = []builtin{
	{"sum", "<a<n>:n>", 1, fnSum},
	{"count", "<a:n>", 1, fnCount},
	{"max", "<a<n>:n>", 1, fnMax},
	{"min", "<a<n>:n>", 1, fnMin},
	{"average", "<a<n>:n>", 1, fnAverage},
	{"number", "<(nsb)-:n>", 1, fnNumber},
	{"floor", "<n-:n>", 1, mathFunc(math.Floor)},
	{"ceil", "<n-:n>", 1, mathFunc(math.Ceil)},
	{"abs", "<n-:n>", 1, mathFunc(math.Abs)},
	{"round", "<n-n?:n>", 2, fnRound},
	{"sqrt", "<n-:n>", 1, fnSqrt},
	{"power", "<n-n:n>", 2, fnPower},
	{"random", "<:n>", 0, fnRandom},
	{"formatNumber", "<n-so?:s>", 3, fnFormatNumber},
	{"formatBase", "<n-n?:s>", 2, fnFormatBase},
	{"formatInteger", "<n-s:s>", 2, fnFormatInteger},
	{"parseInteger", "<s-s:n>", 2, fnParseInteger},
	{"boolean", "<x-:b>", 1, fnBoolean},
	{"not", "<x-:b>", 1, fnNot},
	{"exists", "<x:b>", 1, fnExists},
}

// numbers walks the numbers of an argument that the signature has checked.
func numbers(c *call, v Value, each func(f float64)) (int, *Error) {
	if v.k != kArray {
		return 0, nil
	}
	a := v.array()
	if err := c.ev.work(a.len()); err != nil {
		return 0, err
	}
	for i := range a.len() {
		each(a.at(i).num())
	}
	return a.len(), nil
}

func fnSum(c *call, args []Value) (Value, *Error) {
	if args[0].k == kUndefined {
		return Value{}, nil
	}
	total := 0.0
	_, err := numbers(c, args[0], func(f float64) { total += f })
	return number(total), err
}

func fnCount(_ *call, args []Value) (Value, *Error) {
	if args[0].k != kArray {
		return number(0), nil
	}
	return number(float64(args[0].array().len())), nil
}

func fnMax(c *call, args []Value) (Value, *Error) {
	most := math.Inf(-1)
	n, err := numbers(c, args[0], func(f float64) {
		if f > most || f != f {
			most = f
		}
	})
	if n == 0 || err != nil {
		return Value{}, err
	}
	return number(most), nil
}

func fnMin(c *call, args []Value) (Value, *Error) {
	least := math.Inf(1)
	n, err := numbers(c, args[0], func(f float64) {
		if f < least || f != f {
			least = f
		}
	})
	if n == 0 || err != nil {
		return Value{}, err
	}
	return number(least), nil
}

func fnAverage(c *call, args []Value) (Value, *Error) {
	total := 0.0
	n, err := numbers(c, args[0], func(f float64) { total += f })
	if n == 0 || err != nil {
		return Value{}, err
	}
	return number(total / float64(n)), nil
}

var (
	decimalNumber = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([Ee][-+]?[0-9]+)?$`)
	radixNumber   = regexp.MustCompile(`^(0[xX][0-9A-Fa-f]+|0[oO][0-7]+|0[bB][01]+)$`)
	// almostRadix is what the reference takes for one before JavaScript has a closer look, and finds it to be NaN.
	almostRadix = regexp.MustCompile(`^0[xX][0-9A-Fa-f]+|0[oO][0-7]+|0[bB][01]+$`)
)

func fnNumber(_ *call, args []Value) (Value, *Error) {
	switch v := args[0]; v.k {
	case kUndefined, kNumber:
		return v, nil
	case kBool:
		return number(float64(v.n)), nil
	case kString:
		s := v.str()
		if decimalNumber.MatchString(s) {
			if f, err := strconv.ParseFloat(s, 64); err == nil || isFinite(f) {
				return number(f), nil
			}
		}
		if almostRadix.MatchString(s) {
			if s = strings.TrimFunc(s, isJSSpace); !radixNumber.MatchString(s) {
				return number(math.NaN()), nil
			}
			return number(parseRadix(s)), nil
		}
	}
	return Value{}, fail("D3030", args[0])
}

// isJSSpace tells the characters that JavaScript's Number skips around a number.
func isJSSpace(r rune) bool { return unicode.IsSpace(r) && r != 0x85 || r == 0xFEFF }

// parseRadix reads 0x, 0o and 0b numbers of any length.
func parseRadix(s string) float64 {
	base := map[byte]float64{'x': 16, 'o': 8, 'b': 2}[s[1]|0x20]
	if u, err := strconv.ParseUint(s[2:], int(base), 64); err == nil {
		return float64(u)
	}
	f := 0.0
	for _, c := range strings.ToLower(s[2:]) {
		d := float64(c - '0')
		if c >= 'a' {
			d = float64(c-'a') + 10
		}
		f = f*base + d
	}
	return f
}

func mathFunc(f func(float64) float64) func(*call, []Value) (Value, *Error) {
	return func(_ *call, args []Value) (Value, *Error) {
		if args[0].k != kNumber {
			return Value{}, nil
		}
		return number(f(args[0].num())), nil
	}
}

func fnRound(_ *call, args []Value) (Value, *Error) {
	if args[0].k != kNumber {
		return Value{}, nil
	}
	precision := 0.0
	if args[1].k == kNumber {
		precision = args[1].num()
	}
	return number(roundHalfEven(args[0].num(), precision)), nil
}

// roundHalfEven rounds at a number of decimals of the number as it is written, so that 1.005 is a tie.
func roundHalfEven(f, precision float64) float64 {
	if precision != precision {
		precision = 0
	}
	if precision != 0 {
		f = shiftDecimal(f, precision)
	}
	r := math.Floor(f + 0.5)
	if f == math.Trunc(f) { // adding may lose digits of large numbers
		r = f
	}
	if math.Abs(r-f) == 0.5 && math.Abs(math.Mod(r, 2)) == 1 {
		r--
	}
	if precision != 0 {
		r = shiftDecimal(r, -precision)
	}
	return r + 0 // no negative zero
}

// shiftDecimal moves the decimal point.
func shiftDecimal(f, by float64) float64 {
	mantissa, exponent, _ := strings.Cut(formatNumber(f), "e")
	e := 0.0
	if exponent != "" {
		e, _ = strconv.ParseFloat(exponent, 64)
	}
	if e += by; e != math.Trunc(e) || math.Abs(e) >= 1e21 || !isFinite(f) {
		return math.NaN()
	}
	f, err := strconv.ParseFloat(mantissa+"e"+strconv.FormatFloat(e, 'f', -1, 64), 64)
	if err != nil && !math.IsInf(f, 0) && f != 0 {
		return math.NaN()
	}
	return f
}

func fnSqrt(_ *call, args []Value) (Value, *Error) {
	if args[0].k != kNumber {
		return Value{}, nil
	}
	if args[0].num() < 0 {
		return Value{}, fail("D3060", args[0])
	}
	return number(math.Sqrt(args[0].num())), nil
}

func fnPower(_ *call, args []Value) (Value, *Error) {
	if args[0].k != kNumber {
		return Value{}, nil
	}
	exp := math.NaN()
	if args[1].k == kNumber {
		exp = args[1].num()
	}
	f := pow(args[0].num(), exp)
	if math.Abs(args[0].num()) == 1 && !isFinite(exp) {
		f = math.NaN() // where Go's Pow gives 1
	}
	if !isFinite(f) {
		return Value{}, fail("D3061", args[0])
	}
	return number(f), nil
}

func fnRandom(*call, []Value) (Value, *Error) { return number(rand.Float64()), nil }

func fnBoolean(c *call, args []Value) (Value, *Error) {
	if args[0].k == kUndefined {
		return Value{}, nil
	}
	yes, err := c.ev.truth(args[0])
	return boolean(yes), err
}

func fnNot(c *call, args []Value) (Value, *Error) {
	if args[0].k == kUndefined {
		return Value{}, nil
	}
	yes, err := c.ev.truth(args[0])
	return boolean(!yes), err
}

func fnExists(_ *call, args []Value) (Value, *Error) { return boolean(args[0].k != kUndefined), nil }

func fnFormatNumber(c *call, args []Value) (Value, *Error) {
	if args[0].k != kNumber {
		return Value{}, nil
	}
	if args[1].k != kString {
		return Value{}, fail("D3085", Value{})
	}
	if err := legible(args[1], Value{}); err != nil {
		return Value{}, err
	}
	parsed, err := c.numberPicture(args[1].str(), args[2])
	if err != nil {
		return Value{}, err
	}
	return c.made(parsed.Format(args[0].num(), func(f float64, n int) float64 { return roundHalfEven(f, float64(n)) }))
}

// numberPicture analyses a picture, or has done so for the call before.
func (c *call) numberPicture(text string, options Value) (*picture.Number, *Error) {
	last := &c.ev.number
	if last.parsed != nil && last.text == text && options.k != kObject {
		return last.parsed, nil
	}
	if err := c.ev.work(len(text)); err != nil {
		return nil, err
	}
	parsed, err := picture.ParseNumber(text, symbols(options))
	if err != nil {
		return nil, pictureError(err)
	}
	if options.k != kObject {
		*last = numberPicture{text, parsed}
	}
	return parsed, nil
}

const (
	longestPicture = 10_000
	longestWritten = 100_000 // of what is parsed by a picture
)

// legible bounds a picture and what is parsed by it: how long that takes grows with both.
func legible(picture, written Value) *Error {
	if picture.n > longestPicture {
		return limitError("U1003", "a picture is longer than %d bytes", longestPicture)
	}
	if written.n > longestWritten {
		return limitError("U1003", "what a picture is to parse is longer than %d bytes", longestWritten)
	}
	return nil
}

// symbols are the default ones with those of the options in their place. What isn't text doesn't count, nor empty text for what has to be found in
// the picture.
func symbols(options Value) picture.Symbols {
	sym := picture.DefaultSymbols()
	if options.k != kObject {
		return sym
	}
	for name, at := range map[string]*string{"decimal-separator": &sym.Decimal, "grouping-separator": &sym.Grouping,
		"exponent-separator": &sym.Exponent, "infinity": &sym.Infinity, "minus-sign": &sym.Minus, "NaN": &sym.NaN,
		"percent": &sym.Percent, "per-mille": &sym.PerMille, "zero-digit": &sym.Zero, "digit": &sym.Digit,
		"pattern-separator": &sym.Pattern} {
		mayBeEmpty := at == &sym.Minus || at == &sym.Infinity || at == &sym.NaN
		if v := options.object().get(name); v.k == kString && (v.n > 0 || mayBeEmpty) {
			*at = v.str()
		}
	}
	return sym
}

// textOf turns the result of a picture function into ours.
func textOf(s string, err error) (Value, *Error) {
	if err != nil {
		return Value{}, pictureError(err)
	}
	return text(s), nil
}

func pictureError(err error) *Error {
	if e, ok := err.(*picture.Error); ok { //nolint:errorlint // the package returns it bare
		v, _ := fromAny(e.Value, 0)
		if e.Value == nil {
			v = Value{}
		}
		return fail(e.Code, v)
	}
	return limitError("D3132", "%v", err)
}

func fnFormatBase(_ *call, args []Value) (Value, *Error) {
	if args[0].k != kNumber {
		return Value{}, nil
	}
	radix := 10.0
	if args[1].k == kNumber {
		radix = roundHalfEven(args[1].num(), 0)
	}
	if !(radix >= 2 && radix <= 36) {
		return Value{}, fail("D3100", args[1])
	}
	f := roundHalfEven(args[0].num(), 0)
	if radix == 10 || !isFinite(f) {
		return text(formatNumber(f)), nil
	}
	return text(formatRadix(f, int(radix))), nil
}

// formatRadix writes an integer of any size.
func formatRadix(f float64, radix int) string {
	if math.Abs(f) < 1<<53 {
		return strconv.FormatInt(int64(f), radix)
	}
	sign := ""
	if f < 0 {
		sign, f = "-", -f
	}
	var digits []byte
	for f/float64(radix) >= 1<<53 { // digits beyond the precision are zeros, as in V8
		digits = append(digits, '0')
		f /= float64(radix)
	}
	for f > 0 {
		rest := math.Mod(f, float64(radix))
		digits = append(digits, "0123456789abcdefghijklmnopqrstuvwxyz"[int(rest)])
		f = (f - rest) / float64(radix)
	}
	reverse(digits)
	return sign + string(digits)
}

func fnFormatInteger(_ *call, args []Value) (Value, *Error) {
	if args[0].k != kNumber {
		return Value{}, nil
	}
	if args[1].k != kString {
		return Value{}, fail("D3130", Value{})
	}
	if err := legible(args[1], Value{}); err != nil {
		return Value{}, err
	}
	return textOf(picture.FormatInteger(args[0].num(), args[1].str()))
}

func fnParseInteger(_ *call, args []Value) (Value, *Error) {
	if args[0].k != kString {
		return Value{}, nil
	}
	if args[1].k != kString {
		return Value{}, fail("D3130", Value{})
	}
	if err := legible(args[1], args[0]); err != nil {
		return Value{}, err
	}
	f, err := picture.ParseInteger(args[0].str(), args[1].str())
	if err != nil {
		return Value{}, pictureError(err)
	}
	return number(f), nil
}
