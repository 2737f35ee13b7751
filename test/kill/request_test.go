package kill_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
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
	s, box, finish := p.post("wh-flow", requests)
	// A kill comes when so many requests and mails are through, or some time after a start.
	for i, moment := range moments(random, kills, requests*3/2) {
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
		t.Logf("kill at %v: %d requests accepted, %d mails", s.took(), s.accepted.Load(), box.look())
		p.kill()
		p.start()
	}
	finish()
}

// post begins to send requests to a flow that makes a mail of each. Finish waits until all are accepted and have a mail, and checks those.
func (p *program) post(flow string, requests int) (s *sender, box *outbox, finish func()) {
	s, box = newSender(p, flow, requests), newOutbox(p)
	sent := make(chan error, 1)
	go func() { sent <- s.run() }()
	return s, box, func() {
		p.t.Helper()
		if err := <-sent; err != nil {
			p.t.Fatal(err)
		}
		p.t.Logf("all %d requests accepted after %v, %d kills", requests, s.took(), p.kills)
		polltest.Within(mailPatience(requests), func() bool {
			box.look()
			return len(box.mails) == requests
		})
		if missing := box.missing(requests); len(missing) > 0 {
			p.t.Errorf("%d of %d accepted requests have no mail: %v", len(missing), requests, missing[:min(20, len(missing))])
		}
		again := 0
		for n := range s.tries {
			again += int(s.tries[n].Load()) - 1
		}
		p.t.Logf("%d requests accepted, %d sent again, %d kills; %d mails after %v, of them %d duplicates", requests, again, p.kills, box.look(),
			s.took(), box.checkDuplicates(s))
	}
}

// moments are the numbers of things done at which kills come, sorted.
func moments(random *rand.Rand, kills, below int) (all []int) {
	for range kills {
		all = append(all, random.IntN(below))
	}
	slices.Sort(all)
	return all
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
	s, box, finish := p.post("work", requests)
	killed := ""
	for _, moment := range moments(random, kills, requests*3/4) {
		p.await(fmt.Sprintf("%d mails", moment), mailPatience(requests), func() bool { return box.look() >= moment })
		if killed = killProcess(t, p, pid, killed); killed == "" {
			t.Fatal("the component had ended by itself")
		}
		t.Logf("component killed at %v: %d requests accepted, %d mails", s.took(), s.accepted.Load(), box.look())
	}
	finish()
}
