package main

import (
	"fmt"
	"path/filepath"
	"time"
)

// waitingFlow has a step that doesn't run, so nobody takes its messages.
const waitingFlow = `{"apiVersion": "elastic.io/v1", "kind": "Flow", "metadata": {"name": "hook", "namespace": "flows"}, "spec": {
	"nodes": [{"id": "in", "image": "test/idle", "function": "none", "first": true, "replicas": 0}], "connections": []}}`

// pendingMessages of 1 KiB each are 100 MB.
const pendingMessages = 100_000

// benchMemory measures what the process holds in memory: idle, with the three example flows, and while 100 MB, and 100 MB more, of
// messages wait that nobody takes.
func benchMemory(s *settings) error {
	var examples []string
	for _, name := range []string{"flow.json", "flow2.json", "wh-flow.json"} {
		examples = append(examples, filepath.Join(s.flow, name))
	}
	p, err := leat(s, examples...)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := p.ready(); err != nil {
		return err
	}
	time.Sleep(s.idle)
	fmt.Printf("idle, three example flows, after %v: %.1f MB resident\n", s.idle, resident(p.pid())/1e6)

	file, err := write(s, "waiting.json", waitingFlow)
	if err != nil {
		return err
	}
	q, err := leat(s, "--component", "test/idle=sleep 1000000", file)
	if err != nil {
		return err
	}
	defer q.stop()
	if err := q.ready(); err != nil {
		return err
	}
	if _, err := loadOwn(q.address, 0, 2000); err != nil { // buffers and pools as they are under load
		return err
	}
	fmt.Printf("pending messages of 1 KiB: %.1f MB resident with hardly any", resident(q.pid())/1e6)
	for n := range 2 {
		if _, err := loadOwn(q.address, 0, pendingMessages); err != nil {
			return err
		}
		fmt.Printf(", %.1f MB with %d", resident(q.pid())/1e6, (n+1)*pendingMessages)
	}
	time.Sleep(s.idle)
	fmt.Printf(", %.1f MB after %v more\n", resident(q.pid())/1e6, s.idle)
	return nil
}
