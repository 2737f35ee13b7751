// Package email is the built-in mailer, a drop-in for elasticio/email: its function send makes one mail out of each message. What it takes
// is the body:
//
//	{
//	  "to": "Ann <ann@example.com>, bob@example.com",
//	  "cc": "", "bcc": "",
//	  "subject": "Order 5",
//	  "textBody": "Thank you.",
//	  "htmlBody": "<p>Thank you.</p>",
//	  "attachments": [{"url": "https://example.com/5.pdf", "filename": "order.pdf"}]
//	}
//
// Addresses are lists with commas; to is required, and one of textBody and htmlBody. With both, a reader shows htmlBody, and textBody where
// HTML can't be shown. Subject and bodies that are no strings are written as JSON. The attachments of the message itself, a map of name to
// {"url", "content-type"}, are added. Attachments are fetched by GET without credentials.
//
// What it emits has an entry for each recipient, in the words of the original (contract.md section 9):
//
//	{"results": [{"To": "ann@example.com", "RecipientType": "to", "Message": "OK", "MessageID": "…", "SubmittedAt": "2026-11-22T16:01:02.1230000+00:00", "ErrorCode": 0}]}
//
// Message is OK or QUEUED if the mail was taken, REJECTED or INVALID if not.
//
// How mail goes out is decided by the step's environment; the first of these wins:
//
//	SMTP_URL, SMTP_URI   a mail server: smtp://user:password@host:port or smtps://…; see newSMTP
//	MANDRILL_API_KEY     Mandrill's HTTP API, if it looks like a key and not like a placeholder (see IsPlaceholder)
//	LEAT_OUTBOX          a folder that gets each mail as an .eml file; `leat run` sets it
//
// Further variables: MANDRILL_URL (https://mandrillapp.com/api/1.0), MANDRILL_FROM_EMAIL (no-reply@elastic.io) and MANDRILL_FROM_NAME
// (elastic.io), which name the sender whatever the way, and MAX_BODY_LENGTH (10485760), the size in bytes that bodies and attachments of
// one mail may have together.
//
// A mail that was refused for now, or a server that can't be reached, brings the message back later; a final refusal is an error. Mail goes
// out at least once. The Message-ID follows from the message's id, so that a second copy can be told.
package email

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"time"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/components/internal/builtin"
)

// Config is the node's data, all of it optional.
type Config struct {
	// DontThrowError makes a mail that was finally refused a message like any other, with REJECTED or INVALID in its results, instead of
	// an error: the original's "Do not throw an error when e-mail send failed".
	DontThrowError bool `json:"dontThrowErrorFlg"`
}

// Component describes the mailer.
func Component() builtin.Component {
	return builtin.Component{
		Name:      "email",
		Images:    []string{"elasticio/email", "elasticio/email-component"},
		Functions: map[string]component.Function{"send": New(time.Now)},
		Check:     builtin.Checks(map[string]func(json.RawMessage) []builtin.Problem{"send": check}),
	}
}

func check(data json.RawMessage) []builtin.Problem { return builtin.Decode(data, new(Config)) }

// New returns the function send, with now as its clock.
func New(now func() time.Time) component.Function { return function(now, nil) }

// function is New with what connections are encrypted with; nil for the system's roots.
func function(now func() time.Time, encryption *tls.Config) component.Function {
	return func(step *component.Step) (component.Process, error) {
		if err := builtin.Error(check(step.Config)); err != nil {
			return nil, err
		}
		var config Config
		if err := step.DecodeConfig(&config); err != nil {
			return nil, err
		}
		settings, err := readSettings(step.Getenv)
		if err != nil {
			return nil, err
		}
		settings.now, settings.tls = now, encryption
		way, name, err := openTransport(step, settings)
		if err != nil {
			return nil, err
		}
		step.OnStop(way.close)
		step.Logger.Info("sends mail", "through", name)
		s := &sender{step: step, config: config, settings: settings, way: way}
		return s.process, nil
	}
}

// transport hands mails over. It's safe for concurrent use.
type transport interface {
	// send hands m over for all its recipients and says what became of each, in their order. With an error that isn't a rebound the
	// results say so as well.
	send(ctx context.Context, m *mail) ([]result, error)
	close()
}

// result is the fate of a mail for one recipient, in the original's words.
type result struct {
	To            string
	RecipientType string // to, cc or bcc
	Message       string // one of the outcomes
	MessageID     string
	SubmittedAt   string
	ErrorCode     int // always 0; the original keeps it for its users' sake
}

// Outcomes of a mail for one recipient.
const (
	outcomeOK       = "OK"
	outcomeQueued   = "QUEUED"
	outcomeRejected = "REJECTED"
	outcomeInvalid  = "INVALID"
)

// submittedLayout is how the original writes times.
const submittedLayout = "2006-01-02T15:04:05.0000000-07:00"

// sender is one step.
type sender struct {
	step     *component.Step
	config   Config
	settings settings
	way      transport
}

func (s *sender) process(ctx context.Context, in *component.Message, out component.Output) error {
	m, err := s.compose(ctx, in)
	if err != nil {
		return err
	}
	results, err := s.way.send(ctx, m)
	if err != nil && (component.IsRebound(err) || !s.config.DontThrowError || results == nil) {
		return fmt.Errorf("send mail: %w", err)
	}
	return out.Emit(component.NewMessage(map[string][]result{"results": results}))
}

// outcome gives all recipients of m the same result.
func (m *mail) outcome(message, id string) []result {
	at := m.date.UTC().Format(submittedLayout)
	results := make([]result, 0, len(m.to)+len(m.cc)+len(m.bcc))
	for kind, address := range m.recipients() {
		results = append(results, result{To: address.Address, RecipientType: kind, Message: message, MessageID: id, SubmittedAt: at})
	}
	return results
}
