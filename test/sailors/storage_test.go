package sailors_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestObjectStorage has a body that is too large for messages go by the object storage, from a component to the next of the same library.
func TestObjectStorage(t *testing.T) {
	libraries(t)
	for _, g := range []generation{newest(node), newest(java)} {
		t.Run(g.name, func(t *testing.T) {
			g.present(t)
			onBrokers(t, func(t *testing.T, p platform) {
				s := play(t, p, `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: large, namespace: NAMESPACE}
spec:
  nodes:
    - id: first
      image: `+g.image()+`
      function: act
      first: true
      env: {ELASTICIO_EMIT_LIGHTWEIGHT_MESSAGE: "true", ELASTICIO_OBJECT_STORAGE_SIZE_THRESHOLD: "1000"}
    - {id: second, image: `+g.image()+`, function: act}
    - {id: next, image: test/sink, function: keep}
  connections: [{from: first, to: second}, {from: second, to: next}]
`)
				text := strings.Repeat("wörld ", 1000)
				s.tell(map[string]any{"do": "echo", "n": 1, "text": text})
				s.expect(0, []string{`first message {}`, `second message {"do":"echo","n":1,"text":"` + text + `"}`})
				if diff := cmp.Diff([]string{`{"do":"echo","n":1,"text":"` + text + `"}`}, p.world().sunk("large")); diff != "" {
					t.Errorf("messages at the end (-want +got):\n%s", diff)
				}
				s.expectFailures()
			})
		})
	}
}
