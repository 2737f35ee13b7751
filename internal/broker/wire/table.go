package wire

import (
	"bytes"
	"encoding/binary"
	"math"
)

// Table is a field table in the order it came, with the wire type of every value kept in its Go type:
//
//	t bool      b int8     B uint8     s int16    u uint16   I int32    i uint32   l int64
//	f float32   d float64  D Decimal   S string   x []byte   T Timestamp   A Array   F Table   V nil
type Table []Field

// Field is one entry of a Table.
type Field struct {
	Name  string
	Value any
}

// Array is a field array.
type Array []any

// Timestamp is seconds since 1970.
type Timestamp uint64

// Decimal is Value divided by ten to the power of Scale.
type Decimal struct {
	Scale uint8
	Value uint32
}

// depthMax bounds how deep tables and arrays may nest; far above any real use, far below what would hurt.
const depthMax = 128

// Get is the value of the named field, and whether it is there.
func (t Table) Get(name string) (any, bool) {
	for i := range t {
		if t[i].Name == name {
			return t[i].Value, true
		}
	}
	return nil, false
}

// String is the named field when it is a string, else "".
func (t Table) String(name string) string {
	v, _ := t.Get(name)
	s, _ := v.(string)
	return s
}

// Bool is the named field when it is a boolean, else false.
func (t Table) Bool(name string) bool {
	v, _ := t.Get(name)
	b, _ := v.(bool)
	return b
}

// Table is the named field when it is a table, else nil.
func (t Table) Table(name string) Table {
	v, _ := t.Get(name)
	f, _ := v.(Table)
	return f
}

// With is t with the named field set; t itself is not changed.
func (t Table) With(name string, value any) Table {
	out := make(Table, 0, len(t)+1)
	found := false
	for _, f := range t {
		if f.Name == name {
			f.Value, found = value, true
		}
		out = append(out, f)
	}
	if !found {
		out = append(out, Field{name, value})
	}
	return out
}

// Without is t without the named fields; t itself is not changed.
func (t Table) Without(names ...string) Table {
	out := make(Table, 0, len(t))
next:
	for _, f := range t {
		for _, n := range names {
			if f.Name == n {
				continue next
			}
		}
		out = append(out, f)
	}
	return out
}

// Integer is v as int64 when it has any of the integer types.
func Integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int8:
		return int64(n), true
	case uint8:
		return int64(n), true
	case int16:
		return int64(n), true
	case uint16:
		return int64(n), true
	case int32:
		return int64(n), true
	case uint32:
		return int64(n), true
	case int64:
		return n, true
	}
	return 0, false
}

// TypeName is RabbitMQ's name of the wire type of v, as its error texts use it.
func TypeName(v any) string {
	switch v.(type) {
	case bool:
		return "bool"
	case int8:
		return "byte"
	case uint8:
		return "unsignedbyte"
	case int16:
		return "short"
	case uint16:
		return "unsignedshort"
	case int32:
		return "signedint"
	case uint32:
		return "unsignedint"
	case int64:
		return "long"
	case float32:
		return "float"
	case float64:
		return "double"
	case Decimal:
		return "decimal"
	case string:
		return "longstr"
	case []byte:
		return "binary"
	case Timestamp:
		return "timestamp"
	case Array:
		return "array"
	case Table:
		return "table"
	}
	return "void"
}

// ParseTable reads the fields of a table, given without its leading length.
func ParseTable(b []byte) (Table, error) { return parseTable(b, 0) }

func parseTable(b []byte, depth int) (Table, error) {
	if depth > depthMax {
		return nil, ErrSyntax
	}
	c := NewCursor(b)
	t := make(Table, 0, min(len(b)/8+1, 16))
	for len(c.b) > 0 {
		name := string(c.Shortstr())
		v, err := parseValue(&c, depth)
		if err != nil {
			return nil, err
		}
		t = append(t, Field{name, v})
	}
	return t, c.Err
}

func parseArray(b []byte, depth int) (Array, error) {
	if depth > depthMax {
		return nil, ErrSyntax
	}
	c := NewCursor(b)
	a := Array{}
	for len(c.b) > 0 {
		v, err := parseValue(&c, depth)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	return a, c.Err
}

// CheckTable says whether b, a table without its length, is well formed, without making anything of it.
func CheckTable(b []byte) error { return checkTable(b, 0) }

func checkTable(b []byte, depth int) error {
	if depth > depthMax {
		return ErrSyntax
	}
	c := NewCursor(b)
	for len(c.b) > 0 && c.Err == nil {
		c.Shortstr()
		checkValue(&c, depth)
	}
	return c.Err
}

func checkValue(c *Cursor, depth int) {
	switch c.U8() {
	case 't', 'b', 'B':
		c.take(1)
	case 's', 'u':
		c.take(2)
	case 'I', 'i', 'f':
		c.take(4)
	case 'l', 'L', 'd', 'T':
		c.take(8)
	case 'D':
		c.take(5)
	case 'S', 'x':
		c.Longstr()
	case 'V':
	case 'F':
		if in := c.Longstr(); c.Err == nil {
			c.Err = checkTable(in, depth+1)
		}
	case 'A':
		in := NewCursor(c.Longstr())
		if depth+1 > depthMax {
			in.Err = ErrSyntax
		}
		for len(in.b) > 0 && in.Err == nil && c.Err == nil {
			checkValue(&in, depth+1)
		}
		if c.Err == nil {
			c.Err = in.Err
		}
	default:
		c.Err = ErrSyntax
	}
}

// parseValue is one switch over the value types; cutting it up would hide the table it is.
func parseValue(c *Cursor, depth int) (v any, err error) {
	switch c.U8() {
	case 't':
		v = c.U8() != 0
	case 'b':
		v = int8(c.U8())
	case 'B':
		v = c.U8()
	case 's':
		v = int16(c.U16())
	case 'u':
		v = c.U16()
	case 'I':
		v = int32(c.U32())
	case 'i':
		v = c.U32()
	case 'l', 'L':
		v = int64(c.U64())
	case 'f':
		v = math.Float32frombits(c.U32())
	case 'd':
		v = math.Float64frombits(c.U64())
	case 'D':
		v = Decimal{Scale: c.U8(), Value: c.U32()}
	case 'S':
		v = string(c.Longstr())
	case 'x':
		v = bytes.Clone(c.Longstr())
	case 'T':
		v = Timestamp(c.U64())
	case 'V':
	case 'A':
		v, err = parseArray(c.Longstr(), depth+1)
	case 'F':
		v, err = parseTable(c.Longstr(), depth+1)
	default:
		return nil, ErrSyntax
	}
	if err == nil {
		err = c.Err
	}
	return v, err
}

// AppendTable appends t with its length.
func AppendTable(b []byte, t Table) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	for _, f := range t {
		b = appendValue(AppendShortstr(b, f.Name), f.Value)
	}
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

func appendArray(b []byte, a Array) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	for _, v := range a {
		b = appendValue(b, v)
	}
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// appendValue mirrors parseValue. A Go type with no wire type is written as void.
func appendValue(b []byte, v any) []byte {
	be := binary.BigEndian
	switch v := v.(type) {
	case bool:
		return append(b, 't', bit(v))
	case int8:
		return append(b, 'b', byte(v))
	case uint8:
		return append(b, 'B', v)
	case int16:
		return be.AppendUint16(append(b, 's'), uint16(v))
	case uint16:
		return be.AppendUint16(append(b, 'u'), v)
	case int32:
		return be.AppendUint32(append(b, 'I'), uint32(v))
	case uint32:
		return be.AppendUint32(append(b, 'i'), v)
	case int64:
		return be.AppendUint64(append(b, 'l'), uint64(v))
	case float32:
		return be.AppendUint32(append(b, 'f'), math.Float32bits(v))
	case float64:
		return be.AppendUint64(append(b, 'd'), math.Float64bits(v))
	case Decimal:
		return be.AppendUint32(append(b, 'D', v.Scale), v.Value)
	case string:
		return AppendLongstr(append(b, 'S'), v)
	case []byte:
		b = be.AppendUint32(append(b, 'x'), uint32(len(v)))
		return append(b, v...)
	case Timestamp:
		return be.AppendUint64(append(b, 'T'), uint64(v))
	case Array:
		return appendArray(append(b, 'A'), v)
	case Table:
		return AppendTable(append(b, 'F'), v)
	}
	return append(b, 'V')
}

func bit(v bool) byte {
	if v {
		return 1
	}
	return 0
}
