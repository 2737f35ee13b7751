// Package server speaks AMQP 0-9-1 with clients: it accepts connections, logs users in, reads frames, applies them to core and sends
// what core answers. Who may log in, and which virtual hosts there are, is the Host's business.
package server

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openintegrationhub/leat/internal/broker/core"
	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// Host answers for users and virtual hosts.
type Host interface {
	// Login checks a password. local says that the client is on this machine. The error is for the log.
	Login(user, password string, local bool) error
	// Open gives the virtual host and what user may do in it.
	Open(vhost, user string) (*Space, core.Access, *core.Error)
}

// Options are the limits that are offered to clients.
type Options struct {
	Heartbeat    time.Duration // offered to clients, whole seconds, 0 is none
	FrameMax     uint32        // bytes
	ChannelMax   uint16
	MessageMax   uint64 // largest body in bytes
	Handshake    time.Duration
	Properties   wire.Table // server properties of connection.start
	Logger       *slog.Logger
	OutboundHigh int // bytes that may wait for a client before deliveries to it pause
}

// Server is the connections of a broker.
type Server struct {
	opts Options
	host Host

	mu     sync.Mutex // guards what follows
	conns  map[*conn]struct{}
	closed bool
	wg     sync.WaitGroup

	alarm  atomic.Pointer[string] // why publishers are blocked, nil when they aren't
	alarms *sync.Cond             // over mu; signalled when alarm or closed changes
}

// New makes a server without connections.
func New(host Host, opts Options) *Server {
	s := &Server{opts: opts, host: host, conns: map[*conn]struct{}{}}
	s.alarms = sync.NewCond(&s.mu)
	return s
}

// ErrClosed is returned by Serve after Close.
var ErrClosed = errors.New("server is closed")

// Serve accepts connections from l until l or the server is closed; the latter gives ErrClosed.
func (s *Server) Serve(l net.Listener) error {
	for {
		nc, err := l.Accept()
		if err != nil {
			s.mu.Lock()
			closed := s.closed
			s.mu.Unlock()
			if closed {
				return ErrClosed
			}
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				continue
			}
			return err
		}
		s.ServeConn(nc)
	}
}

// ServeConn takes over one connection.
func (s *Server) ServeConn(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.wg.Go(c.write)
	s.wg.Go(func() {
		c.read()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	})
	s.mu.Unlock()
}

// Close ends all connections, telling clients, and waits until they are gone.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.alarms.Broadcast()
	s.mu.Unlock()
	for _, c := range conns {
		c.shut("broker forced connection closure with reason 'shutdown'")
	}
	s.wg.Wait()
}

// SetAlarm blocks publishers for the given reason, such as "low on memory"; "" lets them go on.
func (s *Server) SetAlarm(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reason == "" {
		s.alarm.Store(nil)
	} else {
		s.alarm.Store(&reason)
	}
	s.alarms.Broadcast()
}

// awaitAlarmOver blocks until there is no alarm or the server closes.
func (s *Server) awaitAlarmOver(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.alarm.Load() != nil && !s.closed && !c.out.ended() {
		s.alarms.Wait()
	}
}

// wakeBlocked lets readers that wait for the end of an alarm look whether their connection is gone.
func (s *Server) wakeBlocked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alarms.Broadcast()
}

// each calls f for every connection that is open at the moment.
func (s *Server) each(f func(*conn)) {
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		f(c)
	}
}

// Size is how many connections there are, in whatever state.
func (s *Server) Size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}
