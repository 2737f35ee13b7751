package operator_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/polltest"
	"github.com/openintegrationhub/leat/internal/rabbitmq"
	"github.com/openintegrationhub/leat/internal/topology"
	rabbit "github.com/openintegrationhub/leat/test/rabbitmq"
)

// quorumFlow comes back after 200 ms.
const quorumFlow = `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: shop, namespace: flows}
spec:
  nodes:
    - {id: in, image: acme/in, function: in, first: true, isPolling: true, env: {ELASTICIO_REBOUND_INITIAL_EXPIRATION: "200"}}
`

// RabbitMQ takes all of a flow's queues as quorum queues, and their messages go the same ways.
func TestQuorumQueuesDoWhatOthersDo(t *testing.T) {
	server := rabbit.Start(t)
	space := "quorum-" + strings.ToLower(rand.Text())
	api, err := rabbitmq.New(rabbitmq.Options{URL: server.Management})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	if err := api.PutVHost(t.Context(), space); err != nil {
		t.Fatal(err)
	}
	defer api.DeleteVHost(context.WithoutCancel(t.Context()), space)
	u, err := url.Parse(server.AMQP)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + space
	conn, err := amqp.Dialer{URL: u.String(), Name: "test"}.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	flows, err := flow.Parse("flow.yaml", []byte(quorumFlow))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Declare(topology.For(flows[0], topology.Options{Quorum: true, DeliveryLimit: 20})); err != nil {
		t.Fatal(err)
	}
	queues, err := api.Queues(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queues {
		if q.Type != "quorum" {
			t.Errorf("queue %s is %s", q.Name, q.Type)
		}
	}
	publisher, err := conn.Publisher()
	if err != nil {
		t.Fatal(err)
	}
	send := func(kind string, headers map[string]any) {
		t.Helper()
		if err := publisher.Publish(t.Context(), amqp.Publishing{Exchange: "shop", Key: "shop.in." + kind, Headers: headers, Body: []byte("m")}); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(queue string, want int) {
		t.Helper()
		polltest.Eventually(t, 20*time.Second, fmt.Sprintf("queue %s holds %d messages", queue, want), func() (bool, any) { // RabbitMQ has no event for it
			n, _, err := conn.Pending(queue)
			if err != nil {
				t.Fatal(err)
			}
			return n == want, n
		})
	}
	send("rebound", map[string]any{"messageId": "r", "reboundIteration": int32(1)})
	holds("shop:in:messages", 1)
	consumer, err := conn.Consume("shop:in:messages", 1)
	if err != nil {
		t.Fatal(err)
	}
	d, ok := consumer.Next()
	if !ok {
		t.Fatal("no message")
	}
	if err := consumer.Reject(d); err != nil {
		t.Fatal(err)
	}
	holds("shop:deadletters", 1)
	if err := consumer.Cancel(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		send("tick", map[string]any{"messageId": rand.Text()})
	}
	holds("shop:ticks", 1)
	for range 25 { // looking at the last tick again and again must not use it up
		if _, found, err := conn.Peek("shop:ticks"); err != nil || !found {
			t.Fatalf("peek: %v, %v", found, err)
		}
	}
}
