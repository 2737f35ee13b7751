package api

import (
	"log/slog"
	"testing"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/brokertest"
)

// A lost connection that somebody hasn't given back yet is no other one to leave to.
func TestConnectionStaysBesideALostOne(t *testing.T) {
	_, dialer := brokertest.Start(t, "")
	s := newSharing(func(string) (*amqp.Conn, error) { return dialer.Connect(t.Context()) }, slog.New(slog.DiscardHandler))
	defer s.close()
	take := func() *sharedConn {
		t.Helper()
		c, err := s.take(brokertest.VHost)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	lost, same := take(), take()
	if lost != same {
		t.Fatal("two connections for two flows")
	}
	if err := lost.Close(); err != nil {
		t.Fatal(err)
	}
	<-lost.Done()
	s.give(brokertest.VHost, lost)
	next := take()
	s.give(brokertest.VHost, next)
	if again := take(); again != next {
		t.Error("the connection was closed while nobody used it")
	}
	s.give(brokertest.VHost, same)
	if n := len(s.host(brokertest.VHost).conns); n != 1 {
		t.Errorf("%d connections are kept, want 1", n)
	}
}
