package kill_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKillOfLeatLosesNoRebound kills leat while messages wait to come back.
func TestKillOfLeatLosesNoRebound(t *testing.T) {
	requests, kills := 200, 2
	if full {
		requests, kills = 5000, 8
	}
	random := seeded(t)
	folder := t.TempDir()
	file, pid, seen := filepath.Join(folder, "flow.json"), filepath.Join(folder, "pid"), filepath.Join(folder, "seen")
	if err := os.Mkdir(seen, 0o700); err != nil {
		t.Fatal(err)
	}
	later := fmt.Sprintf(`"later", "env": {"SEEN": %q, "ELASTICIO_REBOUND_INITIAL_EXPIRATION": "1000"}}`, seen)
	if err := os.WriteFile(file, []byte(strings.Replace(processFlow, `"mail"},`, later+",", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newProgram(t, "--component", "test/worker="+filepath.Join(binaries, "worker")+" "+pid, file)
	p.start()
	p.awaitReady()
	s, box, finish := p.post("work", requests)
	for i := range kills {
		tried := func() int {
			entries, err := os.ReadDir(seen)
			if err != nil {
				t.Fatal(err)
			}
			return len(entries)
		}
		moment := requests * (i + random.IntN(2)) / kills
		p.await("first tries", mailPatience(requests), func() bool { return tried() >= min(moment+1, requests) })
		wait(time.Duration(random.IntN(900)) * time.Millisecond) // some have come back, some haven't
		t.Logf("kill at %v: %d tried, %d mails", s.took(), tried(), box.look())
		p.kill()
		p.start()
	}
	finish()
}
