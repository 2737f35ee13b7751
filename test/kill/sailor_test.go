package kill_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// sailorFlow has a component on elastic.io's library in the middle. It makes a mail of each request.
const sailorFlow = `{"apiVersion": "elastic.io/v1", "kind": "Flow", "metadata": {"name": "work", "namespace": "flows"}, "spec": {
	"nodes": [
		{"id": "in", "image": "elasticio/webhook", "function": "receive", "first": true},
		{"id": "work", "image": "test/sailor", "function": "mail"},
		{"id": "mail", "image": "elasticio/email", "function": "send"}
	],
	"connections": [{"from": "in", "to": "work"}, {"from": "work", "to": "mail"}]}}`

// TestKillWithASailorLosesNoMessage kills leat, and with it its broker, or the process of a component on the Node library, at random moments.
// It needs the library: make test-sailors installs it and says where it is.
func TestKillWithASailorLosesNoMessage(t *testing.T) {
	libraries := os.Getenv("LEAT_SAILORS")
	if libraries == "" {
		t.Skip("the library isn't installed: use `make test-sailors`")
	}
	for _, version := range []string{"2.2.1", "2.7.8"} {
		t.Run(version, func(t *testing.T) { killSailor(t, filepath.Join(libraries, "sailor-"+version)) })
	}
}

func killSailor(t *testing.T, library string) {
	requests, kills := 400, 4
	if full {
		requests, kills = 10_000, 20
	}
	random := seeded(t)
	folder := t.TempDir()
	file, pid := filepath.Join(folder, "flow.json"), filepath.Join(folder, "pid")
	if err := os.WriteFile(file, []byte(sailorFlow), 0o600); err != nil {
		t.Fatal(err)
	}
	component, err := filepath.Abs("../sailors/node")
	if err != nil {
		t.Fatal(err)
	}
	command := fmt.Sprintf("cd %s && LOG_LEVEL=warn SAILOR_PID=%s exec node %s", component, pid, filepath.Join(library, "node_modules/elasticio-sailor-nodejs/run.js"))
	p := newProgram(t, "--component", "test/sailor="+command, file)
	p.start()
	p.awaitReady()
	s, box, finish := p.post("work", requests)
	killed := ""
	for _, moment := range moments(random, kills, requests*9/10) {
		p.await(fmt.Sprintf("%d mails", moment), mailPatience(requests)+time.Duration(kills)*10*time.Second, func() bool {
			return box.look() >= moment || s.strange.Load() != nil
		})
		if random.IntN(2) == 0 {
			t.Logf("leat killed at %v: %d requests accepted, %d mails", s.took(), s.accepted.Load(), box.look())
			p.kill()
			wait(time.Duration(rand.IntN(100)) * time.Millisecond)
			p.start()
			continue
		}
		if next := killProcess(t, p, pid, killed); next != "" {
			killed = next
			t.Logf("component killed at %v: %d requests accepted, %d mails", s.took(), s.accepted.Load(), box.look())
		}
	}
	finish()
}

// killProcess kills the process whose id is in a file, once there's another one than the last that was killed.
func killProcess(t *testing.T, p *program, file, last string) string {
	t.Helper()
	var text []byte
	p.await("a process of the component", time.Minute, func() bool {
		var err error
		text, err = os.ReadFile(file)
		return err == nil && len(text) > 0 && string(text) != last
	})
	number, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	process, err := os.FindProcess(number)
	if err != nil {
		t.Fatal(err)
	}
	if process.Kill() != nil {
		return "" // it ended with leat, and the next one is on its way
	}
	return string(text)
}
