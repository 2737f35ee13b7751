// Package rabbitmqtest states what a management API must do for package rabbitmq's client. It runs alike on RabbitMQ, which is right
// by definition, and on the embedded broker.
package rabbitmqtest

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/polltest"
	"github.com/openintegrationhub/leat/internal/rabbitmq"
)

// Target is a broker that the suite may fill with objects of its own. Both URLs carry the credentials of an administrator.
type Target struct{ AMQP, Management string }

// Run runs the suite. Its tests run in parallel, each in a virtual host of its own.
func Run(t *testing.T, target Target) {
	tests := map[string]func(*testing.T, *suite){
		"virtual hosts are put twice, listed and deleted twice":                   virtualHosts,
		"users are put with hash or password, and log in":                         users,
		"tags decide what a user may ask":                                         tags,
		"permissions are put, replaced, listed and deleted twice":                 permissions,
		"topic permissions are put, listed and deleted":                           topicPermissions,
		"queues are put twice, counted, purged and deleted twice":                 queues,
		"a queue with other properties is refused":                                queueConflict,
		"deletion of a queue can depend on use and content":                       queueConditions,
		"messages can be looked at and taken":                                     messages,
		"exchanges are put twice, listed and deleted twice":                       exchanges,
		"bindings are put twice, listed and deleted, whatever is in their key":    bindings,
		"consumers are listed with their queue and connection":                    consumers,
		"connections are listed and closed with a reason":                         connections,
		"the overview names product and version":                                  overview,
		"health checks pass on a healthy broker, and fail for what isn't there":   health,
		"wrong credentials are refused":                                           wrongCredentials,
		"an object in a virtual host that isn't there is not found":               missing,
		"names with slash, space, percent and umlaut are the same everywhere":     oddNames,
		"a queue whose messages nobody has taken has no counts":                   untouchedQueue,
		"deleting a virtual host ends its connections":                            deletedVirtualHost,
		"what is put through the API is what AMQP clients find, and the converse": sameObjects,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newSuite(t, target))
		})
	}
}

// suite is what each test has: a client, and a virtual host of its own.
type suite struct {
	*rabbitmq.Client
	target Target
	vhost  string
}

func newSuite(t *testing.T, target Target) *suite {
	t.Helper()
	c, err := rabbitmq.New(rabbitmq.Options{URL: target.Management})
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{Client: c, target: target, vhost: "v" + rand.Text()}
	if err := c.PutVHost(t.Context(), s.vhost); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.DeleteVHost(context.Background(), s.vhost); err != nil {
			t.Error(err)
		}
		c.Close()
	})
	return s
}

// as is a client with other credentials.
func (s *suite) as(t *testing.T, user, password string) *rabbitmq.Client {
	t.Helper()
	c, err := rabbitmq.New(rabbitmq.Options{URL: s.target.Management, Username: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// user makes a user for the test, and returns its name; its password is "secret".
func (s *suite) user(t *testing.T, tags ...string) string {
	t.Helper()
	name := "u" + rand.Text()
	must(t, s.PutUser(t.Context(), rabbitmq.User{Name: name, PasswordHash: rabbitmq.HashPassword("secret"), Tags: tags}))
	t.Cleanup(func() { s.DeleteUser(context.Background(), name) })
	return name
}

// dial opens a connection and a channel in the test's virtual host.
func (s *suite) dial(t *testing.T) (*amqp.Connection, *amqp.Channel) {
	t.Helper()
	conn, err := amqp.DialConfig(s.target.AMQP, amqp.Config{Vhost: s.vhost})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	ch, err := conn.Channel()
	must(t, err)
	return conn, ch
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError checks for a refusal with a status and, if not empty, a reason.
func wantError(t *testing.T, err error, status int, reason string) {
	t.Helper()
	e, ok := err.(*rabbitmq.Error)
	if !ok {
		t.Fatalf("err = %v, want an answer with status %d", err, status)
	}
	if e.Status != status || (reason != "" && !strings.Contains(e.Reason, reason)) {
		t.Errorf("err = %v, want status %d, reason %q", err, status, reason)
	}
}

// eventually waits up to 15 s for what the broker reports late.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	if !polltest.Within(15*time.Second, ok) {
		t.Fatalf("not within 15 s: %s", what)
	}
}
