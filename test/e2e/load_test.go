package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load sends messages to a flow at a steady rate, each with an id of its own, and each again until the router has said 200.
type load struct {
	address  string
	client   *http.Client
	sent     atomic.Int64 // accepted
	retries  atomic.Int64
	stop     context.CancelFunc
	finished sync.WaitGroup
}

// inFlightMax bounds the requests under way: while nobody answers, the load doesn't grow.
const inFlightMax = 256

// startLoad sends perSecond messages a second until Stop.
func startLoad(t *testing.T, flow string, perSecond int) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{
		address: router(t) + "/flow/" + flow,
		client: &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{
			MaxIdleConnsPerHost: inFlightMax, IdleConnTimeout: 5 * time.Second,
		}},
		stop: cancel,
	}
	t.Cleanup(func() { l.Stop() })
	const every = 10 * time.Millisecond
	room := make(chan struct{}, inFlightMax)
	l.finished.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		owed := 0.0
		for next := 0; ; {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			for owed += float64(perSecond) * every.Seconds(); owed >= 1; owed-- {
				select {
				case room <- struct{}{}:
				default:
					continue // what the router is too slow for isn't made up for
				}
				id := next
				next++
				l.finished.Go(func() {
					defer func() { <-room }()
					l.send(t.Context(), id)
				})
			}
		}
	})
	return l
}

// send sends one message until it's accepted.
func (l *load) send(ctx context.Context, id int) {
	body, _ := json.Marshal(map[string]int{"n": id})
	for ctx.Err() == nil {
		if l.post(ctx, string(body)) {
			l.sent.Add(1)
			return
		}
		l.retries.Add(1)
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (l *load) post(ctx context.Context, body string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.address, strings.NewReader(body))
	if err != nil {
		return false
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := l.client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode == http.StatusOK
}

// Stop ends the sending, waits until each message that was begun is accepted, and returns how many there are: ids 0 to n-1.
func (l *load) Stop() int {
	l.stop()
	l.finished.Wait()
	l.client.CloseIdleConnections()
	return int(l.sent.Load())
}

// tally counts the ids of messages that come to it.
type tally struct {
	url string

	mu   sync.Mutex  // guards seen
	seen map[int]int // id -> how often
}

func newTally(t *testing.T) *tally {
	t.Helper()
	c := &tally{seen: map[int]int{}}
	c.url = serve(t, c)
	return c
}

func (c *tally) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct{ N *int }
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&body); err != nil || body.N == nil {
		http.Error(w, fmt.Sprintf("no id: %v", err), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[*body.N]++
}

// wait waits until all ids below n have come, and returns how many came more than once.
func (c *tally) wait(t *testing.T, n int, most time.Duration) (again int) {
	t.Helper()
	until(t, most, fmt.Sprintf("all of %d messages arrive", n), func() (bool, string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		again = 0
		for _, times := range c.seen {
			if times > 1 {
				again++
			}
		}
		var missing []int
		for id := 0; id < n && len(missing) < 10; id++ {
			if c.seen[id] == 0 {
				missing = append(missing, id)
			}
		}
		return len(missing) == 0, fmt.Sprintf("%d different ones, %d more than once; the first that are missing: %v", len(c.seen), again, missing)
	})
	return again
}
