package runner_test

import (
	"context"
	"net"
	"testing"

	"github.com/openintegrationhub/leat/internal/broker"
)

// embedded is a broker inside the test, on a disk.
func embedded(t *testing.T) target {
	t.Helper()
	options := broker.DefaultOptions()
	options.Dir = t.TempDir()
	b, err := broker.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return target{
		url:  "amqp://guest:guest@broker/",
		dial: func(context.Context, string, string) (net.Conn, error) { return b.Dial() },
	}
}
