package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// benchStart measures the time from the start of the process, with a fresh data folder, to the first mail of example-flow, which has been
// through broker, timer, mapper and email by then; and the size of the binary.
func benchStart(s *settings) error {
	var times []float64 // ms
	for range s.starts {
		p, err := leat(s, filepath.Join(s.flow, "flow.json"))
		if err != nil {
			return err
		}
		took, err := p.firstMail()
		if err != nil {
			return err
		}
		if err := p.stop(); err != nil {
			return err
		}
		times = append(times, took.Seconds()*1000)
	}
	info, err := os.Stat(s.leat)
	if err != nil {
		return err
	}
	best, worst := times[0], times[0]
	for _, t := range times {
		best, worst = min(best, t), max(worst, t)
	}
	fmt.Printf("start to first mail in the outbox, %d starts: median %.0f ms, best %.0f ms, worst %.0f ms\n", len(times), median(times), best, worst)
	fmt.Printf("binary: %.1f MB\n", float64(info.Size())/1e6)
	return nil
}

// firstMail waits for the first mail and returns how long it took since the start.
func (p *process) firstMail() (time.Duration, error) {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(500 * time.Microsecond) {
		if mails, _ := filepath.Glob(filepath.Join(p.folder, "outbox", "*.eml")); len(mails) > 0 {
			return time.Since(p.started), nil
		}
	}
	return 0, fmt.Errorf("no mail after 30 s; see %s", p.log)
}
