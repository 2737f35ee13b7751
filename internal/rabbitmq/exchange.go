package rabbitmq

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Exchange as the broker has it.
type Exchange struct {
	Name       string         `json:"name"` // empty for the default exchange
	VHost      string         `json:"vhost"`
	Type       string         `json:"type"` // direct, fanout, topic, headers
	Durable    bool           `json:"durable"`
	AutoDelete bool           `json:"auto_delete"`
	Internal   bool           `json:"internal"`
	Arguments  map[string]any `json:"arguments"`
}

// Exchanges lists the exchanges of a virtual host, the predeclared ones too.
func (c *Client) Exchanges(ctx context.Context, vhost string) ([]Exchange, error) {
	var out []Exchange
	return out, c.get(ctx, fmt.Sprintf("list exchanges of %q", vhost), &out, "exchanges", vhost)
}

// Exchange returns one exchange.
func (c *Client) Exchange(ctx context.Context, vhost, name string) (Exchange, error) {
	var out Exchange
	return out, c.get(ctx, fmt.Sprintf("get exchange %q of %q", name, vhost), &out, "exchanges", vhost, name)
}

// PutExchange declares an exchange. It's an error (400) when there's one with other properties.
func (c *Client) PutExchange(ctx context.Context, x Exchange) error {
	body := map[string]any{
		"type": x.Type, "durable": x.Durable, "auto_delete": x.AutoDelete, "internal": x.Internal, "arguments": arguments(x.Arguments),
	}
	return c.put(ctx, fmt.Sprintf("put exchange %q of %q", x.Name, x.VHost), body, "exchanges", x.VHost, x.Name)
}

// DeleteExchange deletes an exchange. That it doesn't exist is no error.
func (c *Client) DeleteExchange(ctx context.Context, vhost, name string, opts DeleteOptions) error {
	op := fmt.Sprintf("delete exchange %q of %q", name, vhost)
	return c.remove(ctx, request{op: op, path: []string{"exchanges", vhost, name}, query: opts.query()})
}

// DestinationType of a binding.
type DestinationType string

// What a binding can lead to.
const (
	ToQueue    DestinationType = "queue"
	ToExchange DestinationType = "exchange"
)

// Binding leads from an exchange to a queue or another exchange.
type Binding struct {
	Source          string          `json:"source"` // empty for the default exchange's bindings, which each queue has
	VHost           string          `json:"vhost"`
	Destination     string          `json:"destination"`
	DestinationType DestinationType `json:"destination_type"`
	RoutingKey      string          `json:"routing_key"`
	Arguments       map[string]any  `json:"arguments"`
	// PropertiesKey tells bindings between the same two apart: the routing key, and a hash of the arguments. The server makes it.
	PropertiesKey string `json:"properties_key"`
}

func (b Binding) String() string {
	return fmt.Sprintf("%q to %s %q by %q in %q", b.Source, b.DestinationType, b.Destination, b.RoutingKey, b.VHost)
}

func (b Binding) path() []string {
	return []string{"bindings", b.VHost, "e", b.Source, string(b.DestinationType[:1]), b.Destination}
}

// Bindings lists the bindings of a virtual host.
func (c *Client) Bindings(ctx context.Context, vhost string) ([]Binding, error) {
	var out []Binding
	return out, c.get(ctx, fmt.Sprintf("list bindings of %q", vhost), &out, "bindings", vhost)
}

// EachBinding calls do for every binding of a virtual host. An error may come after some calls.
func (c *Client) EachBinding(ctx context.Context, vhost string, do func(Binding)) error {
	return each(ctx, c, fmt.Sprintf("list bindings of %q", vhost), nil, do, "bindings", vhost)
}

// PutBinding binds; nothing changes when the same binding exists. PropertiesKey isn't used.
func (c *Client) PutBinding(ctx context.Context, b Binding) error {
	if b.DestinationType != ToQueue && b.DestinationType != ToExchange {
		return fmt.Errorf("rabbitmq: put binding %v: destination type: want queue or exchange", b)
	}
	return c.do(ctx, request{
		op: fmt.Sprintf("put binding %v", b), method: http.MethodPost, path: b.path(),
		body: map[string]any{"routing_key": b.RoutingKey, "arguments": arguments(b.Arguments)},
	})
}

// DeleteBinding unbinds. Binding is one that Bindings returned; without PropertiesKey it's the one of RoutingKey without
// arguments. That it doesn't exist is no error.
func (c *Client) DeleteBinding(ctx context.Context, b Binding) error {
	if b.DestinationType != ToQueue && b.DestinationType != ToExchange {
		return fmt.Errorf("rabbitmq: delete binding %v: destination type: want queue or exchange", b)
	}
	key := b.PropertiesKey
	if key == "" {
		key = propertiesKey(b.RoutingKey)
	}
	return c.remove(ctx, request{op: fmt.Sprintf("delete binding %v", b), path: append(b.path(), key)})
}

// propertiesKey is the key of a binding without arguments: the routing key escaped as in a form, or ~ for the empty one.
func propertiesKey(routingKey string) string {
	if routingKey == "" {
		return "~"
	}
	return strings.ReplaceAll(url.QueryEscape(routingKey), "~", "%7E")
}
