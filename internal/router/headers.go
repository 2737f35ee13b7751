package router

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/openintegrationhub/leat/internal/message"
)

// Bounds of the meta headers that a client may add: they travel as AMQP headers, with each message of the execution, in one frame.
const (
	metaHeadersMax = 32
	metaBytesMax   = 4 << 10
	metaNameMax    = 128 // AMQP 0-9-1 section 4.2.5.3 has 255
)

// headers appends the request's headers as a JSON object, names in lower case, values of one name joined as Node does. It leaves out what
// withheld says. Meta headers are added to amqpHeaders instead, but for the trace id: that's ours to give.
func (rt *Router) headers(dst []byte, r *http.Request, amqpHeaders message.Headers) ([]byte, error) {
	size, meta, metaSize := 0, 0, 0
	named := connectionNames(r.Header)
	dst = append(dst, '{')
	if r.Host != "" {
		dst = appendText(append(dst, `"host":`...), r.Host)
	}
	for name, values := range r.Header {
		value := ""
		switch len(values) {
		case 0:
			continue
		case 1:
			value = values[0]
		default:
			value = strings.Join(values, ", ")
		}
		if size += len(name) + len(value); size > rt.opts.HeaderBytesMax {
			return nil, &failure{status: http.StatusRequestHeaderFieldsTooLarge, text: fmt.Sprintf("headers: more than the limit of %d bytes", rt.opts.HeaderBytesMax)}
		}
		if withheld(name) {
			if !isMeta(name) {
				continue
			}
			meta++
			metaSize += len(name) + len(value)
			if meta > metaHeadersMax || metaSize > metaBytesMax || len(name) > metaNameMax {
				return nil, &failure{status: http.StatusRequestHeaderFieldsTooLarge,
					text: fmt.Sprintf("headers %s*: more than the limit of %d, or %d bytes", message.MetaPrefix, metaHeadersMax, metaBytesMax)}
			}
			amqpHeaders[strings.ToLower(name)] = strings.ToValidUTF8(value, "\ufffd")
			continue
		}
		if named != "" && lists(named, name) {
			continue
		}
		if len(dst) > 1 {
			dst = append(dst, ',')
		}
		dst = append(appendLower(dst, name), ':')
		dst = appendText(dst, value)
	}
	return append(dst, '}'), nil
}

func isMeta(name string) bool {
	const prefix = "X-Eio-Meta-" // message.MetaPrefix as net/http writes it
	return strings.HasPrefix(name, prefix) && len(name) > len(prefix)
}

// withheld tells whether a header of the request, in net/http's spelling, stays out of the message. Components hand headers on, so there
// must be nothing among them that
//   - is about this one connection (RFC 9110 section 7.6.1) or the encoding of this body,
//   - gives rights to who reads it,
//   - means something to components or to the platform: X-Eio-Routing-Key would let a client choose the queue that a message goes to,
//     X-Ipaas-Object-Storage-Id read another's stored object, reply_to write to any routing key.
func withheld(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings", "Expect",
		"Content-Length", "Content-Encoding":
		return true
	case "Authorization", "Proxy-Authorization", "Proxy-Authenticate", "Www-Authenticate", "Authentication-Info", "Cookie", "Cookie2", "Set-Cookie",
		"Set-Cookie2", "X-Api-Key", "Api-Key", "Apikey", "X-Apikey", "X-Auth-Token", "X-Access-Token", "X-Auth-Key", "X-Csrf-Token", "X-Xsrf-Token",
		"X-Amz-Security-Token", "X-Goog-Iap-Jwt-Assertion", "Cf-Access-Jwt-Assertion", "X-Forwarded-Access-Token", "X-Forwarded-Client-Cert",
		"X-Vault-Token", "X-Gitlab-Token", "Private-Token", "X-Telegram-Bot-Api-Secret-Token":
		return true
	case "Reply_to", "Host":
		return true
	}
	return len(name) > 2 && (name[0] == 'X' || name[0] == 'x') &&
		(hasPrefixFold(name, "X-Eio-") || hasPrefixFold(name, "X-Ipaas-"))
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// connectionNames returns the Connection header if it names headers that are about this connection only, else "".
func connectionNames(h http.Header) string {
	values := h["Connection"]
	switch {
	case len(values) == 0:
		return ""
	case len(values) == 1 && (strings.EqualFold(values[0], "keep-alive") || strings.EqualFold(values[0], "close")):
		return ""
	}
	return strings.Join(values, ",")
}

// lists tells whether name is in a comma-separated list.
func lists(list, name string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(item), name) {
			return true
		}
	}
	return false
}
