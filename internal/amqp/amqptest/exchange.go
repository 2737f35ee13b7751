package amqptest

import (
	"fmt"
	"slices"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

var exchangeLaw = map[string]func(*bed){
	"topic keys match by word, star and hash":                 topicMatching,
	"a direct exchange matches keys exactly":                  directMatching,
	"a fanout exchange ignores keys":                          fanoutRoutes,
	"a headers exchange matches all or any":                   headersMatching,
	"an exchange bound to another passes messages on":         exchangeToExchange,
	"exchanges bound in a circle pass a message once":         exchangeCircle,
	"an alternate exchange gets what is unroutable":           alternateExchange,
	"a message saved by an alternate exchange isn't returned": alternateAndMandatory,
	"an auto-delete exchange ends with its last binding":      autoDeleteExchange,
	"an internal exchange takes from exchanges":               internalExchange,
	"the predeclared exchanges are there":                     predeclaredExchanges,
	"unbind needs the same key and arguments":                 unbindExactly,
	"an exchange declared again changes nothing":              exchangeAgain,
	"bindings with different arguments are different":         bindingArguments,
	"deleting an exchange ends its bindings":                  deletedExchange,
}

func topicMatching(b *bed) {
	ch := b.channel()
	x, queues, wants := b.exchange(ch, "topic", nil), map[string]string{}, map[string][]string{}
	keys := []string{"", "a", "a.b", "a.b.c", "a.c", "b", "b.a", ".", "a.", ".a", "a..b", "a.b.c.d", "A.b"}
	for pattern, want := range map[string][]string{
		"":        {""},
		"#":       keys,
		"*":       {"a", "b", ""},
		"a":       {"a"},
		"a.*":     {"a.b", "a.c", "a."},
		"a.#":     {"a", "a.b", "a.b.c", "a.c", "a.", "a..b", "a.b.c.d"},
		"*.b":     {"a.b", "A.b"},
		"#.b":     {"a.b", "b", "a..b", "A.b"},
		"*.*":     {"a.b", "a.c", "b.a", ".", "a.", ".a", "A.b"},
		"#.c.#":   {"a.b.c", "a.c", "a.b.c.d"},
		"a.*.c":   {"a.b.c"},
		"a.#.c":   {"a.b.c", "a.c"},
		"#.#":     keys,
		"*.#":     keys,
		"a.*.#.d": {"a.b.c.d"},
		"a.b*":    {},
		"a..b":    {"a..b"},
		"a.*.b":   {"a..b"},
	} {
		q := b.queue(ch, nil)
		b.bind(ch, q, pattern, x, nil)
		queues[pattern], wants[pattern] = q, want
	}
	for _, key := range keys {
		b.send(ch, x, key, key)
	}
	for pattern, q := range queues {
		got, want := b.drain(ch, q), wants[pattern]
		slices.Sort(got)
		want = slices.Sorted(slices.Values(want))
		if pattern == "*" || pattern == "*.#" {
			// How many words the empty key has differs between versions; Leat sends no empty keys.
			got, want = slices.DeleteFunc(got, empty), slices.DeleteFunc(want, empty)
		}
		b.equal("pattern "+pattern, strings.Join(got, " "), strings.Join(want, " "))
	}
}

func empty(s string) bool { return s == "" }

func directMatching(b *bed) {
	ch := b.channel()
	q, x := b.queue(ch, nil), b.exchange(ch, "direct", nil)
	for _, key := range []string{"a", "a.*", "#"} {
		b.bind(ch, q, key, x, nil)
	}
	for _, key := range []string{"a", "a.b", "a.*", "#", "A", ""} {
		b.send(ch, x, key, key)
	}
	b.equal("messages", b.drain(ch, q), []string{"a", "a.*", "#"})
}

func fanoutRoutes(b *bed) {
	ch := b.channel()
	q, r, x := b.queue(ch, nil), b.queue(ch, nil), b.exchange(ch, "fanout", nil)
	b.bind(ch, q, "one", x, nil)
	b.bind(ch, r, "", x, nil)
	b.send(ch, x, "other", "m")
	b.equal("first", b.drain(ch, q), []string{"m"})
	b.equal("second", b.drain(ch, r), []string{"m"})
}

func headersMatching(b *bed) {
	ch := b.channel()
	for i, test := range []struct {
		binding, headers amqp.Table
		want             bool
	}{
		{amqp.Table{"x-match": "all", "a": int32(1), "b": "x"}, amqp.Table{"a": int32(1), "b": "x", "c": true}, true},
		{amqp.Table{"x-match": "all", "a": int32(1), "b": "x"}, amqp.Table{"a": int32(1)}, false},
		{amqp.Table{"x-match": "any", "a": int32(1), "b": "x"}, amqp.Table{"b": "x"}, true},
		{amqp.Table{"x-match": "any", "a": int32(1), "b": "x"}, amqp.Table{"b": "y", "a": int32(2)}, false},
		{amqp.Table{"a": int32(1), "b": "x"}, amqp.Table{"b": "x"}, false}, // all is the default
		{amqp.Table{"a": int32(1)}, amqp.Table{"a": int64(1)}, true},       // numbers compare by value
		{amqp.Table{"a": int32(1)}, amqp.Table{"a": int8(1)}, true},        // Node's library sends the smallest that fits
		{amqp.Table{"a": int32(200)}, amqp.Table{"a": int16(200)}, true},
		{amqp.Table{"a": int32(1)}, amqp.Table{"a": int8(2)}, false},
		{amqp.Table{"a": "1"}, amqp.Table{"a": int32(1)}, false},
		{amqp.Table{"a": nil}, amqp.Table{"a": "anything"}, true}, // no value: it's enough that it's there
		{amqp.Table{"a": nil}, amqp.Table{"b": "x"}, false},
		{amqp.Table{"x-match": "all"}, amqp.Table{"b": "x"}, true},
		{amqp.Table{"x-match": "all"}, nil, true},
		{amqp.Table{"x-match": "any"}, amqp.Table{"b": "x"}, false},
		{amqp.Table{"x-match": "all", "x-a": "1"}, amqp.Table{"b": "x"}, true}, // x-... doesn't count
		{amqp.Table{"x-match": "all-with-x", "x-a": "1"}, amqp.Table{"b": "x"}, false},
		{amqp.Table{"x-match": "all-with-x", "x-a": "1"}, amqp.Table{"x-a": "1"}, true},
		{amqp.Table{"x-match": "any-with-x", "x-a": "1", "b": "2"}, amqp.Table{"x-a": "1"}, true},
		{amqp.Table{"a": true}, amqp.Table{"a": true}, true},
		{amqp.Table{"a": 1.5}, amqp.Table{"a": 1.5}, true},
	} {
		q, x := b.queue(ch, nil), b.exchange(ch, "headers", nil)
		b.bind(ch, q, "ignored", x, test.binding)
		b.publish(ch, x, "key", amqp.Publishing{Headers: test.headers})
		b.equal(fmt.Sprintf("case %d: %v matches %v", i, test.binding, test.headers), b.ready(ch, q) == 1, test.want)
	}
}

func exchangeToExchange(b *bed) {
	ch := b.channel()
	q, from, to := b.queue(ch, nil), b.exchange(ch, "topic", nil), b.exchange(ch, "direct", nil)
	b.must(ch.ExchangeBind(to, "a.#", from, false, nil))
	b.bind(ch, q, "a.b", to, nil)
	b.bind(ch, q, "b", to, nil)
	for _, key := range []string{"a.b", "a.c", "b"} {
		b.send(ch, from, key, key)
	}
	d := b.get(ch, q)
	b.equal("delivery", []any{string(d.Body), d.Exchange, d.RoutingKey, d.MessageCount}, []any{"a.b", from, "a.b", uint32(0)})
	b.must(ch.ExchangeUnbind(to, "a.#", from, false, nil))
	b.send(ch, from, "a.b", "after unbind")
	b.equal("messages", b.ready(ch, q), 0)
}

func exchangeCircle(b *bed) {
	ch := b.channel()
	q, x, y := b.queue(ch, nil), b.exchange(ch, "fanout", nil), b.exchange(ch, "fanout", nil)
	b.must(ch.ExchangeBind(x, "", y, false, nil))
	b.must(ch.ExchangeBind(y, "", x, false, nil))
	b.bind(ch, q, "", x, nil)
	b.bind(ch, q, "", y, nil)
	b.send(ch, x, "", "once")
	b.equal("messages", b.drain(ch, q), []string{"once"})
}

func alternateExchange(b *bed) {
	ch := b.channel()
	last := b.exchange(ch, "fanout", nil)
	middle := b.exchange(ch, "direct", amqp.Table{"alternate-exchange": last})
	first := b.exchange(ch, "topic", amqp.Table{"alternate-exchange": middle})
	q, saved := b.queue(ch, nil), b.queue(ch, nil)
	b.bind(ch, q, "known", first, nil)
	b.bind(ch, saved, "", last, nil)
	b.send(ch, first, "known", "1")
	b.send(ch, first, "unknown", "2")
	b.equal("routed", b.drain(ch, q), []string{"1"})
	d := b.get(ch, saved)
	b.equal("saved", []any{string(d.Body), d.Exchange, d.RoutingKey}, []any{"2", first, "unknown"})

	dangling := b.exchange(ch, "topic", amqp.Table{"alternate-exchange": b.name("none")})
	b.send(ch, dangling, "k", "dropped, and confirmed")
}

func alternateAndMandatory(b *bed) {
	ch := b.channel()
	last := b.exchange(ch, "fanout", nil)
	x := b.exchange(ch, "topic", amqp.Table{"alternate-exchange": last})
	returns := ch.NotifyReturn(make(chan amqp.Return, 2))
	mandatory := func() {
		c, err := ch.PublishWithDeferredConfirm(x, "k", true, false, amqp.Publishing{})
		b.must(err)
		c.Wait()
	}
	mandatory()
	b.equal("returns without a queue", len(returns), 1)
	b.bind(ch, b.queue(ch, nil), "", last, nil)
	mandatory()
	b.equal("returns with a queue", len(returns), 1)
}

func (b *bed) exchangeExists(exchange string) bool {
	b.Helper()
	conn := b.dial()
	defer conn.Close()
	ch, err := conn.Channel()
	b.must(err)
	return ch.ExchangeDeclarePassive(exchange, "direct", false, false, false, false, nil) == nil
}

func autoDeleteExchange(b *bed) {
	ch := b.channel()
	x := b.name("x")
	b.must(ch.ExchangeDeclare(x, "direct", false, true, false, false, nil))
	b.equal("exists without bindings", b.exchangeExists(x), true)
	q := b.queue(ch, nil)
	b.bind(ch, q, "1", x, nil)
	b.bind(ch, q, "2", x, nil)
	b.must(ch.QueueUnbind(q, "1", x, nil))
	b.equal("exists with a binding left", b.exchangeExists(x), true)
	_, err := ch.QueueDelete(q, false, false, false)
	b.must(err)
	b.eventually("the exchange is gone", func() bool { return !b.exchangeExists(x) })
}

func internalExchange(b *bed) {
	ch := b.channel()
	x := b.name("x")
	b.must(ch.ExchangeDeclare(x, "fanout", true, false, true, false, nil))
	q, outer := b.queue(ch, nil), b.exchange(ch, "fanout", nil)
	b.bind(ch, q, "", x, nil)
	b.must(ch.ExchangeBind(x, "", outer, false, nil))
	b.send(ch, outer, "", "m")
	b.equal("messages", b.drain(ch, q), []string{"m"})
}

func predeclaredExchanges(b *bed) {
	ch := b.channel()
	for name, kind := range map[string]string{
		"amq.direct": "direct", "amq.fanout": "fanout", "amq.topic": "topic", "amq.headers": "headers", "amq.match": "headers",
	} {
		b.must(ch.ExchangeDeclare(name, kind, true, false, false, false, nil))
		b.must(ch.ExchangeDeclarePassive(name, kind, true, false, false, false, nil))
	}
}

func unbindExactly(b *bed) {
	ch := b.channel()
	q, x := b.queue(ch, nil), b.exchange(ch, "direct", nil)
	b.bind(ch, q, "k", x, nil)
	b.must(ch.QueueUnbind(q, "other", x, nil))
	b.must(ch.QueueUnbind(q, "k", x, amqp.Table{"a": "b"}))
	b.send(ch, x, "k", "still bound")
	b.must(ch.QueueUnbind(q, "k", x, nil))
	b.send(ch, x, "k", "unbound")
	b.equal("messages", b.drain(ch, q), []string{"still bound"})
}

func exchangeAgain(b *bed) {
	ch := b.channel()
	args := amqp.Table{"alternate-exchange": "amq.fanout"}
	x := b.exchange(ch, "topic", args)
	q := b.queue(ch, nil)
	b.bind(ch, q, "#", x, nil)
	b.must(ch.ExchangeDeclare(x, "topic", true, false, false, false, args))
	b.send(ch, x, "k", "m")
	b.equal("messages", b.drain(ch, q), []string{"m"})
}

func bindingArguments(b *bed) {
	ch := b.channel()
	q, x := b.queue(ch, nil), b.exchange(ch, "topic", nil)
	b.bind(ch, q, "k", x, amqp.Table{"n": int32(1)})
	b.bind(ch, q, "k", x, amqp.Table{"n": int32(2)})
	b.bind(ch, q, "k", x, nil)
	b.must(ch.QueueUnbind(q, "k", x, amqp.Table{"n": int32(1)}))
	b.must(ch.QueueUnbind(q, "k", x, nil))
	b.send(ch, x, "k", "one binding is left")
	b.must(ch.QueueUnbind(q, "k", x, amqp.Table{"n": int32(2)}))
	b.send(ch, x, "k", "none is left")
	b.equal("messages", b.drain(ch, q), []string{"one binding is left"})
}

func deletedExchange(b *bed) {
	ch := b.channel()
	q, x := b.queue(ch, nil), b.exchange(ch, "fanout", nil)
	b.bind(ch, q, "", x, nil)
	b.must(ch.ExchangeDelete(x, false, false))
	b.must(ch.ExchangeDeclare(x, "fanout", true, false, false, false, nil))
	b.send(ch, x, "", "m")
	b.equal("messages", b.ready(ch, q), 0)
}
