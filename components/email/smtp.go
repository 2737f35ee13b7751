package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/openintegrationhub/leat/component"
	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

const (
	smtpTimeout  = 60 * time.Second // for a connection up to its login, and for each mail
	smtpIdleMax  = 30 * time.Second // then servers begin to hang up
	smtpIdle     = 8                // connections kept for the next mail
	smtpQuitTime = 2 * time.Second
)

// smtpTransport sends over a mail server. Connections are kept for the next mail.
type smtpTransport struct {
	client *gomail.Client

	mu     sync.Mutex
	idle   []idleConn // the last was used last
	closed bool
}

type idleConn struct {
	conn  *smtp.Client
	since time.Time
}

// newSMTP reads the address of a mail server:
//
//	smtp://user:password@host:port?starttls=required
//	smtps://user:password@host:port
//
// User and password may be left out; special characters in them are percent-encoded. The port is 587 for smtp with a user, 25 without, and
// 465 for smtps, which is encrypted from the first byte. Starttls says how smtp gets encrypted: auto (if the server offers it; the default),
// required, or never. A password goes over an unencrypted connection with "never" only, or if the server takes it as a challenge.
//
// config is what connections are encrypted with; nil for the system's roots.
func newSMTP(address string, config *tls.Config) (*smtpTransport, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return nil, errors.New("expected smtp://user:password@host:port or smtps://user:password@host:port") // the value holds a password
	}
	if config == nil {
		config = new(tls.Config)
	}
	config = config.Clone()
	config.ServerName, config.MinVersion = u.Hostname(), tls.VersionTLS12
	port, policy := 25, gomail.TLSOpportunistic
	if u.User != nil {
		port = 587
	}
	options := []gomail.Option{gomail.WithTimeout(smtpTimeout), gomail.WithTLSConfig(config)}
	auth := gomail.SMTPAuthAutoDiscover
	switch starttls := u.Query().Get("starttls"); {
	case u.Scheme == "smtps":
		port = 465
		options = append(options, gomail.WithSSL())
	case starttls == "" || starttls == "auto":
	case starttls == "required":
		policy = gomail.TLSMandatory
	case starttls == "never":
		policy, auth = gomail.NoTLS, gomail.SMTPAuthPlainNoEnc
	default:
		return nil, fmt.Errorf("starttls=%s: expected auto, required or never", starttls)
	}
	if u.Port() != "" {
		if port, err = strconv.Atoi(u.Port()); err != nil {
			return nil, fmt.Errorf("port %q: expected a number", u.Port())
		}
	}
	options = append(options, gomail.WithTLSPolicy(policy), gomail.WithPort(port))
	if u.User != nil {
		password, _ := u.User.Password()
		options = append(options, gomail.WithSMTPAuth(auth), gomail.WithUsername(u.User.Username()), gomail.WithPassword(password))
	}
	client, err := gomail.NewClient(u.Hostname(), options...)
	if err != nil {
		return nil, err
	}
	return &smtpTransport{client: client}, nil
}

func (t *smtpTransport) send(ctx context.Context, m *mail) ([]result, error) {
	msg := m.mime(false)
	conn, err := t.connect(ctx, msg)
	if err == nil {
		t.keep(conn)
		return m.outcome(outcomeOK, m.id), nil
	}
	if conn != nil {
		t.keep(conn) // a refusal: the connection is fine
	}
	if temporary(err) {
		return nil, component.Rebound(err)
	}
	return m.outcome(outcomeRejected, m.id), err
}

// connect sends msg over a kept connection if one still lives, otherwise over a new one. The connection comes back if it can be used again.
func (t *smtpTransport) connect(ctx context.Context, msg *gomail.Msg) (*smtp.Client, error) {
	for conn := t.take(); conn != nil; conn = t.take() {
		back, err := t.over(conn, msg)
		var failed *gomail.SendError
		if !errors.As(err, &failed) || failed.Reason != gomail.ErrConnCheck {
			return back, err
		}
	}
	conn, err := t.client.DialToSMTPClientWithContext(ctx)
	if errors.Is(err, gomail.ErrNoSupportedAuthDiscovered) {
		err = fmt.Errorf("%w (unencrypted, a password is sent with starttls=never only)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", t.client.ServerAddr(), err)
	}
	return t.over(conn, msg)
}

func (t *smtpTransport) over(conn *smtp.Client, msg *gomail.Msg) (*smtp.Client, error) {
	err := t.client.SendWithSMTPClient(conn, msg)
	if err == nil {
		return conn, nil
	}
	if msg.IsDelivered() {
		hangUp(conn) // the server has taken the mail, and failed afterwards
		return nil, nil
	}
	if code(err) == 0 || code(err) == 421 { // no answer, or "closing channel" (RFC 5321 section 4.2.3)
		hangUp(conn)
		return nil, err
	}
	return conn, err
}

// temporary tells whether a mail that failed with err may go out later: the server says so with a 4xx (RFC 5321 section 4.2.1), or there
// was no answer from it at all.
func temporary(err error) bool {
	if c := code(err); c != 0 {
		return c < 500
	}
	if unverified := (*tls.CertificateVerificationError)(nil); errors.As(err, &unverified) {
		return false
	}
	var network net.Error
	var failed *gomail.SendError
	return errors.As(err, &failed) || errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// code returns the server's reply code in err, or 0.
func code(err error) int {
	var reply *textproto.Error
	if errors.As(err, &reply) {
		return reply.Code
	}
	var failed *gomail.SendError
	if errors.As(err, &failed) {
		return failed.ErrorCode()
	}
	return 0
}

func (t *smtpTransport) take() *smtp.Client {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle) == 0 {
		return nil
	}
	last := t.idle[len(t.idle)-1]
	if time.Since(last.since) > smtpIdleMax {
		for _, c := range t.idle { // the others are older still
			hangUp(c.conn)
		}
		t.idle = nil
		return nil
	}
	t.idle = t.idle[:len(t.idle)-1]
	return last.conn
}

func (t *smtpTransport) keep(conn *smtp.Client) {
	if conn == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.idle) == smtpIdle {
		quit(conn)
		return
	}
	t.idle = append(t.idle, idleConn{conn, time.Now()})
}

func (t *smtpTransport) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, c := range t.idle {
		quit(c.conn)
	}
	t.idle = nil
}

// quit ends a connection as the protocol wants it; that it's over is all that counts.
func quit(conn *smtp.Client) {
	_ = conn.UpdateDeadline(smtpQuitTime)
	_ = conn.Quit()
	_ = conn.Close()
}

func hangUp(conn *smtp.Client) { _ = conn.Close() }
