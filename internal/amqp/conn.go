package amqp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// Dialer says how to reach a broker.
type Dialer struct {
	URL  string // amqp://user:password@host:port/vhost
	Name string // shown in the broker's list of connections

	// Dial opens the connection below AMQP; nil means TCP. With an embedded broker it's the broker's in-memory connection.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	Timeout   time.Duration // to connect and log in; default 10 s
	Heartbeat time.Duration // default 10 s
}

const (
	timeoutDefault   = 10 * time.Second
	heartbeatDefault = 10 * time.Second
	closeTimeout     = 2 * time.Second
)

// Conn is one connection to a broker. It doesn't reconnect: whoever uses it notices Done and starts over, since after a lost connection
// nothing that depended on it (unacknowledged messages, outstanding confirms) is what it was.
type Conn struct {
	conn *amqp091.Connection
	wire net.Conn // below conn
	done chan struct{}
	err  error // why it ended; set before done is closed
}

// Connect connects and logs in. The error wraps ErrUnavailable if the broker can't be reached.
func (d Dialer) Connect(ctx context.Context) (*Conn, error) {
	timeout := d.Timeout
	if timeout <= 0 {
		timeout = timeoutDefault
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	heartbeat := d.Heartbeat
	if heartbeat <= 0 {
		heartbeat = heartbeatDefault
	}
	var wire net.Conn
	properties := amqp091.NewConnectionProperties()
	properties.SetClientConnectionName(d.Name)
	conn, err := amqp091.DialConfig(d.URL, amqp091.Config{
		Heartbeat:  heartbeat,
		Properties: properties,
		Dial: func(network, address string) (net.Conn, error) {
			c, err := d.open(ctx, network, address)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
			wire = c
			deadline, _ := ctx.Deadline()
			return c, c.SetDeadline(deadline) // amqp091 clears it once logged in
		},
	})
	if err != nil {
		return nil, fmt.Errorf("connect to broker: %w", err)
	}
	c := &Conn{conn: conn, wire: wire, done: make(chan struct{})}
	closed := conn.NotifyClose(make(chan *amqp091.Error, 1))
	go func() {
		c.err = errors.New("connection to broker closed")
		if reason, ok := <-closed; ok && reason != nil {
			c.err = fmt.Errorf("connection to broker lost: %w", reason)
		}
		close(c.done)
	}()
	return c, nil
}

// at returns the dialer for another virtual host.
func (d Dialer) at(vhost string) (Dialer, error) {
	u, err := url.Parse(d.URL)
	if err != nil {
		return d, fmt.Errorf("broker address: %w", err)
	}
	u.Path, u.RawPath = "/"+vhost, "/"+url.PathEscape(vhost)
	d.URL = u.String()
	return d, nil
}

func (d Dialer) open(ctx context.Context, network, address string) (net.Conn, error) {
	if d.Dial != nil {
		return d.Dial(ctx, network, address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// Done is closed when the connection has ended; Err tells why.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended, or nil while it lives.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Close ends the connection; what was consumed and not acknowledged goes back to its queue. It waits 2 s at most for the broker's answer.
func (c *Conn) Close() error {
	// The deadline alone isn't enough: amqp091 puts it off with each frame that comes, heartbeats too.
	cut := time.AfterFunc(closeTimeout, func() { c.wire.Close() })
	defer cut.Stop()
	err := c.conn.CloseDeadline(time.Now().Add(closeTimeout))
	if errors.Is(err, amqp091.ErrClosed) {
		return nil
	}
	return err
}

// IsNotFound tells whether err is the broker's answer that a queue or an exchange doesn't exist.
func IsNotFound(err error) bool {
	var reason *amqp091.Error
	return errors.As(err, &reason) && reason.Code == amqp091.NotFound
}
