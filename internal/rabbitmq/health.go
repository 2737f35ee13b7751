package rabbitmq

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Overview of a broker. Counts lag by the broker's statistics interval.
type Overview struct {
	Product       string `json:"product_name"`
	Version       string `json:"product_version"`
	Compatibility string `json:"rabbitmq_version"` // the RabbitMQ version it behaves like
	Cluster       string `json:"cluster_name"`
	Node          string `json:"node"`
	Totals        struct {
		Messages        int64 `json:"messages"`
		MessagesReady   int64 `json:"messages_ready"`
		MessagesUnacked int64 `json:"messages_unacknowledged"`
	} `json:"queue_totals"`
	Objects struct {
		Connections int `json:"connections"`
		Channels    int `json:"channels"`
		Exchanges   int `json:"exchanges"`
		Queues      int `json:"queues"`
		Consumers   int `json:"consumers"`
	} `json:"object_totals"`
}

// Overview returns what broker it is and how much is in it.
func (c *Client) Overview(ctx context.Context) (Overview, error) {
	var out Overview
	return out, c.get(ctx, "get overview", &out, "overview")
}

// The health checks that Check knows by name. Others of RabbitMQ's work as well, with their arguments after slashes.
const (
	CheckAlarms       = "alarms"                 // no memory or disk alarm anywhere
	CheckLocalAlarms  = "local-alarms"           // none on this node
	CheckVirtualHosts = "virtual-hosts"          // every virtual host is up
	CheckAMQP         = "protocol-listener/amqp" // it listens for AMQP clients
)

// Check runs one health check. A failed one is an *Error with status 503 whose reason says what's wrong.
func (c *Client) Check(ctx context.Context, check string) error {
	path := append([]string{"health", "checks"}, strings.Split(check, "/")...)
	var out json.RawMessage
	return c.do(ctx, request{op: fmt.Sprintf("check health %q", check), method: http.MethodGet, path: path, out: &out})
}
