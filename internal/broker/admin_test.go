package broker_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/broker/core"
	"github.com/openintegrationhub/leat/internal/broker/wire"
)

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestAccountsVhostsAndDefinitionsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	b, _ := start(t, dir)
	must(t,
		b.PutVhost("flows"), b.PutVhost("gone"),
		b.PutUser("step", "secret", "monitoring"), b.PutUser("nobody", "x"),
		b.PutPermissions("flows", "step", broker.Permissions{Configure: "^$", Write: "^f$", Read: "^q$"}),
		b.PutPermissions("gone", "step", broker.Permissions{}),
		b.PutTopicPermissions("flows", "step", "f", broker.TopicPermissions{Write: "^{username}\\.", Read: ".*"}),
		b.DeleteUser("nobody"), b.DeleteVhost("gone"),
		b.DeclareExchange("flows", core.ExchangeSpec{Name: "f", Kind: core.KindTopic, Durable: true}),
		b.DeclareExchange("flows", core.ExchangeSpec{Name: "t", Kind: core.KindFanout}),
		b.DeclareQueue("flows", core.QueueSpec{Name: "q", Durable: true, Args: wire.Table{{Name: "x-max-length", Value: int32(5)}}}),
		b.DeclareQueue("flows", core.QueueSpec{Name: "transient"}),
		b.Bind("flows", core.BindingSpec{Source: "f", Destination: "q", Key: "f.#"}),
		b.Bind("flows", core.BindingSpec{Source: "f", Destination: "q", Key: "g.#"}),
		b.Unbind("flows", core.BindingSpec{Source: "f", Destination: "q", Key: "g.#"}),
		b.Close(),
	)
	b, _ = start(t, dir)
	if diff := cmp.Diff([]string{"/", "flows"}, b.Vhosts()); diff != "" {
		t.Errorf("virtual hosts (-want +got):\n%s", diff)
	}
	users := b.Users()
	if len(users) != 2 || users[1].Name != "step" || users[1].PasswordHash == "" {
		t.Fatalf("users: %+v", users)
	}
	want := broker.User{
		Name: "step", Tags: []string{"monitoring"}, PasswordHash: users[1].PasswordHash,
		Permissions: map[string]broker.Permissions{"flows": {Configure: "^$", Write: "^f$", Read: "^q$"}},
		Topics:      map[string]map[string]broker.TopicPermissions{"flows": {"f": {Write: "^{username}\\.", Read: ".*"}}},
	}
	if diff := cmp.Diff(want, users[1]); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
	must(t, b.CheckPassword("step", "secret", false))
	if b.CheckPassword("step", "wrong", true) == nil || b.CheckPassword("guest", "guest", false) == nil {
		t.Error("a wrong password, or guest from afar, was let in")
	}
	queues := b.Queues("flows")
	if len(queues) != 1 || queues[0].Name != "q" || queues[0].Args[0].Value != int32(5) {
		t.Errorf("queues: %+v", queues)
	}
	bindings := b.Bindings("flows")
	if len(bindings) != 2 || bindings[1].Key != "f.#" {
		t.Errorf("bindings: %+v", bindings)
	}
	var refused *core.Error
	if err := b.DeclareQueue("flows", core.QueueSpec{Name: "q", Durable: true}); !errors.As(err, &refused) || refused.Code != 406 {
		t.Errorf("declared otherwise: %v", err)
	}
	if err := b.DeleteVhost("gone"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("delete what isn't there: %v", err)
	}
}

func TestAHashMovesAnAccount(t *testing.T) {
	one, _ := start(t, "")
	two, _ := start(t, "")
	must(t, one.PutUser("u", "secret"))
	for _, u := range one.Users() {
		must(t, two.PutUserHash(u.Name, u.PasswordHash, u.Tags...))
	}
	must(t, two.CheckPassword("u", "secret", false))
	for _, bad := range []string{"no base64", "c2hvcnQ="} {
		if two.PutUserHash("v", bad) == nil {
			t.Errorf("hash %q was accepted", bad)
		}
	}
}

func TestDeletingAVhostClosesItsConnections(t *testing.T) {
	b, url := start(t, t.TempDir())
	must(t, b.PutVhost("v"), b.PutPermissions("v", "guest", broker.Permissions{Configure: ".*", Write: ".*", Read: ".*"}))
	c := dial(t, url+"v")
	closed := c.NotifyClose(make(chan *amqp.Error, 1))
	declare(t, channel(t, c), "q", nil)
	must(t, b.DeleteVhost("v"))
	select {
	case err := <-closed:
		if err == nil || err.Code != 320 || err.Reason != "CONNECTION_FORCED - vhost 'v' is deleted" {
			t.Errorf("closed with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the connection is still open")
	}
}

func TestPublishersAreBlockedUnderAnAlarmAndGoOnAfterIt(t *testing.T) {
	b, url := start(t, t.TempDir())
	c := dial(t, url)
	blocked := c.NotifyBlocked(make(chan amqp.Blocking, 2))
	ch := confirmed(t, channel(t, c))
	declare(t, ch, "q", nil)
	other := channel(t, dial(t, url))
	b.SetMemoryAlarm(true)
	d, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", "q", false, false, amqp.Publishing{Body: []byte("m")})
	must(t, err)
	if n := <-blocked; !n.Active || n.Reason != "low on memory" {
		t.Errorf("notice: %+v", n)
	}
	if _, err := other.QueueDeclarePassive("q", true, false, false, false, nil); err != nil {
		t.Errorf("a connection that doesn't publish: %v", err)
	}
	b.SetMemoryAlarm(false)
	if n := <-blocked; n.Active {
		t.Errorf("notice: %+v", n)
	}
	if ok, err := d.WaitContext(t.Context()); !ok || err != nil {
		t.Errorf("confirm: %v, %v", ok, err)
	}
}

func TestAClientThatDiesWhileItIsBlockedIsNoticed(t *testing.T) {
	b, url := start(t, "")
	var socket net.Conn
	c, err := amqp.DialConfig(url, amqp.Config{Heartbeat: time.Second, Dial: func(network, addr string) (conn net.Conn, err error) {
		socket, err = net.Dial(network, addr)
		return socket, err
	}})
	must(t, err)
	blocked := c.NotifyBlocked(make(chan amqp.Blocking, 2))
	ch := channel(t, c)
	declare(t, ch, "q", nil)
	b.SetMemoryAlarm(true)
	must(t, ch.PublishWithContext(t.Context(), "", "q", false, false, amqp.Publishing{Body: []byte("m")}))
	<-blocked
	must(t, socket.Close())
	eventually(t, "the connection is gone", func() bool { return b.Sockets() == 0 })
}

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	b, _ := start(t, "")
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	must(t, err)
	go func() { _ = b.Serve(l) }()
	c, err := amqp.DialTLS("amqps://guest:guest@"+l.Addr().String()+"/", &tls.Config{RootCAs: roots, ServerName: "localhost"})
	must(t, err)
	defer c.Close()
	ch := confirmed(t, channel(t, c))
	q := declare(t, ch, "q", nil)
	got := consume(t, ch, q.Name)
	for range 100 {
		publish(t, ch, "", q.Name, string(make([]byte, 10000)))
	}
	for range 100 {
		must(t, receive(t, got).Ack(false))
	}
	if list := b.Connections(); len(list) != 1 || !list[0].TLS || list[0].User != "guest" {
		t.Errorf("connections: %+v", list)
	}
}

func TestInMemoryConnectionsKeepDeadlines(t *testing.T) {
	b, _ := start(t, "")
	c, err := b.Dial()
	must(t, err)
	defer c.Close()
	must(t, c.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	must(t, c.SetReadDeadline(time.Time{}))
	if _, err := c.Write([]byte(wire.ProtocolHeader)); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 100)); err != nil {
		t.Errorf("read after the deadline was lifted: %v", err)
	}
	must(t, c.Close())
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("a closed connection was written to")
	}
}

func TestCloseEndsServeAndDial(t *testing.T) {
	b, err := broker.New(broker.DefaultOptions())
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	served := make(chan error, 1)
	go func() { served <- b.Serve(l) }()
	must(t, b.Close(), b.Close())
	select {
	case err := <-served:
		if !errors.Is(err, broker.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Serve goes on")
	}
	if _, err := b.Dial(); !errors.Is(err, broker.ErrClosed) {
		t.Errorf("Dial: %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for field, spoil := range map[string]func(*broker.Options){
		"FrameMax":         func(o *broker.Options) { o.FrameMax = 100 },
		"Heartbeat":        func(o *broker.Options) { o.Heartbeat = time.Millisecond },
		"HandshakeTimeout": func(o *broker.Options) { o.HandshakeTimeout = 0 },
		"MessageMax":       func(o *broker.Options) { o.MessageMax = 0 },
		"Limits":           func(o *broker.Options) { o.Limits = core.Limits{} },
	} {
		o := broker.DefaultOptions()
		spoil(&o)
		if _, err := broker.New(o); err == nil || !cmp.Equal(err.Error()[:len("option "+field)], "option "+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
