package email

import (
	"bytes"
	netmail "net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"
)

// lineBytesMax is the longest line that RFC 5322 section 2.1.1 allows, without its end.
const lineBytesMax = 998

// mime returns m as go-mail has it. Readable asks for bodies that a person can read and search in the source, where their lines are short
// enough; the other form gets through any server.
func (m *mail) mime(readable bool) *gomail.Msg {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.SetDateWithValue(m.date)
	msg.SetMessageIDWithValue(m.id)
	from := m.from
	msg.FromMailAddress(&from)
	msg.ToMailAddress(m.to...)
	if len(m.cc) > 0 {
		msg.CcMailAddress(m.cc...)
	}
	if len(m.bcc) > 0 {
		msg.BccMailAddress(m.bcc...)
	}
	if m.subject != "" {
		msg.Subject(m.subject)
	}
	add := msg.SetBodyString
	if m.text != nil {
		add(part(gomail.TypeTextPlain, *m.text, readable))
		add = msg.AddAlternativeString
	}
	if m.html != nil {
		add(part(gomail.TypeTextHTML, *m.html, readable))
	}
	for _, f := range m.attachments {
		msg.AttachReadSeeker(f.name, bytes.NewReader(f.content), gomail.WithFileContentType(gomail.ContentType(f.contentType)))
	}
	return msg
}

func part(kind gomail.ContentType, content string, readable bool) (gomail.ContentType, string, gomail.PartOption) {
	content = strings.ReplaceAll(strings.ReplaceAll(content, "\r\n", "\n"), "\r", "\n")
	long := false
	for line := range strings.SplitSeq(content, "\n") {
		long = long || len(line) > lineBytesMax
	}
	content = strings.ReplaceAll(content, "\n", "\r\n")
	if readable && !long && !strings.Contains(content, "\x00") {
		return kind, content, gomail.WithPartEncoding(gomail.NoEncoding)
	}
	return kind, content, gomail.WithPartEncoding(gomail.EncodingQP)
}

// joined writes addresses as a header has them.
func joined(addresses []*netmail.Address) string {
	list := make([]string, len(addresses))
	for i, address := range addresses {
		list[i] = address.String()
	}
	return strings.Join(list, ", ")
}
