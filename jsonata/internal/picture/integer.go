// Package picture formats and parses numbers, dates and times by the picture strings of XPath and XQuery Functions 3.1
// (section 4.6, 4.7 and 9.8) in the way JSONata's reference implementation does.
package picture

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Error carries the reference's error code and the value at fault.
type Error struct {
	Code  string
	Value any
}

func (e *Error) Error() string { return e.Code }

type primary uint8

const (
	decimal primary = iota
	letters
	roman
	words
	sequence
)

type letterCase uint8

const (
	lower letterCase = iota
	upper
	title
)

type separator struct {
	position int
	char     string
}

// integerFormat is an analysed integer picture.
type integerFormat struct {
	primary    primary
	letterCase letterCase
	ordinal    bool
	token      string // of a sequence
	zero       rune
	mandatory  int
	optional   int
	regular    int // distance of regular grouping separators, 0 if irregular
	separators []separator
	parseWidth int // exact number of digits when parsing, 0 for any
}

// digitFamilies are the zeros of the decimal digit families.
var digitFamilies = []rune{0x30, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
	0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40,
	0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10}

func analyseInteger(picture string) (*integerFormat, error) {
	f := &integerFormat{}
	main := picture
	if i := strings.LastIndexByte(picture, ';'); i >= 0 {
		main = picture[:i]
		f.ordinal = strings.HasPrefix(picture[i+1:], "o")
	}
	switch main {
	case "A":
		f.primary, f.letterCase = letters, upper
	case "a":
		f.primary = letters
	case "I":
		f.primary, f.letterCase = roman, upper
	case "i":
		f.primary = roman
	case "W":
		f.primary, f.letterCase = words, upper
	case "Ww":
		f.primary, f.letterCase = words, title
	case "w":
		f.primary = words
	default:
		return f, f.digits(main)
	}
	return f, nil
}

// digits analyses a decimal digit pattern, from right to left.
func (f *integerFormat) digits(main string) error {
	chars := []rune(main)
	position := 0
	for i := len(chars) - 1; i >= 0; i-- {
		c := chars[i]
		zero := zeroOf(c)
		switch {
		case zero != 0:
			f.mandatory++
			position++
			if f.zero == 0 {
				f.zero = zero
			} else if f.zero != zero {
				return &Error{Code: "D3131"}
			}
		case c == '#':
			position++
			f.optional++
		default:
			f.separators = append(f.separators, separator{position, string(c)})
		}
	}
	if f.mandatory == 0 {
		f.primary, f.token = sequence, main
		return nil
	}
	f.regular = regularDistance(f.separators)
	return nil
}

func zeroOf(c rune) rune {
	for _, zero := range digitFamilies {
		if c >= zero && c <= zero+9 {
			return zero
		}
	}
	return 0
}

// regularDistance is the distance of the separators if they are all alike and evenly spaced, else 0.
func regularDistance(seps []separator) int {
	if len(seps) == 0 {
		return 0
	}
	factor := 0
	at := map[int]bool{}
	for _, s := range seps {
		if s.char != seps[0].char {
			return 0
		}
		factor = gcd(factor, s.position)
		at[s.position] = true
	}
	for i := 1; i <= len(seps); i++ {
		if !at[i*factor] {
			return 0
		}
	}
	return factor
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// FormatInteger formats the integer part of f, as fn:format-integer.
func FormatInteger(f float64, picture string) (string, error) {
	format, err := analyseInteger(picture)
	if err != nil {
		return "", err
	}
	return format.format(math.Floor(f))
}

// largestRoman bounds the length of Roman numerals, which have no sign beyond M.
const largestRoman = 10_000_000

func (f *integerFormat) format(v float64) (string, error) {
	negative := v < 0
	v = math.Abs(v)
	var s string
	switch f.primary {
	case letters:
		s = toLetters(v, f.letterCase)
	case roman:
		if v > largestRoman {
			return "", &Error{Code: "D3130", Value: "roman"}
		}
		s = toRoman(int(v))
		if f.letterCase == upper {
			s = strings.ToUpper(s)
		}
	case words:
		s = toWords(v, false, f.ordinal)
		switch f.letterCase {
		case upper:
			s = strings.ToUpper(s)
		case lower:
			s = strings.ToLower(s)
		}
	case decimal:
		s = f.decimal(v)
	default:
		return "", &Error{Code: "D3130", Value: f.token}
	}
	if negative {
		s = "-" + s
	}
	return s, nil
}

func (f *integerFormat) decimal(v float64) string {
	plain := jsNumber(v)
	digits := []rune(strings.Repeat("0", max(0, f.mandatory-len(plain))) + plain)
	if f.zero != '0' {
		for i, d := range digits { // also what isn't a digit, as in the reference
			digits[i] = d - '0' + f.zero
		}
	}
	if f.regular > 0 {
		for n := (len(digits) - 1) / f.regular; n > 0; n-- {
			digits = insert(digits, len(digits)-n*f.regular, f.separators[0].char)
		}
	} else {
		for i := len(f.separators) - 1; i >= 0; i-- {
			digits = insert(digits, len(digits)-f.separators[i].position, f.separators[i].char)
		}
	}
	s := string(digits)
	if f.ordinal {
		s += ordinalSuffix(digits)
	}
	return s
}

// insert puts s before position at; a position left of the text takes as many characters from its end, as the
// reference does.
func insert(digits []rune, at int, s string) []rune {
	tail := at
	if at < 0 {
		tail, at = max(0, len(digits)+at), 0
	}
	out := append([]rune(nil), digits[:min(at, len(digits))]...)
	out = append(out, []rune(s)...)
	return append(out, digits[min(tail, len(digits)):]...)
}

func ordinalSuffix(digits []rune) string {
	n := len(digits)
	if n > 1 && digits[n-2] == '1' {
		return "th"
	}
	switch digits[n-1] {
	case '1':
		return "st"
	case '2':
		return "nd"
	case '3':
		return "rd"
	}
	return "th"
}

// jsNumber prints an integer as JavaScript does.
func jsNumber(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 0):
		return "Infinity"
	case math.Abs(v) < 1e21:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strings.Replace(strconv.FormatFloat(v, 'e', -1, 64), "e+0", "e+", 1)
}

func toLetters(v float64, c letterCase) string {
	first := byte('a')
	if c == upper {
		first = 'A'
	}
	var out []byte
	for v > 0 && !math.IsInf(v, 0) {
		out = append(out, first+byte(math.Mod(v-1, 26)))
		v = math.Floor((v - 1) / 26)
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return string(out)
}

func fromLetters(s string, c letterCase) float64 {
	first := 'a'
	if c == upper {
		first = 'A'
	}
	v, units := 0.0, utf16.Encode([]rune(s))
	for i, u := range units {
		v += float64(rune(u)-first+1) * math.Pow(26, float64(len(units)-1-i))
	}
	return v
}

var romans = []struct {
	value  int
	letter string
}{{1000, "m"}, {900, "cm"}, {500, "d"}, {400, "cd"}, {100, "c"}, {90, "xc"}, {50, "l"}, {40, "xl"}, {10, "x"}, {9, "ix"}, {5, "v"},
	{4, "iv"}, {1, "i"}}

func toRoman(v int) string {
	var b strings.Builder
	for _, r := range romans {
		for ; v >= r.value; v -= r.value {
			b.WriteString(r.letter)
		}
	}
	return b.String()
}

var romanValues = map[byte]float64{'M': 1000, 'D': 500, 'C': 100, 'L': 50, 'X': 10, 'V': 5, 'I': 1}

func fromRoman(s string) float64 {
	total, most := 0.0, 1.0
	for i := len(s) - 1; i >= 0; i-- {
		v, ok := romanValues[s[i]]
		switch {
		case !ok:
			return math.NaN()
		case v < most:
			total -= v
		default:
			most = v
			total += v
		}
	}
	return total
}

// ParseInteger is the inverse of FormatInteger. Text that doesn't fit gives NaN.
func ParseInteger(s, picture string) (float64, error) {
	f, err := analyseInteger(picture)
	if err != nil {
		return 0, err
	}
	if f.primary == sequence {
		return 0, &Error{Code: "D3130", Value: f.token}
	}
	return f.parse(s), nil
}

func (f *integerFormat) parse(s string) float64 {
	switch f.primary {
	case letters:
		return fromLetters(s, f.letterCase)
	case roman:
		if f.letterCase != upper {
			s = strings.ToUpper(s)
		}
		return fromRoman(s)
	case words:
		return fromWords(strings.ToLower(s))
	}
	if f.ordinal {
		s = s[:unitOffset(s, lengthUTF16(s)-2)]
	}
	if f.regular > 0 {
		s = strings.ReplaceAll(s, ",", "")
	} else {
		for _, sep := range f.separators {
			s = strings.ReplaceAll(s, sep.char, "")
		}
	}
	if f.zero != '0' {
		s = strings.Map(func(r rune) rune {
			if r >= f.zero && r <= f.zero+9 {
				return r - f.zero + '0'
			}
			return r
		}, s)
	}
	return leadingInteger(s)
}

// leadingInteger is JavaScript's parseInt: the number that s starts with, NaN if none.
func leadingInteger(s string) float64 {
	s = strings.TrimLeft(s, " \t\n\r\v\f\u00a0\ufeff\u2028\u2029")
	end := 0
	if end < len(s) && (s[end] == '-' || s[end] == '+') {
		end++
	}
	first := end
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	if end == first {
		return math.NaN()
	}
	v, _ := strconv.ParseFloat(s[:end], 64)
	return v
}
