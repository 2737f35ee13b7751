package amqptest

import (
	amqp "github.com/rabbitmq/amqp091-go"
)

var txLaw = map[string]func(*bed){
	"what a transaction publishes is there once it's committed": txPublish,
	"acks of a transaction hold once it's committed":            txAck,
	"a transaction and confirms exclude each other":             txOrConfirm,
	"a commit without a transaction is refused":                 txMissing,
	"what a transaction has acknowledged isn't recovered":       txRecover,
	"a transaction ends with its channel, undone":               txClosed,
}

// txChannel opens a channel in transaction mode.
func (b *bed) txChannel() *amqp.Channel {
	b.Helper()
	ch, err := b.dial().Channel()
	b.must(err)
	b.must(ch.Tx())
	return ch
}

func txPublish(b *bed) {
	ch, tx := b.channel(), b.txChannel()
	q := b.queue(ch, nil)
	publish := func(body string) {
		b.must(tx.Publish("", q, false, false, amqp.Publishing{Body: []byte(body), DeliveryMode: amqp.Persistent}))
	}
	publish("1")
	b.roundTrip(tx)
	b.equal("messages before the commit", b.ready(ch, q), 0)
	b.must(tx.TxCommit())
	publish("2")
	b.must(tx.TxRollback())
	publish("3")
	b.must(tx.TxCommit())
	b.eventually("two messages", func() bool { return b.ready(ch, q) == 2 })
	b.equal("messages", b.drain(ch, q), []string{"1", "3"})
}

func txAck(b *bed) {
	ch, tx := b.channel(), b.txChannel()
	q := b.put(ch, 3, nil)
	b.must(b.get(tx, q).Ack(false))
	b.must(tx.TxCommit())
	d := b.get(tx, q)
	b.must(d.Ack(false))
	b.must(tx.TxRollback()) // the message stays with the channel, unacknowledged
	b.must(d.Ack(false))
	b.must(tx.TxCommit())
	b.must(b.get(tx, q).Ack(false))
	b.must(tx.Close())
	b.equal("messages", bodiesOf([]amqp.Delivery{b.get(ch, q)}), []string{"3+"})
}

func txOrConfirm(b *bed) {
	tx := b.txChannel()
	b.wantRefusal(tx, 406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode", func() error { return tx.Confirm(false) })
	confirming := b.channel()
	b.wantRefusal(confirming, 406, "PRECONDITION_FAILED - cannot switch from confirm to tx mode", confirming.Tx)
}

func txMissing(b *bed) {
	for _, do := range []func(*amqp.Channel) error{(*amqp.Channel).TxCommit, (*amqp.Channel).TxRollback} {
		ch := b.channel()
		b.wantRefusal(ch, 406, "PRECONDITION_FAILED - channel is not transactional", func() error { return do(ch) })
	}
}

func txClosed(b *bed) {
	ch, tx := b.channel(), b.txChannel()
	q := b.queue(ch, nil)
	b.must(tx.Publish("", q, false, false, amqp.Publishing{Body: []byte("lost")}))
	b.must(tx.Close())
	b.equal("messages", b.ready(ch, q), 0)
}

func txRecover(b *bed) {
	ch, tx := b.channel(), b.txChannel()
	q := b.put(ch, 2, nil)
	b.must(b.get(tx, q).Ack(false))
	b.get(tx, q)
	b.must(tx.Recover(true))
	b.equal("recovered", b.drain(ch, q), []string{"2"})
	b.must(tx.TxCommit())
	b.must(tx.Close())
	b.equal("after the commit", b.drain(ch, q), []string{})
}
