package jsonata

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Strings of the language are UTF-16 and may hold lone surrogates; here a lone surrogate is kept as the three bytes
// that UTF-8 would use for its number (WTF-8), so that every string survives.

// decode reads one code point of s, also a lone surrogate. Invalid bytes give U+FFFD.
func decode(s string) (rune, int) {
	if s[0] < utf8.RuneSelf {
		return rune(s[0]), 1
	}
	if s[0] == 0xED && len(s) >= 3 && s[1] >= 0xA0 && s[1] <= 0xBF && s[2]&0xC0 == 0x80 {
		return 0xD000 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), 3
	}
	return utf8.DecodeRuneInString(s)
}

// encode appends one code point, also a lone surrogate.
func encode(dst []byte, r rune) []byte {
	if utf16.IsSurrogate(r) {
		return append(dst, 0xED, 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	}
	return utf8.AppendRune(dst, r)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func toUTF16(s string) []uint16 {
	units := make([]uint16, 0, len(s))
	for len(s) > 0 {
		r, n := decode(s)
		s = s[n:]
		if r > 0xFFFF {
			hi, lo := utf16.EncodeRune(r)
			units = append(units, uint16(hi), uint16(lo))
			continue
		}
		units = append(units, uint16(r))
	}
	return units
}

func fromUTF16(units []uint16) string {
	b := make([]byte, 0, len(units))
	for i := 0; i < len(units); i++ {
		r := rune(units[i])
		if utf16.IsSurrogate(r) && i+1 < len(units) {
			if full := utf16.DecodeRune(r, rune(units[i+1])); full != utf8.RuneError {
				b = utf8.AppendRune(b, full)
				i++
				continue
			}
		}
		b = encode(b, r)
	}
	return string(b)
}

// lenUTF16 is the length of s as JavaScript counts it.
func lenUTF16(s string) int {
	n := 0
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c < utf8.RuneSelf:
			i++
		default:
			r, size := decode(s[i:])
			i += size
			if r > 0xFFFF {
				n++
			}
		}
		n++
	}
	return n
}

// runeLen is the number of code points of s.
func runeLen(s string) int {
	n := 0
	for i := 0; i < len(s); n++ {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		_, size := decode(s[i:])
		i += size
	}
	return n
}

// runeOffset is the byte offset of the n-th code point, len(s) if there are fewer.
func runeOffset(s string, n int) int {
	i := 0
	for ; n > 0 && i < len(s); n-- {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		_, size := decode(s[i:])
		i += size
	}
	return i
}

// wellFormed reports whether s has no lone surrogates.
func wellFormed(s string) bool { return utf8.ValidString(s) }

// compareStrings orders strings by their UTF-16 units, in which characters outside of the basic plane come before
// U+E000 and above.
func compareStrings(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0) {
			if x >= 0xF0 {
				return -1
			}
			return 1
		}
		if x < y {
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}

// mendSurrogates joins halves of a pair that a concatenation brought together.
func mendSurrogates(s string) string {
	at := strings.IndexByte(s, 0xED)
	if at < 0 {
		return s
	}
	var b []byte // what has been mended, up to done
	done := 0
	for at+6 <= len(s) {
		hi, n := decode(s[at:])
		if n == 3 && utf16.IsSurrogate(hi) {
			if lo, m := decode(s[at+3:]); m == 3 {
				if full := utf16.DecodeRune(hi, lo); full != utf8.RuneError {
					b = utf8.AppendRune(append(b, s[done:at]...), full)
					done, n = at+6, 6
				}
			}
		}
		next := strings.IndexByte(s[at+n:], 0xED)
		if next < 0 {
			break
		}
		at += n + next
	}
	if done == 0 {
		return s
	}
	return string(append(b, s[done:]...))
}
