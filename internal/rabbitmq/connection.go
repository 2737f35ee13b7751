package rabbitmq

import (
	"context"
	"fmt"
	"net/http"
)

// Connection of an AMQP client.
type Connection struct {
	Name             string         `json:"name"` // "PEER -> SERVER"
	User             string         `json:"user"`
	VHost            string         `json:"vhost"`
	State            string         `json:"state"` // running, blocked, blocking, flow ...
	Channels         int            `json:"channels"`
	Protocol         string         `json:"protocol"`
	PeerHost         string         `json:"peer_host"`
	PeerPort         int            `json:"peer_port"`
	ConnectedAtMS    int64          `json:"connected_at"`      // Unix time in milliseconds
	ClientProperties map[string]any `json:"client_properties"` // as the client gave them
}

// Connections lists the connections that the user may see. A new one appears after the broker's statistics interval.
func (c *Client) Connections(ctx context.Context) ([]Connection, error) {
	var out []Connection
	return out, c.get(ctx, "list connections", &out, "connections")
}

// CloseConnection closes a connection from the server's side, with a reason that the client gets to see. That it doesn't exist is
// no error.
func (c *Client) CloseConnection(ctx context.Context, name, reason string) error {
	header := http.Header{}
	if reason != "" {
		header.Set("X-Reason", reason)
	}
	return c.remove(ctx, request{op: fmt.Sprintf("close connection %q", name), path: []string{"connections", name}, header: header})
}
