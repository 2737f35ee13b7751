package kill_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/internal/polltest"
)

func bodyOf(n int) io.Reader { return strings.NewReader(fmt.Sprintf(`{"id":%q}`, requestID(n))) }

// mailPatience is how long the mails may take after the last request. Each mail is synced to disk on its own.
func mailPatience(requests int) time.Duration {
	return time.Minute + time.Duration(requests)*20*time.Millisecond
}

// TestKillOfLeatLosesNoRequest kills leat while it takes requests and while it works them off, also while it's starting.
func TestKillOfLeatLosesNoRequest(t *testing.T) {
	requests, kills := 3000, 3
	if full {
		requests, kills = 20000, 10
	}
	random := seeded(t)
	p := newProgram(t, "../../example/wh-flow.json")
	p.start()
	s, box := newSender(p, "wh-flow", requests), newOutbox(p)
	sent := make(chan error, 1)
	begin := time.Now()
	go func() { sent <- s.run() }()

	// A kill comes when so many requests and mails are through, or some time after a start.
	var moments []int
	for range kills {
		moments = append(moments, random.IntN(requests*3/2))
	}
	slices.Sort(moments)
	for i, moment := range moments {
		p.await(fmt.Sprintf("progress before kill %d", i+1), mailPatience(requests), func() bool {
			return int(s.accepted.Load())+box.look() >= moment || s.strange.Load() != nil
		})
		if s.strange.Load() != nil {
			break
		}
		if random.IntN(3) == 0 { // this one hits a start
			p.kill()
			p.start()
			wait(time.Duration(random.IntN(200)) * time.Millisecond)
		}
		t.Logf("kill at %v: %d requests accepted, %d mails", time.Since(begin).Round(time.Millisecond), s.accepted.Load(), box.look())
		p.kill()
		p.start()
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	t.Logf("all %d requests accepted after %v, %d kills", requests, time.Since(begin).Round(time.Millisecond), p.kills)
	finish(t, p, s, box, begin)
}

// finish waits for the mails of all requests, and checks them.
func finish(t *testing.T, p *program, s *sender, box *outbox, begin time.Time) {
	t.Helper()
	requests := len(s.tries)
	polltest.Within(mailPatience(requests), func() bool {
		box.look()
		return len(box.mails) == requests
	})
	if missing := box.missing(requests); len(missing) > 0 {
		t.Errorf("%d of %d accepted requests have no mail: %v", len(missing), requests, missing[:min(20, len(missing))])
	}
	again := 0
	for n := range s.tries {
		again += int(s.tries[n].Load()) - 1
	}
	t.Logf("%d requests accepted, %d sent again, %d kills; %d mails after %v, of them %d duplicates", requests, again, p.kills, box.look(),
		time.Since(begin).Round(time.Millisecond), box.checkDuplicates(s))
}

// processFlow has a step that is a process.
const processFlow = `{"apiVersion": "elastic.io/v1", "kind": "Flow", "metadata": {"name": "work", "namespace": "flows"}, "spec": {
	"nodes": [
		{"id": "in", "image": "elasticio/webhook", "function": "receive", "first": true},
		{"id": "work", "image": "test/worker", "function": "mail"},
		{"id": "mail", "image": "elasticio/email", "function": "send"}
	],
	"connections": [{"from": "in", "to": "work"}, {"from": "work", "to": "mail"}]}}`

// TestKillOfAProcessLosesNoMessage kills a component that runs as a process in the middle of its work, time and again.
func TestKillOfAProcessLosesNoMessage(t *testing.T) {
	requests, kills := 1500, 3
	if full {
		requests, kills = 10000, 6
	}
	random := seeded(t)
	folder := t.TempDir()
	file, pid := filepath.Join(folder, "flow.json"), filepath.Join(folder, "pid")
	if err := os.WriteFile(file, []byte(processFlow), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newProgram(t, "--component", "test/worker="+filepath.Join(binaries, "worker")+" "+pid, file)
	p.start()
	p.awaitReady()
	s, box := newSender(p, "work", requests), newOutbox(p)
	begin := time.Now()
	sent := make(chan error, 1)
	go func() { sent <- s.run() }()

	var moments []int // kills come when so many mails are there
	for range kills {
		moments = append(moments, random.IntN(requests*3/4))
	}
	slices.Sort(moments)
	killed := ""
	for _, moment := range moments {
		p.await("work of the component", mailPatience(requests), func() bool {
			text, err := os.ReadFile(pid)
			return err == nil && len(text) > 0 && string(text) != killed && box.look() >= moment
		})
		text, err := os.ReadFile(pid)
		if err != nil {
			t.Fatal(err)
		}
		killed = string(text)
		number, err := strconv.Atoi(killed)
		if err != nil {
			t.Fatal(err)
		}
		process, err := os.FindProcess(number)
		if err == nil {
			err = process.Kill()
		}
		if err != nil {
			t.Fatalf("kill component: %v", err)
		}
		t.Logf("component killed at %v: %d requests accepted, %d mails", time.Since(begin).Round(time.Millisecond), s.accepted.Load(), box.look())
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	finish(t, p, s, box, begin)
}
