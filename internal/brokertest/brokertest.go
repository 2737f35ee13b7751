// Package brokertest gives tests the embedded broker with a virtual host, and a way to connect to it as its administrator.
package brokertest

import (
	"context"
	"net"
	"testing"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/broker"
)

// VHost is the virtual host there is.
const VHost = "flows"

// Start starts a broker, which ends with the test. It keeps what it has in dir; in memory if that's empty.
func Start(t testing.TB, dir string) (*broker.Broker, amqp.Dialer) {
	t.Helper()
	o := broker.DefaultOptions()
	o.Dir = dir
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close broker: %v", err)
		}
	})
	for _, err := range []error{
		b.PutUser("leat", "secret", "administrator"), b.PutVhost(VHost),
		b.PutPermissions(VHost, "leat", broker.Permissions{Configure: ".*", Write: ".*", Read: ".*"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return b, amqp.Dialer{URL: "amqp://leat:secret@broker/" + VHost, Name: "test",
		Dial: func(context.Context, string, string) (net.Conn, error) { return b.Dial() }}
}
