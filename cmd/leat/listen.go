package main

import (
	"errors"
	"net"
	"strconv"
	"syscall"
)

// listenAll listens on an address. For localhost these are two, where the machine has both: some clients, such as Node up to version 19, try
// only one of them, and not always the same.
func listenAll(address string) ([]net.Listener, error) {
	first, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	if host, _, err := net.SplitHostPort(address); err != nil || host != "localhost" {
		return []net.Listener{first}, nil
	}
	addr := first.Addr().(*net.TCPAddr)
	other := "::1"
	if addr.IP.To4() == nil {
		other = "127.0.0.1"
	}
	second, err := net.Listen("tcp", net.JoinHostPort(other, strconv.Itoa(addr.Port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		first.Close()
		return nil, err
	}
	if err != nil { // the machine has no such address
		return []net.Listener{first}, nil
	}
	return []net.Listener{first, second}, nil
}
