package router

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/openintegrationhub/leat/internal/message"
)

// body returns the body of a POST as a JSON object, in memory of buf. A request without one counts as the empty object.
func (rt *Router) body(r *http.Request, buf *buffers) ([]byte, error) {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return emptyObject, nil
	}
	kind, err := kindOf(r.Header)
	if err != nil {
		return nil, err
	}
	limit := rt.opts.BodyBytesMax
	if r.ContentLength > int64(limit) {
		return nil, tooLarge(limit)
	}
	if buf.body, err = rt.read(r, buf.body[:0]); err != nil {
		return nil, err
	}
	if kind == kindForm {
		form, err := appendForm(nil, string(buf.body))
		if err != nil {
			return nil, &failure{status: http.StatusBadRequest, text: "body: " + err.Error()}
		}
		return form, nil
	}
	return object(buf.body)
}

// object checks that data is a JSON object, which is all that every generation of components can take (contract.md 3.4).
func object(data []byte) ([]byte, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	data = bytes.Trim(data, " \t\r\n")
	if len(data) == 0 {
		return emptyObject, nil
	}
	if err := message.Valid(data); err != nil {
		return nil, &failure{status: http.StatusBadRequest, text: fmt.Sprintf("body: bad JSON: %v (of %d bytes)", err, len(data))}
	}
	if !utf8.Valid(data) {
		return nil, &failure{status: http.StatusBadRequest, text: "body: bad JSON: not UTF-8"}
	}
	if !message.IsObject(data) {
		return nil, &failure{status: http.StatusBadRequest, text: "body: expected a JSON object, found " + message.Kind(data) +
			`: components take nothing else, so wrap it, for instance as {"data": ...}`}
	}
	return data, nil
}

type bodyKind int

const (
	kindJSON bodyKind = iota
	kindForm
)

// kindOf tells how to read a body by its Content-Type.
func kindOf(h http.Header) (bodyKind, error) {
	text := h.Get("Content-Type")
	if text == "application/json" { // most of them
		return kindJSON, nil
	}
	const use = "use application/json or application/x-www-form-urlencoded"
	if text == "" {
		return 0, &failure{status: http.StatusUnsupportedMediaType, text: "body: its Content-Type is missing: " + use}
	}
	name, params, err := mime.ParseMediaType(text)
	if err != nil {
		return 0, &failure{status: http.StatusUnsupportedMediaType, text: fmt.Sprintf("Content-Type %q: %v", text, err)}
	}
	switch charset := strings.ToLower(params["charset"]); charset {
	case "", "utf-8", "utf8", "us-ascii":
	default:
		return 0, &failure{status: http.StatusUnsupportedMediaType, text: fmt.Sprintf("charset %q isn't supported: use UTF-8", charset)}
	}
	switch {
	case name == "application/x-www-form-urlencoded":
		return kindForm, nil
	case name == "application/json", name == "text/json", strings.HasPrefix(name, "application/") && strings.HasSuffix(name, "+json"):
		return kindJSON, nil
	}
	return 0, &failure{status: http.StatusUnsupportedMediaType, text: fmt.Sprintf("Content-Type %q isn't supported: %s", name, use)}
}

// read appends the body to dst, decompressed if need be.
func (rt *Router) read(r *http.Request, dst []byte) ([]byte, error) {
	limit := rt.opts.BodyBytesMax
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		if r.ContentLength >= 0 {
			return readExactly(r.Body, dst, int(r.ContentLength))
		}
		return readUpTo(r.Body, dst, limit)
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, badBody(err)
		}
		return readUpTo(z, dst, limit)
	default:
		return nil, &failure{status: http.StatusUnsupportedMediaType, text: fmt.Sprintf("Content-Encoding %q isn't supported: use gzip or none", encoding)}
	}
}

func readExactly(r io.Reader, dst []byte, size int) ([]byte, error) {
	if cap(dst) < size {
		dst = make([]byte, size)
	}
	dst = dst[:size]
	if _, err := io.ReadFull(r, dst); err != nil {
		return nil, badBody(err)
	}
	return dst, nil
}

func readUpTo(r io.Reader, dst []byte, limit int) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	n, err := b.ReadFrom(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return nil, badBody(err)
	}
	if n > int64(limit) {
		return nil, tooLarge(limit)
	}
	return b.Bytes(), nil
}

func tooLarge(limit int) error {
	return &failure{status: http.StatusRequestEntityTooLarge, text: fmt.Sprintf("body: more than the limit of %d bytes", limit)}
}

// badBody tells a body that's wrong from one that couldn't be read, which failureOf knows.
func badBody(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &failure{status: http.StatusBadRequest, text: "body: it ends too early"}
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, new(flate.CorruptInputError)):
		return &failure{status: http.StatusBadRequest, text: "body: bad gzip data"}
	}
	return fmt.Errorf("read body: %w", err)
}
