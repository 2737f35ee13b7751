package runner_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/topology"
)

// tolerance is how late a message may come back on a busy machine. Early is a mistake on any.
const tolerance = 150 * time.Millisecond

// patient is a flow with steps of different first delays.
func patient(t *testing.T, b target) (conn *amqp.Conn, name string) {
	t.Helper()
	name = "t" + uuid.NewString()[:8]
	conn, err := (amqp.Dialer{URL: b.url, Dial: b.dial}).Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	f := &flow.Flow{Name: name, Namespace: "/", Nodes: []*flow.Node{
		{ID: "slow", First: true, Env: map[string]string{topology.ReboundInitialVariable: "3000"}},
		{ID: "quick", Env: map[string]string{topology.ReboundInitialVariable: "1000", topology.ReboundLimitVariable: "2"}},
		{ID: "usual"},
	}, Connections: []flow.Connection{{From: "slow", To: "quick"}, {From: "quick", To: "usual"}}}
	for range 2 { // again is no mistake
		if err := conn.Declare(topology.For(f, topology.Options{DeliveryLimit: 20})); err != nil {
			t.Fatal(err)
		}
	}
	return conn, name
}

// A library publishes a rebound with the step's key, its round in a header, and the delay of that round.
func TestReboundsComeBackWhenTheyAreDue(t *testing.T) {
	sent := []struct {
		id, step string
		round    any // Node's library sends the smallest integer that fits, Java's 32 or 64 bits
		delay    time.Duration
	}{
		{"first", "slow", int8(1), 3 * time.Second},
		{"second", "quick", int32(1), time.Second},
		{"third", "quick", int64(2), 2 * time.Second},
		{"beyond the limit", "quick", int8(3), 700 * time.Millisecond},
		{"without a round", "usual", nil, 800 * time.Millisecond}, // behind it, and not before
	}
	onBrokers(t, func(t *testing.T, b target) {
		conn, name := patient(t, b)
		p, err := conn.Publisher()
		if err != nil {
			t.Fatal(err)
		}
		type arrival struct {
			id, step string
			at       time.Time
		}
		arrivals := make(chan arrival, len(sent))
		for _, step := range []string{"slow", "quick", "usual"} {
			c, err := conn.Consume(topology.StepQueue(name, step), 10)
			if err != nil {
				t.Fatal(err)
			}
			go func() { // ends with the connection
				for d, ok := c.Next(); ok; d, ok = c.Next() {
					arrivals <- arrival{d.Headers.Text("messageId"), step, time.Now()}
					c.Ack(d)
				}
			}()
		}
		due := map[string]time.Time{}
		for _, s := range sent {
			headers := message.Headers{"messageId": s.id}
			if s.round != nil {
				headers["reboundIteration"] = s.round
			}
			m := amqp.Publishing{Exchange: name, Key: topology.Key(name, s.step, topology.Rebound), Headers: headers, Body: []byte("{}"), Expiration: s.delay}
			due[s.id] = time.Now().Add(s.delay)
			if err := p.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		for range sent {
			select {
			case a := <-arrivals:
				for _, s := range sent {
					if s.id == a.id && s.step != a.step {
						t.Errorf("%s came to step %s, want %s", a.id, a.step, s.step)
					}
				}
				if late := a.at.Sub(due[a.id]); late < -time.Millisecond || late > tolerance { // brokers count in whole milliseconds
					t.Errorf("%s came %v after it was due", a.id, late)
				}
			case <-time.After(patience):
				t.Fatal("not all came back")
			}
		}
	})
}

// A data folder or a broker of an older version has a queue F:S:rebounds. What waits there still comes back.
func TestReboundsOfAnOlderVersionComeBack(t *testing.T) {
	onBrokers(t, func(t *testing.T, b target) {
		conn, name := patient(t, b)
		old := topology.Topology{
			Queues:   []topology.Queue{{Name: name + ":usual:rebounds", DeadLetterExchange: name, DeadLetterKey: name + ".usual.requeue"}},
			Bindings: []topology.Binding{{Source: name, Key: name + ".old", Queue: name + ":usual:rebounds"}},
		}
		if err := conn.Declare(old); err != nil {
			t.Fatal(err)
		}
		p, err := conn.Publisher()
		if err != nil {
			t.Fatal(err)
		}
		m := amqp.Publishing{Exchange: name, Key: name + ".old", Headers: message.Headers{"messageId": "m"}, Body: []byte("{}"), Expiration: 50 * time.Millisecond}
		if err := p.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		c, err := conn.Consume(topology.StepQueue(name, "usual"), 1)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(patience, func() { c.Cancel() })
		if d, ok := c.Next(); !ok || d.Headers.Text("messageId") != "m" {
			t.Errorf("got %v, %v", d.Headers, ok)
		}
	})
}

// Rebounds of a step that was removed meanwhile are in the list of errors, not nowhere.
func TestARevivedMessageWithoutItsStepIsUnroutable(t *testing.T) {
	onBrokers(t, func(t *testing.T, b target) {
		conn, name := patient(t, b)
		p, err := conn.Publisher()
		if err != nil {
			t.Fatal(err)
		}
		m := amqp.Publishing{
			Exchange: name, Key: topology.Key(name, "quick", topology.Rebound), Headers: message.Headers{"messageId": "m", "reboundIteration": int32(1)},
			Body: []byte("{}"), Expiration: time.Second,
		}
		if err := p.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if err := conn.Remove(topology.Topology{Queues: []topology.Queue{{Name: topology.StepQueue(name, "quick")}}}); err != nil {
			t.Fatal(err)
		}
		c, err := conn.Consume(topology.UnroutableQueue(name), 1)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(patience, func() { c.Cancel() })
		if d, ok := c.Next(); !ok || d.Key != topology.Key(name, "quick", topology.Rebound) {
			t.Errorf("got %v, %v", d.Key, ok)
		}
	})
}
