package rabbitmq

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// Queue as the broker has it. Counts lag by the broker's statistics interval (5 s unless configured).
type Queue struct {
	Name       string         `json:"name"`
	VHost      string         `json:"vhost"`
	Durable    bool           `json:"durable"`
	AutoDelete bool           `json:"auto_delete"`
	Exclusive  bool           `json:"exclusive"`
	Arguments  map[string]any `json:"arguments"` // numbers are float64
	Type       string         `json:"type"`      // classic or quorum
	State      string         `json:"state"`     // running, once it has reported

	Messages        int64 `json:"messages"`                // ready and unacknowledged
	MessagesReady   int64 `json:"messages_ready"`          // to be delivered
	MessagesUnacked int64 `json:"messages_unacknowledged"` // delivered, not yet acknowledged
	MessageBytes    int64 `json:"message_bytes"`           // of bodies
	Consumers       int   `json:"consumers"`

	Stats QueueStats `json:"message_stats"`
}

// QueueStats count messages since the queue was made, or its broker started.
type QueueStats struct {
	Delivered uint64 `json:"deliver_get"`
	Acked     uint64 `json:"ack"`
}

// UnmarshalJSON takes an empty list for nothing: in lists of certain columns, RabbitMQ has one for a queue whose messages nobody has taken.
func (s *QueueStats) UnmarshalJSON(text []byte) error {
	if string(text) == "[]" {
		*s = QueueStats{}
		return nil
	}
	type plain QueueStats
	return json.Unmarshal(text, (*plain)(s))
}

// Queues lists the queues of a virtual host.
func (c *Client) Queues(ctx context.Context, vhost string) ([]Queue, error) {
	var out []Queue
	return out, c.get(ctx, fmt.Sprintf("list queues of %q", vhost), &out, "queues", vhost)
}

// queueColumns are what EachQueue asks for.
const queueColumns = "name,vhost,durable,auto_delete,exclusive,type,state,messages,messages_ready,messages_unacknowledged,message_bytes,consumers," +
	"message_stats.deliver_get,message_stats.ack"

// EachQueue calls do for every queue of a virtual host, without Arguments. An error may come after some calls.
func (c *Client) EachQueue(ctx context.Context, vhost string, do func(Queue)) error {
	query := url.Values{"columns": {queueColumns}}
	return each(ctx, c, fmt.Sprintf("list queues of %q", vhost), query, func(q Queue) {
		q.Arguments = nil
		do(q)
	}, "queues", vhost)
}

// Queue returns one queue.
func (c *Client) Queue(ctx context.Context, vhost, name string) (Queue, error) {
	var out Queue
	return out, c.get(ctx, fmt.Sprintf("get queue %q of %q", name, vhost), &out, "queues", vhost, name)
}

// PutQueue declares a queue: its name, virtual host, Durable, AutoDelete and Arguments. It's an error (400) when there's one with
// other properties.
func (c *Client) PutQueue(ctx context.Context, q Queue) error {
	body := map[string]any{"durable": q.Durable, "auto_delete": q.AutoDelete, "arguments": arguments(q.Arguments)}
	return c.put(ctx, fmt.Sprintf("put queue %q of %q", q.Name, q.VHost), body, "queues", q.VHost, q.Name)
}

// DeleteOptions make a deletion fail (400) rather than delete what's in use.
type DeleteOptions struct{ IfUnused, IfEmpty bool }

func (o DeleteOptions) query() url.Values {
	q := url.Values{}
	if o.IfUnused {
		q.Set("if-unused", "true")
	}
	if o.IfEmpty {
		q.Set("if-empty", "true")
	}
	return q
}

// DeleteQueue deletes a queue with its messages. That it doesn't exist is no error.
func (c *Client) DeleteQueue(ctx context.Context, vhost, name string, opts DeleteOptions) error {
	op := fmt.Sprintf("delete queue %q of %q", name, vhost)
	return c.remove(ctx, request{op: op, path: []string{"queues", vhost, name}, query: opts.query()})
}

// PurgeQueue drops all messages of a queue that aren't with a consumer.
func (c *Client) PurgeQueue(ctx context.Context, vhost, name string) error {
	op := fmt.Sprintf("purge queue %q of %q", name, vhost)
	return c.do(ctx, request{op: op, method: http.MethodDelete, path: []string{"queues", vhost, name, "contents"}})
}

// Message that Messages took from a queue.
type Message struct {
	Exchange    string     `json:"exchange"`
	RoutingKey  string     `json:"routing_key"`
	Redelivered bool       `json:"redelivered"`
	Left        int        `json:"message_count"` // how many are behind it
	Properties  Properties `json:"properties"`    // AMQP properties and headers by their JSON names
	Payload     []byte     `json:"payload"`
}

// Properties of a message.
type Properties map[string]any

// UnmarshalJSON takes the empty list, too, which RabbitMQ writes when there are none.
func (p *Properties) UnmarshalJSON(text []byte) error {
	if string(text) == "[]" {
		*p = Properties{}
		return nil
	}
	return json.Unmarshal(text, (*map[string]any)(p))
}

// Messages takes up to max messages from the head of a queue, for a person to look at. With keep they're put back, marked as
// redelivered; otherwise they're gone.
func (c *Client) Messages(ctx context.Context, vhost, queue string, max int, keep bool) ([]Message, error) {
	mode := "ack_requeue_false"
	if keep {
		mode = "ack_requeue_true"
	}
	var out []Message
	return out, c.do(ctx, request{
		op: fmt.Sprintf("get messages of queue %q of %q", queue, vhost), method: http.MethodPost,
		path: []string{"queues", vhost, queue, "get"}, out: &out,
		body: map[string]any{"count": max, "ackmode": mode, "encoding": "base64"},
	})
}

// Consumer of a queue.
type Consumer struct {
	Tag         string `json:"consumer_tag"`
	Exclusive   bool   `json:"exclusive"`
	AckRequired bool   `json:"ack_required"`
	Prefetch    int    `json:"prefetch_count"`
	Active      bool   `json:"active"` // false: waits behind a single active consumer
	Queue       struct {
		Name  string `json:"name"`
		VHost string `json:"vhost"`
	} `json:"queue"`
	Channel struct {
		Number     int    `json:"number"`
		User       string `json:"user"`
		Connection string `json:"connection_name"`
	} `json:"channel_details"`
}

// Consumers lists the consumers of all queues of a virtual host.
func (c *Client) Consumers(ctx context.Context, vhost string) ([]Consumer, error) {
	var out []Consumer
	return out, c.get(ctx, fmt.Sprintf("list consumers of %q", vhost), &out, "consumers", vhost)
}

// arguments is never null in JSON.
func arguments(args map[string]any) map[string]any {
	if args == nil {
		return map[string]any{}
	}
	return args
}
