package rabbitmq

import (
	"context"
	"fmt"
)

// VHost is a virtual host: exchanges and queues of one never meet those of another.
type VHost struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Tags        []string `json:"tags"`
	Messages    int64    `json:"messages"` // ready and unacknowledged, in all queues
}

// VHosts lists the virtual hosts that the user may see, sorted by name.
func (c *Client) VHosts(ctx context.Context) ([]VHost, error) {
	var out []VHost
	return out, c.get(ctx, "list virtual hosts", &out, "vhosts")
}

// VHost returns one virtual host.
func (c *Client) VHost(ctx context.Context, name string) (VHost, error) {
	var out VHost
	return out, c.get(ctx, fmt.Sprintf("get virtual host %q", name), &out, "vhosts", name)
}

// PutVHost creates a virtual host; nothing changes when there is one of that name. The user who asks gets all permissions in it.
func (c *Client) PutVHost(ctx context.Context, name string) error {
	return c.put(ctx, fmt.Sprintf("put virtual host %q", name), struct{}{}, "vhosts", name)
}

// DeleteVHost deletes a virtual host with all that's in it, and closes its connections. That it doesn't exist is no error.
func (c *Client) DeleteVHost(ctx context.Context, name string) error {
	return c.remove(ctx, request{op: fmt.Sprintf("delete virtual host %q", name), path: []string{"vhosts", name}})
}
