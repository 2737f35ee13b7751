package router_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/openintegrationhub/leat/internal/amqp"
)

type noBroker struct{}

func (noBroker) Publish(context.Context, string, amqp.Publishing) error { return nil }

// noWriter is the cheapest http.ResponseWriter, so that the benchmark has the handler alone.
type noWriter struct{ header http.Header }

func (w noWriter) Header() http.Header         { return w.header }
func (w noWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w noWriter) WriteHeader(int)             {}

type body struct{ strings.Reader }

func (*body) Close() error { return nil }

var _ io.ReadCloser = (*body)(nil)

// The goal is below 12 µs and 40 allocations, encryption included.
func BenchmarkPOST(b *testing.B) {
	const text = `{"arg1": "val1", "arg2": "val2", "text": "The quick brown fox jumps over the lazy dog", "list": [1, 2, 3, {"a": true}]}`
	for _, flow := range []string{"wh-flow", "secret"} {
		b.Run(flow, func(b *testing.B) {
			rt := newRouter(b, noBroker{})
			r := request("POST", "/flow/"+flow, typeJSON, text)
			for name, value := range map[string]string{"User-Agent": "curl/7.88.1", "Accept": "*/*", "Content-Length": "119", "Connection": "keep-alive",
				"Accept-Encoding": "gzip, deflate", "X-Forwarded-For": "10.1.2.3", "X-Forwarded-Proto": "https", "X-Request-Id": "0123456789abcdef"} {
				r.Header.Set(name, value)
			}
			in := new(body)
			r.Body = in
			w := noWriter{make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				in.Reset(text)
				clear(w.header)
				rt.ServeHTTP(w, r)
			}
		})
	}
}

func BenchmarkGET(b *testing.B) {
	rt := newRouter(b, noBroker{})
	r := request("GET", "/flow/wh-flow?arg1=val1&arg2=val2", "", "")
	w := noWriter{make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		rt.ServeHTTP(w, r)
	}
}

// The same through net/http and TCP, client included, at 32 connections: what's left of two cores is the broker's.
func BenchmarkServer(b *testing.B) {
	server := httptest.NewServer(newRouter(b, noBroker{}))
	defer server.Close()
	const text = `{"arg1": "val1", "arg2": "val2"}`
	request := fmt.Appendf(nil, "POST /flow/secret HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n\r\n%s", len(text), text)
	b.SetParallelism(max(1, 32/runtime.GOMAXPROCS(0)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		answer := make([]byte, 4096)
		for pb.Next() {
			if _, err := conn.Write(request); err != nil {
				b.Error(err)
				return
			}
			if n, err := conn.Read(answer); err != nil || !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 200 ")) {
				b.Errorf("got %s, %v", answer[:n], err)
				return
			}
		}
	})
}
