package flow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/openintegrationhub/leat/api/v1"
)

// NodeCheck is a further check of one node by whoever knows its component, such as the syntax of its expressions. Paths of the
// mistakes are relative to the node (data.mapper.subject); Parse adds the place in the file.
type NodeCheck func(n *Node) []Mistake

// Parse reads the flows of a file in JSON or YAML: one or many documents, and lists of flows. The error is Mistakes, all that the
// file has, and then there are no flows. The name is the file's, for the messages; one that ends in .yaml or .yml makes YAML of what
// could be either.
func Parse(name string, data []byte, checks ...NodeCheck) ([]*Flow, error) {
	r := &reader{file: name}
	docs := r.read(data)
	if len(docs) == 0 && len(r.mistakes) == 0 {
		r.report(0, 0, "the file is empty; it needs a flow")
	}
	d := &decoder{file: name}
	for _, doc := range docs {
		d.document(doc)
	}
	ms := append(r.mistakes, d.mistakes...)
	var flows []*Flow
	for _, got := range d.decoded {
		f, more := check(got, checks)
		ms = append(ms, more...)
		flows = append(flows, f)
	}
	ms = append(ms, twice(name, d.decoded)...)
	if len(ms) > 0 {
		ms.sort()
		return nil, ms.capped()
	}
	return flows, nil
}

// twice reports flows of one file that have the same name.
func twice(file string, all []*decoded) Mistakes {
	var ms Mistakes
	first := make(map[string]*decoded, len(all))
	for _, d := range all {
		key := namespace(&d.flow) + "/" + d.flow.Name
		if before, again := first[key]; again && d.flow.Name != "" {
			line, column := d.place("metadata.name")
			at, _ := before.place("metadata.name")
			ms = append(ms, Mistake{File: file, Line: line, Column: column, Path: join(d.prefix, "metadata.name"),
				Text: fmt.Sprintf("flow %q is also defined in line %d; rename one", key, at)})
			continue
		}
		first[key] = d
	}
	return ms
}

// FromResource checks a flow that Kubernetes holds. The error is Mistakes, without lines.
func FromResource(resource *v1.Flow, checks ...NodeCheck) (*Flow, error) {
	d := &decoded{flow: *resource.DeepCopy(), bad: map[string]bool{}}
	var ms Mistakes
	opaque := func(path string, raw *[]byte, otherwise []byte) {
		compacted, err := compact(*raw, otherwise)
		if err != nil {
			d.bad[path] = true
			ms = append(ms, Mistake{Path: path, Text: "expected a JSON object"})
		}
		*raw = compacted
	}
	opaque("spec.podTemplate", &d.flow.Spec.PodTemplate.Raw, nil)
	for i := range d.flow.Spec.Nodes {
		n, path := &d.flow.Spec.Nodes[i], fmt.Sprintf("spec.nodes[%d]", i)
		opaque(path+".data", &n.Data.Raw, []byte("{}"))
		opaque(path+".podTemplate", &n.PodTemplate.Raw, nil)
	}
	f, more := check(d, checks)
	if ms = append(ms, more...); len(ms) > 0 {
		return nil, ms.capped()
	}
	return f, nil
}

// compact removes needless space from a JSON object. Nothing and null become the other thing.
func compact(raw []byte, otherwise []byte) ([]byte, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return otherwise, nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return nil, err
	}
	if raw[0] != '{' {
		return nil, fmt.Errorf("data starts with %q", raw[0])
	}
	return b.Bytes(), nil
}

// decoded is a flow whose values have the right types where bad doesn't say otherwise, and where they came from.
type decoded struct {
	flow   v1.Flow
	file   string
	prefix string          // of all paths: items[2] in a list
	root   *value          // nil for a resource
	bad    map[string]bool // paths, without the prefix, that have a mistake already
}

// join puts a path inside of another. Either may be empty.
func join(prefix, path string) string {
	if prefix == "" || path == "" {
		return prefix + path
	}
	return prefix + "." + path
}

// place is where the deepest value on a path stands; 0, 0 for a resource.
func (d *decoded) place(path string) (line, column int) {
	if d.root == nil {
		return 0, 0
	}
	v := d.root.locate(path)
	return v.line, v.column
}

// spoiled tells whether the value at a path, or one it is inside of, has a mistake already, so that no further one is worth telling.
func (d *decoded) spoiled(path string) bool {
	for path = path[:min(len(path), 1000)]; path != ""; {
		if d.bad[path] {
			return true
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return false
}

// nearest is the name that is most like the given one, if any is like it enough to be what was meant.
func nearest(name string, names []string) (string, bool) {
	best, found := max(1, len(name)/3)+1, ""
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return n, true
		}
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < best {
			best, found = d, n
		}
	}
	return found, found != ""
}

// distance counts the letters to add, remove, change or swap with their neighbour to turn a into b. (The "optimal string
// alignment" distance.)
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// names lists the names of a set in order.
func names[T any](set []field[T]) []string {
	all := make([]string, 0, len(set))
	for _, f := range set {
		all = append(all, f.name)
	}
	slices.Sort(all)
	return all
}
