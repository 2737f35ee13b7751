package broker_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/broker/management"
)

// The suite of github.com/rabbitmq/amqp091-go is run as it is in its module, which wants the management API on this address.
const suiteManagement = "127.0.0.1:15672"

func TestIntegrationSuiteOfTheGoClient(t *testing.T) {
	t.Parallel() // it mostly waits
	o := broker.DefaultOptions()
	o.Dir = t.TempDir()
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	amqp := listen(t, "127.0.0.1:0")
	web := listen(t, suiteManagement)
	go b.Serve(amqp)
	api := &http.Server{Handler: management.New(b, management.Options{Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})}
	go api.Serve(web)
	t.Cleanup(func() { api.Close() })
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		args, _ := io.ReadAll(r.Body)
		switch string(args) {
		case "set_vm_memory_high_watermark 0.0001":
			b.SetMemoryAlarm(true)
		case "set_vm_memory_high_watermark 0.4":
			b.SetMemoryAlarm(false)
		default:
			t.Errorf("the suite asked rabbitmqctl for %q", args)
			w.WriteHeader(http.StatusNotImplemented)
		}
	}))
	t.Cleanup(control.Close)

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-tags", "integration", "-count=1", "-timeout=5m", "-json", ".")
	cmd.Dir = moduleCopy(t, "github.com/rabbitmq/amqp091-go")
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off",
		"AMQP_URL=amqp://guest:guest@"+amqp.Addr().String()+"/", "RABBITMQ_RABBITMQCTL_PATH="+self, ctlVariable+"="+control.URL)
	out, err := cmd.CombinedOutput()
	passed, failed, skipped := outcome(out)
	t.Logf("%d passed, %d skipped: %v", len(passed), len(skipped), skipped)
	if err != nil || len(failed) > 0 || len(skipped) > 0 || !slices.Contains(passed, "TestIntegrationBasicQueueOperations") {
		t.Errorf("%v; %d failed: %v", err, len(failed), failed)
		t.Log(relevant(out, failed))
	}
}

func listen(t *testing.T, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// moduleCopy copies a module of ours from the module cache, which is read-only, to a folder of the test.
func moduleCopy(t *testing.T, module string) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("find module %s: %v", module, err)
	}
	to := filepath.Join(t.TempDir(), "module")
	if err := os.CopyFS(to, os.DirFS(strings.TrimSpace(string(dir)))); err != nil {
		t.Fatal(err)
	}
	return to
}

type event struct{ Action, Test, Output string }

func events(out []byte) (list []event) {
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			e = event{Action: "output", Output: lines.Text() + "\n"}
		}
		list = append(list, e)
	}
	return list
}

// outcome names the tests of a go test -json run by how they ended. Those that never did have failed.
func outcome(out []byte) (passed, failed, skipped []string) {
	running := map[string]bool{}
	for _, e := range events(out) {
		running[e.Test] = !slices.Contains([]string{"pass", "fail", "skip"}, e.Action)
		to := map[string]*[]string{"pass": &passed, "fail": &failed, "skip": &skipped}[e.Action]
		if to != nil && e.Test != "" {
			*to = append(*to, e.Test)
		}
	}
	for test, still := range running {
		if still && test != "" {
			failed = append(failed, test)
		}
	}
	return passed, failed, skipped
}

// relevant is what the failed tests printed, and what belongs to none.
func relevant(out []byte, failed []string) string {
	var b strings.Builder
	for _, e := range events(out) {
		if e.Action == "output" && (e.Test == "" || slices.Contains(failed, e.Test)) {
			b.WriteString(e.Output)
		}
	}
	return b.String()
}
