package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/components/internal/builtin"
)

const (
	requestTimeout = 60 * time.Second // from the connection to the last byte of the answer
	answerBytesMax = 8 << 20          // leaves room for the envelope below the 10 MiB of a message
)

// Config is the data of post, put and get:
//
//	{"uri": "https://example.com/orders", "method": "PUT", "secret": "s3cret"}
//
// The body of each message is sent as JSON; with GET, its members are added to the query instead. The answer becomes a message: its body is
// the answer if that is a JSON object, otherwise {"responseBody": ...}; its headers are those of the answer, in lower case.
//
// Statuses 200 to 206 are a success. After 429, 5xx, or no answer within a minute, the message comes back later; any other status is an
// error. Redirects are followed for GET within the same host only, so that the secret reaches nobody else.
type Config struct {
	URI    string `json:"uri"`    // http or https; required
	Method string `json:"method"` // GET, POST, PUT, PATCH or DELETE; by default the function's own name
	Secret string `json:"secret"` // sent as the header X-Api-Secret if set
}

var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

func checkRequest(data json.RawMessage) []builtin.Problem {
	var config Config
	if problems := builtin.Decode(data, &config); problems != nil {
		return problems
	}
	var problems []builtin.Problem
	if err := checkURI(config.URI); err != nil {
		problems = append(problems, builtin.Problem{Path: "data.uri", Text: err.Error()})
	}
	if config.Method != "" && !slices.Contains(methods, strings.ToUpper(config.Method)) {
		text := fmt.Sprintf("unknown method %q; known: %s", config.Method, strings.Join(methods, ", "))
		problems = append(problems, builtin.Problem{Path: "data.method", Text: text})
	}
	return problems
}

func checkURI(uri string) error {
	if uri == "" {
		return fmt.Errorf("missing: the address to send to")
	}
	u, err := url.Parse(uri)
	if err != nil {
		return fmt.Errorf("%q is no URL", uri) // url.Parse's own text may hold a password
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("%q is no http or https URL", uri)
	}
	return nil
}

func newClient() *http.Client {
	return &http.Client{
		Timeout: requestTimeout,
		CheckRedirect: func(next *http.Request, before []*http.Request) error {
			first := before[0]
			if first.Method != http.MethodGet || next.URL.Host != first.URL.Host || next.URL.Scheme != first.URL.Scheme || len(before) >= 10 {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// request returns the function that sends each message with method, unless the data names another.
func request(client *http.Client, method string) component.Function {
	return func(step *component.Step) (component.Process, error) {
		if err := builtin.Error(checkRequest(step.Config)); err != nil {
			return nil, err
		}
		config := Config{Method: method}
		if err := step.DecodeConfig(&config); err != nil {
			return nil, err
		}
		if config.Method == "" {
			config.Method = method
		}
		config.Method = strings.ToUpper(config.Method)
		return func(ctx context.Context, in *component.Message, out component.Output) error {
			answer, err := config.send(ctx, client, in)
			if err != nil {
				return fmt.Errorf("%s %s: %w", config.Method, display(config.URI), err)
			}
			return out.Emit(answer)
		}, nil
	}
}

// display returns uri without password and query, which may be secret.
func display(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "(the uri)"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func (c *Config) send(ctx context.Context, client *http.Client, in *component.Message) (*component.Message, error) {
	req, err := c.request(ctx, in)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		// The client's error repeats method and whole URL.
		if wrapped, ok := err.(*url.Error); ok {
			err = wrapped.Err
		}
		return nil, component.Rebound(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, answerBytesMax+1))
	if err != nil {
		return nil, component.Rebound(fmt.Errorf("read answer: %w", err))
	}
	switch status := res.StatusCode; {
	case status == http.StatusTooManyRequests || status >= 500:
		return nil, component.Rebound(fmt.Errorf("the answer is %s%s", res.Status, excerpt(text)))
	case status < 200 || status > 206:
		return nil, fmt.Errorf("the answer is %s%s", res.Status, excerpt(text))
	case len(text) > answerBytesMax:
		return nil, fmt.Errorf("the answer is larger than %d bytes", answerBytesMax)
	}
	return message(res.Header, text)
}

func (c *Config) request(ctx context.Context, in *component.Message) (*http.Request, error) {
	uri, body := c.URI, []byte(in.Body)
	if len(body) == 0 {
		body = []byte("{}")
	}
	if c.Method == http.MethodGet {
		var err error
		if uri, err = withQuery(uri, body); err != nil {
			return nil, err
		}
		body = nil
	}
	req, err := http.NewRequestWithContext(ctx, c.Method, uri, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "leat")
	if body != nil {
		req.Header.Set("Content-Type", "application/json;charset=UTF-8")
	}
	if c.Secret != "" {
		req.Header.Set("X-Api-Secret", c.Secret)
	}
	return req, nil
}

// withQuery adds the members of body to the query of uri: strings as they are, arrays as repeated parameters, the rest as JSON.
func withQuery(uri string, body []byte) (string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return "", fmt.Errorf("decode body: %w", err)
	}
	u, err := url.Parse(uri)
	if err != nil {
		return "", err
	}
	query := u.Query()
	for name, value := range members {
		var list []json.RawMessage
		if json.Unmarshal(value, &list) != nil || list == nil {
			list = []json.RawMessage{value}
		}
		for _, item := range list {
			query.Add(name, asText(item))
		}
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// asText returns a JSON string's text, "" for null, and anything else as JSON.
func asText(value json.RawMessage) string {
	var text *string
	if json.Unmarshal(value, &text) != nil {
		return string(value)
	}
	if text == nil {
		return ""
	}
	return *text
}

// message makes the message out of an answer.
func message(header http.Header, text []byte) (*component.Message, error) {
	headers := make(map[string]any, len(header))
	for name, values := range header {
		name = strings.ToLower(name)
		switch {
		case name == routingKeyHeader:
			// The server mustn't choose which step gets the message.
		case name == "set-cookie":
			headers[name] = values
		default:
			headers[name] = strings.Join(values, ", ")
		}
	}
	encoded, err := json.Marshal(headers)
	if err != nil {
		return nil, fmt.Errorf("encode headers: %w", err)
	}
	body, err := answerBody(header.Get("Content-Type"), text)
	if err != nil {
		return nil, err
	}
	m := component.NewMessage(body)
	m.Headers = encoded
	return m, nil
}

func answerBody(contentType string, text []byte) (any, error) {
	kind, _, _ := mime.ParseMediaType(contentType)
	if kind != "application/json" && !strings.HasSuffix(kind, "+json") || len(bytes.TrimSpace(text)) == 0 {
		return map[string]string{"responseBody": string(text)}, nil
	}
	if !json.Valid(text) {
		return nil, fmt.Errorf("the answer says that it is JSON, and is not%s", excerpt(text))
	}
	if bytes.TrimSpace(text)[0] == '{' {
		return json.RawMessage(text), nil
	}
	return map[string]json.RawMessage{"responseBody": text}, nil
}

// excerpt returns the begin of an answer's text for an error.
func excerpt(text []byte) string {
	const bytesMax = 200
	s := strings.Join(strings.Fields(strings.ToValidUTF8(string(text[:min(len(text), bytesMax)]), "")), " ")
	if s == "" {
		return ""
	}
	return ": " + s
}
