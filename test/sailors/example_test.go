package sailors_test

import (
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/logtest"
)

// TestExamplesWithANodeMapper runs the example flows, as they are, with a component on the Node library 2.7.8 in place of the mapper.
func TestExamplesWithANodeMapper(t *testing.T) {
	folder := filepath.Join(libraries(t), "mapper")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	modules := filepath.Join(folder, "node_modules")
	mapper := "cd " + filepath.Join(here, "node") + " && NODE_PATH=" + modules + " exec node " + filepath.Join(modules, "elasticio-sailor-nodejs", "run.js")
	data := t.TempDir()
	address := freeAddress(t)
	leat := exec.Command(build(t), "run", "--data", data, "--listen", address, "--component", "elasticio/mapper="+mapper,
		"../../example/flow.json", "../../example/flow2.json", "../../example/wh-flow.json")
	log := new(logtest.Buffer)
	leat.Stdout, leat.Stderr = log, log
	leat.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := leat.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		leat.Process.Signal(syscall.SIGTERM)
		if err := leat.Wait(); err != nil {
			t.Errorf("leat: %v", err)
		}
		if t.Failed() {
			t.Logf("log:\n%s", log.String())
		}
	}()
	eventually(t, "ready", func() (bool, any) {
		response, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			return false, err
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK, response.Status
	})
	response, err := http.Post("http://"+address+"/flow/wh-flow", "application/json", strings.NewReader(`{"name":"World"}`))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("request: %s", response.Status)
	}
	want := []string{
		"Second test from e.io at: DATE to someone@example.com, the body is a tick",
		"Test from e.io at: DATE to someone@example.com, the body is a tick",
		"Webhook from e.io to someone@example.com, the body is a request",
	}
	var mails []string
	eventually(t, "mailed", func() (bool, any) {
		mails = subjects(t, filepath.Join(data, "outbox"))
		return len(mails) >= len(want), mails
	})
	if diff := cmp.Diff(want, mails); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
}

// freeAddress is one that a program can listen on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// subjects says of each mail in an outbox what it is.
func subjects(t *testing.T, outbox string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(outbox)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".eml") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(outbox, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, describe(string(text)))
	}
	slices.Sort(all)
	return all
}

func describe(mail string) string {
	header, body, _ := strings.Cut(strings.ReplaceAll(mail, "\r\n", "\n"), "\n\n")
	var subject, to string
	for line := range strings.Lines(header) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch name {
		case "Subject":
			subject = value
		case "To":
			to = strings.Trim(value, "<>")
		}
	}
	if before, at, ok := strings.Cut(subject, " at: "); ok {
		if _, err := time.Parse(time.RFC3339, at); err == nil {
			subject = before + " at: DATE"
		}
	}
	what := "something else: " + body
	switch {
	case strings.Contains(body, `"fireTime"`):
		what = "a tick"
	case strings.Contains(body, `"World"`):
		what = "a request"
	}
	return subject + " to " + to + ", the body is " + what
}
