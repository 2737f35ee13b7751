package email

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/openintegrationhub/leat/component"
)

const (
	mandrillURL            = "https://mandrillapp.com/api/1.0"
	mandrillTimeout        = 60 * time.Second
	mandrillAnswerBytesMax = 1 << 20
)

// mandrill sends over Mandrill's HTTP API, https://mailchimp.com/developer/transactional/api/messages/send-new-message.
type mandrill struct {
	address string // of the call
	key     string
	client  *http.Client
}

// newMandrill takes the base address of the API, with its version; mandrillURL if empty.
func newMandrill(key, base string) (*mandrill, error) {
	if base == "" {
		base = mandrillURL
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("MANDRILL_URL: %q is no http or https URL", base)
	}
	return &mandrill{
		address: u.JoinPath("messages", "send.json").String(),
		key:     key,
		client:  &http.Client{Timeout: mandrillTimeout},
	}, nil
}

func (t *mandrill) close() { t.client.CloseIdleConnections() }

// The API's own names.
type (
	mandrillCall struct {
		Key     string          `json:"key"`
		Message mandrillMessage `json:"message"`
	}
	mandrillMessage struct {
		FromEmail string              `json:"from_email"`
		FromName  string              `json:"from_name,omitempty"`
		To        []mandrillRecipient `json:"to"`
		Subject   string              `json:"subject"`
		Text      string              `json:"text,omitempty"`
		HTML      string              `json:"html,omitempty"`
		Headers   map[string]string   `json:"headers"`
		// PreserveRecipients shows all recipients in the header, as any other way does.
		PreserveRecipients bool                 `json:"preserve_recipients"`
		Attachments        []mandrillAttachment `json:"attachments,omitempty"`
		Metadata           map[string]string    `json:"metadata"`
	}
	mandrillRecipient struct {
		Email string `json:"email"`
		Name  string `json:"name,omitempty"`
		Type  string `json:"type"`
	}
	mandrillAttachment struct {
		Type    string `json:"type"`
		Name    string `json:"name"`
		Content []byte `json:"content"` // base64
	}
	mandrillFate struct {
		Email        string `json:"email"`
		Status       string `json:"status"` // sent, queued, scheduled, rejected or invalid
		RejectReason string `json:"reject_reason"`
		ID           string `json:"_id"`
	}
	mandrillError struct {
		Name    string `json:"name"`
		Message string `json:"message"`
	}
)

func (t *mandrill) send(ctx context.Context, m *mail) ([]result, error) {
	fates, err := t.call(ctx, m)
	if err != nil {
		if component.IsRebound(err) {
			return nil, err
		}
		return m.outcome(outcomeRejected, ""), err
	}
	byAddress := make(map[string]mandrillFate, len(fates))
	for _, fate := range fates {
		byAddress[strings.ToLower(fate.Email)] = fate
	}
	results := m.outcome(outcomeQueued, "")
	var refused []error
	for i := range results {
		r := &results[i]
		fate := byAddress[strings.ToLower(r.To)]
		r.MessageID = fate.ID
		switch fate.Status {
		case "sent":
			r.Message = outcomeOK
		case "rejected":
			r.Message = outcomeRejected
			refused = append(refused, fmt.Errorf("%s: rejected: %s", r.To, fate.RejectReason))
		case "invalid":
			r.Message = outcomeInvalid
			refused = append(refused, fmt.Errorf("%s: invalid", r.To))
		}
	}
	return results, errors.Join(refused...)
}

func (t *mandrill) call(ctx context.Context, m *mail) ([]mandrillFate, error) {
	encoded, err := json.Marshal(mandrillCall{Key: t.key, Message: m.mandrill()})
	if err != nil {
		return nil, fmt.Errorf("encode it: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.address, bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := t.client.Do(req)
	if err != nil {
		return nil, component.Rebound(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, mandrillAnswerBytesMax))
	if err != nil {
		return nil, component.Rebound(fmt.Errorf("read answer of Mandrill: %w", err))
	}
	if res.StatusCode != http.StatusOK {
		return nil, refusal(res, text)
	}
	var fates []mandrillFate
	if err := json.Unmarshal(text, &fates); err != nil {
		return nil, fmt.Errorf("decode answer of Mandrill: %w", err)
	}
	return fates, nil
}

// refusal is the error of an answer that isn't 200. Mandrill answers 500 to most mistakes too, so its name of the error decides whether
// another try makes sense.
func refusal(res *http.Response, text []byte) error {
	var said mandrillError
	if json.Unmarshal(text, &said) != nil || said.Name == "" {
		err := fmt.Errorf("the answer of Mandrill is %s", res.Status)
		if res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests {
			return component.Rebound(err)
		}
		return err
	}
	err := fmt.Errorf("the answer of Mandrill is %s: %s", said.Name, oneLine(said.Message))
	switch said.Name {
	case "GeneralError", "ServiceUnavailable":
		return component.Rebound(err)
	}
	if res.StatusCode == http.StatusTooManyRequests {
		return component.Rebound(err)
	}
	return err
}

func (m *mail) mandrill() mandrillMessage {
	message := mandrillMessage{
		FromEmail:          m.from.Address,
		FromName:           m.from.Name,
		Subject:            m.subject,
		Headers:            map[string]string{"Message-ID": "<" + m.id + ">"},
		PreserveRecipients: true,
		Metadata:           map[string]string{"flow": m.flow, "message": m.key},
	}
	for kind, address := range m.recipients() {
		message.To = append(message.To, mandrillRecipient{Email: address.Address, Name: address.Name, Type: kind})
	}
	if m.text != nil {
		message.Text = *m.text
	}
	if m.html != nil {
		message.HTML = *m.html
	}
	for _, f := range m.attachments {
		message.Attachments = append(message.Attachments, mandrillAttachment{Type: f.contentType, Name: f.name, Content: f.content})
	}
	return message
}
