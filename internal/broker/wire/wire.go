// Package wire reads and writes the bytes of AMQP 0-9-1: frames, methods, content properties and field tables, with RabbitMQ's
// extensions. It knows no state; who may send what, and when, is the server's business.
//
// Everything is hand-written appends and slices of the input: no reflection, and no allocation on the paths that messages take.
package wire

import (
	"encoding/binary"
	"errors"
)

// Frame types, AMQP 0-9-1 section 4.2.3.
const (
	FrameMethod    = 1
	FrameHeader    = 2
	FrameBody      = 3
	FrameHeartbeat = 8
	FrameEnd       = 0xCE
)

// Sizes of a frame's parts in bytes, and the smallest frame-max a peer may ask for (section 4.2.3 and 4.9).
const (
	HeaderSize   = 7
	FrameSize    = HeaderSize + 1 // what a frame adds to its payload
	FrameMaxMin  = 4096
	ShortstrMax  = 255
	propsMinSize = 14 // class id, weight, body size, property flags
)

// ProtocolHeader is what a client sends first.
const ProtocolHeader = "AMQP\x00\x00\x09\x01"

// ErrSyntax is returned for bytes that are no method, table or property list.
var ErrSyntax = errors.New("malformed bytes")

// Frame is one frame whose payload aliases the buffer it was parsed from.
type Frame struct {
	Type    byte
	Channel uint16
	Payload []byte
}

// FrameError says why a frame can't be read: its size is above the limit, or its last octet is not FrameEnd.
type FrameError struct {
	Type    byte
	Channel uint16
	Size    uint32 // of the payload
	Max     uint32 // largest frame negotiated, 0 when the end octet was wrong
	End     byte
}

// Error names the fault.
func (e *FrameError) Error() string {
	if e.Max > 0 {
		return "frame too large"
	}
	return "frame end octet missing"
}

// ParseFrame takes the first frame off b. n is the number of bytes it used, 0 when b doesn't hold a whole frame yet;
// need is then how many bytes the frame has in all (0 when not even that is known). A frame larger than frameMax (0 means no limit)
// is refused on sight of its header.
func ParseFrame(b []byte, frameMax uint32) (f Frame, n, need int, err error) {
	if len(b) < HeaderSize {
		return f, 0, 0, nil
	}
	size := binary.BigEndian.Uint32(b[3:])
	f.Type, f.Channel = b[0], binary.BigEndian.Uint16(b[1:])
	if frameMax > 0 && size > frameMax-FrameSize {
		return f, 0, 0, &FrameError{Type: f.Type, Channel: f.Channel, Size: size, Max: frameMax}
	}
	total := int(size) + FrameSize
	if len(b) < total {
		return f, 0, total, nil
	}
	if b[total-1] != FrameEnd {
		return f, 0, 0, &FrameError{Type: f.Type, Channel: f.Channel, Size: size, End: b[total-1]}
	}
	f.Payload = b[HeaderSize : total-1 : total-1]
	return f, total, total, nil
}

// beginFrame appends a frame header with the size left open; endFrame fills it in.
func beginFrame(b []byte, typ byte, channel uint16) ([]byte, int) {
	b = append(b, typ, byte(channel>>8), byte(channel), 0, 0, 0, 0)
	return b, len(b)
}

func endFrame(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start-4:], uint32(len(b)-start))
	return append(b, FrameEnd)
}

// AppendHeartbeat appends a heartbeat frame.
func AppendHeartbeat(b []byte) []byte {
	return append(b, FrameHeartbeat, 0, 0, 0, 0, 0, 0, FrameEnd)
}

// AppendFrame appends a frame with the given payload.
func AppendFrame(b []byte, typ byte, channel uint16, payload []byte) []byte {
	b, at := beginFrame(b, typ, channel)
	return endFrame(append(b, payload...), at)
}

// AppendShortstr appends s with a length octet, cut at 255 bytes.
func AppendShortstr(b []byte, s string) []byte {
	if len(s) > ShortstrMax {
		s = s[:ShortstrMax]
	}
	return append(append(b, byte(len(s))), s...)
}

// AppendLongstr appends s with a four octet length.
func AppendLongstr(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// Cursor reads values off a byte slice. After the first value that isn't there Err is set and all further reads give zero values.
type Cursor struct {
	b   []byte
	Err error
}

// NewCursor starts at the beginning of b, which it aliases.
func NewCursor(b []byte) Cursor { return Cursor{b: b} }

// Rest is what hasn't been read.
func (c *Cursor) Rest() []byte { return c.b }

func (c *Cursor) take(n int) []byte {
	if c.Err != nil || n < 0 || n > len(c.b) {
		c.Err = ErrSyntax
		return nil
	}
	p := c.b[:n:n]
	c.b = c.b[n:]
	return p
}

// U8 reads an octet.
func (c *Cursor) U8() uint8 {
	if p := c.take(1); p != nil {
		return p[0]
	}
	return 0
}

// U16 reads a short.
func (c *Cursor) U16() uint16 {
	if p := c.take(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

// U32 reads a long.
func (c *Cursor) U32() uint32 {
	if p := c.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

// U64 reads a longlong.
func (c *Cursor) U64() uint64 {
	if p := c.take(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

// Shortstr reads a short string; the result aliases the input.
func (c *Cursor) Shortstr() []byte { return c.take(int(c.U8())) }

// Longstr reads a long string; the result aliases the input.
func (c *Cursor) Longstr() []byte { return c.take(int(c.U32())) }

// Table reads a field table.
func (c *Cursor) Table() Table {
	raw := c.Longstr()
	if c.Err != nil || len(raw) == 0 {
		return nil
	}
	t, err := ParseTable(raw)
	if err != nil {
		c.Err = err
	}
	return t
}
