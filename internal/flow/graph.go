package flow

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/openintegrationhub/leat/api/v1"
)

// graph checks how the nodes hang together: who is first, where connections lead, what goes round, and what nothing leads to.
func (c *checker) graph() {
	if len(c.flow.Spec.Nodes) == 0 || c.spoiled("spec.nodes") {
		return
	}
	g := &graph{next: make([][]int, len(c.flow.Spec.Nodes))}
	whole := c.connections(g)
	if !c.allowsCycles() {
		c.cycles(g)
	}
	first := c.first(g, whole)
	// A connection with an unknown end would make all behind it unreachable too: one mistake, told once.
	if first >= 0 && whole {
		c.unreachable(g, first)
	}
}

// allowsCycles is true also if what the file says about it can't be read.
func (c *checker) allowsCycles() bool {
	return c.flow.Spec.AllowCycles || c.spoiled("spec.allowCycles")
}

// graph holds the known ends of all connections between different nodes, as indexes of nodes.
type graph struct{ next [][]int }

// connections checks each one and enters it into the graph. It's false if the graph lacks some.
func (c *checker) connections(g *graph) (whole bool) {
	whole = !c.spoiled("spec.connections")
	c.similar = make(map[string]string, len(c.flow.Spec.Nodes))
	for _, n := range c.flow.Spec.Nodes {
		c.similar[alike(n.ID)] = n.ID
	}
	seen := map[[2]string]int{}
	for i, e := range c.flow.Spec.Connections {
		path := fmt.Sprintf("spec.connections[%d]", i)
		from, to := c.end(path+".from", e.From), c.end(path+".to", e.To)
		if from < 0 || to < 0 {
			whole = false
			continue
		}
		pair := [2]string{e.From, e.To}
		if before, twice := seen[pair]; twice {
			c.report(path, "%q to %q is also spec.connections[%d]; remove one", shorten(e.From), shorten(e.To), before)
			continue
		}
		seen[pair] = i
		if from == to {
			if !c.allowsCycles() {
				c.report(path, "%q leads to itself; remove it, or write allowCycles: true in spec", shorten(e.From))
			}
			continue
		}
		g.next[from] = append(g.next[from], to)
	}
	for i, n := range c.flow.Spec.Nodes {
		// A node without an id of its own may be the end that is unknown, and no connection can lead to it.
		at, ok := c.index[n.ID]
		whole = whole && ok && at == i
	}
	return whole
}

// end finds the node at one end of a connection; -1 if there's none.
func (c *checker) end(path, id string) int {
	if id == "" {
		c.report(path, "missing; name a node by its id")
		return -1
	}
	if i, ok := c.index[id]; ok {
		return i
	}
	if near := c.similar[alike(id)]; near != "" {
		c.report(path, "unknown node %q, did you mean %q?", shorten(id), shorten(near))
		return -1
	}
	c.report(path, "unknown node %q", shorten(id))
	return -1
}

// alike makes ids the same that differ in capitals, marks and spaces only. Ids are often numbered, so a wrong digit says nothing.
func alike(id string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("_:-. ", r) {
			return -1
		}
		return r
	}, strings.ToLower(id))
}

// first checks that one node is first and returns its index; -1 if it isn't clear which.
func (c *checker) first(g *graph, whole bool) int {
	found, clear := -1, true
	for i, n := range c.flow.Spec.Nodes {
		path := fmt.Sprintf("spec.nodes[%d].first", i)
		switch {
		case c.spoiled(path):
			clear = false
		case n.First && found >= 0:
			c.report(path, "%q is first already; only one node can be", shorten(c.flow.Spec.Nodes[found].ID))
			clear = false
		case n.First:
			found = i
		}
	}
	if found >= 0 && clear {
		return found
	}
	if found < 0 && clear {
		c.report("spec.nodes", "no node is first; %s", c.guess(g, whole))
	}
	return -1
}

// guess says which node probably is the first.
func (c *checker) guess(g *graph, whole bool) string {
	led := make([]bool, len(g.next))
	for _, next := range g.next {
		for _, to := range next {
			led[to] = true
		}
	}
	if start := slices.Index(led, false); whole && start >= 0 && !slices.Contains(led[start+1:], false) {
		return fmt.Sprintf("it is probably %q, which no other leads to: write first: true there", shorten(c.flow.Spec.Nodes[start].ID))
	}
	return "write first: true at the one where messages enter"
}

func (c *checker) unreachable(g *graph, first int) {
	reached := make([]bool, len(g.next))
	reached[first] = true
	for todo := []int{first}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, to := range g.next[at] {
			if !reached[to] {
				reached[to] = true
				todo = append(todo, to)
			}
		}
	}
	nodes := c.flow.Spec.Nodes
	for i, ok := range reached {
		if !ok {
			c.report(fmt.Sprintf("spec.nodes[%d]", i), "no message can reach %q from the first node, %q; connect or remove it", shorten(nodes[i].ID), shorten(nodes[first].ID))
		}
	}
}

// cycles reports one way round for each set of nodes that lead to each other. All ways could be more than anyone can count.
func (c *checker) cycles(g *graph) {
	for _, set := range g.components() {
		if len(set) == 1 {
			continue
		}
		var ids []string
		for _, i := range g.round(set) {
			ids = append(ids, c.flow.Spec.Nodes[i].ID)
		}
		// The connection that closes the cycle, as the author thinks of it: the last one back to the start.
		from, to := ids[len(ids)-2], ids[len(ids)-1]
		i := slices.IndexFunc(c.flow.Spec.Connections, func(e v1.Connection) bool { return e.From == from && e.To == to })
		c.report(fmt.Sprintf("spec.connections[%d]", i), "closes a cycle: %s; remove a connection, or write allowCycles: true in spec", shortened(abridge(ids)))
	}
}

// abridge leaves out the middle of a long cycle.
func abridge(ids []string) []string {
	const most = 12
	if len(ids) <= most {
		return ids
	}
	left := fmt.Sprintf("(%d more)", len(ids)-most+1)
	return slices.Concat(ids[:most/2], []string{left}, ids[len(ids)-most/2+1:])
}

func shortened(ids []string) string {
	short := make([]string, len(ids))
	for i, id := range ids {
		short[i] = shorten(id)
	}
	return strings.Join(short, " -> ")
}

// components are the sets of nodes that lead to each other, by their lowest member (Tarjan's algorithm).
func (g *graph) components() [][]int {
	t := &tarjan{graph: g, order: make([]int, len(g.next)), low: make([]int, len(g.next)), open: make([]bool, len(g.next))}
	for i := range g.next {
		if t.order[i] == 0 {
			t.visit(i)
		}
	}
	for _, set := range t.sets {
		slices.Sort(set)
	}
	slices.SortFunc(t.sets, func(a, b []int) int { return a[0] - b[0] })
	return t.sets
}

type tarjan struct {
	*graph
	count      int
	order, low []int // order is 0 for a node not visited
	open       []bool
	stack      []int
	sets       [][]int
}

// visit goes at most NodesMax deep.
func (t *tarjan) visit(i int) {
	t.count++
	t.order[i], t.low[i] = t.count, t.count
	t.stack, t.open[i] = append(t.stack, i), true
	for _, to := range t.next[i] {
		if t.order[to] == 0 {
			t.visit(to)
			t.low[i] = min(t.low[i], t.low[to])
		} else if t.open[to] {
			t.low[i] = min(t.low[i], t.order[to])
		}
	}
	if t.low[i] != t.order[i] {
		return
	}
	at := slices.Index(t.stack, i)
	set := slices.Clone(t.stack[at:])
	for _, member := range set {
		t.open[member] = false
	}
	t.stack = t.stack[:at]
	t.sets = append(t.sets, set)
}

// round is the shortest way from the first member of a set of several back to itself.
func (g *graph) round(set []int) []int {
	start := set[0]
	before := map[int]int{}
	for todo := []int{start}; len(todo) > 0; todo = todo[1:] {
		at := todo[0]
		for _, to := range g.next[at] {
			if to == start {
				way := []int{start, at}
				for at != start {
					at = before[at]
					way = append(way, at)
				}
				slices.Reverse(way)
				return way
			}
			if _, seen := before[to]; !seen {
				before[to] = at
				todo = append(todo, to)
			}
		}
	}
	return nil
}
