package message

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
)

// depthMax bounds how deep arrays and objects may nest; encoding/json stops at 10,000 too.
const depthMax = 10_000

// Valid tells whether data is one JSON value and nothing else, and if not, where it breaks. Unlike json.Valid it's one pass in a plain
// loop: it runs for each message that a step emits.
func Valid(data []byte) error {
	end, err := skip(data, space(data, 0))
	if err != nil {
		return err
	}
	if end = space(data, end); end != len(data) {
		return unexpected(data, end, "the end")
	}
	return nil
}

// Kind names the type of a JSON value for an error message: "an object", "a number" and so on.
func Kind(value []byte) string {
	i := space(value, 0)
	if i == len(value) {
		return "nothing"
	}
	switch value[i] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// IsObject tells whether a valid JSON value is an object.
func IsObject(value []byte) bool {
	i := space(value, 0)
	return i < len(value) && value[i] == '{'
}

// members calls member with each member of the object that is data, values as they stand there.
func members(data []byte, member func(name, value []byte) error) error {
	i := space(data, 0)
	if i == len(data) || data[i] != '{' {
		return fmt.Errorf("expected an object, found %s", Kind(data))
	}
	i = space(data, i+1)
	if i < len(data) && data[i] == '}' {
		return atEnd(data, i+1)
	}
	for {
		name, end, err := key(data, i)
		if err != nil {
			return err
		}
		i = space(data, end)
		if i == len(data) || data[i] != ':' {
			return unexpected(data, i, "a colon")
		}
		i = space(data, i+1)
		if end, err = skip(data, i); err != nil {
			return err
		}
		if err := member(name, data[i:end:end]); err != nil {
			return err
		}
		i = space(data, end)
		if i < len(data) && data[i] == '}' {
			return atEnd(data, i+1)
		}
		if i == len(data) || data[i] != ',' {
			return unexpected(data, i, "a comma or the end of the object")
		}
		i = space(data, i+1)
	}
}

func atEnd(data []byte, i int) error {
	if i = space(data, i); i != len(data) {
		return unexpected(data, i, "the end")
	}
	return nil
}

// key reads the name of a member and tells where it ends.
func key(data []byte, i int) ([]byte, int, error) {
	if i == len(data) || data[i] != '"' {
		return nil, 0, unexpected(data, i, "a member name")
	}
	end, err := skipString(data, i)
	if err != nil {
		return nil, 0, err
	}
	quoted := data[i:end]
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], end, nil
	}
	var name string
	if err := json.Unmarshal(quoted, &name); err != nil {
		return nil, 0, err
	}
	return []byte(name), end, nil
}

func space(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

// skip returns the index after the value that starts at i. It keeps its own stack, so that no input can exhaust the goroutine's.
func skip(data []byte, i int) (int, error) {
	var buffer [64]byte
	stack := buffer[:0] // of '{' and '['
	for {
		if i == len(data) {
			return 0, errors.New("unexpected end of JSON")
		}
		var err error
		switch c := data[i]; {
		case c == '{' || c == '[':
			if len(stack) == depthMax {
				return 0, fmt.Errorf("nested deeper than %d at offset %d", depthMax, i)
			}
			i = space(data, i+1)
			if i < len(data) && data[i] == c+2 { // '}' is '{'+2 and ']' is '['+2
				i++
				break
			}
			stack = append(stack, c)
			if c == '{' {
				if i, err = skipKey(data, i); err != nil {
					return 0, err
				}
			}
			continue
		case c == '"':
			i, err = skipString(data, i)
		case c == '-' || c >= '0' && c <= '9':
			i, err = skipNumber(data, i)
		default:
			i, err = skipLiteral(data, i)
		}
		if err != nil {
			return 0, err
		}
		// A value has ended: close what ends with it, or go to the next.
		for {
			if len(stack) == 0 {
				return i, nil
			}
			open := stack[len(stack)-1]
			i = space(data, i)
			if i < len(data) && data[i] == open+2 {
				stack = stack[:len(stack)-1]
				i++
				continue
			}
			if i == len(data) || data[i] != ',' {
				return 0, unexpected(data, i, "a comma or the end of the "+map[byte]string{'{': "object", '[': "array"}[open])
			}
			i = space(data, i+1)
			if open == '{' {
				if i, err = skipKey(data, i); err != nil {
					return 0, err
				}
			}
			break
		}
	}
}

// skipKey skips a member name and its colon.
func skipKey(data []byte, i int) (int, error) {
	if i == len(data) || data[i] != '"' {
		return 0, unexpected(data, i, "a member name")
	}
	i, err := skipString(data, i)
	if err != nil {
		return 0, err
	}
	i = space(data, i)
	if i == len(data) || data[i] != ':' {
		return 0, unexpected(data, i, "a colon")
	}
	return space(data, i+1), nil
}

func skipString(data []byte, i int) (int, error) {
	for i++; ; i++ {
		i = plainEnd(data, i)
		if i >= len(data) {
			return 0, errors.New("unexpected end of JSON")
		}
		switch c := data[i]; {
		case c == '"':
			return i + 1, nil
		case c < ' ':
			return 0, unexpected(data, i, "no control character in a string")
		case c == '\\':
			i++
			if i == len(data) {
				return 0, errors.New("unexpected end of JSON")
			}
			switch data[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				for range 4 {
					i++
					if i == len(data) || !isHex(data[i]) {
						return 0, unexpected(data, i, "four hex digits")
					}
				}
			default:
				return 0, unexpected(data, i, "an escape")
			}
		}
	}
}

// plainEnd returns the index of the first byte from i on that means something inside a string: a quote, a backslash, a control character.
// It looks at eight bytes at a time: for each of the three a byte's top bit is set where it's found, and the lowest of them is right.
func plainEnd(data []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(data); i += 8 {
		x := binary.LittleEndian.Uint64(data[i:])
		quote, backslash := x^(ones*'"'), x^(ones*'\\')
		found := ((quote-ones)&^quote | (backslash-ones)&^backslash | (x-ones*' ')&^x) & tops
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(data) && data[i] != '"' && data[i] != '\\' && data[i] >= ' ' {
		i++
	}
	return i
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func skipNumber(data []byte, i int) (int, error) {
	if data[i] == '-' {
		i++
	}
	switch start := i; {
	case i < len(data) && data[i] == '0':
		i++
	default:
		if i = digits(data, i); i == start {
			return 0, unexpected(data, i, "a digit")
		}
	}
	if i < len(data) && data[i] == '.' {
		start := i + 1
		if i = digits(data, start); i == start {
			return 0, unexpected(data, i, "a digit")
		}
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		start := i
		if i = digits(data, start); i == start {
			return 0, unexpected(data, i, "a digit")
		}
	}
	return i, nil
}

func digits(data []byte, i int) int {
	for i < len(data) && data[i] >= '0' && data[i] <= '9' {
		i++
	}
	return i
}

func skipLiteral(data []byte, i int) (int, error) {
	for _, word := range [...]string{"true", "false", "null"} {
		if end := i + len(word); end <= len(data) && string(data[i:end]) == word {
			return end, nil
		}
	}
	return 0, unexpected(data, i, "a value")
}

func unexpected(data []byte, i int, want string) error {
	if i >= len(data) {
		return errors.New("unexpected end of JSON")
	}
	return fmt.Errorf("unexpected %q at offset %d, expected %s", data[i], i, want)
}
