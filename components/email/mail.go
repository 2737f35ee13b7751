package email

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"

	"github.com/openintegrationhub/leat/component"
)

// mail is one mail, checked and with its attachments at hand.
type mail struct {
	flow        string
	key         string // the message's id, for people
	id          string // the Message-ID, without brackets
	date        time.Time
	from        netmail.Address
	to, cc, bcc []*netmail.Address
	subject     string
	text, html  *string
	attachments []file
}

// file is an attachment.
type file struct {
	name        string
	contentType string
	content     []byte
}

// recipients yields each recipient with its type: to, cc or bcc.
func (m *mail) recipients() iter.Seq2[string, *netmail.Address] {
	return func(yield func(string, *netmail.Address) bool) {
		for _, list := range [...]struct {
			kind      string
			addresses []*netmail.Address
		}{{"to", m.to}, {"cc", m.cc}, {"bcc", m.bcc}} {
			for _, address := range list.addresses {
				if !yield(list.kind, address) {
					return
				}
			}
		}
	}
}

// body is the message's body.
type body struct {
	To          text               `json:"to"`
	Cc          text               `json:"cc"`
	Bcc         text               `json:"bcc"`
	Subject     text               `json:"subject"`
	TextBody    *text              `json:"textBody"`
	HTMLBody    *text              `json:"htmlBody"`
	Attachments []attachmentOfBody `json:"attachments"`
}

// text is a string, or any other JSON value as its JSON; null is "".
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case '"':
		return json.Unmarshal(data, (*string)(t))
	case 'n':
		return nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		return err
	}
	*t = text(compact.String())
	return nil
}

// compose makes the mail that in asks for. It fetches the attachments.
func (s *sender) compose(ctx context.Context, in *component.Message) (*mail, error) {
	var b body
	if err := in.DecodeBody(&b); err != nil {
		return nil, err
	}
	m := &mail{
		flow:    s.step.Flow,
		key:     in.ID,
		id:      messageID(s.step, in.ID, s.settings.from.Address),
		date:    s.settings.now(),
		from:    s.settings.from,
		subject: oneLine(string(b.Subject)),
		text:    (*string)(b.TextBody),
		html:    (*string)(b.HTMLBody),
	}
	var wrong []error
	for _, list := range [...]struct {
		name  string
		value text
		into  *[]*netmail.Address
	}{{"to", b.To, &m.to}, {"cc", b.Cc, &m.cc}, {"bcc", b.Bcc, &m.bcc}} {
		var err error
		if *list.into, err = addresses(string(list.value)); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", list.name, err))
		}
		if err == nil && list.name == "to" && len(m.to) == 0 {
			wrong = append(wrong, errors.New("to: missing: the body needs an address to send to"))
		}
	}
	if m.text == nil && m.html == nil {
		wrong = append(wrong, errors.New("textBody: missing: the body needs textBody or htmlBody"))
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, fmt.Errorf("compose mail: %w", err)
	}
	var err error
	if m.attachments, err = s.attachments(ctx, b.Attachments, in.Attachments, s.settings.bytesMax-m.bytes()); err != nil {
		return nil, fmt.Errorf("compose mail: %w", err)
	}
	if n := m.bytes(); n > s.settings.bytesMax {
		return nil, fmt.Errorf("compose mail: %d bytes, more than the %d of MAX_BODY_LENGTH", n, s.settings.bytesMax)
	}
	return m, nil
}

// bytes is the size that MAX_BODY_LENGTH bounds.
func (m *mail) bytes() int {
	n := 0
	for _, part := range [...]*string{m.text, m.html} {
		if part != nil {
			n += len(*part)
		}
	}
	for _, f := range m.attachments {
		n += len(f.content)
	}
	return n
}

// addresses reads a list with commas. Empty entries don't count.
func addresses(list string) ([]*netmail.Address, error) {
	list = strings.Trim(list, ", \t\r\n")
	if list == "" {
		return nil, nil
	}
	found, err := netmail.ParseAddressList(list)
	if err != nil {
		// Say which one it is.
		for part := range strings.SplitSeq(list, ",") {
			if _, err := netmail.ParseAddress(part); err != nil && strings.TrimSpace(part) != "" {
				return nil, fmt.Errorf("%q is no mail address", strings.TrimSpace(part))
			}
		}
		return nil, fmt.Errorf("%q is no list of mail addresses", list)
	}
	for _, address := range found {
		if strings.ContainsFunc(address.Address, unicode.IsControl) {
			return nil, fmt.Errorf("%q is no mail address", address.Address)
		}
		address.Name = oneLine(address.Name)
	}
	return found, nil
}

// oneLine turns every control character into a space, so that no value can begin another header.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == '\u2028' || c == '\u2029' {
			return ' '
		}
		return c
	}, s))
}

// messageID returns the Message-ID of the mail that step makes of the message with that id: the same each time that the message comes,
// and another in each step.
func messageID(step *component.Step, id, from string) string {
	if id == "" || len(id) > 64 || strings.Trim(id, "-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" {
		sum := sha256.Sum256([]byte(id)) // not of the form that a header needs
		id = hex.EncodeToString(sum[:16])
	}
	domain := from[strings.LastIndexByte(from, '@')+1:]
	// Of what a step's id may have, only the colon is no atext of RFC 5322 section 3.2.3; "=" is, and isn't in ids.
	return id + "." + strings.ReplaceAll(step.ID, ":", "=") + "." + step.Flow + "@" + domain
}
