package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// How long a sender or a receiver may take in all.
const (
	bodyTimeout   = time.Minute      // of a document
	objectTimeout = 15 * time.Minute // of an object
)

// errSlow says that a body didn't arrive in time.
var errSlow = errors.New("the body didn't arrive in time")

// steady reads a body that may take its time, as long as it goes on. The server's own limits, which are for small requests, are put off.
type steady struct {
	body       io.ReadCloser
	controller *http.ResponseController
	piece      time.Duration // it may rest
	until      time.Time     // it has to be through
}

func newSteady(w http.ResponseWriter, r *http.Request, piece time.Duration) *steady {
	return &steady{body: r.Body, controller: http.NewResponseController(w), piece: piece, until: time.Now().Add(bodyTimeout)}
}

func (s *steady) Read(p []byte) (int, error) {
	now := time.Now()
	if now.After(s.until) {
		return 0, errSlow
	}
	// Writers that have no deadlines are those of tests.
	_ = s.controller.SetReadDeadline(earlier(now.Add(s.piece), s.until))
	n, err := s.body.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errSlow
	}
	return n, err
}

func (s *steady) Close() error { return s.body.Close() }

// forObject gives a body the time of an object.
func forObject(r *http.Request) {
	if s, ok := r.Body.(*steady); ok {
		s.until = time.Now().Add(objectTimeout)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// bounded reads up to max bytes of a body; one more is a *http.MaxBytesError.
type bounded struct {
	body io.Reader
	left int64
	max  int64
}

func newBounded(r *http.Request, max int64) (*bounded, error) {
	if r.ContentLength > max {
		return nil, &http.MaxBytesError{Limit: max}
	}
	return &bounded{body: r.Body, left: max, max: max}, nil
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, &http.MaxBytesError{Limit: b.max}
	}
	if err != nil && err != io.EOF && !errors.Is(err, errSlow) {
		err = badRequest{fmt.Sprintf("body: %v", err)}
	}
	return n, err
}

// read returns the body of a request.
func (a *API) read(r *http.Request) ([]byte, error) {
	body, err := newBounded(r, int64(a.opts.BodyBytesMax))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(body)
}
