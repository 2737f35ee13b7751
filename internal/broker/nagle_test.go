//go:build linux

package broker_test

import (
	"net"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A client whose small packets wait for acknowledgements (Nagle's algorithm), as Node's do, and that gets no answer to what it publishes, isn't
// left waiting for the kernel's delayed acknowledgement: 40 ms for each message. The oldest libraries of elastic.io are such clients.
func TestAClientWithoutConfirmsIsNotHeldUpByDelayedAcknowledgements(t *testing.T) {
	_, url := start(t, "")
	conn, err := amqp.DialConfig(url, amqp.Config{Dial: func(network, address string) (net.Conn, error) {
		nc, err := net.Dial(network, address)
		if err != nil {
			return nil, err
		}
		return nc, nc.(*net.TCPConn).SetNoDelay(false)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch := channel(t, conn)
	declare(t, ch, "q", nil)
	if err := ch.Qos(1, 0, false); err != nil {
		t.Fatal(err)
	}
	deliveries := consume(t, ch, "q")
	send := func() {
		t.Helper()
		if err := ch.Publish("", "q", false, false, amqp.Publishing{Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	send()
	send()
	quickest := time.Hour
	last := time.Now()
	for n := range 60 {
		d := receive(t, deliveries)
		if n > 30 { // a new connection's first packets are acknowledged at once anyway
			quickest = min(quickest, time.Since(last))
		}
		last = time.Now()
		send()
		if err := d.Ack(false); err != nil {
			t.Fatal(err)
		}
	}
	if quickest > 30*time.Millisecond {
		t.Errorf("no message came sooner than %v after the one before", quickest)
	}
}
