package email_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
)

// smtpServer is a mail server of one page, which speaks what RFC 5321 section 4.5.1 asks of every server, and AUTH PLAIN.
type smtpServer struct {
	address string

	tls *tls.Config // for STARTTLS; nil without

	// reply answers a command line in the server's place if it returns something; "hang up" closes the connection.
	reply func(line string) string

	mu          sync.Mutex
	mails       []received
	connections int
	commands    []string // without what's between DATA and its end
}

// received is a mail as the server got it.
type received struct {
	from, source string
	to           []string
}

func startSMTP(t *testing.T, reply func(line string) string) *smtpServer {
	t.Helper()
	s := &smtpServer{reply: reply}
	s.start(t, nil)
	return s
}

// start listens; with implicit, connections are encrypted from the first byte.
func (s *smtpServer) start(t *testing.T, implicit *tls.Config) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	if implicit != nil {
		listener = tls.NewListener(listener, implicit)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			wg.Go(func() {
				defer conn.Close()
				s.serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for conn := range open {
			conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
}

func (s *smtpServer) serve(conn net.Conn) {
	s.mu.Lock()
	s.connections++
	s.mu.Unlock()
	in := bufio.NewReader(conn)
	say := func(line string) { fmt.Fprint(conn, line+"\r\n") }
	say("220 test ESMTP")
	var mail received
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		s.mu.Lock()
		s.commands = append(s.commands, line)
		s.mu.Unlock()
		if s.reply != nil {
			switch answer := s.reply(line); answer {
			case "":
			case "hang up":
				return
			default:
				say(answer)
				continue
			}
		}
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			say("250-test")
			if s.tls != nil {
				say("250-STARTTLS")
			}
			say("250-8BITMIME\r\n250-AUTH PLAIN\r\n250 SMTPUTF8")
		case "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, s.tls)
			in = bufio.NewReader(conn)
		case "AUTH":
			say("235 welcome")
		case "MAIL":
			mail = received{from: path(rest)}
			say("250 ok")
		case "RCPT":
			mail.to = append(mail.to, path(rest))
			say("250 ok")
		case "DATA":
			say("354 go on")
			var source strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				source.WriteString(strings.TrimPrefix(line, "."))
			}
			mail.source = source.String()
			if s.reply != nil {
				if answer := s.reply("end of DATA"); answer != "" {
					say(answer)
					continue
				}
			}
			s.mu.Lock()
			s.mails = append(s.mails, mail)
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default: // RSET, NOOP
			say("250 ok")
		}
	}
}

// path returns the address between the brackets of MAIL and RCPT.
func path(rest string) string {
	_, rest, _ = strings.Cut(rest, "<")
	address, _, _ := strings.Cut(rest, ">")
	return address
}

func (s *smtpServer) got() ([]received, int, []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.mails...), s.connections, append([]string(nil), s.commands...)
}
