package flow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// readJSON reads one or several JSON values, one after the other. The standard decoder does the work, so that escapes, surrogates,
// numbers and what is no JSON are its business; this adds places, duplicate names and bounds.
func (r *reader) readJSON(data []byte) []*value {
	var docs []*value
	lines := &cursor{data: data, line: 1, column: 1}
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		var raw json.RawMessage
		err := d.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			r.jsonSyntax(data, d.InputOffset(), err)
			return docs
		}
		start := int(d.InputOffset()) - len(raw)
		p := &jsonReader{reader: r, raw: raw, base: start, lines: lines, tokens: json.NewDecoder(bytes.NewReader(raw))}
		p.tokens.UseNumber()
		v, err := p.value(0)
		if err != nil {
			return docs // reported where it was found
		}
		docs = append(docs, v)
	}
}

// jsonSyntax reports where and why data stops being JSON. start is where the broken value begins.
func (r *reader) jsonSyntax(data []byte, start int64, err error) {
	at := len(data)
	what := "not JSON: " + err.Error()
	var s *json.SyntaxError
	if errors.Is(err, io.ErrUnexpectedEOF) {
		what = "the file ends too early; close what is open: " + unclosed(data[min(int(start), len(data)):])
	} else if errors.As(err, &s) {
		// The decoder counts from the start of all input, and one beyond the bad character.
		at = min(max(int(s.Offset)-1, 0), len(data))
		at, what = explain(data, at, s.Error())
	}
	line, column := place(data, at)
	r.report(line, column, "%s", what)
}

// explain says in plain words what is wrong at an offset of data, and where that is. Without better words the decoder's stay.
func explain(data []byte, at int, message string) (int, string) {
	before := bytes.TrimRight(data[:at], " \t\r\n")
	found, _ := utf8.DecodeRune(data[at:])
	switch {
	case (found == '}' || found == ']') && bytes.HasSuffix(before, []byte(",")):
		return len(before) - 1, "one comma too many before " + string(found)
	case strings.HasSuffix(message, "in string literal") && found == '\n':
		return at, "the text isn't closed on its line; add a quote, or write \\n for a new line"
	case strings.HasSuffix(message, "after array element"), strings.HasSuffix(message, "after object key:value pair"):
		return at, fmt.Sprintf("a comma is missing before %q", found)
	case strings.HasSuffix(message, "after object key"):
		return at, fmt.Sprintf("a colon is missing before %q", found)
	}
	if strings.HasSuffix(message, "exceeded max depth") {
		return at, fmt.Sprintf("nested too deep; at most %d levels are allowed", depthMax)
	}
	return at, "not JSON: " + message
}

// unclosed lists the brackets and the quote that data leaves open, the innermost first.
func unclosed(data []byte) string {
	var open []byte
	quoted := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			open = append(open, '}')
		case c == '[':
			open = append(open, ']')
		case (c == '}' || c == ']') && len(open) > 0:
			open = open[:len(open)-1]
		}
	}
	var b strings.Builder
	if quoted {
		b.WriteString(`" `)
	}
	for i := len(open) - 1; i >= 0 && b.Len() < 20; i-- {
		b.WriteByte(open[i])
		b.WriteByte(' ')
	}
	return strings.TrimSpace(b.String())
}

// jsonReader builds the tree of one JSON value that is known to be well formed.
type jsonReader struct {
	*reader
	raw    []byte
	base   int // offset of raw in the file
	lines  *cursor
	tokens *json.Decoder
}

func (p *jsonReader) value(depth int) (*value, error) {
	line, column := p.place()
	if depth > depthMax {
		p.wrong(line, column, "nested too deep; at most %d levels are allowed", depthMax)
		return nil, errBounds
	}
	t, err := p.tokens.Token()
	if err != nil {
		return nil, err
	}
	v := &value{line: line, column: column}
	switch t := t.(type) {
	case nil:
		v.kind = null
	case bool:
		v.kind, v.text = boolean, "false"
		if t {
			v.text = "true"
		}
	case json.Number:
		v.kind, v.text = number, t.String()
	case string:
		v.kind, v.text = text, t
	case json.Delim:
		if t == '[' {
			return v, p.items(v, depth)
		}
		return v, p.members(v, depth)
	}
	return v, nil
}

func (p *jsonReader) items(v *value, depth int) error {
	v.kind = list
	for p.tokens.More() {
		p.trail.item(len(v.list))
		item, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		p.trail.pop()
		v.list = append(v.list, item)
	}
	_, err := p.tokens.Token()
	return err
}

func (p *jsonReader) members(v *value, depth int) error {
	v.kind = object
	for p.tokens.More() {
		k := key{}
		k.line, k.column = p.place()
		t, err := p.tokens.Token()
		if err != nil {
			return err
		}
		k.name, _ = t.(string)
		p.trail.member(k.name)
		if k.value, err = p.value(depth + 1); err != nil {
			return err
		}
		p.trail.pop()
		p.member(v, k)
	}
	_, err := p.tokens.Token()
	return err
}

// place is where the next token starts.
func (p *jsonReader) place() (line, column int) {
	i := int(p.tokens.InputOffset())
	for i < len(p.raw) && strings.IndexByte(" \t\r\n,:", p.raw[i]) >= 0 {
		i++
	}
	return p.lines.to(p.base + i)
}

// cursor turns offsets that only grow into lines and columns.
type cursor struct {
	data         []byte
	offset       int
	line, column int
}

func (c *cursor) to(offset int) (line, column int) {
	for c.offset < offset && c.offset < len(c.data) {
		_, n := utf8.DecodeRune(c.data[c.offset:])
		if c.data[c.offset] == '\n' {
			c.line, c.column = c.line+1, 0
		}
		c.column++
		c.offset += n
	}
	return c.line, c.column
}

// place is the line and column of an offset.
func place(data []byte, offset int) (line, column int) {
	c := cursor{data: data, line: 1, column: 1}
	return c.to(offset)
}
