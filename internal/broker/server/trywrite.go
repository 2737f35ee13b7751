package server

import (
	"net"
	"syscall"
)

// tryWriter writes as much as goes without blocking; less than all is no error.
type tryWriter interface {
	TryWrite(p []byte) (n int, err error)
}

// newTryWriter gives nc's way to write without blocking, nil when it has none, such as TLS.
func newTryWriter(nc net.Conn) tryWriter {
	if t, ok := nc.(tryWriter); ok {
		return t
	}
	raw := rawTCP(nc)
	if raw == nil {
		return nil
	}
	t := &tcpWriter{raw: raw}
	t.call = t.write
	return t
}

// rawTCP gives nc's socket, nil when it isn't TCP's.
func rawTCP(nc net.Conn) syscall.RawConn {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// tcpWriter makes one write call on the socket, which is non-blocking. It's used by one goroutine at a time.
type tcpWriter struct {
	raw  syscall.RawConn
	call func(fd uintptr) bool // t.write, made once
	p    []byte
	n    int
	err  error
}

// TryWrite is tryWriter's.
func (t *tcpWriter) TryWrite(p []byte) (int, error) {
	t.p, t.n, t.err = p, 0, nil
	err := t.raw.Write(t.call)
	t.p = nil
	if err == nil {
		err = t.err
	}
	return t.n, err
}

func (t *tcpWriter) write(fd uintptr) bool {
	n, err := syscall.Write(int(fd), t.p)
	if n > 0 {
		t.n = n
	}
	if err != nil && err != syscall.EAGAIN && err != syscall.EINTR {
		t.err = err
	}
	return true // no waiting
}
