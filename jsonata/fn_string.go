package jsonata

import (
	"math"
	"strings"
	"unicode"
)

var stringFunctions = []builtin{
	{"string", "<x-b?:s>", 1, fnString},
	{"substring", "<s-nn?:s>", 3, fnSubstring},
	{"substringBefore", "<s-s:s>", 2, fnSubstringBefore},
	{"substringAfter", "<s-s:s>", 2, fnSubstringAfter},
	{"lowercase", "<s-:s>", 1, fnLowercase},
	{"uppercase", "<s-:s>", 1, fnUppercase},
	{"length", "<s-:n>", 1, fnLength},
	{"trim", "<s-:s>", 1, fnTrim},
	{"pad", "<s-ns?:s>", 3, fnPad},
	{"match", "<s-f<s:o>n?:a<o>>", 3, fnMatch},
	{"contains", "<s-(sf):b>", 2, fnContains},
	{"replace", "<s-(sf)(sf)n?:s>", 4, fnReplace},
	{"split", "<s-(sf)n?:a<s>>", 3, fnSplit},
	{"join", "<a<s>s?:s>", 2, fnJoin},
	{"base64encode", "<s-:s>", 1, fnBase64Encode},
	{"base64decode", "<s-:s>", 1, fnBase64Decode},
	{"encodeUrlComponent", "<s-:s>", 1, fnEncodeComponent},
	{"encodeUrl", "<s-:s>", 1, fnEncodeURL},
	{"decodeUrlComponent", "<s-:s>", 1, fnDecodeComponent},
	{"decodeUrl", "<s-:s>", 1, fnDecodeURL},
}

// made charges the string that a function has built.
func (c *call) made(s string) (Value, *Error) {
	if err := c.ev.charge(len(s)); err != nil {
		return Value{}, err
	}
	return text(s), c.ev.work(len(s) / 64)
}

func fnString(c *call, args []Value) (Value, *Error) {
	v := args[0]
	if v.k == kUndefined || v.k == kString {
		return v, nil
	}
	base := len(c.ev.text)
	defer func() { c.ev.text = c.ev.text[:base] }()
	b, err := c.ev.stringify(c.ev.text, v, len(args) > 1 && args[1].isTrue())
	if err != nil {
		return Value{}, err
	}
	c.ev.text = b
	return c.ev.takeText(base)
}

func fnSubstring(_ *call, args []Value) (Value, *Error) {
	if args[0].k != kString {
		return Value{}, nil
	}
	s := args[0].str()
	n := float64(runeLen(s))
	start, end := math.NaN(), n // a missing start is no number
	if args[1].k == kNumber {
		start = args[1].num()
	}
	if n+start < 0 {
		start = 0
	}
	if args[2].k == kNumber {
		length := args[2].num()
		if length <= 0 {
			return emptyText, nil
		}
		end = start + length
		if !(start >= 0) {
			end = n + start + length
		}
	}
	from, to := sliceIndex(start, n), sliceIndex(end, n)
	if from >= to {
		return emptyText, nil
	}
	if isASCII(s) {
		return text(s[from:to]), nil
	}
	i := runeOffset(s, from)
	return text(s[i : i+runeOffset(s[i:], to-from)]), nil
}

// sliceIndex is an index as Array.prototype.slice takes it.
func sliceIndex(f, n float64) int {
	if f = math.Trunc(f); f < 0 {
		f = max(0, f+n)
	}
	if !(f <= n) {
		if f != f {
			return 0
		}
		f = n
	}
	return int(f)
}

func fnSubstringBefore(_ *call, args []Value) (Value, *Error) {
	if args[0].k != kString || args[1].k != kString {
		return args[0], nil
	}
	if i := strings.Index(args[0].str(), args[1].str()); i >= 0 {
		return text(args[0].str()[:i]), nil
	}
	return args[0], nil
}

func fnSubstringAfter(_ *call, args []Value) (Value, *Error) {
	if args[0].k != kString || args[1].k != kString {
		return args[0], nil
	}
	if i := strings.Index(args[0].str(), args[1].str()); i >= 0 {
		return text(args[0].str()[i+len(args[1].str()):]), nil
	}
	return args[0], nil
}

func fnLowercase(c *call, args []Value) (Value, *Error) {
	if args[0].k != kString {
		return Value{}, nil
	}
	return c.made(toLower(args[0].str()))
}

// toLower is JavaScript's toLowerCase: the dotted I has two characters, and sigma at the end of a word its own form.
func toLower(s string) string {
	if isASCII(s) || !strings.ContainsAny(s, "\u0130\u03a3") {
		return mapCase(s, unicode.ToLower, nil)
	}
	rs := []rune(s)
	var b strings.Builder
	for i, r := range rs {
		switch {
		case r == 0x130:
			b.WriteString("i\u0307")
		case r == 0x3A3 && i > 0 && unicode.IsLetter(rs[i-1]) && (i+1 == len(rs) || !unicode.IsLetter(rs[i+1])):
			b.WriteRune(0x3C2)
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// specialUpper lists letters whose upper case has several characters.
var specialUpper = map[rune]string{0xDF: "SS", 0x149: "\u02bcN", 0x1F0: "J\u030c", 0x390: "\u0399\u0308\u0301", 0x3B0: "\u03a5\u0308\u0301",
	0x587: "\u0535\u0552", 0x1E96: "H\u0331", 0x1E97: "T\u0308", 0x1E98: "W\u030a", 0x1E99: "Y\u030a", 0x1E9A: "A\u02be",
	0xFB00: "FF", 0xFB01: "FI", 0xFB02: "FL", 0xFB03: "FFI", 0xFB04: "FFL", 0xFB05: "ST", 0xFB06: "ST"}

func fnUppercase(c *call, args []Value) (Value, *Error) {
	if args[0].k != kString {
		return Value{}, nil
	}
	return c.made(mapCase(args[0].str(), unicode.ToUpper, specialUpper))
}

// mapCase maps every character, leaving lone surrogates as they are.
func mapCase(s string, f func(rune) rune, special map[rune]string) string {
	var b []byte
	for i := 0; i < len(s); {
		r, n := decode(s[i:])
		if long, ok := special[r]; ok {
			b = append(b, long...)
		} else {
			b = encode(b, f(r))
		}
		i += n
	}
	return string(b)
}

func fnLength(_ *call, args []Value) (Value, *Error) {
	if args[0].k != kString {
		return Value{}, nil
	}
	return number(float64(runeLen(args[0].str()))), nil
}

func fnTrim(c *call, args []Value) (Value, *Error) {
	if args[0].k != kString {
		return Value{}, nil
	}
	s := args[0].str()
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		switch ch := s[i]; ch {
		case ' ', '\t', '\n', '\r':
			if n := len(b); n > 0 && b[n-1] != ' ' {
				b = append(b, ' ')
			}
		default:
			b = append(b, ch)
		}
	}
	if n := len(b); n > 0 && b[n-1] == ' ' {
		b = b[:n-1]
	}
	return c.made(string(b))
}

func fnPad(c *call, args []Value) (Value, *Error) {
	if args[0].k != kString {
		return Value{}, nil
	}
	s, with, width := args[0].str(), " ", 0.0
	if args[1].k == kNumber {
		width = args[1].num()
	}
	if args[2].k == kString && args[2].n > 0 {
		with = args[2].str()
	}
	n := math.Floor(math.Abs(width) - float64(runeLen(s)))
	if !(n > 0) {
		return args[0], nil
	}
	if n > float64(c.ev.memory) {
		return Value{}, c.ev.roomFor(math.MaxInt)
	}
	unit := runeLen(with)
	if err := c.ev.roomFor((int(n)/unit + 1) * len(with)); err != nil {
		return Value{}, err
	}
	fill := strings.Repeat(with, int(n)/unit+1)
	fill = fill[:runeOffset(fill, int(n))]
	if width > 0 {
		return c.made(s + fill)
	}
	return c.made(fill + s)
}

func fnJoin(c *call, args []Value) (Value, *Error) {
	if args[0].k != kArray {
		return Value{}, nil
	}
	sep := ""
	if args[1].k == kString {
		sep = args[1].str()
	}
	a, size := args[0].array(), 0
	for i := range a.items {
		size += len(a.items[i].str()) + len(sep)
	}
	if err := c.ev.roomFor(size); err != nil {
		return Value{}, err
	}
	var b strings.Builder
	b.Grow(size)
	for i := range a.items {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(a.items[i].str())
	}
	return c.made(mendSurrogates(b.String()))
}
