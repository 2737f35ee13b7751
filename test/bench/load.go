package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const connections = 32

// path of the flow that takes requests.
const hookPath = "/flow/hook"

// request is what every connection sends, as bytes on the wire.
func request() []byte {
	body := payload()
	return append(fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", hookPath, len(body)), body...)
}

// loadName says what makes the load.
func loadName() string {
	if _, err := exec.LookPath("wrk"); err == nil {
		return "wrk"
	}
	return "the benchmark's own client, which takes more of the machine than wrk would"
}

// load posts over all connections for a while.
func load(s *settings, address string, length time.Duration) (result, error) {
	if wrk, err := exec.LookPath("wrk"); err == nil {
		return loadWrk(s, wrk, address, length)
	}
	return loadOwn(address, length, 0)
}

// loadWrk runs wrk with one thread.
func loadWrk(s *settings, wrk, address string, length time.Duration) (result, error) {
	script := filepath.Join(s.dir, "post.lua")
	text := fmt.Sprintf("wrk.method='POST'\nwrk.headers['Content-Type']='application/json'\nwrk.body=[[%s]]\n", payload())
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		return result{}, err
	}
	out, err := exec.Command(wrk, "-t1", fmt.Sprintf("-c%d", connections), fmt.Sprintf("-d%.0f", max(1, length.Seconds())), "--latency", "-s", script,
		"http://"+address+hookPath).CombinedOutput()
	if err != nil {
		return result{}, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	var r result
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		switch {
		case strings.Contains(line, "Non-2xx") || strings.Contains(line, "Socket errors"):
			return result{}, fmt.Errorf("wrk: %s", strings.TrimSpace(line))
		case strings.Contains(line, " requests in "):
			r.count, err = strconv.Atoi(fields[0])
		case len(fields) == 2 && fields[0] == "50%":
			r.p50, err = time.ParseDuration(fields[1])
		case len(fields) == 2 && fields[0] == "99%":
			r.p99, err = time.ParseDuration(fields[1])
		case len(fields) == 2 && fields[0] == "Requests/sec:":
			r.rate, err = strconv.ParseFloat(fields[1], 64)
		}
		if err != nil {
			return result{}, fmt.Errorf("wrk: %q: %w", line, err)
		}
	}
	return r, nil
}

// loadOwn posts for a while, or until requests were answered if that isn't 0.
func loadOwn(address string, length time.Duration, requests int) (result, error) {
	begin := time.Now()
	var group sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(requests))
	times, failures := make([][]time.Duration, connections), make([]error, connections)
	for i := range connections {
		group.Go(func() {
			more := func() bool { return requests > 0 && left.Add(-1) >= 0 || requests == 0 && time.Since(begin) < length }
			times[i], failures[i] = client(address, more)
		})
	}
	group.Wait()
	all := slices.Concat(times...)
	if err := errors.Join(failures...); err != nil || len(all) == 0 {
		return result{}, fmt.Errorf("%d requests answered: %w", len(all), err)
	}
	slices.Sort(all)
	return result{rate: float64(len(all)) / time.Since(begin).Seconds(), count: len(all), p50: all[len(all)/2], p99: all[len(all)*99/100]}, nil
}

// client posts over one connection, one request after the other.
func client(address string, more func() bool) (times []time.Duration, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	answers, bytesOut := bufio.NewReader(conn), request()
	for more() {
		begin := time.Now()
		if _, err := conn.Write(bytesOut); err != nil {
			return times, err
		}
		if err := readOK(answers); err != nil {
			return times, err
		}
		times = append(times, time.Since(begin))
	}
	return times, nil
}

// readOK reads an answer, which has to be a 200 with a Content-Length.
func readOK(r *bufio.Reader) error {
	status, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(status, "HTTP/1.1 200 ") {
		return fmt.Errorf("answer %q", status)
	}
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		name, value, found := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		if !found {
			break
		}
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	_, err = r.Discard(length)
	return err
}
