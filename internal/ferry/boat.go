package ferry

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/topology"
)

// headersMax is how large a token may be: all headers have to fit into one frame of 128 KiB.
const headersMax = 100 << 10

// errUnknown says that a message is for a ferryman step that the flow doesn't have.
var errUnknown = errors.New("the ferryman step that it was for is no longer in the flow")

// boat knows what becomes of each message of one flow. It does nothing itself.
type boat struct {
	entry  plan.Entry
	cipher *message.Cipher
}

func newBoat(e plan.Entry) (*boat, error) {
	cipher, err := message.NewCipher(e.CryptoPassword, e.CryptoIV)
	if err != nil {
		return nil, err
	}
	return &boat{entry: e, cipher: cipher}, nil
}

// carry returns what has to be published in place of d, by the kind of its routing key.
func (b *boat) carry(d amqp.Delivery) ([]amqp.Publishing, error) {
	step, kind := b.parse(d.Key)
	var made []amqp.Publishing
	for _, to := range b.entry.Ferrymen {
		switch kind {
		case topology.Message:
			if slices.Contains(to.Previous, step) {
				made = append(made, b.deliver(to, d))
			}
		case topology.Input, topology.Tick:
			if to.Step == step {
				made = append(made, b.deliver(to, d))
			}
		case topology.Output:
			if to.Step == step {
				return []amqp.Publishing{b.output(step, d)}, nil
			}
		case topology.Error:
			return b.errorReply(d), nil
		}
	}
	if made == nil {
		return nil, errUnknown
	}
	return made, nil
}

// parse takes F.S.kind apart.
func (b *boat) parse(key string) (step, kind string) {
	rest, _ := strings.CutPrefix(key, b.entry.Exchange+".")
	step, kind, _ = strings.Cut(rest, ".")
	return step, kind
}

// deliver is d as a ferryman step wants it: data in place of body, and a token.
func (b *boat) deliver(to plan.Ferryman, d amqp.Delivery) amqp.Publishing {
	body, err := b.rewrite(d, toData)
	if err != nil {
		return b.giveUp(to.Step, d, err)
	}
	headers := handedOn(d.Headers)
	if headers.Text(message.HeaderMessageID) == "" {
		headers[message.HeaderMessageID] = uuid.NewString()
	}
	token, err := newToken(b.entry, to, headers.Execution())
	if err == nil && len(token) > headersMax {
		err = fmt.Errorf("the step's data makes a token of %d bytes, more than the limit of %d", len(token), headersMax)
	}
	if err != nil {
		return b.giveUp(to.Step, d, err)
	}
	headers[message.HeaderToken] = token
	return amqp.Publishing{Exchange: b.entry.Exchange, Key: topology.Key(b.entry.Flow, to.Step, topology.Deliver), Headers: headers, Body: body}
}

// output is what a ferryman step emitted, as all others know it. Its token, which has its configuration and its key, stays behind.
func (b *boat) output(step string, d amqp.Delivery) amqp.Publishing {
	body, err := b.rewrite(d, toBody)
	if err != nil {
		return b.giveUp(step, d, err)
	}
	headers := handedOn(d.Headers)
	return amqp.Publishing{
		Exchange: b.entry.Exchange, Key: topology.Key(b.entry.Flow, step, topology.Message), Headers: headers, Body: body,
		Unchecked: true, // of a last step nobody takes it
	}
}

// errorReply tells whoever waits for a reply of an error. Ferryman sends that to the wrong exchange.
func (b *boat) errorReply(d amqp.Delivery) []amqp.Publishing {
	to := d.Headers.Text(message.HeaderReplyTo)
	var report struct{ Error string }
	if to == "" || json.Unmarshal(d.Body, &report) != nil || report.Error == "" {
		return nil
	}
	headers := handedOn(d.Headers)
	delete(headers, message.HeaderProtocolVersion)
	headers[message.HeaderErrorResponse] = true
	return []amqp.Publishing{{Exchange: b.entry.Exchange, Key: to, Headers: headers, Body: []byte(report.Error), Unchecked: true}}
}

// giveUp makes a dead letter of a message that can't be made over.
func (b *boat) giveUp(step string, d amqp.Delivery, why error) amqp.Publishing {
	headers := maps.Clone(d.Headers)
	if headers == nil {
		headers = message.Headers{}
	}
	delete(headers, message.HeaderToken)
	headers[topology.ReasonHeader] = why.Error()
	return amqp.Publishing{
		Exchange: b.entry.Exchange, Key: topology.Key(b.entry.Flow, step, topology.DeadLetter), Headers: headers, Body: d.Body,
		Unchecked: true, // of a removed step it's unroutable, and in the list of errors as that
	}
}

// rewrite changes the members of a message, and encrypts it in the form that every library reads.
func (b *boat) rewrite(d amqp.Delivery, change func(map[string]json.RawMessage)) ([]byte, error) {
	plain, err := b.cipher.Decrypt(slices.Clone(d.Body), d.Headers.ProtocolVersion()) // it works in place
	if err != nil {
		return nil, err
	}
	if err := message.Valid(plain); err != nil {
		return nil, fmt.Errorf("decode message: %w", err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(plain, &members); err != nil {
		return nil, fmt.Errorf("decode message: %w", err)
	}
	if members == nil { // null is no error to Unmarshal
		return nil, errors.New("decode message: want an object, found null")
	}
	change(members)
	text, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	return b.cipher.Encrypt(text), nil
}

// toData gives the body the name that ferryman has for it.
func toData(m map[string]json.RawMessage) {
	if body, ok := m["body"]; ok && m["data"] == nil {
		m["data"] = body
		delete(m, "body")
	}
}

// toBody is the way back. The step's configuration, with its secret, is no part of a message.
func toBody(m map[string]json.RawMessage) {
	delete(m, "passedCfg")
	if data, ok := m["data"]; ok && m["body"] == nil {
		m["body"] = data
		delete(m, "data")
	}
	for name, value := range m { // the JVM library takes no null, and wants a UUID
		if string(value) == "null" {
			delete(m, name)
		}
	}
	var id string
	if json.Unmarshal(m["id"], &id) != nil || uuid.Validate(id) != nil {
		m["id"] = json.RawMessage(`"` + uuid.NewString() + `"`)
	}
}

// handedOn are the headers of a message that is made of one with headers h.
func handedOn(h message.Headers) message.Headers {
	out := make(message.Headers, len(h)+2)
	for name, value := range h {
		switch name {
		case message.HeaderToken, message.RoutingKeyHeader, "cid", "flowExecId", message.HeaderReboundIteration, message.HeaderReboundReason:
		default:
			if !strings.HasPrefix(name, "x-death") && !strings.HasPrefix(name, "x-first-death") {
				out[name] = value
			}
		}
	}
	out[message.HeaderProtocolVersion] = int32(message.ProtocolBase64)
	return out
}
