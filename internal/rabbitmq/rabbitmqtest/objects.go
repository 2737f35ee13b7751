package rabbitmqtest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/rabbitmq"
)

// publish sends persistent messages to a queue and waits until they're confirmed.
func publish(t *testing.T, ch *amqp.Channel, queue string, bodies ...string) {
	t.Helper()
	must(t, ch.Confirm(false))
	for _, body := range bodies {
		c, err := ch.PublishWithDeferredConfirm("", queue, true, false, amqp.Publishing{
			Body: []byte(body), DeliveryMode: amqp.Persistent, MessageId: "id", Headers: amqp.Table{"n": int32(7)},
		})
		must(t, err)
		if !c.Wait() {
			t.Fatalf("publish to %q: refused", queue)
		}
	}
}

func queues(t *testing.T, s *suite) {
	ctx := t.Context()
	q := rabbitmq.Queue{Name: "q", VHost: s.vhost, Durable: true, Arguments: map[string]any{"x-max-length": 10.0, "x-overflow": "reject-publish"}}
	must(t, s.PutQueue(ctx, q))
	must(t, s.PutQueue(ctx, q))
	_, ch := s.dial(t)
	publish(t, ch, "q", "one", "two", "three")
	_, ok, err := ch.Get("q", false)
	if err != nil || !ok {
		t.Fatalf("get = %t, %v", ok, err)
	}
	var got rabbitmq.Queue
	eventually(t, "2 messages ready and 1 unacknowledged", func() bool {
		got, err = s.Queue(ctx, s.vhost, "q")
		must(t, err)
		return got.MessagesReady == 2 && got.MessagesUnacked == 1
	})
	if got.Messages != 3 || got.Type != "classic" || !got.Durable || got.AutoDelete || got.State != "running" {
		t.Errorf("queue = %+v, want 3 messages, classic, durable, running", got)
	}
	if diff := cmp.Diff(q.Arguments, got.Arguments); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	all, err := s.Queues(ctx, s.vhost)
	must(t, err)
	if len(all) != 1 || all[0].Name != "q" {
		t.Errorf("list = %+v, want q", all)
	}
	var one []rabbitmq.Queue
	must(t, s.EachQueue(ctx, s.vhost, func(q rabbitmq.Queue) { one = append(one, q) }))
	all[0].Arguments = nil
	if diff := cmp.Diff(all, one); diff != "" {
		t.Errorf("one by one (-as a list +got):\n%s", diff)
	}
	must(t, s.PurgeQueue(ctx, s.vhost, "q"))
	eventually(t, "no message ready", func() bool {
		got, err := s.Queue(ctx, s.vhost, "q")
		must(t, err)
		return got.MessagesReady == 0 && got.MessagesUnacked == 1
	})
	must(t, s.DeleteQueue(ctx, s.vhost, "q", rabbitmq.DeleteOptions{}))
	must(t, s.DeleteQueue(ctx, s.vhost, "q", rabbitmq.DeleteOptions{}))
	if _, err := s.Queue(ctx, s.vhost, "q"); !errors.Is(err, rabbitmq.ErrNotFound) {
		t.Errorf("after deletion: %v, want not found", err)
	}
	if err := s.PurgeQueue(ctx, s.vhost, "q"); !errors.Is(err, rabbitmq.ErrNotFound) {
		t.Errorf("purge after deletion: %v, want not found", err)
	}
}

func queueConflict(t *testing.T, s *suite) {
	ctx := t.Context()
	must(t, s.PutQueue(ctx, rabbitmq.Queue{Name: "q", VHost: s.vhost, Durable: true}))
	err := s.PutQueue(ctx, rabbitmq.Queue{Name: "q", VHost: s.vhost})
	wantError(t, err, 400, "inequivalent arg 'durable' for queue 'q' in vhost '"+s.vhost+"': received 'false' but current is 'true'")
	err = s.PutQueue(ctx, rabbitmq.Queue{Name: "q2", VHost: s.vhost, Arguments: map[string]any{"x-max-length": "a"}})
	wantError(t, err, 400, "invalid arg 'x-max-length' for queue 'q2' in vhost '"+s.vhost+"': \"expected integer, got longstr\"")
	err = s.PutQueue(ctx, rabbitmq.Queue{Name: "amq.q", VHost: s.vhost})
	wantError(t, err, 401, "Access refused.")
}

func queueConditions(t *testing.T, s *suite) {
	ctx := t.Context()
	must(t, s.PutQueue(ctx, rabbitmq.Queue{Name: "q", VHost: s.vhost, Durable: true}))
	_, ch := s.dial(t)
	publish(t, ch, "q", "one")
	wantError(t, s.DeleteQueue(ctx, s.vhost, "q", rabbitmq.DeleteOptions{IfEmpty: true}), 400, "not empty")
	in, err := ch.Consume("q", "c", true, false, false, false, nil)
	must(t, err)
	<-in
	wantError(t, s.DeleteQueue(ctx, s.vhost, "q", rabbitmq.DeleteOptions{IfUnused: true}), 400, "in use")
	must(t, ch.Cancel("c", false))
	must(t, s.DeleteQueue(ctx, s.vhost, "q", rabbitmq.DeleteOptions{IfUnused: true, IfEmpty: true}))
}

func messages(t *testing.T, s *suite) {
	ctx := t.Context()
	must(t, s.PutQueue(ctx, rabbitmq.Queue{Name: "q", VHost: s.vhost, Durable: true}))
	_, ch := s.dial(t)
	publish(t, ch, "q", "one", "two\xff")
	want := func(redelivered bool) []rabbitmq.Message {
		props := map[string]any{"message_id": "id", "delivery_mode": 2.0, "headers": map[string]any{"n": 7.0}}
		return []rabbitmq.Message{
			{RoutingKey: "q", Redelivered: redelivered, Left: 1, Properties: props, Payload: []byte("one")},
			{RoutingKey: "q", Redelivered: redelivered, Left: 0, Properties: props, Payload: []byte("two\xff")},
		}
	}
	for _, step := range []struct {
		name string
		keep bool
		want []rabbitmq.Message
	}{{"look", true, want(false)}, {"take", false, want(true)}, {"take again", false, []rabbitmq.Message{}}} {
		got, err := s.Messages(ctx, s.vhost, "q", 10, step.keep)
		must(t, err)
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}

	// Without properties and headers RabbitMQ writes a list where an object would be.
	must(t, ch.PublishWithContext(ctx, "", "q", false, false, amqp.Publishing{Body: []byte("bare")}))
	var got []rabbitmq.Message
	eventually(t, "the bare message", func() bool {
		var err error
		got, err = s.Messages(ctx, s.vhost, "q", 10, true)
		must(t, err)
		return len(got) == 1
	})
	if len(got[0].Properties) != 0 || string(got[0].Payload) != "bare" {
		t.Errorf("a message without properties: %+v", got[0])
	}
}

func exchanges(t *testing.T, s *suite) {
	ctx := t.Context()
	x := rabbitmq.Exchange{Name: "x", VHost: s.vhost, Type: "topic", Durable: true, Internal: true, Arguments: map[string]any{"alternate-exchange": "amq.fanout"}}
	must(t, s.PutExchange(ctx, x))
	must(t, s.PutExchange(ctx, x))
	got, err := s.Exchange(ctx, s.vhost, "x")
	must(t, err)
	if diff := cmp.Diff(x, got); diff != "" {
		t.Errorf("exchange (-want +got):\n%s", diff)
	}
	all, err := s.Exchanges(ctx, s.vhost)
	must(t, err)
	var names []string
	for _, x := range all {
		names = append(names, x.Name)
	}
	slices.Sort(names)
	want := []string{"", "amq.direct", "amq.fanout", "amq.headers", "amq.match", "amq.rabbitmq.trace", "amq.topic", "x"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	other := x
	other.Type = "direct"
	wantError(t, s.PutExchange(ctx, other), 400, "inequivalent arg 'type' for exchange 'x' in vhost '"+s.vhost+"': received 'direct' but current is 'topic'")
	wantError(t, s.PutExchange(ctx, rabbitmq.Exchange{Name: "y", VHost: s.vhost, Type: "bogus"}), 400, "unknown exchange type 'bogus'")
	wantError(t, s.DeleteExchange(ctx, s.vhost, "amq.topic", rabbitmq.DeleteOptions{}), 401, "Access refused.")
	must(t, s.DeleteExchange(ctx, s.vhost, "x", rabbitmq.DeleteOptions{IfUnused: true}))
	must(t, s.DeleteExchange(ctx, s.vhost, "x", rabbitmq.DeleteOptions{}))
	if _, err := s.Exchange(ctx, s.vhost, "x"); !errors.Is(err, rabbitmq.ErrNotFound) {
		t.Errorf("after deletion: %v, want not found", err)
	}
}

func bindings(t *testing.T, s *suite) {
	ctx := t.Context()
	must(t, s.PutQueue(ctx, rabbitmq.Queue{Name: "q", VHost: s.vhost}))
	must(t, s.PutExchange(ctx, rabbitmq.Exchange{Name: "x", VHost: s.vhost, Type: "topic"}))
	must(t, s.PutExchange(ctx, rabbitmq.Exchange{Name: "y", VHost: s.vhost, Type: "fanout"}))
	keys := []string{"", "a.b", "a.*.#", "a/c", "a b", "a~b", "a%b", "a+b", "x:y@z", "ü"}
	for _, key := range keys {
		b := rabbitmq.Binding{Source: "x", VHost: s.vhost, Destination: "q", DestinationType: rabbitmq.ToQueue, RoutingKey: key}
		must(t, s.PutBinding(ctx, b))
		must(t, s.PutBinding(ctx, b))
	}
	special := rabbitmq.Binding{Source: "x", VHost: s.vhost, Destination: "y", DestinationType: rabbitmq.ToExchange, RoutingKey: "k", Arguments: map[string]any{"n": 1.0}}
	must(t, s.PutBinding(ctx, special))

	from := func() []rabbitmq.Binding {
		all, err := s.Bindings(ctx, s.vhost)
		must(t, err)
		var one []rabbitmq.Binding
		must(t, s.EachBinding(ctx, s.vhost, func(b rabbitmq.Binding) { one = append(one, b) }))
		if diff := cmp.Diff(all, one); diff != "" {
			t.Errorf("one by one (-as a list +got):\n%s", diff)
		}
		return slices.DeleteFunc(all, func(b rabbitmq.Binding) bool { return b.Source != "x" })
	}
	var toQueue []string
	for _, b := range from() {
		if b.DestinationType == rabbitmq.ToQueue && b.Destination == "q" {
			toQueue = append(toQueue, b.RoutingKey)
			continue
		}
		special.PropertiesKey = b.PropertiesKey
		if diff := cmp.Diff(special, b); diff != "" {
			t.Errorf("binding of exchanges (-want +got):\n%s", diff)
		}
	}
	slices.Sort(keys)
	slices.Sort(toQueue)
	if diff := cmp.Diff(keys, toQueue); diff != "" {
		t.Errorf("routing keys (-want +got):\n%s", diff)
	}
	for _, key := range keys { // by routing key alone
		b := rabbitmq.Binding{Source: "x", VHost: s.vhost, Destination: "q", DestinationType: rabbitmq.ToQueue, RoutingKey: key}
		must(t, s.DeleteBinding(ctx, b))
		must(t, s.DeleteBinding(ctx, b))
	}
	if left := from(); len(left) != 1 {
		t.Errorf("after deletion by key: %v, want the one with arguments", left)
	}
	must(t, s.DeleteBinding(ctx, special)) // by what the list gave
	if left := from(); len(left) != 0 {
		t.Errorf("after deletion: %v", left)
	}
	nowhere := rabbitmq.Binding{Source: "x", VHost: s.vhost, Destination: "none", DestinationType: rabbitmq.ToQueue}
	wantError(t, s.PutBinding(ctx, nowhere), 404, "no queue 'none' in vhost '"+s.vhost+"'")
}

// RabbitMQ has an empty list in place of the counts of a queue whose messages nobody has taken yet.
func untouchedQueue(t *testing.T, s *suite) {
	ctx := t.Context()
	must(t, s.PutQueue(ctx, rabbitmq.Queue{Name: "untouched", VHost: s.vhost, Durable: true}))
	_, ch := s.dial(t)
	publish(t, ch, "untouched", "one")
	eventually(t, "the queue has counted its message", func() bool {
		var one []rabbitmq.Queue
		must(t, s.EachQueue(ctx, s.vhost, func(q rabbitmq.Queue) { one = append(one, q) }))
		return len(one) == 1 && one[0].Messages == 1 && one[0].Stats == rabbitmq.QueueStats{}
	})
}

func missing(t *testing.T, s *suite) {
	ctx := t.Context()
	_, queues := s.Queues(ctx, "no-such-vhost")
	oneByOne := s.EachQueue(ctx, "no-such-vhost", func(rabbitmq.Queue) {})
	_, exchanges := s.Exchanges(ctx, "no-such-vhost")
	_, bindings := s.Bindings(ctx, "no-such-vhost")
	_, consumers := s.Consumers(ctx, "no-such-vhost")
	put := s.PutQueue(ctx, rabbitmq.Queue{Name: "q", VHost: "no-such-vhost"})
	for what, err := range map[string]error{"queues": queues, "queues one by one": oneByOne, "exchanges": exchanges, "bindings": bindings, "consumers": consumers, "put": put} {
		if !errors.Is(err, rabbitmq.ErrNotFound) {
			t.Errorf("%s: %v, want not found", what, err)
		}
	}
}

func oddNames(t *testing.T, s *suite) {
	ctx := t.Context()
	for _, name := range []string{"a/b", "a b", "a%2Fb", "ü", "flow:step:messages", "a?b#c&d=e", "a+b"} {
		must(t, s.PutQueue(ctx, rabbitmq.Queue{Name: name, VHost: s.vhost}))
		q, err := s.Queue(ctx, s.vhost, name)
		must(t, err)
		if q.Name != name {
			t.Errorf("put %q, got %q", name, q.Name)
		}
		_, ch := s.dial(t)
		if _, err := ch.QueueDeclarePassive(name, false, false, false, false, nil); err != nil {
			t.Errorf("AMQP clients don't find %q: %v", name, err)
		}
		must(t, s.DeleteQueue(ctx, s.vhost, name, rabbitmq.DeleteOptions{}))
	}
}

func sameObjects(t *testing.T, s *suite) {
	ctx := t.Context()
	_, ch := s.dial(t)
	must(t, s.PutQueue(ctx, rabbitmq.Queue{Name: "q", VHost: s.vhost, Durable: true, Arguments: map[string]any{"x-message-ttl": 60000, "x-dead-letter-exchange": "amq.topic"}}))
	must(t, s.PutExchange(ctx, rabbitmq.Exchange{Name: "x", VHost: s.vhost, Type: "topic", Durable: true}))
	must(t, s.PutBinding(ctx, rabbitmq.Binding{Source: "x", VHost: s.vhost, Destination: "q", DestinationType: rabbitmq.ToQueue, RoutingKey: "#"}))
	_, err := ch.QueueDeclare("q", true, false, false, false, amqp.Table{"x-message-ttl": int64(60000), "x-dead-letter-exchange": "amq.topic"})
	must(t, err)
	must(t, ch.ExchangeDeclare("x", "topic", true, false, false, false, nil))
	must(t, ch.Confirm(false))
	c, err := ch.PublishWithDeferredConfirm("x", "any.thing", false, false, amqp.Publishing{Body: []byte("m")})
	must(t, err)
	c.Wait()
	if m, ok, err := ch.Get("q", true); err != nil || !ok || string(m.Body) != "m" {
		t.Errorf("get = %q, %t, %v", m.Body, ok, err)
	}

	_, err = ch.QueueDeclare("r", true, false, false, false, amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(3)})
	must(t, err)
	q, err := s.Queue(ctx, s.vhost, "r")
	must(t, err)
	if q.Type != "quorum" || q.Arguments["x-delivery-limit"] != 3.0 || !q.Durable {
		t.Errorf("queue = %+v, want quorum with delivery limit 3", q)
	}
}

func consumers(t *testing.T, s *suite) {
	ctx := t.Context()
	must(t, s.PutQueue(ctx, rabbitmq.Queue{Name: "q", VHost: s.vhost}))
	conn, ch := s.dial(t)
	must(t, ch.Qos(3, 0, false))
	_, err := ch.Consume("q", "tag", false, false, false, false, nil)
	must(t, err)
	var all []rabbitmq.Consumer
	eventually(t, "one consumer", func() bool {
		all, err = s.Consumers(ctx, s.vhost)
		must(t, err)
		return len(all) == 1
	})
	got := all[0]
	if got.Tag != "tag" || !got.AckRequired || got.Exclusive || got.Prefetch != 3 || !got.Active ||
		got.Queue.Name != "q" || got.Queue.VHost != s.vhost || got.Channel.Number != 1 || got.Channel.User != "guest" {
		t.Errorf("consumer = %+v", got)
	}
	if own := conn.LocalAddr().String(); !strings.HasPrefix(got.Channel.Connection, own+" -> ") {
		t.Errorf("connection name = %q, want it to start with %q", got.Channel.Connection, own)
	}
	eventually(t, "the queue counts 1 consumer", func() bool {
		q, err := s.Queue(ctx, s.vhost, "q")
		must(t, err)
		return q.Consumers == 1
	})
}

func connections(t *testing.T, s *suite) {
	ctx := t.Context()
	conn, _ := s.dial(t)
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	var got rabbitmq.Connection
	eventually(t, "the connection is listed, running, with 1 channel", func() bool {
		all, err := s.Connections(ctx)
		must(t, err)
		i := slices.IndexFunc(all, func(c rabbitmq.Connection) bool { return c.VHost == s.vhost })
		if i >= 0 {
			got = all[i]
		}
		return i >= 0 && got.State == "running" && got.Channels == 1
	})
	if got.User != "guest" || got.Protocol != "AMQP 0-9-1" || !strings.HasPrefix(got.Name, conn.LocalAddr().String()+" -> ") ||
		got.ClientProperties["product"] == nil || got.ConnectedAtMS == 0 || got.PeerPort == 0 {
		t.Errorf("connection = %+v", got)
	}
	must(t, s.CloseConnection(ctx, got.Name, "because"))
	err := <-closed
	want := "CONNECTION_FORCED - because"
	if err == nil || err.Code != amqp.ConnectionForced || err.Reason != want {
		t.Errorf("closed with %v, want 320 %s", err, want)
	}
	eventually(t, "it isn't listed any more, and closing it again is no error", func() bool {
		must(t, s.CloseConnection(ctx, got.Name, ""))
		all, err := s.Connections(ctx)
		must(t, err)
		return !slices.ContainsFunc(all, func(c rabbitmq.Connection) bool { return c.Name == got.Name })
	})
}

func deletedVirtualHost(t *testing.T, s *suite) {
	conn, _ := s.dial(t)
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	must(t, s.DeleteVHost(t.Context(), s.vhost))
	err := <-closed
	// RabbitMQ says that it's down when the connection hears of its processes' end before it hears of the deletion.
	vhost := "CONNECTION_FORCED - vhost '" + s.vhost + "' is "
	if err == nil || err.Code != amqp.ConnectionForced || err.Reason != vhost+"deleted" && err.Reason != vhost+"down" {
		t.Errorf("closed with %v, want 320 %sdeleted", err, vhost)
	}
}

func overview(t *testing.T, s *suite) {
	got, err := s.Overview(t.Context())
	must(t, err)
	if got.Product == "" || got.Version == "" || !strings.HasPrefix(got.Compatibility, "3.") || got.Cluster == "" || got.Node == "" || got.Objects.Exchanges < 7 {
		t.Errorf("overview = %+v", got)
	}
}

func health(t *testing.T, s *suite) {
	ctx := t.Context()
	for _, check := range []string{rabbitmq.CheckAlarms, rabbitmq.CheckLocalAlarms, rabbitmq.CheckAMQP, "node-is-quorum-critical", "node-is-mirror-sync-critical"} {
		if err := s.Check(ctx, check); err != nil {
			t.Errorf("check %q: %v", check, err)
		}
	}
	// Other tests' virtual hosts come and go, and count as down meanwhile.
	eventually(t, "all virtual hosts are up", func() bool { return s.Check(ctx, rabbitmq.CheckVirtualHosts) == nil })
	wantError(t, s.Check(ctx, "port-listener/1"), 503, "No active listener")
	wantError(t, s.Check(ctx, "protocol-listener/mqtt"), 503, "No active listener")
}
