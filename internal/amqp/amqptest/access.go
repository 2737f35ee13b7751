package amqptest

import (
	"context"
	"errors"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/rabbitmq"
)

var accessLaw = map[string]func(*bed){
	"a wrong password is refused":                              wrongPassword,
	"a virtual host that isn't there is refused":               noSuchVHost,
	"a user without permission in the virtual host is refused": noVHostPermission,
	"configure, write and read are asked for each operation":   permissionsHold,
	"a step's permissions are enough for a step":               stepPermissions,
	"topic permissions hold for publishing and binding":        topicPermissions,
	"changed permissions hold for connections that are open":   permissionsChange,
	"AMQPLAIN logs in":                                amqplain,
	"a secret can be updated":                         updateSecret,
	"virtual hosts are apart":                         vhostsApart,
	"a deleted user can't log in":                     deletedUser,
	"dead letters need no permission of the consumer": deadLetterPermission,
}

// user makes a user with permissions in the law's virtual host. Its password is "secret".
func (b *bed) user(p rabbitmq.Permission) (name string) {
	b.Helper()
	name = b.name("u")
	b.must(b.api.PutPassword(b.Context(), name, "secret"))
	b.Cleanup(func() { b.api.DeleteUser(context.Background(), name) })
	p.User, p.VHost = name, b.vhost
	b.must(b.api.PutPermission(b.Context(), p))
	return name
}

func (b *bed) login(name string) *amqp.Connection {
	b.Helper()
	return b.dialAs(amqp.Config{SASL: []amqp.Authentication{&amqp.PlainAuth{Username: name, Password: "secret"}}})
}

func (b *bed) wantDialError(config amqp.Config, code int, text string) {
	b.Helper()
	conn, err := amqp.DialConfig(b.target.AMQP, config)
	if err == nil {
		conn.Close()
		b.Fatalf("logged in, want %d %s", code, text)
	}
	if e, ok := errors.AsType[*amqp.Error](err); !ok || e.Code != code || e.Reason != text {
		b.Errorf("refused with %v\nwant %d %s", err, code, text)
	}
}

// wantLoginRefused logs in by hand, as the client library hides the text.
func (b *bed) wantLoginRefused(auth amqp.Authentication) {
	b.Helper()
	r := b.connect()
	r.write([]byte("AMQP\x00\x00\x09\x01"))
	r.expect(0, classConnection, 10)
	r.method(0, classConnection, 11, clientProperties, shortstr(auth.Mechanism()), longstr(auth.Response()), shortstr("en_US"))
	text := "ACCESS_REFUSED - Login was refused using authentication mechanism " + auth.Mechanism() + ". For details see the broker logfile."
	r.wantClosed(0, 403, text, 0, 0)
}

func wrongPassword(b *bed) {
	for _, auth := range []amqp.Authentication{
		&amqp.PlainAuth{Username: "guest", Password: "wrong"}, &amqp.PlainAuth{Username: "nobody", Password: "x"}, &amqp.PlainAuth{},
	} {
		b.wantLoginRefused(auth)
	}
}

func noSuchVHost(b *bed) {
	b.wantDialError(amqp.Config{Vhost: "none"}, 530, "NOT_ALLOWED - vhost none not found")
}

func noVHostPermission(b *bed) {
	name := b.name("u")
	b.must(b.api.PutPassword(b.Context(), name, "secret"))
	b.Cleanup(func() { b.api.DeleteUser(context.Background(), name) })
	config := amqp.Config{Vhost: b.vhost, SASL: []amqp.Authentication{&amqp.PlainAuth{Username: name, Password: "secret"}}}
	b.wantDialError(config, 530, "NOT_ALLOWED - access to vhost '"+b.vhost+"' refused for user '"+name+"'")
}

func permissionsHold(b *bed) {
	admin := b.channel()
	q, x, y := b.queue(admin, nil), b.exchange(admin, "topic", nil), b.exchange(admin, "topic", nil)
	type perm = rabbitmq.Permission
	refused := func(what, kind, object, user string) string {
		return "ACCESS_REFUSED - access to " + kind + " '" + object + "' in vhost '" + b.vhost + "' refused for user '" + user + "'"
	}
	for name, test := range map[string]struct {
		perm         perm // all but what is needed
		kind, object string
		do           func(ch *amqp.Channel) error
	}{
		"declare a queue": {perm{Write: ".*", Read: ".*"}, "queue", q, func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(q, true, false, false, false, nil)
			return err
		}},
		"delete a queue": {perm{Write: ".*", Read: ".*"}, "queue", q, func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete(q, false, false, false)
			return err
		}},
		"declare an exchange": {perm{Write: ".*", Read: ".*"}, "exchange", x, func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(x, "topic", true, false, false, false, nil)
		}},
		"delete an exchange": {perm{Write: ".*", Read: ".*"}, "exchange", x, func(ch *amqp.Channel) error { return ch.ExchangeDelete(x, false, false) }},
		"publish":            {perm{Configure: ".*", Read: ".*"}, "exchange", x, func(ch *amqp.Channel) error { return ch.Publish(x, "k", false, false, amqp.Publishing{}) }},
		"publish to the default exchange": {perm{Configure: ".*", Read: ".*"}, "exchange", "amq.default", func(ch *amqp.Channel) error {
			return ch.Publish("", q, false, false, amqp.Publishing{})
		}},
		"consume": {perm{Configure: ".*", Write: ".*"}, "queue", q, func(ch *amqp.Channel) error {
			_, err := ch.Consume(q, "", false, false, false, false, nil)
			return err
		}},
		"get":                        {perm{Configure: ".*", Write: ".*"}, "queue", q, func(ch *amqp.Channel) error { _, _, err := ch.Get(q, false); return err }},
		"purge":                      {perm{Configure: ".*", Write: ".*"}, "queue", q, func(ch *amqp.Channel) error { _, err := ch.QueuePurge(q, false); return err }},
		"bind: write on the queue":   {perm{Configure: ".*", Read: ".*"}, "queue", q, func(ch *amqp.Channel) error { return ch.QueueBind(q, "k", x, false, nil) }},
		"bind: read on the exchange": {perm{Configure: ".*", Write: ".*"}, "exchange", x, func(ch *amqp.Channel) error { return ch.QueueBind(q, "k", x, false, nil) }},
		"unbind":                     {perm{Configure: ".*", Write: ".*"}, "exchange", x, func(ch *amqp.Channel) error { return ch.QueueUnbind(q, "k", x, nil) }},
		"bind exchanges: write on the destination": {perm{Configure: ".*", Read: ".*"}, "exchange", y, func(ch *amqp.Channel) error { return ch.ExchangeBind(y, "k", x, false, nil) }},
		"bind exchanges: read on the source":       {perm{Configure: ".*", Write: ".*"}, "exchange", x, func(ch *amqp.Channel) error { return ch.ExchangeBind(y, "k", x, false, nil) }},
		"alternate exchange: write on it": {perm{Configure: ".*", Read: ".*"}, "exchange", y, func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(b.name("x"), "topic", true, false, false, false, amqp.Table{"alternate-exchange": y})
		}},
		"dead letter exchange: write on it": {perm{Configure: ".*", Read: ".*"}, "exchange", y, func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(b.name("q"), true, false, false, false, amqp.Table{"x-dead-letter-exchange": y})
			return err
		}},
		"a name that matches only in part of the pattern": {perm{Configure: "^other$", Write: ".*", Read: ".*"}, "queue", q, func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(q, true, false, false, false, nil)
			return err
		}},
	} {
		user := b.user(test.perm)
		ch := b.channelOf(b.login(user))
		want := refused(name, test.kind, test.object, user)
		e := b.refusal(ch, func() error { return test.do(ch) })
		if e.Code != 403 || e.Reason != want {
			b.Errorf("%s: refused with %d %s\nwant 403 %s", name, e.Code, e.Reason, want)
		}
	}
	b.equal("passive declare needs nothing", b.channelOf(b.login(b.user(perm{}))).ExchangeDeclarePassive(x, "topic", true, false, false, false, nil), error(nil))
}

// As contract.md 2.1 has it: configure nothing, write on the flow's exchange, read on the step's queue.
func stepPermissions(b *bed) {
	admin := b.channel()
	q, x := b.queue(admin, nil), b.exchange(admin, "topic", nil)
	b.bind(admin, q, "in", x, nil)
	out := b.queue(admin, nil)
	b.bind(admin, out, "out", x, nil)
	ch := b.channelOf(b.login(b.user(rabbitmq.Permission{Configure: "^$", Write: "^" + x + "$", Read: "^" + q + "$"})))
	b.must(ch.ExchangeDeclarePassive(x, "topic", true, false, false, false, nil))
	_, err := ch.QueueDeclarePassive(q, true, false, false, false, nil)
	b.must(err)
	_, in := b.consume(ch, q, nil)
	b.send(ch, x, "in", "m")
	d := b.receive(in)
	b.send(ch, x, "out", "n")
	b.must(d.Ack(false))
	b.equal("out", b.drain(admin, out), []string{"n"})
}

func topicPermissions(b *bed) {
	admin := b.channel()
	q, x := b.queue(admin, nil), b.exchange(admin, "topic", nil)
	free := b.exchange(admin, "topic", nil)
	user := b.user(rabbitmq.Permission{Configure: ".*", Write: ".*", Read: ".*"})
	b.must(b.api.PutTopicPermission(b.Context(), rabbitmq.TopicPermission{User: user, VHost: b.vhost, Exchange: x, Write: `^flow\.`, Read: "^flow"}))
	ch := b.channelOf(b.login(user))
	b.must(ch.QueueBind(q, "flow.#", x, false, nil))
	b.send(ch, x, "flow.step.message", "m")
	b.send(ch, free, "other.key", "no permission set on this exchange")
	b.equal("messages", b.drain(ch, q), []string{"m"})
	b.wantRefusal(ch, 403, "ACCESS_REFUSED - access to topic 'other.key' in exchange '"+x+"' in vhost '"+b.vhost+"' refused for user '"+user+"'", func() error {
		return ch.Publish(x, "other.key", false, false, amqp.Publishing{})
	})
	ch = b.channelOf(b.login(user))
	b.wantRefusal(ch, 403, "ACCESS_REFUSED - access to topic '#' in exchange '"+x+"' in vhost '"+b.vhost+"' refused for user '"+user+"'", func() error {
		return ch.QueueBind(q, "#", x, false, nil)
	})
}

func permissionsChange(b *bed) {
	admin := b.channel()
	x := b.exchange(admin, "topic", nil)
	user := b.user(rabbitmq.Permission{Write: ".*"})
	conn := b.login(user)
	b.send(b.channelOf(conn), x, "k", "allowed")
	b.must(b.api.PutPermission(b.Context(), rabbitmq.Permission{User: user, VHost: b.vhost}))
	ch := b.channelOf(conn)
	b.equal("code", b.refusal(ch, func() error { return ch.Publish(x, "k", false, false, amqp.Publishing{}) }).Code, 403)
}

func amqplain(b *bed) {
	config := amqp.Config{SASL: []amqp.Authentication{&amqp.AMQPlainAuth{Username: "guest", Password: "guest"}}}
	b.roundTrip(b.channelOf(b.dialAs(config)))
	b.wantLoginRefused(&amqp.AMQPlainAuth{Username: "guest", Password: "wrong"})
}

func updateSecret(b *bed) {
	user := b.user(rabbitmq.Permission{Write: ".*"})
	conn := b.login(user)
	b.must(conn.UpdateSecret("secret", "because"))
	b.roundTrip(b.channelOf(conn))
}

func vhostsApart(b *bed) {
	ch := b.channel()
	q := b.put(ch, 1, nil)
	other := b.name("v")
	b.must(b.api.PutVHost(b.Context(), other))
	b.Cleanup(func() { b.api.DeleteVHost(context.Background(), other) })
	there := b.channelOf(b.dialAs(amqp.Config{Vhost: other}))
	_, err := there.QueueDeclare(q, true, false, false, false, amqp.Table{"x-max-length": int32(5)})
	b.must(err)
	b.equal("messages there", b.ready(there, q), 0)
	b.send(there, "", q, "there")
	b.equal("messages here", b.drain(ch, q), []string{"1"})
}

func deletedUser(b *bed) {
	user := b.user(rabbitmq.Permission{Write: ".*"})
	b.login(user)
	b.must(b.api.DeleteUser(b.Context(), user))
	b.wantLoginRefused(&amqp.PlainAuth{Username: user, Password: "secret"})
}

func deadLetterPermission(b *bed) {
	admin := b.channel()
	q, _, dead := b.mortal(admin, nil)
	b.send(admin, "", q, "m")
	ch := b.channelOf(b.login(b.user(rabbitmq.Permission{Read: "^" + q + "$"})))
	b.must(b.get(ch, q).Reject(false))
	b.equal("dead", string(b.get(admin, dead).Body), "m")
}
