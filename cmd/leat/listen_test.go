package main

import (
	"net"
	"strconv"
	"testing"
)

func TestLocalhostIsBothOfItsAddresses(t *testing.T) {
	listeners, err := listenAll("localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range listeners {
		defer l.Close()
	}
	port := strconv.Itoa(listeners[0].Addr().(*net.TCPAddr).Port)
	for _, ip := range []string{"127.0.0.1", "::1"} {
		there, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
		if err != nil {
			t.Logf("this machine has no %s", ip)
			continue
		}
		there.Close()
		c, err := net.Dial("tcp", net.JoinHostPort(ip, port))
		if err != nil {
			t.Errorf("dial localhost as %s: %v", ip, err)
			continue
		}
		c.Close()
	}
	if again, err := listenAll("localhost:" + port); err == nil {
		t.Errorf("a port that is taken: listens on %v, want an error", again[0].Addr())
	}
}
