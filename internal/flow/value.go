package flow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Bounds on what Parse reads, so that no file can hold it up.
const (
	// BytesMax is the largest file, in bytes.
	BytesMax = 1 << 20
	// NodesMax is the most nodes of one flow.
	NodesMax = 1_000
	// ConnectionsMax is the most connections of one flow.
	ConnectionsMax = 10_000

	depthMax    = 100      // lists and objects inside each other
	aliasMax    = BytesMax // bytes that YAML aliases may add to a file
	mistakesMax = 1_000
	pathMax     = 300
)

// kind is what a value is, in the words of the messages.
type kind string

const (
	null    kind = "nothing"
	boolean kind = "boolean"
	number  kind = "number"
	text    kind = "text"
	list    kind = "a list"
	object  kind = "an object"
)

// value is a JSON value with its place in the file, whichever way the file is written.
type value struct {
	kind         kind
	text         string // of text, number and boolean; the last two as written
	line, column int
	list         []*value
	keys         []key // in the order of the file, each name once
}

type key struct {
	name         string
	word         bool // a plain YAML word that kubectl takes for true or false
	line, column int
	value        *value
}

// String describes the value for "found ...".
func (v *value) String() string {
	switch v.kind {
	case text:
		return fmt.Sprintf("text %q", shorten(v.text))
	case number, boolean:
		return string(v.kind) + " " + shorten(v.text)
	}
	return string(v.kind)
}

// get finds a member of an object; nil if it isn't there.
func (v *value) get(name string) *value {
	for i := range v.keys {
		if v.keys[i].name == name {
			return v.keys[i].value
		}
	}
	return nil
}

// locate follows a path as far as it leads and returns the deepest value on it. Names that hold dots are found too.
func (v *value) locate(path string) *value {
	path = strings.TrimPrefix(path, ".")
	if path == "" {
		return v
	}
	if v.kind == list {
		var i int
		if _, err := fmt.Sscanf(path, "[%d]", &i); err != nil || i < 0 || i >= len(v.list) {
			return v
		}
		return v.list[i].locate(path[strings.IndexByte(path, ']')+1:])
	}
	var best *key
	for i := range v.keys {
		k := &v.keys[i]
		rest, ok := strings.CutPrefix(path, k.name)
		if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') && (best == nil || len(k.name) > len(best.name)) {
			best = k
		}
	}
	if best == nil {
		return v
	}
	return best.value.locate(path[len(best.name):])
}

// jsonWriter writes values as compact JSON. What has no JSON form, or means another thing to kubectl, goes to report, with its path
// from the value on.
type jsonWriter struct {
	bytes.Buffer
	trail  trail
	report func(line, column int, trail trail, format string, args ...any)
}

func (w *jsonWriter) value(v *value) {
	switch v.kind {
	case null:
		w.WriteString("null")
	case boolean:
		if isWord(v.text) {
			w.report(v.line, v.column, w.trail, "%s means %t to some and text to others; write %t or %q", v.text, truth(v.text), truth(v.text), v.text)
		}
		fmt.Fprint(w, truth(v.text))
	case number:
		n, ok := jsonNumber(v.text)
		if !ok {
			w.report(v.line, v.column, w.trail, "%s is no number in JSON; quote it", shorten(v.text))
		}
		w.WriteString(n)
	case text:
		writeText(&w.Buffer, v.text)
	case list:
		w.WriteByte('[')
		for i, item := range v.list {
			if i > 0 {
				w.WriteByte(',')
			}
			w.trail.item(i)
			w.value(item)
			w.trail.pop()
		}
		w.WriteByte(']')
	case object:
		w.WriteByte('{')
		for i, k := range v.keys {
			if i > 0 {
				w.WriteByte(',')
			}
			if k.word {
				w.report(k.line, k.column, w.trail, "name %s means %t to some and text to others; quote it", k.name, truth(k.name))
			}
			writeText(&w.Buffer, k.name)
			w.WriteByte(':')
			w.trail.member(k.name)
			w.value(k.value)
			w.trail.pop()
		}
		w.WriteByte('}')
	}
}

// writeText writes s as a JSON string that keeps <, > and & readable.
func writeText(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)         // a string in a buffer can't fail
	b.Truncate(b.Len() - 1) // the encoder ends each value with a newline
}

// shorten keeps long text from drowning a message.
func shorten(s string) string {
	const max = 60
	r := []rune(s)
	if len(r) <= max {
		return s
	}
	return string(r[:max-3]) + "..."
}
