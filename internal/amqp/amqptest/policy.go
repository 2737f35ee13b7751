package amqptest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"

	amqp "github.com/rabbitmq/amqp091-go"
)

var policyLaw = map[string]func(*bed){
	"a policy limits the length of queues that are there and of new ones": policyLength,
	"of a policy's limit and the queue's own the lower one holds":         policyLowerLimit,
	"without its policy a queue is as it was":                             policyRemoved,
	"of two policies the one with the higher priority counts":             policyPriority,
	"an operator policy limits what users' policies allow":                policyOfOperator,
	"a policy sets time to live and dead letter exchange":                 policyDeadLetters,
	"a queue's own dead letter exchange goes before its policy's":         policyOwnDeadLetters,
	"a policy sets an alternate exchange":                                 policyAlternate,
	"a policy lets an unused queue expire":                                policyExpires,
	"a policy sets the delivery limit of quorum queues":                   policyDeliveryLimit,
	"a policy for exchanges doesn't concern queues":                       policyAppliesTo,
}

// manage sends a request to the management API and returns its status.
func (b *bed) manage(method string, body any, path ...string) int {
	b.Helper()
	text, err := json.Marshal(body)
	b.must(err)
	to := b.target.Management + "/api"
	for _, segment := range path {
		to += "/" + url.PathEscape(segment)
	}
	req, err := http.NewRequestWithContext(b.Context(), method, to, bytes.NewReader(text))
	b.must(err)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	b.must(err)
	b.must(res.Body.Close())
	return res.StatusCode
}

// policy makes a policy for names that begin with the given text, and waits until it counts. It's gone at the end of the test.
func (b *bed) policy(prefix, applyTo string, priority int, definition amqp.Table) (name string) {
	b.Helper()
	return b.policyOf("policies", prefix, applyTo, priority, definition)
}

func (b *bed) policyOf(kind, prefix, applyTo string, priority int, definition amqp.Table) (name string) {
	b.Helper()
	name = b.name("p")
	status := b.manage(http.MethodPut, map[string]any{"pattern": "^" + prefix, "apply-to": applyTo, "priority": priority, "definition": definition}, kind, b.vhost, name)
	b.equal("status of the new policy", status, http.StatusCreated)
	return name
}

// queueNamed declares a durable queue with a name of one's own.
func (b *bed) queueNamed(ch *amqp.Channel, name string, args amqp.Table) string {
	b.Helper()
	_, err := ch.QueueDeclare(name, true, false, false, false, args)
	b.must(err)
	return name
}

// holds says that the queue ends up with n messages after one more was published: policies may take a moment to be known to all queues.
func (b *bed) holds(ch *amqp.Channel, queue string, n int) {
	b.Helper()
	b.eventually("the limit of "+queue, func() bool {
		b.send(ch, "", queue, "m")
		return b.ready(ch, queue) == n
	})
	b.send(ch, "", queue, "m")
	b.equal("messages in "+queue, b.ready(ch, queue), n)
}

func policyLength(b *bed) {
	ch, prefix := b.channel(), b.name("limited")
	before := b.queueNamed(ch, prefix+"-before", nil)
	b.send(ch, "", before, "1", "2", "3", "4", "5")
	b.policy(prefix, "queues", 1, amqp.Table{"max-length": 3})
	b.eventually("what's there is dropped", func() bool { return b.ready(ch, before) == 3 })
	b.equal("what's left", b.drain(ch, before), []string{"3", "4", "5"})
	b.holds(ch, b.queueNamed(ch, prefix+"-after", nil), 3)
	other := b.queue(ch, nil)
	b.send(ch, "", other, "1", "2", "3", "4", "5")
	b.equal("messages in another queue", b.ready(ch, other), 5)
}

func policyLowerLimit(b *bed) {
	ch, prefix := b.channel(), b.name("limited")
	b.policy(prefix, "all", 1, amqp.Table{"max-length": 4})
	lower := b.queueNamed(ch, prefix+"-lower", amqp.Table{"x-max-length": int32(2)})
	higher := b.queueNamed(ch, prefix+"-higher", amqp.Table{"x-max-length": int32(20)})
	b.send(ch, "", lower, "1", "2", "3", "4", "5", "6")
	b.send(ch, "", higher, "1", "2", "3", "4", "5", "6")
	b.equal("messages", []int{b.ready(ch, lower), b.ready(ch, higher)}, []int{2, 4})
}

func policyRemoved(b *bed) {
	ch, prefix := b.channel(), b.name("limited")
	q := b.queueNamed(ch, prefix, nil)
	name := b.policy(prefix, "queues", 1, amqp.Table{"max-length": 1})
	b.holds(ch, q, 1)
	b.equal("status", b.manage(http.MethodDelete, nil, "policies", b.vhost, name), http.StatusNoContent)
	b.eventually("no limit", func() bool {
		b.send(ch, "", q, "m")
		return b.ready(ch, q) > 3
	})
	b.equal("status of the second removal", b.manage(http.MethodDelete, nil, "policies", b.vhost, name), http.StatusNotFound)
}

func policyPriority(b *bed) {
	ch, prefix := b.channel(), b.name("limited")
	b.policy(prefix, "queues", 5, amqp.Table{"max-length": 3})
	b.policy(prefix, "queues", 1, amqp.Table{"max-length": 1})
	q := b.queueNamed(ch, prefix, nil)
	b.holds(ch, q, 3)
	b.policy(prefix, "queues", 9, amqp.Table{"max-length": 2})
	b.holds(ch, q, 2)
}

func policyOfOperator(b *bed) {
	ch, prefix := b.channel(), b.name("limited")
	b.policyOf("operator-policies", prefix, "queues", 0, amqp.Table{"max-length": 2})
	q := b.queueNamed(ch, prefix, nil)
	b.holds(ch, q, 2)
	b.policy(prefix, "queues", 9, amqp.Table{"max-length": 7})
	b.holds(ch, q, 2)
	b.policy(prefix, "queues", 10, amqp.Table{"max-length": 1})
	b.holds(ch, q, 1)
}

func policyDeadLetters(b *bed) {
	ch, prefix := b.channel(), b.name("mortal")
	dead := b.queue(ch, nil)
	b.policy(prefix, "queues", 1, amqp.Table{"message-ttl": 20, "dead-letter-exchange": "", "dead-letter-routing-key": dead})
	q := b.queueNamed(ch, prefix, nil)
	b.send(ch, "", q, "m")
	d := b.get(ch, dead)
	b.equal("dead letter", []any{string(d.Body), d.RoutingKey, d.Headers["x-first-death-queue"], d.Headers["x-first-death-reason"]}, []any{"m", dead, q, "expired"})
}

func policyOwnDeadLetters(b *bed) {
	ch, prefix := b.channel(), b.name("mortal")
	dead, other := b.queue(ch, nil), b.queue(ch, nil)
	b.policy(prefix, "queues", 1, amqp.Table{"dead-letter-exchange": "", "dead-letter-routing-key": other})
	q := b.queueNamed(ch, prefix, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
	b.send(ch, "", q, "m")
	b.must(b.get(ch, q).Reject(false))
	b.get(ch, dead)
	b.equal("messages by the policy", b.ready(ch, other), 0)
}

func policyAlternate(b *bed) {
	ch, prefix := b.channel(), b.name("catch")
	rest, own := b.queue(ch, nil), b.queue(ch, nil)
	alternate, ownAlternate := b.exchange(ch, "fanout", nil), b.exchange(ch, "fanout", nil)
	b.bind(ch, rest, "", alternate, nil)
	b.bind(ch, own, "", ownAlternate, nil)
	b.must(ch.ExchangeDeclare(prefix+"-before", "topic", true, false, false, false, nil))
	b.policy(prefix, "exchanges", 1, amqp.Table{"alternate-exchange": alternate})
	b.must(ch.ExchangeDeclare(prefix+"-after", "topic", true, false, false, false, nil))
	b.must(ch.ExchangeDeclare(prefix+"-own", "topic", true, false, false, false, amqp.Table{"alternate-exchange": ownAlternate}))
	b.eventually("the policy counts", func() bool {
		b.send(ch, prefix+"-before", "k", "before")
		return b.ready(ch, rest) > 0
	})
	b.send(ch, prefix+"-after", "k", "after")
	b.send(ch, prefix+"-own", "k", "own")
	got := b.drain(ch, rest)
	b.equal("last by the policy's alternate exchange", got[len(got)-1], "after")
	b.equal("by the exchange's own", b.drain(ch, own), []string{"own"})
}

func policyExpires(b *bed) {
	ch, prefix := b.channel(), b.name("expiring")
	q := b.queueNamed(ch, prefix, nil)
	b.policy(prefix, "queues", 1, amqp.Table{"expires": 50})
	b.eventually("the queue is gone", func() bool {
		_, err := b.api.Queue(b.Context(), b.vhost, q) // which isn't a use
		return err != nil
	})
}

func policyDeliveryLimit(b *bed) {
	ch, prefix := b.channel(), b.name("limited")
	dead := b.queue(ch, nil)
	b.policy(prefix, "queues", 1, amqp.Table{"delivery-limit": 1, "dead-letter-exchange": "", "dead-letter-routing-key": dead})
	q := b.queueNamed(ch, prefix, amqp.Table{"x-queue-type": "quorum"})
	b.send(ch, "", q, "m")
	b.must(b.get(ch, q).Nack(false, true))
	b.must(b.get(ch, q).Nack(false, true))
	b.equal("dead letter", b.get(ch, dead).Headers["x-first-death-reason"], any("delivery_limit"))
}

func policyAppliesTo(b *bed) {
	ch, prefix := b.channel(), b.name("limited")
	b.policy(prefix, "exchanges", 1, amqp.Table{"max-length": 1, "alternate-exchange": "amq.fanout"})
	q := b.queueNamed(ch, prefix, nil)
	b.send(ch, "", q, "1", "2", "3")
	b.equal("messages", b.ready(ch, q), 3)
}
