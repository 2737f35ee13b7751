package server

import (
	"net"
	"syscall"
)

// quickAcker has the kernel acknowledge at once what came by TCP. Else it waits for an answer to send along, 40 ms at most, and a client whose
// kernel waits for that acknowledgement before it sends its next small packet (RFC 896), as Node's does, stands still meanwhile.
type quickAcker struct {
	raw  syscall.RawConn
	call func(fd uintptr) // set, made once
}

// newQuickAcker gives nil for connections that aren't TCP.
func newQuickAcker(nc net.Conn) *quickAcker {
	if under, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS
		nc = under.NetConn()
	}
	raw := rawTCP(nc)
	if raw == nil {
		return nil
	}
	q := &quickAcker{raw: raw}
	q.call = q.set
	return q
}

func (q *quickAcker) set(fd uintptr) {
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) // at worst it stays slow
}

// now acknowledges. The kernel goes back to waiting by itself.
func (q *quickAcker) now() {
	if q != nil {
		_ = q.raw.Control(q.call)
	}
}
