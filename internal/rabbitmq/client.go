// Package rabbitmq talks to RabbitMQ's management HTTP API: virtual hosts, users, permissions, and what can be seen of queues,
// exchanges and connections. It's what the operator keeps accounts and topology with, and works alike on the embedded broker.
// Messages themselves go over AMQP, which is package amqp's.
package rabbitmq

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options of a Client.
type Options struct {
	// URL of the management listener, with or without credentials: http://user:password@host:15672. A path before /api is kept.
	URL string
	// Username and Password are used instead of those in URL when Username isn't empty.
	Username, Password string
	// Timeout bounds each request, answer included; default 10 s.
	Timeout time.Duration
	// BodyMax bounds an answer in bytes; default 64 MiB.
	BodyMax int64
	// Transport sends the requests; default is a transport of the client's own.
	Transport http.RoundTripper
}

// Client of one management listener. It's safe for concurrent use.
type Client struct {
	base               string // up to, without, "/api"
	username, password string
	bodyMax            int64
	http               *http.Client
}

// New checks the options and returns a client. It doesn't connect.
func New(opts Options) (*Client, error) {
	u, err := url.Parse(opts.URL)
	if err != nil {
		return nil, fmt.Errorf("rabbitmq: options: URL: %w", redact(err))
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("rabbitmq: options: URL: want http://HOST or https://HOST")
	}
	c := &Client{username: opts.Username, password: opts.Password, bodyMax: opts.BodyMax}
	if c.username == "" {
		c.username = u.User.Username()
		c.password, _ = u.User.Password()
	}
	if c.bodyMax == 0 {
		c.bodyMax = 64 << 20
	}
	if opts.Timeout == 0 {
		opts.Timeout = 10 * time.Second
	}
	if opts.Transport == nil {
		opts.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	c.base = strings.TrimSuffix(u.String(), "/")
	c.http = &http.Client{Transport: opts.Transport, Timeout: opts.Timeout}
	return c, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// redact keeps a URL's password out of error messages.
func redact(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// ErrNotFound is what errors.Is finds in an error about an object, or a virtual host, that doesn't exist.
var ErrNotFound = errors.New("not found")

// Error is an answer other than 2xx.
type Error struct {
	Op     string // what was tried: put user "x"
	Status int    // HTTP status
	Code   string // "bad_request", "not_authorised" ...; empty when the answer didn't say
	Reason string // the server's explanation
}

// Error reads like: rabbitmq: put user "x": 401 not authorised: Access refused.
func (e *Error) Error() string {
	what := strings.ReplaceAll(e.Code, "_", " ")
	if what == "" {
		what = strings.ToLower(http.StatusText(e.Status))
	}
	msg := fmt.Sprintf("rabbitmq: %s: %d %s", e.Op, e.Status, what)
	if e.Reason != "" {
		msg += ": " + e.Reason
	}
	return msg
}

// Is makes errors.Is(err, ErrNotFound) work.
func (e *Error) Is(target error) bool {
	return target == ErrNotFound && e.Status == http.StatusNotFound
}

// request is one call: op is its name in errors, body is sent as JSON unless nil, out is filled from the answer unless nil, or items reads it.
type request struct {
	op, method string
	path       []string // segments after /api, unescaped
	query      url.Values
	header     http.Header
	body, out  any
	items      func(*json.Decoder) error
}

func (c *Client) do(ctx context.Context, r request) error {
	target := c.base + "/api"
	for _, segment := range r.path {
		target += "/" + url.PathEscape(segment)
	}
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return fmt.Errorf("rabbitmq: %s: %w", r.op, err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return fmt.Errorf("rabbitmq: %s: %w", r.op, redact(err))
	}
	if r.header != nil {
		req.Header = r.header
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.username != "" {
		req.SetBasicAuth(c.username, c.password)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("rabbitmq: %s: %w", r.op, redact(err))
	}
	defer res.Body.Close()
	return c.answer(r, res)
}

func (c *Client) answer(r request, res *http.Response) error {
	if r.items != nil && res.StatusCode/100 == 2 {
		return c.stream(r, res.Body)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, c.bodyMax+1))
	if err != nil {
		return fmt.Errorf("rabbitmq: %s: read answer: %w", r.op, err)
	}
	if int64(len(text)) > c.bodyMax {
		return fmt.Errorf("rabbitmq: %s: the answer has more than %d bytes", r.op, c.bodyMax)
	}
	if res.StatusCode/100 != 2 {
		return refusal(r.op, res.StatusCode, text)
	}
	if r.out == nil {
		return nil
	}
	if err := json.Unmarshal(text, r.out); err != nil {
		return fmt.Errorf("rabbitmq: %s: read answer: %w", r.op, err)
	}
	return nil
}

// stream reads an answer bit by bit.
func (c *Client) stream(r request, body io.Reader) error {
	limited := &io.LimitedReader{R: body, N: c.bodyMax}
	err := r.items(json.NewDecoder(limited))
	switch {
	case err != nil && limited.N == 0:
		return fmt.Errorf("rabbitmq: %s: the answer has more than %d bytes", r.op, c.bodyMax)
	case err != nil:
		return fmt.Errorf("rabbitmq: %s: read answer: %w", r.op, err)
	}
	return nil
}

// each calls do for every item of a list, as it comes: the lists of a broker with thousands of queues have tens of megabytes. query may be nil.
func each[T any](ctx context.Context, c *Client, op string, query url.Values, do func(T), path ...string) error {
	return c.do(ctx, request{op: op, method: http.MethodGet, path: path, query: query, items: func(d *json.Decoder) error {
		if start, err := d.Token(); err != nil || start != json.Delim('[') {
			return cmp.Or(err, fmt.Errorf("%v, want a list", start))
		}
		for d.More() {
			var item T
			if err := d.Decode(&item); err != nil {
				return err
			}
			do(item)
		}
		_, err := d.Token()
		return err
	}})
}

// refusal makes an Error of an answer. RabbitMQ's reason is a text or, for some checks, any JSON.
func refusal(op string, status int, text []byte) error {
	e := &Error{Op: op, Status: status}
	var answer struct {
		Error  string
		Reason json.RawMessage
	}
	if json.Unmarshal(text, &answer) == nil {
		e.Code = answer.Error
		if json.Unmarshal(answer.Reason, &e.Reason) != nil {
			e.Reason = string(answer.Reason)
		}
	}
	return e
}

func (c *Client) get(ctx context.Context, op string, out any, path ...string) error {
	return c.do(ctx, request{op: op, method: http.MethodGet, path: path, out: out})
}

func (c *Client) put(ctx context.Context, op string, body any, path ...string) error {
	return c.do(ctx, request{op: op, method: http.MethodPut, path: path, body: body})
}

// remove deletes; that it's gone already is what the caller wants.
func (c *Client) remove(ctx context.Context, r request) error {
	r.method = http.MethodDelete
	if err := c.do(ctx, r); !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}
