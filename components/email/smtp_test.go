package email_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	netmail "net/mail"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/component/componenttest"
	"github.com/openintegrationhub/leat/components/email"
)

const messageID = "3fe0a0c8-6d7e-4a0a-9e6b-111111111111"

var sentAt = time.Date(2026, 11, 22, 16, 1, 2, 123456000, time.UTC)

func now() time.Time { return sentAt }

// open opens the function send with env.
func open(t testing.TB, env map[string]string, config string) *componenttest.Step {
	t.Helper()
	step := componenttest.Open(t, email.New(now), componenttest.Options{Flow: "example-flow", ID: "step_2", Config: config, Env: env})
	return step
}

func message(body string) *component.Message {
	return &component.Message{ID: messageID, Body: json.RawMessage(body)}
}

// results decodes what the step emitted.
func results(t *testing.T, got componenttest.Result) []map[string]any {
	t.Helper()
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	var body struct {
		Results []map[string]any `json:"results"`
	}
	if err := got.Messages[0].DecodeBody(&body); err != nil {
		t.Fatal(err)
	}
	return body.Results
}

// parsed is a mail as its reader sees it.
type parsed struct {
	header      netmail.Header
	text, html  string
	attachments map[string]string // name and type -> content
}

func parse(t *testing.T, source string) parsed {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(source))
	if err != nil {
		t.Fatalf("read mail: %v\n%s", err, source)
	}
	p := parsed{header: m.Header, attachments: map[string]string{}}
	p.part(t, m.Header.Get, m.Body)
	return p
}

func (p *parsed) part(t *testing.T, header func(string) string, body io.Reader) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(header("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(kind, "multipart/") {
		for parts := multipart.NewReader(body, params["boundary"]); ; {
			part, err := parts.NextRawPart()
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			p.part(t, part.Header.Get, part)
		}
	}
	content := decode(t, header("Content-Transfer-Encoding"), body)
	if disposition, params, _ := mime.ParseMediaType(header("Content-Disposition")); disposition == "attachment" {
		name, err := new(mime.WordDecoder).DecodeHeader(params["filename"])
		if err != nil {
			t.Fatal(err)
		}
		p.attachments[name+" "+kind] = content
		return
	}
	if kind == "text/html" {
		p.html = content
		return
	}
	p.text = content
}

func decode(t *testing.T, encoding string, body io.Reader) string {
	t.Helper()
	switch encoding {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64Reader(body)
	case "8bit":
	default:
		t.Fatalf("unknown Content-Transfer-Encoding %q", encoding)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestSMTPDeliversToAllRecipients(t *testing.T) {
	server := startSMTP(t, nil)
	step := open(t, map[string]string{
		"SMTP_URL":            "smtp://ann:s%40cret@" + server.address + "?starttls=never",
		"MANDRILL_API_KEY":    "a1B2c3D4e5F6g7H8i9J0kL",
		"MANDRILL_FROM_EMAIL": "robot@example.org", "MANDRILL_FROM_NAME": "Robot Ä",
	}, "")
	got := step.Process(t, message(`{"to":"Bob Ö <bob@example.com>, carl@example.com","cc":"dora@example.com","bcc":"eve@example.com",
		"subject":"Grüße","textBody":"Hello\n.\nä","htmlBody":"<p>Hello</p>"}`))

	want := []map[string]any{}
	for _, r := range [][2]string{{"bob@example.com", "to"}, {"carl@example.com", "to"}, {"dora@example.com", "cc"}, {"eve@example.com", "bcc"}} {
		want = append(want, map[string]any{"To": r[0], "RecipientType": r[1], "Message": "OK", "ErrorCode": 0.0,
			"MessageID": messageID + ".step_2.example-flow@example.org", "SubmittedAt": "2026-11-22T16:01:02.1234560+00:00"})
	}
	if diff := cmp.Diff(want, results(t, got)); diff != "" {
		t.Errorf("results: (-want +got)\n%s", diff)
	}
	mails, _, commands := server.got()
	if len(mails) != 1 {
		t.Fatalf("the server got %d mails, want 1", len(mails))
	}
	if !slices.Contains(commands, "AUTH PLAIN AGFubgBzQGNyZXQ=") { // "\0ann\0s@cret"
		t.Errorf("commands: got %q; no login with PLAIN", commands)
	}
	if diff := cmp.Diff([]string{"bob@example.com", "carl@example.com", "dora@example.com", "eve@example.com"}, mails[0].to); diff != "" {
		t.Errorf("recipients: (-want +got)\n%s", diff)
	}
	if mails[0].from != "robot@example.org" {
		t.Errorf("sender: got %s", mails[0].from)
	}
	m := parse(t, mails[0].source)
	for name, want := range map[string]string{
		"From": "=?utf-8?q?Robot_=C3=84?= <robot@example.org>", "To": "=?utf-8?q?Bob_=C3=96?= <bob@example.com>, <carl@example.com>",
		"Cc": "<dora@example.com>", "Bcc": "", "Message-Id": "<" + messageID + ".step_2.example-flow@example.org>",
		"Date": "Sun, 22 Nov 2026 16:01:02 +0000",
	} {
		if got := m.header.Get(name); got != want {
			t.Errorf("header %s: got %q, want %q", name, got, want)
		}
	}
	if subject, err := new(mime.WordDecoder).DecodeHeader(m.header.Get("Subject")); err != nil || subject != "Grüße" {
		t.Errorf("subject: got %q, %v", subject, err)
	}
	if m.text != "Hello\r\n.\r\nä" || m.html != "<p>Hello</p>" {
		t.Errorf("bodies: got %q and %q", m.text, m.html)
	}
}

func TestSMTPConnectionsAreUsedAgain(t *testing.T) {
	var dropped atomic.Bool
	server := startSMTP(t, func(line string) string {
		if line == "NOOP" && dropped.CompareAndSwap(true, false) {
			return "hang up"
		}
		return ""
	})
	step := open(t, map[string]string{"SMTP_URI": "smtp://" + server.address}, "")
	for range 5 {
		results(t, step.Process(t, message(`{"to":"a@example.com","textBody":"x"}`)))
	}
	if mails, connections, _ := server.got(); len(mails) != 5 || connections != 1 {
		t.Errorf("got %d mails over %d connections, want 5 over 1", len(mails), connections)
	}
	dropped.Store(true)
	results(t, step.Process(t, message(`{"to":"a@example.com","textBody":"x"}`)))
	if mails, connections, _ := server.got(); len(mails) != 6 || connections != 2 {
		t.Errorf("after the server hung up: got %d mails over %d connections, want 6 over 2", len(mails), connections)
	}
}

func TestSMTPFailures(t *testing.T) {
	on := func(prefix, answer string) func(string) string {
		return func(line string) string {
			if strings.HasPrefix(line, prefix) {
				return answer
			}
			return ""
		}
	}
	for name, test := range map[string]struct {
		reply   func(string) string
		rebound bool
		want    string
	}{
		"a busy mailbox comes back later":               {on("RCPT", "450 4.2.1 busy"), true, "450"},
		"an unknown mailbox is final":                   {on("RCPT", "550 5.1.1 no such user"), false, `550 "5.1.1 no such user"`},
		"a refused sender is final":                     {on("MAIL", "553 not you"), false, `553 "not you"`},
		"a full disk comes back later":                  {on("end of DATA", "452 no space"), true, "452"},
		"spam is final":                                 {on("end of DATA", "554 spam"), false, `554 "spam"`},
		"a closing server comes back later":             {on("MAIL", "421 closing"), true, "421"},
		"a wrong password is final":                     {on("AUTH", "535 5.7.8 wrong password"), false, `535 "5.7.8 wrong password"`},
		"a busy login comes back later":                 {on("AUTH", "454 try later"), true, "454"},
		"hanging up before DATA comes back later":       {on("DATA", "hang up"), true, "EOF"},
		"failing after the mail was taken is a success": {on("RSET", "hang up"), false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := startSMTP(t, test.reply)
			step := open(t, map[string]string{"SMTP_URL": "smtp://ann:secret@" + server.address + "?starttls=never"}, "")
			got := step.Process(t, message(`{"to":"a@example.com","textBody":"x"}`))
			if test.want == "" {
				results(t, got)
				return
			}
			if got.Err == nil || !strings.Contains(got.Err.Error(), test.want) || strings.Contains(got.Err.Error(), "secret") {
				t.Fatalf("got %v; want an error with %q", got.Err, test.want)
			}
			if component.IsRebound(got.Err) != test.rebound {
				t.Errorf("got %v; comes back: %v, want %v", got.Err, !test.rebound, test.rebound)
			}
		})
	}
}

func TestSMTPServerThatIsAwayComesBackLater(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	step := open(t, map[string]string{"SMTP_URL": "smtp://" + listener.Addr().String()}, `{"dontThrowErrorFlg":true}`)
	got := step.Process(t, message(`{"to":"a@example.com","textBody":"x"}`))
	if !component.IsRebound(got.Err) || !strings.Contains(got.Err.Error(), "connection refused") {
		t.Errorf("got %v; want a rebound", got.Err)
	}
}

func TestARefusalAfterAnotherMailKeepsTheConnection(t *testing.T) {
	server := startSMTP(t, func(line string) string {
		if strings.HasPrefix(line, "RCPT") && strings.Contains(line, "nobody") {
			return "550 no such user"
		}
		return ""
	})
	step := open(t, map[string]string{"SMTP_URL": "smtp://" + server.address}, `{"dontThrowErrorFlg":true}`)
	for range 2 {
		refused := results(t, step.Process(t, message(`{"to":"nobody@example.com","textBody":"x"}`)))
		if refused[0]["Message"] != "REJECTED" {
			t.Errorf("got %v, want REJECTED", refused[0]["Message"])
		}
		results(t, step.Process(t, message(`{"to":"a@example.com","textBody":"x"}`)))
	}
	if mails, connections, _ := server.got(); len(mails) != 2 || connections != 1 {
		t.Errorf("got %d mails over %d connections, want 2 over 1", len(mails), connections)
	}
}

func TestSMTPIsEncryptedAsTheAddressSays(t *testing.T) {
	ca := httptest.NewTLSServer(nil) // for its certificate, which is one for 127.0.0.1
	t.Cleanup(ca.Close)
	trusted := &tls.Config{RootCAs: x509.NewCertPool()}
	trusted.RootCAs.AddCert(ca.Certificate())
	secret := &tls.Config{Certificates: ca.TLS.Certificates}

	for name, test := range map[string]struct {
		server   *smtpServer
		implicit *tls.Config
		trusted  *tls.Config
		format   string
		want     string // in the error
	}{
		"smtps":                             {implicit: secret, trusted: trusted, format: "smtps://u:s3cret@%s"},
		"smtps with an unknown certificate": {implicit: secret, format: "smtps://u:s3cret@%s", want: "certificate"},
		"STARTTLS is used if offered":       {server: &smtpServer{tls: secret}, trusted: trusted, format: "smtp://u:s3cret@%s"},
		"STARTTLS with unknown certificate": {server: &smtpServer{tls: secret}, format: "smtp://u:s3cret@%s", want: "certificate"},
		"STARTTLS that is required":         {server: &smtpServer{tls: secret}, trusted: trusted, format: "smtp://u:s3cret@%s?starttls=required"},
		"and not offered":                   {format: "smtp://u:s3cret@%s?starttls=required", want: "does not support STARTTLS"},
		"a password isn't sent in clear":    {format: "smtp://u:s3cret@%s", want: "starttls=never"},
	} {
		t.Run(name, func(t *testing.T) {
			server := test.server
			if server == nil {
				server = new(smtpServer)
			}
			server.start(t, test.implicit)
			o := componenttest.Options{Env: map[string]string{"SMTP_URL": fmt.Sprintf(test.format, server.address)}}
			got := componenttest.Open(t, email.Function(now, test.trusted), o).Process(t, message(`{"to":"a@example.com","textBody":"x"}`))
			mails, _, commands := server.got()
			if test.want == "" {
				if got.Err != nil || len(mails) != 1 || !slices.Contains(commands, "AUTH PLAIN AHUAczNjcmV0") {
					t.Errorf("got %v and %d mails after %q; want a mail after a login", got.Err, len(mails), commands)
				}
				return
			}
			if got.Err == nil || !strings.Contains(got.Err.Error(), test.want) || component.IsRebound(got.Err) {
				t.Errorf("got %v; want a final error with %q", got.Err, test.want)
			}
			if len(mails) != 0 || strings.Contains(strings.Join(commands, "\n"), "AHUAczNjcmV0") {
				t.Errorf("got %d mails after %q; want neither mail nor password", len(mails), commands)
			}
		})
	}
}

func TestWrongAddressesOfServers(t *testing.T) {
	for address, want := range map[string]string{
		"mail.example.com":                       "expected smtp://user:password@host:port",
		"http://mail.example.com":                "expected smtp://",
		"smtp://":                                "expected smtp://",
		"smtp://u:s3cret@mail.example.com:x":     "expected smtp://",
		"smtp://mail.example.com?starttls=yes":   "starttls=yes: expected auto, required or never",
		"smtp://u:s3cret@mail.example.com:99999": "port",
	} {
		_, err := componenttest.New(email.New(now), componenttest.Options{Env: map[string]string{"SMTP_URL": address}})
		if err == nil || !strings.HasPrefix(err.Error(), "SMTP_URL: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v; want %q", address, err, want)
		}
	}
}
