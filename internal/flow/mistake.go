package flow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing that is wrong with a flow, told to the person who wrote it.
type Mistake struct {
	// File is the name that Parse was given; empty for a resource.
	File string
	// Line and Column count from 1, columns in characters. Both are 0 when unknown.
	Line, Column int
	// Path leads to the value: spec.connections[0].from. It's empty for the file as a whole.
	Path string
	// Text says what is wrong and what to do, in lower case.
	Text string
}

// Error gives file:line:column: path: text, without the parts that are unknown.
func (m Mistake) Error() string {
	var b strings.Builder
	if m.File != "" {
		b.WriteString(m.File + ":")
	}
	if m.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", m.Line, m.Column)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if m.Path != "" {
		b.WriteString(m.Path + ": ")
	}
	b.WriteString(m.Text)
	return b.String()
}

// Mistakes are all the mistakes of a file, in its order.
type Mistakes []Mistake

// Error gives one mistake a line.
func (ms Mistakes) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find each mistake.
func (ms Mistakes) Unwrap() []error {
	errs := make([]error, len(ms))
	for i, m := range ms {
		errs[i] = m
	}
	return errs
}

// sort puts mistakes into the order of the file. Those of one place keep their order.
func (ms Mistakes) sort() {
	slices.SortStableFunc(ms, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// capped keeps the first thousand mistakes, more than anyone reads, and says that there are more. Long paths are cut.
func (ms Mistakes) capped() Mistakes {
	if len(ms) > mistakesMax {
		ms = append(ms[:mistakesMax:mistakesMax], Mistake{File: ms[0].File, Text: "and more mistakes, which show when these are put right"})
	}
	for i, m := range ms {
		if len(m.Path) > pathMax {
			ms[i].Path = strings.ToValidUTF8(m.Path[:pathMax], "") + "..."
		}
	}
	return ms
}

// Unique reports flows that share a namespace and name, which several files may do. The error is Mistakes.
func Unique(flows []*Flow) error {
	var ms Mistakes
	seen := make(map[string]*Flow, len(flows))
	for _, f := range flows {
		first, again := seen[f.Key()]
		if !again {
			seen[f.Key()] = f
			continue
		}
		m := Mistake{File: f.File, Path: "metadata.name", Text: fmt.Sprintf("flow %q is also defined in %s; rename one", f.Key(), first.place(f))}
		if f.Line > 0 {
			m.Line, m.Column = f.Line, 1
		}
		ms = append(ms, m)
	}
	if len(ms) == 0 {
		return nil
	}
	return ms
}

// place says where f was read from, as short as it can be said next to other.
func (f *Flow) place(other *Flow) string {
	switch {
	case f.Line == 0:
		return "another place"
	case f.File == other.File:
		return fmt.Sprintf("line %d", f.Line)
	}
	return fmt.Sprintf("%s:%d", f.File, f.Line)
}
