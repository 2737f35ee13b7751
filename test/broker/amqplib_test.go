package broker_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/openintegrationhub/leat/internal/broker"
)

// The tests come with the package. They are run as they are; port.cjs leads them to the broker.
const amqplib = "amqplib/node_modules/amqplib"

func TestSuiteOfTheNodeClient(t *testing.T) {
	t.Parallel() // it mostly waits
	files, err := filepath.Glob(filepath.Join(amqplib, "test", "*.test.js"))
	if err != nil || len(files) == 0 {
		t.Fatalf("amqplib isn't installed: `make needs` does that (%v)", err)
	}
	preload, err := filepath.Abs("amqplib/port.cjs")
	if err != nil {
		t.Fatal(err)
	}
	o := broker.DefaultOptions()
	o.Dir = t.TempDir()
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	l := listen(t, ":0") // it connects to 127.0.0.1 and to ::1
	go b.Serve(l)

	args := []string{"--test", "--test-reporter=tap", "--test-timeout=20000"}
	for _, file := range files {
		args = append(args, filepath.Join("test", filepath.Base(file)))
	}
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Dir = amqplib
	cmd.Env = append(os.Environ(), "NODE_OPTIONS=--require="+preload, "LEAT_TEST_PORT="+strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	out, err := cmd.CombinedOutput()
	count := func(what string) int {
		m := regexp.MustCompile(`(?m)^# ` + what + ` (\d+)$`).FindSubmatch(out)
		if m == nil {
			return -1
		}
		n, _ := strconv.Atoi(string(m[1]))
		return n
	}
	passed := count("pass")
	t.Logf("%d passed", passed)
	if err != nil || passed < 300 || count("fail") != 0 || count("cancelled") != 0 || count("skipped") != 0 {
		relevant := regexp.MustCompile(`(?m)^ *not ok .*(\n {4,}.*){0,15}|^# .*$`).FindAll(out, -1)
		t.Errorf("%v\n%s", err, bytes.Join(relevant, []byte("\n")))
	}
}
