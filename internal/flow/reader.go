package flow

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// errBounds stops a read whose reason has been reported.
var errBounds = errors.New("beyond a bound")

// reader turns a file into values, and remembers what was wrong with it.
type reader struct {
	file     string
	mistakes Mistakes
	trail    trail              // to the value that is read
	names    map[*value]nameSet // of objects with many members
}

type nameSet map[string]bool

// read decides between JSON and YAML and reads all documents. JSON is nearly YAML, but not in its escapes, tabs and long names, so a
// file that starts like JSON is read as JSON unless it is named as YAML and isn't JSON, or has YAML's separators.
func (r *reader) read(data []byte) []*value {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	switch {
	case len(data) > BytesMax:
		r.report(0, 0, "the file is too large: %d bytes, and at most %d are allowed", len(data), BytesMax)
		return nil
	case !utf8.Valid(data):
		line, column := place(data, invalid(data))
		r.report(line, column, "the file isn't UTF-8 text; save it as UTF-8")
		return nil
	}
	start := bytes.TrimLeft(data, " \t\r\n")
	if len(start) == 0 || start[0] != '{' && start[0] != '[' {
		return r.readYAML(data)
	}
	ext := strings.ToLower(path.Ext(r.file))
	if ext != ".yaml" && ext != ".yml" && !bytes.Contains(data, []byte("\n---")) {
		return r.readJSON(data)
	}
	try := &reader{file: r.file}
	if docs := try.readJSON(data); len(try.mistakes) == 0 {
		return docs
	}
	return r.readYAML(data)
}

// invalid is the offset of the first byte that isn't UTF-8.
func invalid(data []byte) int {
	for i := 0; i < len(data); {
		c, n := utf8.DecodeRune(data[i:])
		if c == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(data)
}

// member appends a member to an object, unless its name is already there.
func (r *reader) member(v *value, k key) {
	if r.has(v, k.name) {
		r.trail.member(k.name)
		r.wrong(k.line, k.column, "%q is there twice; remove one", shorten(k.name))
		r.trail.pop()
		return
	}
	v.keys = append(v.keys, k)
}

// has tells whether an object has a member, in constant time also for objects of many members.
func (r *reader) has(v *value, name string) bool {
	if len(v.keys) < 16 {
		return v.get(name) != nil
	}
	if r.names == nil {
		r.names = map[*value]nameSet{}
	}
	set := r.names[v]
	if set == nil {
		set = nameSet{}
		r.names[v] = set
	}
	for i := len(set); i < len(v.keys); i++ {
		set[v.keys[i].name] = true
	}
	return set[name]
}

// report adds a mistake about the file.
func (r *reader) report(line, column int, format string, args ...any) {
	r.add(line, column, "", format, args...)
}

// wrong adds a mistake about the value that is read.
func (r *reader) wrong(line, column int, format string, args ...any) {
	if len(r.mistakes) <= mistakesMax { // before the path is put together
		r.add(line, column, r.trail.String(), format, args...)
	}
}

func (r *reader) add(line, column int, path, format string, args ...any) {
	r.mistakes = append(r.mistakes, Mistake{File: r.file, Line: line, Column: column, Path: path, Text: fmt.Sprintf(format, args...)})
}

// trail is the way to a value. It's put together as a path only when somebody wants to see it, because names can be long.
type trail []segment

type segment struct {
	name  string // of a member of an object
	index int    // of an item of a list; -1 for a member
}

func (t *trail) member(name string) { *t = append(*t, segment{name, -1}) }
func (t *trail) item(i int)         { *t = append(*t, segment{"", i}) }
func (t *trail) pop()               { *t = (*t)[:len(*t)-1] }

func (t trail) String() string {
	var b strings.Builder
	for i, s := range t {
		switch {
		case s.index >= 0:
			fmt.Fprintf(&b, "[%d]", s.index)
		case i > 0:
			b.WriteString("." + s.name)
		default:
			b.WriteString(s.name)
		}
	}
	return b.String()
}
