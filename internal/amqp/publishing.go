// Package amqp is how Leat's parts speak AMQP 0-9-1: publishers and consumers that survive a lost connection, and the declaration of a
// topology, over github.com/rabbitmq/amqp091-go. No type of that library shows in its exported names.
package amqp

import (
	"errors"
	"time"

	"github.com/openintegrationhub/leat/internal/message"
)

// Publishing is a message on its way to an exchange. It's always persistent, and always application/json in utf8, as every component expects
// (contract.md 2.10).
type Publishing struct {
	Exchange   string
	Key        string
	Headers    message.Headers
	Body       []byte
	Expiration time.Duration // 0 for none; whole milliseconds

	// Unchecked leaves out the mandatory flag: a message that no queue takes isn't ErrUnroutable, but goes to the exchange's alternate
	// exchange, or nowhere.
	Unchecked bool
}

// Errors of publishing. With any other error the fate of the message is unknown: it may have been accepted.
var (
	// ErrUnavailable says that there is no broker to talk to: nothing was sent.
	ErrUnavailable = errors.New("broker is not available")
	// ErrUnroutable says that no queue took the message.
	ErrUnroutable = errors.New("no queue takes the message")
	// ErrRefused says that the broker didn't take responsibility for the message, for instance because a queue is full.
	ErrRefused = errors.New("broker refused the message")
)
