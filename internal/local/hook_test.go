package local_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/local"
)

const hooked = `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: hooked, namespace: flows}
spec:
  nodes:
    - {id: in, image: test/hooked, function: run, first: true, env: {ELASTICIO_STARTUP_REQUIRED: "true"}}
`

// The component writes down how it was started. Its shutdown hook then waits until the test lets it end.
const hookedProgram = `
echo "startup=$ELASTICIO_STARTUP_REQUIRED shutdown=$ELASTICIO_HOOK_SHUTDOWN" >>starts
[ -n "$ELASTICIO_HOOK_SHUTDOWN" ] || exec sleep 1000
echo "$ELASTICIO_API_URI $ELASTICIO_API_USERNAME $ELASTICIO_API_KEY" >api.new && mv api.new api
n=0; until [ -e end ] || [ $n = 600 ]; do sleep 0.1; n=$((n+1)); done
cat end; exit $(cat end)
`

func TestARemovedFlowRunsItsShutdownHook(t *testing.T) {
	for name, c := range map[string]struct{ code, log string }{
		"that ends well": {"0", "shutdown hook done"},
		"that fails":     {"3", "shutdown hook failed"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			read := func(name string) string {
				text, _ := os.ReadFile(filepath.Join(folder, name))
				return strings.TrimSpace(string(text))
			}
			w := startWorld(t, t.TempDir(), func(o *local.Options) {
				o.Commands = map[string]local.Command{"test/hooked": {Line: hookedProgram, Dir: folder}}
			})
			if err := w.Apply(t.Context(), parse(t, hooked)); err != nil { // it never consumes
				t.Fatal(err)
			}
			eventually(t, "the start", func() (bool, any) { return read("starts") != "", nil })
			removed := make(chan error, 1)
			go func() { removed <- w.Apply(t.Context(), nil) }()
			eventually(t, "the hook", func() (bool, any) { return read("api") != "", nil })

			api := strings.Fields(read("api"))
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api[0]+"/v1/tasks/hooked/steps/in", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.SetBasicAuth(api[1], api[2])
			for _, want := range []int{http.StatusOK, http.StatusUnauthorized} { // while the hook runs, and when the flow is gone
				answer, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
				if answer.StatusCode != want {
					t.Errorf("the API answers with %d, want %d", answer.StatusCode, want)
				}
				if want == http.StatusOK {
					if err := os.WriteFile(filepath.Join(folder, "end"), []byte(c.code), 0o600); err != nil {
						t.Fatal(err)
					}
					if err := <-removed; err != nil {
						t.Fatal(err)
					}
				}
			}
			if diff := cmp.Diff("startup=true shutdown=\nstartup= shutdown=true", read("starts")); diff != "" {
				t.Errorf("starts (-want +got):\n%s", diff)
			}
			if !strings.Contains(w.log.String(), c.log) {
				t.Errorf("nothing is told of it: want %q", c.log)
			}
		})
	}
}
