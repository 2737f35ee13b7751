package picture

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Symbols are the characters that number pictures are made of. Only the first character of all but Infinity, NaN,
// minus, percent and per-mille is meant to count.
type Symbols struct {
	Decimal, Grouping, Exponent, Infinity, Minus, NaN, Percent, PerMille, Zero, Digit, Pattern string
}

// DefaultSymbols are those of XPath's default decimal format.
func DefaultSymbols() Symbols {
	return Symbols{Decimal: ".", Grouping: ",", Exponent: "e", Infinity: "Infinity", Minus: "-", NaN: "NaN", Percent: "%",
		PerMille: "\u2030", Zero: "0", Digit: "#", Pattern: ";"}
}

// part is one of the two sub-pictures.
type part struct {
	text, prefix, suffix       string
	active, mantissa, exponent string
	integer, fraction          string
	hasExponent                bool
	integerGroups, fracGroups  []int
	regular                    int
	minInt, minFrac, maxFrac   int
	minExp, scale              int
}

// Number is an analysed number picture.
type Number struct {
	Symbols
	family             []rune
	positive, negative *part
}

// ParseNumber analyses a number picture, as fn:format-number takes it.
func ParseNumber(picture string, sym Symbols) (*Number, error) {
	p := &Number{Symbols: sym}
	zero, _ := utf8.DecodeRuneInString(sym.Zero + "0")
	for i := range rune(10) {
		p.family = append(p.family, zero+i)
	}
	texts := strings.Split(picture, sym.Pattern)
	if len(texts) > 2 {
		return nil, &Error{Code: "D3080"}
	}
	for _, t := range texts {
		s := p.split(t)
		if code := p.validate(s); code != "" {
			return nil, &Error{Code: code}
		}
		p.analyse(s)
		if p.positive == nil {
			p.positive = s
		}
		p.negative = s
	}
	if len(texts) == 1 {
		negative := *p.positive
		negative.prefix = sym.Minus + negative.prefix
		p.negative = &negative
	}
	return p, nil
}

// Format formats v. round rounds half to even at a number of decimals.
func (p *Number) Format(v float64, round func(float64, int) float64) string {
	if v >= 0 {
		return p.render(v, p.positive, round)
	}
	return p.render(v, p.negative, round)
}

func (p *Number) isDigit(c rune) bool { return c >= p.family[0] && c <= p.family[9] }

func firstOf(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// isActive tells the characters with a meaning from the passive ones of prefix and suffix.
func (p *Number) isActive(c string) bool {
	return p.isDigit(firstOf(c)) || c == p.Decimal || c == p.Exponent || c == p.Grouping || c == p.Digit || c == p.Pattern
}

func (p *Number) split(text string) *part {
	s := &part{text: text}
	chars := strings.Split(text, "")
	body := func(c string) bool { return p.isActive(c) && c != p.Exponent }
	from, to := 0, len(chars)
	for from < len(chars) && !body(chars[from]) {
		from++
	}
	if from == len(chars) { // nothing active: prefix and suffix both stay open
		from, to = 0, len(chars)
	} else {
		for to > 0 && !body(chars[to-1]) {
			to--
		}
	}
	s.prefix, s.suffix = strings.Join(chars[:from], ""), strings.Join(chars[to:], "")
	s.active = strings.Join(chars[from:to], "")
	s.mantissa = s.active
	// The reference looks for the exponent in the whole text, but cuts the active part at that offset.
	if at := strings.Index(text[len(s.prefix):], p.Exponent); at >= 0 {
		at += len(s.prefix)
		if at <= len(text)-len(s.suffix) {
			units := lengthUTF16(text[:at])
			cut := unitOffset(s.active, units)
			s.mantissa = s.active[:cut]
			s.exponent = s.active[unitOffset(s.active, units+1):]
			s.hasExponent = true
		}
	}
	if at := strings.Index(s.mantissa, p.Decimal); at >= 0 {
		s.integer, s.fraction = s.mantissa[:at], s.mantissa[at+len(p.Decimal):]
	} else {
		s.integer, s.fraction = s.mantissa, s.suffix
	}
	return s
}

// lengthUTF16 is the length of s as JavaScript counts it.
func lengthUTF16(s string) int { return len(utf16.Encode([]rune(s))) }

// unitOffset is the byte offset of a number of UTF-16 units, the length of s if it has fewer.
func unitOffset(s string, n int) int {
	for i, r := range s {
		if n <= 0 {
			return i
		}
		n -= max(1, utf16.RuneLen(r))
	}
	return len(s)
}

// validate returns the code of the last rule that is broken, as the reference checks them all in this order.
func (p *Number) validate(s *part) (code string) {
	count := func(sym string) int { return strings.Count(s.text, sym) }
	if count(p.Decimal) > 1 {
		code = "D3081"
	}
	if count(p.Percent) > 1 {
		code = "D3082"
	}
	if count(p.PerMille) > 1 {
		code = "D3083"
	}
	if count(p.Percent) > 0 && count(p.PerMille) > 0 {
		code = "D3084"
	}
	if p.digits(s.mantissa, true) == 0 {
		code = "D3085"
	}
	for _, c := range strings.Split(s.active, "") {
		if c != "" && !p.isActive(c) {
			code = "D3086"
		}
	}
	if at := strings.Index(s.text, p.Decimal); at >= 0 {
		if strings.HasSuffix(s.text[:at], p.Grouping) || strings.HasPrefix(s.text[at+len(p.Decimal):], p.Grouping) {
			code = "D3087"
		}
	} else if strings.HasSuffix(s.integer, p.Grouping) {
		code = "D3088"
	}
	if strings.Contains(s.text, p.Grouping+p.Grouping) {
		code = "D3089"
	}
	if at := strings.Index(s.integer, p.Digit); at >= 0 && p.digits(s.integer[:at], false) > 0 {
		code = "D3090"
	}
	if at := strings.LastIndex(s.fraction, p.Digit); at >= 0 && p.digits(s.fraction[at:], false) > 0 {
		code = "D3091"
	}
	if s.hasExponent {
		if s.exponent != "" && (count(p.Percent) > 0 || count(p.PerMille) > 0) {
			code = "D3092"
		}
		if s.exponent == "" || p.digits(s.exponent, false) != len([]rune(s.exponent)) {
			code = "D3093"
		}
	}
	return code
}

// digits counts the mandatory digits of text, and with optional also the optional ones.
func (p *Number) digits(text string, optional bool) int {
	n := 0
	for _, c := range text {
		if p.isDigit(c) || optional && string(c) == p.Digit {
			n++
		}
	}
	return n
}

func (p *Number) analyse(s *part) {
	s.integerGroups = p.groups(s.integer, s.integer, false)
	s.regular = regularPositions(s.integerGroups)
	s.fracGroups = p.groups(s.fraction, s.integer, true)
	s.minInt = p.digits(s.integer, false)
	s.scale = s.minInt
	s.minFrac, s.maxFrac = p.digits(s.fraction, false), p.digits(s.fraction, true)
	if s.minInt == 0 && s.maxFrac == 0 {
		if s.hasExponent {
			s.minFrac, s.maxFrac = 1, 1
		} else {
			s.minInt = 1
		}
	}
	if s.hasExponent && s.minInt == 0 && strings.Contains(s.integer, p.Digit) {
		s.minInt = 1
	}
	if s.minInt == 0 && s.minFrac == 0 {
		s.minFrac = 1
	}
	s.minExp = p.digits(s.exponent, false)
}

// groups lists where separators stand, in digits from the decimal point. The reference looks for all but the first
// separator in the integer part, also those of the fraction.
func (p *Number) groups(text, again string, left bool) []int {
	var at []int
	for i := strings.Index(text, p.Grouping); i >= 0; {
		side := text[min(i, len(text)):]
		if left {
			side = text[:min(i, len(text))]
		}
		at = append(at, p.digits(side, true))
		from := i + len(p.Grouping)
		if from > len(again) {
			break
		}
		if i = strings.Index(again[from:], p.Grouping); i >= 0 {
			i += from
		}
	}
	return at
}

func regularPositions(at []int) int {
	var seps []separator
	for _, a := range at {
		seps = append(seps, separator{a, ","})
	}
	return regularDistance(seps)
}

func (p *Number) render(v float64, s *part, round func(float64, int) float64) string {
	switch {
	case strings.Contains(s.text, p.Percent):
		v *= 100
	case strings.Contains(s.text, p.PerMille):
		v *= 1000
	}
	exponent := 0
	if s.hasExponent {
		v, exponent = scaled(v, s.scale)
	}
	digits := []rune(p.fixed(round(v, s.maxFrac), s.maxFrac))
	decimal, _ := utf8.DecodeRuneInString(p.Decimal)
	out := p.pad(digits, decimal, s)
	text := string(out)
	if n := len(out); n > 0 && (!strings.Contains(s.text, p.Decimal) || out[n-1] == decimal) {
		text = string(out[:len(out)-1])
	}
	if s.hasExponent {
		e := p.fixed(float64(exponent), 0)
		e = strings.Repeat(string(p.family[0]), max(0, s.minExp-len([]rune(e)))) + e
		if exponent < 0 {
			e = p.Minus + e
		}
		text += p.Exponent + e
	}
	return s.prefix + text + s.suffix
}

// scaled brings the mantissa between 10^(scale-1) and 10^scale.
func scaled(v float64, scale int) (float64, int) {
	most, least := math.Pow(10, float64(scale)), math.Pow(10, float64(scale-1))
	exponent := 0
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return v, 0
	}
	for math.Abs(v) < least {
		v *= 10
		exponent--
	}
	for math.Abs(v) > most {
		v /= 10
		exponent++
	}
	return v, exponent
}

// fixed is |v| with n decimals, in the picture's digits.
func (p *Number) fixed(v float64, n int) string {
	v = math.Abs(v)
	var s string
	switch {
	case v >= 1e21 || math.IsNaN(v) || math.IsInf(v, 0):
		s = jsNumber(v)
	default:
		s = strconv.FormatFloat(v, 'f', n, 64)
	}
	if p.family[0] == '0' {
		return s
	}
	return strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return p.family[c-'0']
		}
		return c
	}, s)
}

// pad brings integer and fraction to their sizes and puts the grouping separators in.
func (p *Number) pad(digits []rune, decimal rune, s *part) []rune {
	point := -1
	for i, c := range digits {
		if c == '.' {
			digits[i], point = decimal, i
			break
		}
	}
	if point < 0 {
		digits = append(digits, decimal)
	}
	zero := p.family[0]
	for len(digits) > 0 && digits[0] == zero {
		digits = digits[1:]
	}
	for len(digits) > 0 && digits[len(digits)-1] == zero {
		digits = digits[:len(digits)-1]
	}
	point = indexRune(digits, decimal)
	left, right := max(0, s.minInt-point), max(0, s.minFrac-(len(digits)-point-1))
	digits = append([]rune(strings.Repeat(string(zero), left)), digits...)
	digits = append(digits, []rune(strings.Repeat(string(zero), right))...)
	point = indexRune(digits, decimal)
	if s.regular > 0 {
		for g := 1; g <= (point-1)/s.regular; g++ {
			digits = insert(digits, point-g*s.regular, p.Grouping)
		}
	} else {
		for _, at := range s.integerGroups {
			digits = slice(digits, point-at, p.Grouping)
			point++
		}
	}
	point = indexRune(digits, decimal)
	for _, at := range s.fracGroups {
		digits = slice(digits, at+point+1, p.Grouping)
	}
	return digits
}

// slice puts s before position at; a negative one counts from the end, as in the reference.
func slice(digits []rune, at int, s string) []rune {
	if at < 0 {
		at += len(digits)
	}
	at = min(max(at, 0), len(digits))
	out := append([]rune(nil), digits[:at]...)
	return append(append(out, []rune(s)...), digits[at:]...)
}

func indexRune(s []rune, c rune) int {
	for i, r := range s {
		if r == c {
			return i
		}
	}
	return -1
}
