package amqp

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/openintegrationhub/leat/internal/message"
)

// Client publishes to any virtual host of a broker and reconnects by itself: what the router and the scheduler use. While the broker is
// away it answers ErrUnavailable at once, and tries to connect again once a second at most. It's safe for concurrent use.
type Client struct {
	dialer Dialer
	logger *slog.Logger

	mu     sync.Mutex // guards links and closed
	links  map[string]*link
	closed bool
}

// link is the connection to one virtual host.
type link struct {
	mu        sync.Mutex // guards what follows; held while connecting, so that one connects and the others wait
	conn      *Conn
	publisher *Publisher
	failed    error
	retry     time.Time
}

// retryEvery is how often at most a client tries to connect to a broker that's away.
const retryEvery = time.Second

// NewClient returns a client that connects when it's first used. The virtual host in the dialer's URL doesn't matter.
func NewClient(d Dialer, logger *slog.Logger) *Client {
	return &Client{dialer: d, logger: logger, links: map[string]*link{}}
}

// Publish publishes m to a virtual host and waits for the broker's confirm. Errors are those of Publisher.Publish.
func (c *Client) Publish(ctx context.Context, vhost string, m Publishing) error {
	_, p, err := c.link(ctx, vhost)
	if err != nil {
		return err
	}
	return p.Publish(ctx, m)
}

// Peek returns the headers of the first message of a queue, which stays there; found is false if there's none.
func (c *Client) Peek(ctx context.Context, vhost, queue string) (headers message.Headers, found bool, err error) {
	conn, _, err := c.link(ctx, vhost)
	if err != nil {
		return nil, false, err
	}
	d, found, err := conn.Peek(queue)
	return d.Headers, found, err
}

// Ready returns nil if the virtual host can be reached now.
func (c *Client) Ready(ctx context.Context, vhost string) error {
	_, _, err := c.link(ctx, vhost)
	return err
}

// link returns the live connection to a virtual host.
func (c *Client) link(ctx context.Context, vhost string) (*Conn, *Publisher, error) {
	c.mu.Lock()
	l := c.links[vhost]
	if l == nil && !c.closed {
		l = new(link)
		c.links[vhost] = l
	}
	c.mu.Unlock()
	if l == nil {
		return nil, nil, fmt.Errorf("%w: the client is closed", ErrUnavailable)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil && l.conn.Err() == nil && !l.publisher.channel.IsClosed() {
		return l.conn, l.publisher, nil
	}
	if l.conn != nil {
		c.logger.Warn("broker connection lost", "vhost", vhost, "err", l.publisher.reason(l.conn.Err()))
		l.conn.Close()
		l.conn = nil
	}
	if l.failed != nil && time.Now().Before(l.retry) {
		return nil, nil, l.failed
	}
	if err := c.connect(ctx, l, vhost); err != nil {
		l.failed, l.retry = fmt.Errorf("%w: %w", ErrUnavailable, err), time.Now().Add(retryEvery)
		return nil, nil, l.failed
	}
	l.failed = nil
	return l.conn, l.publisher, nil
}

func (c *Client) connect(ctx context.Context, l *link, vhost string) error {
	d, err := c.dialer.at(vhost)
	if err != nil {
		return err
	}
	conn, err := d.Connect(context.WithoutCancel(ctx)) // others wait for the same connection
	if err != nil {
		return err
	}
	publisher, err := conn.Publisher()
	if err != nil {
		conn.Close()
		return err
	}
	l.conn, l.publisher = conn, publisher
	return nil
}

// Close ends all connections.
func (c *Client) Close() {
	c.mu.Lock()
	links := c.links
	c.links, c.closed = nil, true
	c.mu.Unlock()
	for _, l := range links {
		l.mu.Lock()
		if l.conn != nil {
			l.conn.Close()
		}
		l.mu.Unlock()
	}
}
