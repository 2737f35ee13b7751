package jsonata

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// fnBase64Encode encodes the low byte of every UTF-16 unit, as the reference does.
func fnBase64Encode(c *call, args []Value) (Value, *Error) {
	if args[0].k != kString {
		return Value{}, nil
	}
	s := args[0].str()
	raw := []byte(s)
	if !isASCII(s) {
		raw = raw[:0]
		for _, u := range toUTF16(s) {
			raw = append(raw, byte(u))
		}
	}
	return c.made(base64.StdEncoding.EncodeToString(raw))
}

// fnBase64Decode gives one character for every byte. It is as lenient as Node's decoder.
func fnBase64Decode(c *call, args []Value) (Value, *Error) {
	if args[0].k != kString {
		return Value{}, nil
	}
	var digits []byte
decode:
	for _, u := range toUTF16(args[0].str()) {
		ch := byte(u) // Node looks at the low byte only
		switch {
		case ch == '=':
			break decode
		case ch == '-':
			ch = '+'
		case ch == '_':
			ch = '/'
		}
		if ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch >= '0' && ch <= '9' || ch == '+' || ch == '/' {
			digits = append(digits, ch)
		}
	}
	if len(digits)%4 == 1 {
		digits = digits[:len(digits)-1]
	}
	raw := make([]byte, base64.RawStdEncoding.DecodedLen(len(digits)))
	n, _ := base64.RawStdEncoding.Decode(raw, digits) // only digits are left
	out := make([]byte, 0, n)
	for _, b := range raw[:n] {
		out = utf8.AppendRune(out, rune(b))
	}
	return c.made(string(out))
}

// Characters that encodeURIComponent and encodeURI leave alone (ECMA-262 19.2.6).
const (
	unescapedComponent = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()"
	reservedURI        = ";/?:@&=+$,#"
)

func fnEncodeComponent(c *call, args []Value) (Value, *Error) {
	return c.percentEncode(args[0], unescapedComponent)
}

func fnEncodeURL(c *call, args []Value) (Value, *Error) {
	return c.percentEncode(args[0], unescapedComponent+reservedURI)
}

func (c *call) percentEncode(v Value, safe string) (Value, *Error) {
	if v.k != kString {
		return Value{}, nil
	}
	s := v.str()
	if !wellFormed(s) {
		return Value{}, failToken("D3140", c.fn.name, v)
	}
	const upperHex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		if strings.IndexByte(safe, s[i]) >= 0 {
			b = append(b, s[i])
			continue
		}
		b = append(b, '%', upperHex[s[i]>>4], upperHex[s[i]&15])
	}
	return c.made(string(b))
}

func fnDecodeComponent(c *call, args []Value) (Value, *Error) { return c.percentDecode(args[0], "") }

func fnDecodeURL(c *call, args []Value) (Value, *Error) { return c.percentDecode(args[0], reservedURI) }

// percentDecode decodes all but the escapes of the characters in keep.
func (c *call) percentDecode(v Value, keep string) (Value, *Error) {
	if v.k != kString {
		return Value{}, nil
	}
	s := v.str()
	bad := failToken("D3140", c.fn.name, v)
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if s[i] != '%' {
			out = append(out, s[i])
			i++
			continue
		}
		var char []byte
		start := i
		for {
			b, ok := hexByte(s, i)
			if !ok {
				return Value{}, bad
			}
			char = append(char, b)
			i += 3
			if utf8.FullRune(char) || len(char) == utf8.UTFMax {
				break
			}
		}
		r, _ := utf8.DecodeRune(char)
		switch {
		case r == utf8.RuneError && string(char) != "\ufffd" || len(char) != utf8.RuneLen(r):
			return Value{}, bad
		case r < utf8.RuneSelf && strings.IndexByte(keep, byte(r)) >= 0:
			out = append(out, s[start:i]...)
		default:
			out = append(out, char...)
		}
	}
	return c.made(string(out))
}

// hexByte reads the escape %XX at i.
func hexByte(s string, i int) (byte, bool) {
	if i+3 > len(s) || s[i] != '%' {
		return 0, false
	}
	hi, lo := strings.IndexByte("0123456789abcdef", s[i+1]|0x20), strings.IndexByte("0123456789abcdef", s[i+2]|0x20)
	return byte(hi<<4 | lo), hi >= 0 && lo >= 0
}
