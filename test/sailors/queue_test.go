package sailors_test

import (
	"testing"

	"github.com/openintegrationhub/leat/internal/topology"
)

// TestQueueDeleted deletes the queue of a step that runs. No library notices: the watchdog does, and brings queue and step back.
func TestQueueDeleted(t *testing.T) {
	eachSailor(t, func(t *testing.T, p platform, g generation) {
		s := play(t, p, actFlow("act", g))
		s.tell(map[string]any{"do": "echo", "n": 1})
		s.expect(0, []string{`work:1 message {"do":"echo","n":1}`})
		old := s.pid("work:1")
		conn := p.connect(t)
		defer conn.Close()
		channel, err := conn.Channel()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := channel.QueueDelete(topology.StepQueue("act", "work:1"), false, false, false); err != nil {
			t.Fatal(err)
		}
		s.again("work:1", old)
		s.tell(map[string]any{"do": "echo", "n": 2})
		s.expect(1, []string{`work:1 message {"do":"echo","n":2}`})
		s.expectFailures()
	})
}
