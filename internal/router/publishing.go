package router

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
)

// buffers are what one request needs and the next can use again.
type buffers struct {
	body, query, headers, envelope []byte
}

// keepBytesMax bounds what a pooled buffer may hold on to.
const keepBytesMax = 64 << 10

func (rt *Router) release(b *buffers) {
	for _, p := range []*[]byte{&b.body, &b.query, &b.headers, &b.envelope} {
		if cap(*p) > keepBytesMax {
			*p = nil
		}
	}
	rt.buffers.Put(b)
}

// publishing makes the message of a request. Nothing in it shares memory with buf.
func (rt *Router) publishing(r *http.Request, t *target, extra string, buf *buffers) (amqp.Publishing, error) {
	var none amqp.Publishing
	address := r.RequestURI
	if address == "" || address[0] != '/' { // a request to a proxy, or one that never was on a wire
		address = r.URL.RequestURI()
	}
	if len(address) > rt.opts.HeaderBytesMax {
		return none, &failure{status: http.StatusRequestURITooLong, text: fmt.Sprintf("address: more than the limit of %d bytes", rt.opts.HeaderBytesMax)}
	}
	var err error
	if buf.query, err = appendForm(buf.query[:0], r.URL.RawQuery); err != nil {
		return none, &failure{status: http.StatusBadRequest, text: "query: " + err.Error()}
	}
	body := buf.query
	if r.Method == http.MethodPost {
		body, err = rt.body(r, buf)
	} else if r.ContentLength != 0 {
		err = &failure{status: http.StatusBadRequest, text: "body: a GET has none here, its query is the message: use POST"}
	}
	if err != nil {
		return none, err
	}
	ids := newIDs()
	headers := make(message.Headers, 8)
	if buf.headers, err = rt.headers(buf.headers[:0], r, headers); err != nil {
		return none, err
	}
	headers[message.HeaderTaskID] = t.entry.Flow
	headers[message.HeaderUserID] = t.entry.UserID
	headers[message.HeaderExecID] = ids.exec
	headers[message.HeaderMessageID] = ids.message
	headers[message.HeaderThreadID] = ids.execution
	headers[message.HeaderTraceID] = ids.execution

	m := message.Message{
		ID: ids.envelope, Body: body, Headers: buf.headers, Query: buf.query, Params: emptyObject,
		Method: r.Method, URL: address, OriginalURL: address, TaskID: t.entry.Flow,
	}
	plain, err := t.encode(&m, extra, buf)
	if err != nil {
		return none, &failure{status: http.StatusRequestEntityTooLarge, text: "request: " + err.Error()}
	}
	return amqp.Publishing{Exchange: t.entry.Exchange, Key: t.entry.InputKey, Headers: headers, Body: plain}, nil
}

var emptyObject = []byte("{}")

// encode returns the body of the AMQP message. In plain mode that's the envelope itself, so then it isn't made in a pooled buffer.
func (t *target) encode(m *message.Message, extra string, buf *buffers) ([]byte, error) {
	dst := buf.envelope[:0]
	if t.cipher == nil {
		dst = make([]byte, 0, 320+len(m.Body)+len(m.Headers)+len(m.Query)+2*len(m.URL)+len(extra))
	}
	plain, err := m.Append(dst)
	if err != nil {
		return nil, err
	}
	if extra != "" { // a member that the envelope doesn't know otherwise
		plain = append(plain[:len(plain)-1], `,"additionalUrlPath":`...)
		plain = append(appendText(plain, extra), '}')
	}
	if t.cipher == nil {
		return plain, nil
	}
	buf.envelope = plain
	return t.cipher.Encrypt(plain), nil
}

// ids of one message. envelope and message must differ: the webhook component sends the envelope's id on as the next message's, and with
// equal ones a message would be its own parent (contract.md 3.3).
type ids struct {
	envelope  string // UUID, in the JSON
	message   string // UUID, in the AMQP headers
	execution string // UUID
	exec      string // the same as 32 hex digits, as execId wants it
}

func newIDs() ids {
	const size = 36
	var random [48]byte
	rand.Read(random[:])
	var text [3*size + 32]byte
	for i := range 3 {
		u := random[16*i : 16*i+16]
		u[6] = u[6]&0x0f | 0x40 // version 4
		u[8] = u[8]&0x3f | 0x80 // the variant of RFC 9562
		putUUID(text[size*i:], u)
	}
	hex.Encode(text[3*size:], random[32:])
	all := string(text[:])
	return ids{envelope: all[:size], message: all[size : 2*size], execution: all[2*size : 3*size], exec: all[3*size:]}
}

// putUUID writes the text form of u.
func putUUID(dst, u []byte) {
	hex.Encode(dst, u[:4])
	dst[8] = '-'
	hex.Encode(dst[9:], u[4:6])
	dst[13] = '-'
	hex.Encode(dst[14:], u[6:8])
	dst[18] = '-'
	hex.Encode(dst[19:], u[8:10])
	dst[23] = '-'
	hex.Encode(dst[24:], u[10:16])
}
