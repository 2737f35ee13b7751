package cluster_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/broker/management"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/message"
	admin "github.com/openintegrationhub/leat/internal/rabbitmq"
	"github.com/openintegrationhub/leat/internal/topology"
	"github.com/openintegrationhub/leat/test/rabbitmq"
)

// Each service's broker account is good for its work, and for nothing else.
func TestServiceAccountsMayDoTheirWorkAndNothingElse(t *testing.T) {
	t.Run("leat", func(t *testing.T) {
		options := broker.DefaultOptions()
		options.LoopbackUsers = nil
		b, err := broker.New(options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		go b.Serve(listener) // ends with the listener
		web := httptest.NewServer(management.New(b, management.Options{}))
		t.Cleanup(web.Close)
		tryAccounts(t, "amqp://guest:guest@"+listener.Addr().String()+"/", strings.Replace(web.URL, "://", "://guest:guest@", 1))
	})
	t.Run("rabbitmq", func(t *testing.T) {
		s := rabbitmq.Start(t)
		tryAccounts(t, s.AMQP, s.Management)
	})
}

func tryAccounts(t *testing.T, address, managementURL string) {
	vhost, password := "v-"+strings.ToLower(rand.Text()[:8]), rand.Text()
	c, err := admin.New(admin.Options{URL: managementURL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	must(c.PutVHost(t.Context(), vhost), c.PutPermission(t.Context(), admin.Permission{User: "guest", VHost: vhost, Configure: ".*", Write: ".*", Read: ".*"}))
	t.Cleanup(func() { c.DeleteVHost(context.Background(), vhost) })
	for _, a := range topology.ServiceAccounts(vhost) {
		must(c.PutPassword(t.Context(), a.User, password),
			c.PutPermission(t.Context(), admin.Permission{User: a.User, VHost: vhost, Configure: a.Configure, Write: a.Write, Read: a.Read}))
		t.Cleanup(func() { c.DeleteUser(context.Background(), a.User) })
	}
	at := func(user, password string) string {
		u, err := url.Parse(address)
		must(err)
		u.User, u.Path = url.UserPassword(user, password), "/"+vhost
		return u.String()
	}
	own, err := amqp.Dialer{URL: at("guest", "guest"), Name: "operator"}.Connect(t.Context())
	must(err)
	t.Cleanup(func() { own.Close() })
	clock := resource("step_1")
	clock.Spec.Nodes[0].IsPolling = true
	shop := with(resource("in", "out:1"), func(f *v1.Flow) { f.Name = "shop" })
	for _, f := range []*v1.Flow{clock, shop} {
		parsed, err := kube.FlowOf(f)
		must(err)
		must(own.Declare(topology.For(parsed, topology.Options{})))
	}

	// Their work, with the very code that does it.
	dialer := func(user string) amqp.Dialer { return amqp.Dialer{URL: at(user, password), Name: user} }
	logger := slog.New(slog.DiscardHandler)
	client := func(user string) *amqp.Client {
		client := amqp.NewClient(dialer(user), logger)
		t.Cleanup(client.Close)
		return client
	}
	publishing := func(exchange, key string) amqp.Publishing {
		return amqp.Publishing{Exchange: exchange, Key: key, Headers: message.Headers{}, Body: []byte("{}")}
	}
	ticks := client(topology.SchedulerUser)
	must(ticks.Publish(t.Context(), vhost, publishing("f1", "f1.step_1.tick")))
	if _, found, err := ticks.Peek(t.Context(), vhost, "f1:ticks"); err != nil || !found {
		t.Errorf("the scheduler looks for the newest tick: found %v, %v", found, err)
	}
	replied := make(chan string, 1)
	replies := amqp.NewReplies(dialer(topology.RouterUser), "reply.r1.#", func(key string, _ message.Headers, _ []byte) { replied <- key }, logger)
	ctx, stop := context.WithCancel(t.Context())
	replies.Update(ctx, map[string][]string{vhost: {"f1", "missing", "shop"}})
	must(client(topology.RouterUser).Publish(t.Context(), vhost, publishing("shop", "shop.in.input")))
	must(client(topology.RouterUser).Publish(t.Context(), vhost, publishing("shop", "reply.r1.x")))
	select {
	case <-replied:
	case <-time.After(10 * time.Second):
		t.Error("the router gets no reply")
	}
	stop()
	replies.Run(ctx)
	must(client(topology.APIUser).Publish(t.Context(), vhost, publishing("shop", "shop.in.input")))
	collector, err := dialer(topology.APIUser).Connect(t.Context())
	must(err)
	t.Cleanup(func() { collector.Close() })
	group, err := collector.ConsumeGroup([]string{"shop:errors", "shop:deadletters", "shop:snapshots", "shop:unroutable"}, 1)
	must(err)
	must(group.Close())

	// What they must not.
	type deed struct {
		what string
		do   func(*amqp091.Channel) error
	}
	publish := func(exchange, key string) deed {
		return deed{"publish to exchange " + exchange, func(c *amqp091.Channel) error {
			closed := c.NotifyClose(make(chan *amqp091.Error, 1))
			if err := c.Confirm(false); err != nil {
				return err
			}
			confirm, err := c.PublishWithDeferredConfirm(exchange, key, false, false, amqp091.Publishing{})
			if err != nil {
				return err
			}
			select {
			case <-confirm.Done():
			case <-time.After(10 * time.Second):
				return errors.New("no answer")
			}
			select {
			case err := <-closed:
				return err
			default:
				return nil
			}
		}}
	}
	get := func(queue string) deed {
		return deed{"read " + queue, func(c *amqp091.Channel) error { _, _, err := c.Get(queue, false); return err }}
	}
	all := []deed{
		get("shop:in:messages"), get("f1:step_1:messages"),
		publish("", "shop:in:messages"), publish("amq.topic", "x"), publish("shop:end", "x"), publish("shop:unroutable", "x"),
		{"delete a queue", func(c *amqp091.Channel) error {
			_, err := c.QueueDelete("shop:errors", false, false, false)
			return err
		}},
		{"purge a queue", func(c *amqp091.Channel) error { _, err := c.QueuePurge("shop:in:messages", false); return err }},
		{"delete a flow's exchange", func(c *amqp091.Channel) error { return c.ExchangeDelete("shop", false, false) }},
		{"make a queue with a name", func(c *amqp091.Channel) error {
			_, err := c.QueueDeclare("mine", false, true, false, false, nil)
			return err
		}},
		{"listen in by a binding", func(c *amqp091.Channel) error { return c.QueueBind("shop:errors", "#", "shop", false, nil) }},
		{"make an exchange", func(c *amqp091.Channel) error {
			return c.ExchangeDeclare("mine", "topic", false, true, false, false, nil)
		}},
	}
	for user, more := range map[string][]deed{
		topology.SchedulerUser: {get("shop:errors"), get("shop:unroutable")},
		topology.RouterUser:    {get("shop:errors"), get("f1:ticks")},
		topology.APIUser:       {get("f1:ticks")},
	} {
		conn, err := amqp091.Dial(at(user, password))
		must(err)
		t.Cleanup(func() { conn.Close() })
		for _, d := range append(more, all...) {
			channel, err := conn.Channel()
			must(err)
			var refused *amqp091.Error
			if err := d.do(channel); !errors.As(err, &refused) || refused.Code != amqp091.AccessRefused {
				t.Errorf("%s may %s: %v, want ACCESS_REFUSED", user, d.what, err)
			}
			channel.Close()
		}
		if other, err := amqp091.Dial(strings.Replace(at(user, password), "/"+vhost, "/%2F", 1)); err == nil {
			other.Close()
			t.Errorf("%s may use another virtual host", user)
		}
	}
}
