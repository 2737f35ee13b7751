package rabbitmq

import "context"

// Node is a member of the broker's cluster.
type Node struct {
	Name    string `json:"name"`
	Running bool   `json:"running"`
}

// Nodes lists the members of the cluster, those that don't run too.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	var out []Node
	return out, c.get(ctx, "list nodes", &out, "nodes")
}
