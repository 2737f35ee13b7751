package amqp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/message"
)

// Replies takes what flows answer to one router: in each virtual host a queue of its own, bound to the exchange of each flow with the router's
// key. The queue goes with the connection: a reply that comes while nobody listens has nobody who waits for it.
type Replies struct {
	dialer  Dialer
	key     string
	deliver func(key string, headers message.Headers, body []byte)
	logger  *slog.Logger

	mu      sync.Mutex // guards what follows
	wanted  map[string][]string
	hosts   map[string]*replyHost
	failing map[string]bool // by virtual host
}

// replyHost is the listening in one virtual host.
type replyHost struct {
	conn    *Conn
	queue   string
	bound   map[string]bool  // exchanges
	channel *amqp091.Channel // to bind with; nil while there's nothing to bind
}

// NewReplies returns a listener that has nothing to listen to until Update is called. deliver is called for each reply and must not block;
// it may keep and change what it gets.
func NewReplies(d Dialer, key string, deliver func(key string, headers message.Headers, body []byte), logger *slog.Logger) *Replies {
	return &Replies{dialer: d, key: key, deliver: deliver, logger: logger, hosts: map[string]*replyHost{}, failing: map[string]bool{}}
}

// Update replaces the exchanges to listen at, by virtual host. When it returns it listens there, unless the broker is away: then Run goes on
// trying.
func (r *Replies) Update(ctx context.Context, exchanges map[string][]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted = exchanges
	r.mend(ctx)
}

// Run restores what a lost connection has ended, until ctx is done; then it closes all.
func (r *Replies) Run(ctx context.Context) error {
	ticker := time.NewTicker(retryEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, h := range r.hosts {
				h.conn.Close()
			}
			return nil
		case <-ticker.C:
			r.mu.Lock()
			r.mend(ctx)
			r.mu.Unlock()
		}
	}
}

// mend makes what is match what is wanted. r.mu is held.
func (r *Replies) mend(ctx context.Context) {
	for vhost, h := range r.hosts {
		if h.conn.Err() != nil || len(r.wanted[vhost]) == 0 {
			h.conn.Close()
			delete(r.hosts, vhost)
		}
	}
	for vhost, exchanges := range r.wanted {
		if len(exchanges) == 0 {
			continue
		}
		err := r.listen(ctx, vhost, exchanges)
		if err != nil && !r.failing[vhost] { // one line, not one with each try
			r.logger.Warn("replies are not received", "vhost", vhost, "err", err)
		}
		if err == nil && r.failing[vhost] {
			r.logger.Info("replies are received again", "vhost", vhost)
		}
		r.failing[vhost] = err != nil
	}
}

// listen brings one virtual host up to date. An exchange that isn't there, since its flow has just been removed or is still being made, doesn't keep the
// others from being listened to.
func (r *Replies) listen(ctx context.Context, vhost string, exchanges []string) error {
	h := r.hosts[vhost]
	if h == nil {
		var err error
		if h, err = r.open(ctx, vhost); err != nil {
			return err
		}
		r.hosts[vhost] = h
	}
	wanted := make(map[string]bool, len(exchanges))
	for _, exchange := range exchanges {
		wanted[exchange] = true
	}
	var errs []error
	for exchange := range h.bound {
		if wanted[exchange] {
			continue
		}
		if err := h.do(func(c *amqp091.Channel) error { return c.QueueUnbind(h.queue, r.key, exchange, nil) }); err != nil && !IsNotFound(err) {
			errs = append(errs, fmt.Errorf("unbind from exchange %q: %w", exchange, err))
			continue
		}
		delete(h.bound, exchange)
	}
	for _, exchange := range exchanges {
		if h.bound[exchange] || h.conn.Err() != nil {
			continue
		}
		if err := h.do(func(c *amqp091.Channel) error { return c.QueueBind(h.queue, r.key, exchange, false, nil) }); err != nil {
			errs = append(errs, fmt.Errorf("bind to exchange %q: %w", exchange, err))
			continue
		}
		h.bound[exchange] = true
	}
	if h.channel != nil {
		h.channel.Close()
		h.channel = nil
	}
	return errors.Join(errs...)
}

// do does one thing over the host's channel for such things; the broker closes it when something can't be done.
func (h *replyHost) do(f func(*amqp091.Channel) error) error {
	if h.channel == nil || h.channel.IsClosed() {
		var err error
		if h.channel, err = h.conn.conn.Channel(); err != nil {
			return fmt.Errorf("open channel: %w", err)
		}
	}
	return f(h.channel)
}

// open connects, and consumes a new queue that only this connection may use.
func (r *Replies) open(ctx context.Context, vhost string) (*replyHost, error) {
	d, err := r.dialer.at(vhost)
	if err != nil {
		return nil, err
	}
	conn, err := d.Connect(ctx)
	if err != nil {
		return nil, err
	}
	channel, err := conn.conn.Channel()
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open channel: %w", err)
	}
	queue, err := channel.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("declare queue for replies: %w", err)
	}
	deliveries, err := channel.Consume(queue.Name, "", true, true, false, false, nil)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("consume replies: %w", err)
	}
	go func() { // ends with the connection
		for d := range deliveries {
			r.deliver(d.RoutingKey, message.Headers(d.Headers), d.Body)
		}
	}()
	return &replyHost{conn: conn, queue: queue.Name, bound: map[string]bool{}}, nil
}
