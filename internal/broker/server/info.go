package server

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/openintegrationhub/leat/internal/broker/core"
	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// info is what is told about a connection.
type info struct {
	local     bool // the client is on this machine
	name      string
	host      string
	peer      string
	connected time.Time
	tls       bool
	public    atomic.Pointer[ConnInfo]
}

// tlsConn is what crypto/tls connections have.
type tlsConn interface{ VerifyHostname(string) error }

func (i *info) start(nc net.Conn) {
	i.host, i.peer = nc.LocalAddr().String(), nc.RemoteAddr().String()
	i.name = i.peer + " -> " + i.host
	i.connected = time.Now()
	_, i.tls = nc.(tlsConn)
	switch a := nc.RemoteAddr().(type) {
	case *net.TCPAddr:
		i.local = a.IP.IsLoopback()
	default: // in memory, or a socket file
		i.local = true
	}
}

// ConnInfo describes an open connection.
type ConnInfo struct {
	Name, User, VHost   string
	Host, Peer          string // addresses, "127.0.0.1:5672"
	Mechanism           string
	Properties          wire.Table // the client's
	Connected           time.Time
	TLS                 bool
	FrameMax            uint32
	ChannelMax          uint16
	Heartbeat           time.Duration
	Received, Sent      uint64 // bytes
	SendPending         int64  // bytes
	Blocked             bool
	Channels, Consumers int
}

// opened publishes what is fixed from connection.open on.
func (i *info) opened(c *conn) {
	i.public.Store(&ConnInfo{
		Name: i.name, User: c.user, VHost: c.space.VHost.Name(), Host: i.host, Peer: i.peer, Mechanism: c.mechanism,
		Properties: c.client, Connected: i.connected, TLS: i.tls, FrameMax: c.frameMax, ChannelMax: c.chanMax, Heartbeat: c.heartbeat,
	})
}

// Connections lists the open connections.
func (s *Server) Connections() []ConnInfo {
	var list []ConnInfo
	s.each(func(c *conn) {
		fixed := c.info.public.Load()
		if fixed == nil {
			return
		}
		i := *fixed
		i.Received, i.Sent, i.SendPending = c.received.Load(), c.out.sent.Load(), c.out.size.Load()
		i.Blocked = c.waiting.Load() && s.alarm.Load() != nil
		sp := c.shared.Load()
		sp.VHost.Mu.Lock()
		if c.core != nil {
			i.Channels, i.Consumers = c.core.Size()
		}
		sp.VHost.Mu.Unlock()
		list = append(list, i)
	})
	return list
}

// CloseConnection ends the named connection, and says whether there was one. reason goes to the client.
func (s *Server) CloseConnection(name, reason string) bool {
	found := false
	s.each(func(c *conn) {
		if c.info.name == name {
			found = true
			c.shut(reason)
		}
	})
	return found
}

// CloseMatching ends the connections for which match is true.
func (s *Server) CloseMatching(match func(user, vhost string) bool, reason string) {
	s.each(func(c *conn) {
		if i := c.info.public.Load(); i != nil && match(i.User, i.VHost) {
			c.shut(reason)
		}
	})
}

// Describe gives the name and user of a connection of this package, "" for others.
func Describe(cc *core.Conn) (name, user string) {
	if c, ok := cc.Sink().(*conn); ok {
		return c.info.name, c.user
	}
	return "", ""
}
