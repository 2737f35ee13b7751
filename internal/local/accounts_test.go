package local_test

import (
	"errors"
	"strings"
	"testing"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// A component is somebody else's program: with its account on the broker it must reach its own queue and its own keys, and nothing else.
func TestStepAccountsMayDoNothingElse(t *testing.T) {
	w := startWorld(t, t.TempDir())
	w.apply(chain, changed(t, "name: chain", "name: other"), changed(t, "namespace: test", "namespace: elsewhere"))
	uri := w.getenv("out", "ELASTICIO_AMQP_URI")
	// All three flows have a step "out"; which one's this is tells its name.
	flow := w.getenv("out", "ELASTICIO_FLOW_ID")
	foreign := map[string]string{"chain": "other", "other": "chain"}[flow]
	dial := func(t *testing.T) *amqp091.Channel {
		t.Helper()
		conn, err := amqp091.Dial(uri)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		channel, err := conn.Channel()
		if err != nil {
			t.Fatal(err)
		}
		return channel
	}
	publish := func(exchange, key string) func(*amqp091.Channel) error {
		return func(c *amqp091.Channel) error {
			closed := c.NotifyClose(make(chan *amqp091.Error, 1))
			if err := c.Confirm(false); err != nil {
				return err
			}
			confirm, err := c.PublishWithDeferredConfirm(exchange, key, false, false, amqp091.Publishing{Body: []byte("{}")})
			if err != nil {
				return err
			}
			select {
			case <-confirm.Done():
				return nil
			case err := <-closed:
				return err
			case <-t.Context().Done():
				return t.Context().Err()
			}
		}
	}
	consume := func(queue string) func(*amqp091.Channel) error {
		return func(c *amqp091.Channel) error {
			_, err := c.Consume(queue, "", false, false, false, false, nil)
			return err
		}
	}
	for name, do := range map[string]func(*amqp091.Channel) error{
		"consume another step's queue":     consume(flow + ":in:messages"),
		"consume another flow's queue":     consume(foreign + ":out:messages"),
		"consume the flow's errors":        consume(flow + ":errors"),
		"get from another step's queue":    func(c *amqp091.Channel) error { _, _, err := c.Get(flow+":mid:1:messages", true); return err },
		"publish with another step's key":  publish(flow, flow+".in.message"),
		"publish a tick":                   publish(flow, flow+".out.tick"),
		"publish into its own input":       publish(flow, flow+".out.input"),
		"publish into another flow":        publish(foreign, foreign+".out.message"),
		"publish straight into a queue":    publish("", flow+":in:messages"),
		"publish to the fanout of the end": publish(flow+":end", ""),
		"declare a queue": func(c *amqp091.Channel) error {
			_, err := c.QueueDeclare("mine", false, true, false, false, nil)
			return err
		},
		"declare an exchange": func(c *amqp091.Channel) error {
			return c.ExchangeDeclare("mine", "topic", false, true, false, false, nil)
		},
		"delete its own queue": func(c *amqp091.Channel) error {
			_, err := c.QueueDelete(flow+":out:messages", false, false, false)
			return err
		},
		"delete the flow's exchange":   func(c *amqp091.Channel) error { return c.ExchangeDelete(flow, false, false) },
		"bind its queue to everything": func(c *amqp091.Channel) error { return c.QueueBind(flow+":out:messages", "#", flow, false, nil) },
		"purge another step's queue":   func(c *amqp091.Channel) error { _, err := c.QueuePurge(flow+":in:messages", false); return err },
		"take its queue from another input": func(c *amqp091.Channel) error {
			return c.QueueUnbind(flow+":out:messages", flow+".mid:1.message", flow, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var refused *amqp091.Error
			if err := do(dial(t)); !errors.As(err, &refused) || refused.Code != amqp091.AccessRefused {
				t.Errorf("got %v, want %d ACCESS_REFUSED", err, amqp091.AccessRefused)
			}
		})
	}
	for name, do := range map[string]func(*amqp091.Channel) error{
		"consume its own queue": consume(flow + ":out:messages"),
		"publish its message":   publish(flow, flow+".out.message"),
		"publish an error":      publish(flow, flow+".out.error"),
		"publish a reply":       publish(flow, "reply.someone.1"),
	} {
		t.Run(name, func(t *testing.T) {
			if err := do(dial(t)); err != nil {
				t.Error(err)
			}
		})
	}
	for name, other := range map[string]string{
		"a wrong password":          strings.Replace(uri, "@", "x@", 1),
		"another namespace's vhost": uri[:strings.LastIndexByte(uri, '/')] + "/default",
		"Leat's own vhost":          uri[:strings.LastIndexByte(uri, '/')] + "/%2F",
		"a guest":                   "amqp://guest:guest@" + uri[strings.IndexByte(uri, '@')+1:],
	} {
		t.Run("connect with "+name, func(t *testing.T) {
			if conn, err := amqp091.Dial(other); err == nil {
				conn.Close()
				t.Error("was let in")
			}
		})
	}
}
