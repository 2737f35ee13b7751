package amqptest

import (
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

const replyTo = "amq.rabbitmq.reply-to"

var replyLaw = map[string]func(*bed){
	"a request gets its reply directly":                  directReply,
	"a reply to a requester that has gone is unroutable": replyToNobody,
	"several requesters get their own replies":           repliesApart,
	"a requester can be asked for, while it's there":     requesterExists,
}

// requester consumes direct replies on a channel of its own.
func (b *bed) requester() (*amqp.Channel, <-chan amqp.Delivery) {
	b.Helper()
	ch := b.channel()
	in, err := ch.Consume(replyTo, "", true, false, false, false, nil)
	b.must(err)
	return ch, in
}

// ask sends a request to a queue and returns where its reply should go.
func (b *bed) ask(requester, ch *amqp.Channel, queue, body string) (address string) {
	b.Helper()
	b.publish(requester, "", queue, amqp.Publishing{Body: []byte(body), ReplyTo: replyTo, CorrelationId: body})
	d := b.get(ch, queue)
	b.must(d.Ack(false))
	if !strings.HasPrefix(d.ReplyTo, replyTo+".") {
		b.Fatalf("reply to %q, want %s.something", d.ReplyTo, replyTo)
	}
	return d.ReplyTo
}

func directReply(b *bed) {
	requester, replies := b.requester()
	ch := b.channel()
	q := b.queue(ch, nil)
	address := b.ask(requester, ch, q, "request")
	b.publish(ch, "", address, amqp.Publishing{Body: []byte("reply"), CorrelationId: "request", Headers: amqp.Table{"h": "v"}})
	d := b.receive(replies)
	b.equal("reply", []any{string(d.Body), d.CorrelationId, d.Exchange, d.RoutingKey, d.Headers["h"]}, []any{"reply", "request", "", address, "v"})
}

func replyToNobody(b *bed) {
	requester, _ := b.requester()
	ch := b.channel()
	q := b.queue(ch, nil)
	address := b.ask(requester, ch, q, "request")
	b.must(requester.Close())
	returns := ch.NotifyReturn(make(chan amqp.Return, 1))
	b.eventually("the reply is returned", func() bool {
		c, err := ch.PublishWithDeferredConfirm("", address, true, false, amqp.Publishing{})
		b.must(err)
		c.Wait()
		return len(returns) == 1
	})
}

func repliesApart(b *bed) {
	one, oneReplies := b.requester()
	two, twoReplies := b.requester()
	ch := b.channel()
	q := b.queue(ch, nil)
	first, second := b.ask(one, ch, q, "1"), b.ask(two, ch, q, "2")
	b.publish(ch, "", second, amqp.Publishing{Body: []byte("for 2")})
	b.publish(ch, "", first, amqp.Publishing{Body: []byte("for 1")})
	b.equal("replies", []string{string(b.receive(oneReplies).Body), string(b.receive(twoReplies).Body)}, []string{"for 1", "for 2"})
}

func requesterExists(b *bed) {
	requester, _ := b.requester()
	ch := b.channel()
	address := b.ask(requester, ch, b.queue(ch, nil), "request")
	q, err := ch.QueueDeclare(address, false, false, false, false, nil)
	b.must(err)
	b.equal("name", q.Name, address)
}
