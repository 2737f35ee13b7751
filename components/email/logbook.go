package email

import (
	"context"
	"log/slog"
)

// logbook writes mails to the step's log, for clusters without a mail server. It's chosen by LEAT_OUTBOX=-.
type logbook struct{ logger *slog.Logger }

func (l logbook) close() {}

func (l logbook) send(_ context.Context, m *mail) ([]result, error) {
	args := []any{"to", joined(m.to), "subject", m.subject}
	if m.text != nil {
		args = append(args, "text", *m.text)
	}
	if m.html != nil {
		args = append(args, "html", *m.html)
	}
	for _, a := range m.attachments {
		args = append(args, "attachment", a.name)
	}
	l.logger.Info("mail not sent, there is no mail server", args...)
	return m.outcome(outcomeOK, m.id), nil
}
