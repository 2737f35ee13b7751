package broker_test

import (
	"errors"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/broker"
)

func TestRejectedAndExpiredMessagesGoToTheDeadLetterExchange(t *testing.T) {
	_, url := start(t, t.TempDir())
	ch := confirmed(t, channel(t, dial(t, url)))
	if err := ch.ExchangeDeclare("f", "topic", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	declare(t, ch, "f:s:messages", amqp.Table{"x-dead-letter-exchange": "f", "x-dead-letter-routing-key": "f.s.deadletter"})
	declare(t, ch, "f:s:rebounds", amqp.Table{
		"x-message-ttl": int32(50), "x-dead-letter-exchange": "f", "x-dead-letter-routing-key": "f.s.requeue",
	})
	declare(t, ch, "dead", nil)
	for _, b := range [][2]string{{"f:s:messages", "f.s.requeue"}, {"f:s:rebounds", "f.s.rebound"}, {"dead", "f.s.deadletter"}} {
		if err := ch.QueueBind(b[0], b[1], "f", false, nil); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, ch, "f", "f.s.rebound", "m")
	d := receive(t, consume(t, ch, "f:s:messages"))
	death := d.Headers["x-death"].([]any)[0].(amqp.Table)
	if death["reason"] != "expired" || death["queue"] != "f:s:rebounds" || death["count"] != int64(1) {
		t.Errorf("first death: %v", death)
	}
	if err := d.Reject(false); err != nil {
		t.Fatal(err)
	}
	d = receive(t, consume(t, ch, "dead"))
	deaths := d.Headers["x-death"].([]any)
	if len(deaths) != 2 || deaths[0].(amqp.Table)["reason"] != "rejected" || d.RoutingKey != "f.s.deadletter" || string(d.Body) != "m" {
		t.Errorf("dead letter: key %q, body %q, deaths %v", d.RoutingKey, d.Body, deaths)
	}
}

func TestUnroutableMandatoryMessageIsReturnedBeforeItsConfirm(t *testing.T) {
	_, url := start(t, "")
	ch := confirmed(t, channel(t, dial(t, url)))
	returns := ch.NotifyReturn(make(chan amqp.Return, 1))
	acks := ch.NotifyPublish(make(chan amqp.Confirmation, 1))
	if err := ch.PublishWithContext(t.Context(), "amq.topic", "nobody", true, false, amqp.Publishing{Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	select {
	case a := <-acks:
		if !a.Ack {
			t.Error("nack")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("no confirm")
	}
	select {
	case r := <-returns:
		if r.ReplyCode != 312 || r.ReplyText != "NO_ROUTE" || string(r.Body) != "x" {
			t.Errorf("return: %+v", r)
		}
	default:
		t.Error("confirm came without a return")
	}
}

func TestPermissionsAreEnforcedInRabbitMQsWords(t *testing.T) {
	b, url := start(t, "")
	if err := b.PutUser("step", "secret"); err != nil {
		t.Fatal(err)
	}
	if err := b.PutPermissions("/", "step", broker.Permissions{Configure: "^$", Write: "^f$", Read: "^f:s:messages$"}); err != nil {
		t.Fatal(err)
	}
	if err := b.PutTopicPermissions("/", "step", "f", broker.TopicPermissions{Write: `^f\.s\.`, Read: ".*"}); err != nil {
		t.Fatal(err)
	}
	admin := channel(t, dial(t, url))
	declare(t, admin, "f:s:messages", nil)
	if err := admin.ExchangeDeclare("f", "topic", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	c, err := amqp.DialConfig(url, amqp.Config{SASL: []amqp.Authentication{&amqp.PlainAuth{Username: "step", Password: "secret"}}, Vhost: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, tc := range map[string]struct {
		do   func(ch *amqp.Channel) error
		text string
	}{
		"declare": {
			func(ch *amqp.Channel) error {
				_, err := ch.QueueDeclare("new", true, false, false, false, nil)
				return err
			},
			"ACCESS_REFUSED - access to queue 'new' in vhost '/' refused for user 'step'",
		},
		"publish": {
			func(ch *amqp.Channel) error {
				return ch.PublishWithContext(t.Context(), "", "q", false, false, amqp.Publishing{})
			},
			"ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user 'step'",
		},
		"publish topic": {
			func(ch *amqp.Channel) error {
				return ch.PublishWithContext(t.Context(), "f", "f.t.x", false, false, amqp.Publishing{})
			},
			"ACCESS_REFUSED - access to topic 'f.t.x' in exchange 'f' in vhost '/' refused for user 'step'",
		},
		"missing queue": {
			func(ch *amqp.Channel) error {
				_, err := admin.QueueDeclarePassive("none", true, false, false, false, nil)
				return err
			},
			"NOT_FOUND - no queue 'none' in vhost '/'",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ch := channel(t, c)
			closed := ch.NotifyClose(make(chan *amqp.Error, 1))
			err := tc.do(ch)
			var ae *amqp.Error
			if !errors.As(err, &ae) {
				select {
				case ae = <-closed:
				case <-time.After(5 * time.Second):
					t.Fatal("channel is still open")
				}
			}
			if ae.Reason != tc.text {
				t.Errorf("got %q\nwant %q", ae.Reason, tc.text)
			}
		})
	}
}
