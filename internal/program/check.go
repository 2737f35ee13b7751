package program

import (
	"github.com/openintegrationhub/leat/components"
	"github.com/openintegrationhub/leat/internal/flow"
)

// CheckData lets the built-in component of a node check the node's data.
func CheckData(n *flow.Node) []flow.Mistake {
	c, ok := components.Find(n.Image)
	if !ok {
		return nil
	}
	var mistakes []flow.Mistake
	for _, p := range c.Check(n.Function, n.Data) {
		mistakes = append(mistakes, flow.Mistake{Path: p.Path, Text: p.Text})
	}
	return mistakes
}
