package flow

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// readYAML reads one or several YAML documents, leaving out empty ones. What was read before a syntax error is returned too.
func (r *reader) readYAML(data []byte) []*value {
	loader, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(depthMax))))
	if err != nil {
		r.report(0, 0, "read YAML: %v", err)
		return nil
	}
	var docs []*value
	for {
		var n yaml.Node
		err := loader.Load(&n)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			r.yamlSyntax(data, err)
			return docs
		}
		if n.Kind != yaml.DocumentNode || len(n.Content) == 0 {
			continue
		}
		y := yamlReader{reader: r}
		v, err := y.value(n.Content[0], 0)
		if err != nil {
			return docs // reported where it was found
		}
		if v.kind != null {
			docs = append(docs, v)
		}
	}
}

// yamlSyntax reports where and why data stops being YAML.
func (r *reader) yamlSyntax(data []byte, err error) {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		r.report(0, 0, "not YAML: %v", err)
		return
	}
	line, column := e.Mark.Line, e.Mark.Column
	lines := bytes.Split(data, []byte("\n"))
	indent := func(i int) []byte {
		if i < 1 || i > len(lines) {
			return nil
		}
		l := lines[i-1]
		return l[:len(l)-len(bytes.TrimLeft(l, " \t"))]
	}
	if tab := bytes.IndexByte(indent(line), '\t'); tab >= 0 {
		r.report(line, tab+1, "a tab can't indent YAML; use spaces")
		return
	}
	switch {
	case e.Message == "found unexpected end of stream" && e.ContextMsg == "while scanning a quoted scalar":
		r.report(e.ContextMark.Line, e.ContextMark.Column, "this quote is never closed")
		return
	case e.Message == "mapping values are not allowed in this context":
		r.report(line, column, `unexpected ":"; quote the text that holds it, or check the indentation`)
		return
	}
	what := e.Message
	if e.ContextMsg != "" {
		what = e.ContextMsg + ", " + what
	}
	r.report(line, column, "not YAML: %s", what)
}

// yamlReader builds the tree of one YAML document, with aliases and merges worked out.
type yamlReader struct {
	*reader
	inAlias int // aliases that we are inside of
	added   int // bytes that aliases have added
}

func (y *yamlReader) value(n *yaml.Node, depth int) (*value, error) {
	v := &value{line: n.Line, column: n.Column}
	if depth > depthMax {
		y.wrong(n.Line, n.Column, "nested too deep; at most %d levels are allowed", depthMax)
		return nil, errBounds
	}
	if y.added += min(y.inAlias, 1) * (1 + len(n.Value)); y.added > aliasMax {
		y.wrong(n.Line, n.Column, "aliases make the file too large; at most %d bytes may come from them", aliasMax)
		return nil, errBounds
	}
	switch n.Kind {
	case yaml.AliasNode:
		y.inAlias++
		v, err := y.value(n.Alias, depth+1)
		y.inAlias--
		return v, err
	case yaml.SequenceNode:
		return v, y.items(v, n, depth)
	case yaml.MappingNode:
		return v, y.members(v, n, depth)
	}
	y.scalar(v, n)
	return v, nil
}

// scalar sets kind and text of a plain or quoted value.
func (y *yamlReader) scalar(v *value, n *yaml.Node) {
	v.kind, v.text = text, n.Value
	switch tag := n.ShortTag(); tag {
	case "!!str", "!!timestamp", "!!merge":
		if tag == "!!str" && plain(n) && isWord(n.Value) {
			v.kind = boolean
		}
	case "!!null":
		v.kind = null
	case "!!bool":
		v.kind = boolean
	case "!!int", "!!float":
		v.kind = number
	default:
		y.wrong(n.Line, n.Column, "tag %s isn't supported; remove it", tag)
	}
}

func (y *yamlReader) items(v *value, n *yaml.Node, depth int) error {
	v.kind = list
	for i, item := range n.Content {
		y.trail.item(i)
		w, err := y.value(item, depth+1)
		if err != nil {
			return err
		}
		y.trail.pop()
		v.list = append(v.list, w)
	}
	return nil
}

func (y *yamlReader) members(v *value, n *yaml.Node, depth int) error {
	v.kind = object
	var merged []*value
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		for name.Kind == yaml.AliasNode {
			name = name.Alias
		}
		if name.Kind != yaml.ScalarNode || name.ShortTag() == "!!null" {
			y.wrong(n.Content[i].Line, n.Content[i].Column, "a name must be text; quote it")
			continue
		}
		y.added += min(y.inAlias, 1) * len(name.Value) // judged with the value
		y.trail.member(name.Value)
		w, err := y.value(n.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		y.trail.pop()
		if name.ShortTag() == "!!merge" {
			merged = append(merged, w)
			continue
		}
		word := name.ShortTag() == "!!str" && plain(name) && isWord(name.Value)
		y.member(v, key{name: name.Value, word: word, line: name.Line, column: name.Column, value: w})
	}
	for _, m := range merged {
		y.merge(v, m)
	}
	return nil
}

// merge adds the members of m that v lacks, the meaning of <<.
func (y *yamlReader) merge(v, m *value) {
	switch m.kind {
	case list:
		for _, item := range m.list {
			y.merge(v, item)
		}
	case object:
		have := make(map[string]bool, len(v.keys))
		for _, k := range v.keys {
			have[k.name] = true
		}
		for _, k := range m.keys {
			if !have[k.name] {
				v.keys = append(v.keys, k)
			}
		}
	default:
		y.wrong(m.line, m.column, "<< takes an object or a list of objects, found %s", m)
	}
}

// plain tells whether a scalar is written without quotes, tag or block.
func plain(n *yaml.Node) bool {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle | yaml.TaggedStyle
	return n.Style&quoted == 0 && !strings.Contains(n.Value, "\n")
}
