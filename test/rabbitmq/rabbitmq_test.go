package rabbitmq_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/polltest"
	"github.com/openintegrationhub/leat/test/rabbitmq"
)

func TestSharedNodeAcceptsClients(t *testing.T) {
	s := rabbitmq.Start(t)
	conn, err := amqp.Dial(s.AMQP)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.Properties["version"]; !strings.HasPrefix(fmt.Sprint(got), "3.") {
		t.Errorf("version = %v, want 3.x", got)
	}
	if again := rabbitmq.Start(t); again != s {
		t.Error("a second Start gave another node")
	}
	out, err := s.Ctl(t.Context(), "list_vhosts")
	if err != nil || !strings.Contains(out, "/") {
		t.Errorf("list_vhosts = %q, %v", out, err)
	}
	if out, err := exec.Command(s.CtlPath(), "-q", "list_vhosts").CombinedOutput(); err != nil || !strings.Contains(string(out), "/") {
		t.Errorf("stand-alone rabbitmqctl list_vhosts = %q, %v", out, err)
	}
}

// Runs this test binary again as a process that starts a node and is then killed.
func TestNodeEndsWithAKilledTestProcess(t *testing.T) {
	if os.Getenv("LEAT_RABBITMQ_VICTIM") != "" {
		rabbitmq.Start(t)
		fmt.Println("started")
		select {}
	}
	tmp := t.TempDir()
	victim := exec.Command(os.Args[0], "-test.run=^TestNodeEndsWithAKilledTestProcess$", "-test.timeout=3m")
	victim.Env = append(os.Environ(), "LEAT_RABBITMQ_VICTIM=1", "TMPDIR="+tmp)
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
	if got := processesNaming(t, tmp); got == 0 {
		t.Fatal("found no process of the node while it runs: the check is blind")
	}
	victim.Process.Kill()
	victim.Wait()

	polltest.Eventually(t, 20*time.Second, "nothing is left behind", func() (bool, any) {
		left, err := filepath.Glob(filepath.Join(tmp, "leat-rabbitmq-*"))
		if err != nil {
			t.Fatal(err)
		}
		running := processesNaming(t, tmp)
		return len(left) == 0 && running == 0, fmt.Sprintf("folders %v, %d processes", left, running)
	})
}

// processesNaming counts processes whose environment names the folder, as all those of a node do.
func processesNaming(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	envs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, env := range envs {
		if text, err := os.ReadFile(env); err == nil && strings.Contains(string(text), "HOME="+dir) {
			n++
		}
	}
	return n
}
