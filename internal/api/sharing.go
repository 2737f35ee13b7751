package api

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/openintegrationhub/leat/internal/amqp"
)

// flowsPerConn is how many flows share a connection. Each has a channel, of which RabbitMQ allows 2,047 on one connection by default.
const flowsPerConn = 1000

// sharing hands out connections, so that the flows of a virtual host share them.
type sharing struct {
	connect func(vhost string) (*amqp.Conn, error)
	logger  *slog.Logger

	mu    sync.Mutex // guards hosts
	hosts map[string]*sharedHost
}

// sharedHost has the connections to one virtual host.
type sharedHost struct {
	mu     sync.Mutex // guards what follows; held while connecting, so that one connects and the others wait
	conns  []*sharedConn
	failed error     // why there is no connection
	retry  time.Time // when to try again
}

type sharedConn struct {
	*amqp.Conn
	users int
}

func newSharing(connect func(vhost string) (*amqp.Conn, error), logger *slog.Logger) *sharing {
	return &sharing{connect: connect, logger: logger, hosts: map[string]*sharedHost{}}
}

func (s *sharing) host(vhost string) *sharedHost {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[vhost]
	if h == nil {
		h = new(sharedHost)
		s.hosts[vhost] = h
	}
	return h
}

// take returns a living connection with room for one more. It has to be given back.
func (s *sharing) take(vhost string) (*sharedConn, error) {
	h := s.host(vhost)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns = slices.DeleteFunc(h.conns, func(c *sharedConn) bool { return c.users == 0 && c.Err() != nil })
	for _, c := range h.conns {
		if c.users < flowsPerConn && c.Err() == nil {
			c.users++
			return c, nil
		}
	}
	if h.failed != nil && time.Now().Before(h.retry) {
		return nil, h.failed
	}
	conn, err := s.connect(vhost)
	if err != nil {
		if h.failed == nil { // one line, not one for each flow
			s.logger.Warn("errors and snapshots not collected: no connection to the broker", "vhost", vhost, "err", err)
		}
		h.failed, h.retry = err, time.Now().Add(time.Second)
		return nil, err
	}
	if h.failed != nil {
		s.logger.Info("errors and snapshots collected again", "vhost", vhost)
	}
	c := &sharedConn{Conn: conn, users: 1}
	h.conns, h.failed = append(h.conns, c), nil
	return c, nil
}

// give gives a connection back. One that is lost goes, and one that nobody uses if another lives: the last one stays for whoever comes next.
func (s *sharing) give(vhost string, c *sharedConn) {
	h := s.host(vhost)
	h.mu.Lock()
	c.users--
	another := slices.ContainsFunc(h.conns, func(other *sharedConn) bool { return other != c && other.Err() == nil })
	gone := c.users == 0 && (c.Err() != nil || another)
	if gone {
		h.conns = slices.DeleteFunc(h.conns, func(other *sharedConn) bool { return other == c })
	}
	h.mu.Unlock()
	if gone {
		c.Close()
	}
}

// close closes all connections. Nobody uses them any more.
func (s *sharing) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hosts {
		for _, c := range h.conns {
			c.Close()
		}
	}
}
