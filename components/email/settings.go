package email

import (
	"crypto/tls"
	"errors"
	"fmt"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/openintegrationhub/leat/component"
)

// settings are what the environment says.
type settings struct {
	from     netmail.Address
	bytesMax int // of bodies and attachments together
	now      func() time.Time
	tls      *tls.Config // for mail servers
}

func readSettings(getenv func(string) string) (settings, error) {
	s := settings{
		from:     netmail.Address{Name: "elastic.io", Address: "no-reply@elastic.io"},
		bytesMax: 10 << 20,
	}
	if v := strings.TrimSpace(getenv("MANDRILL_FROM_EMAIL")); v != "" {
		address, err := netmail.ParseAddress(v)
		if err != nil {
			return s, fmt.Errorf("MANDRILL_FROM_EMAIL: %q is no mail address", v)
		}
		s.from.Address = address.Address
		if address.Name != "" {
			s.from.Name = address.Name
		}
	}
	if v := strings.TrimSpace(getenv("MANDRILL_FROM_NAME")); v != "" {
		s.from.Name = oneLine(v)
	}
	if v := strings.TrimSpace(getenv("MAX_BODY_LENGTH")); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return s, fmt.Errorf("MAX_BODY_LENGTH: %q is no number of bytes", v)
		}
		s.bytesMax = n
	}
	return s, nil
}

// openTransport chooses the way out and opens it. The name is for the log, without secrets.
func openTransport(step *component.Step, s settings) (way transport, name string, err error) {
	for _, variable := range [...]string{"SMTP_URL", "SMTP_URI"} { // the second is the original's name, since its version 1.4
		address := step.Getenv(variable)
		if address == "" {
			continue
		}
		smtp, err := newSMTP(address, s.tls)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", variable, err)
		}
		return smtp, smtp.client.ServerAddr(), nil
	}
	key := step.Getenv("MANDRILL_API_KEY")
	if !IsPlaceholder(key) {
		m, err := newMandrill(key, step.Getenv("MANDRILL_URL"))
		if err != nil {
			return nil, "", err
		}
		return m, m.address, nil
	}
	if folder := step.Getenv("LEAT_OUTBOX"); folder == "-" {
		return logbook{step.Logger}, "its log only", nil
	} else if folder != "" {
		o, err := openOutbox(folder)
		if err != nil {
			return nil, "", err
		}
		return o, folder, nil
	}
	if key != "" {
		return nil, "", fmt.Errorf("the step has no way to send mail: MANDRILL_API_KEY holds a placeholder; set it to a real key, "+
			"or set SMTP_URL (smtp://user:password@host:port): %w", errNoTransport)
	}
	return nil, "", fmt.Errorf("the step has no way to send mail: set SMTP_URL (smtp://user:password@host:port), MANDRILL_API_KEY, "+
		"or LEAT_OUTBOX (a folder for .eml files, or - for the log) in the node's env: %w", errNoTransport)
}

var errNoTransport = errors.New("no mail transport")

// IsPlaceholder tells whether a MANDRILL_API_KEY is one that somebody has yet to fill in, as in example flows. Placeholders are: nothing;
// anything with a character that no key has, such as "<your key>" or "${KEY}" (keys have letters, digits, "-" and "_"); one character again and
// again; and anything that has, in any case, "replace", "place", "change", "example", "dummy" or "insert" in it, or one of the words "your",
// "my", "here", "todo" and "api" between its "-" and "_".
func IsPlaceholder(key string) bool {
	if strings.Trim(key, key[:min(1, len(key))]) == "" {
		return true
	}
	for _, c := range key {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return true
		}
	}
	lower := strings.ToLower(key)
	for _, part := range [...]string{"replace", "place", "change", "example", "dummy", "insert"} {
		if strings.Contains(lower, part) {
			return true
		}
	}
	for word := range strings.FieldsFuncSeq(lower, func(c rune) bool { return c == '-' || c == '_' }) {
		switch word {
		case "your", "my", "here", "todo", "api":
			return true
		}
	}
	return false
}
