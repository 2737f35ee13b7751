// Package jsonata_test checks package jsonata against the reference implementation, which runs in Node, and measures it.
//
//	cd test/jsonata/oracle && npm ci
//	JSONATA_FUZZ=10m go test ./test/jsonata -run TestAgreesWithReference -timeout 0
package jsonata_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// oracle is the reference in a Node process (oracle/oracle.js). A process that hangs or dies is replaced.
type oracle struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan []byte
}

type question struct {
	Expr  string          `json:"expr"`
	Input json.RawMessage `json:"input,omitempty"`
	Mend  []string        `json:"mend,omitempty"` // faults of the reference to mend (oracle/faults.js)
}

// answer is what the reference says; Result is its own text, so that number formats and key order count.
type answer struct {
	Result    json.RawMessage `json:"result,omitempty"`
	Undefined bool            `json:"undefined,omitempty"`
	Code      string          `json:"code,omitempty"`
	Token     string          `json:"token,omitempty"`
	Position  int             `json:"position,omitempty"`
	Crash     string          `json:"crash,omitempty"`
}

// startOracle needs Node and oracle/node_modules; without them the test is about nothing and is skipped.
func startOracle(t testing.TB) *oracle {
	t.Helper()
	if _, err := os.Stat(filepath.Join("oracle", "node_modules", "jsonata")); err != nil {
		t.Skip("the reference isn't installed: npm ci in test/jsonata/oracle")
	}
	o := &oracle{}
	o.start(t)
	t.Cleanup(o.stop)
	return o
}

func (o *oracle) start(t testing.TB) {
	t.Helper()
	o.cmd = exec.CommandContext(t.Context(), "node", "--max-old-space-size=512", "oracle.js")
	o.cmd.Dir = "oracle"
	in, err := o.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := o.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	o.in, o.lines = in, make(chan []byte, 16)
	go func(lines chan<- []byte) {
		defer close(lines)
		r := bufio.NewReaderSize(out, 1<<20)
		for {
			line, err := r.ReadBytes('\n')
			if err != nil {
				return
			}
			lines <- line
		}
	}(o.lines)
}

func (o *oracle) stop() {
	o.in.Close()
	_ = o.cmd.Process.Kill()
	for range o.lines {
	}
	_ = o.cmd.Wait()
}

// patience is how long the oracle may take for one answer.
const patience = 4 * time.Second

// ask sends the questions at once and reads as many answers. Where the oracle hangs or dies the answer is a crash, and a
// new process gets the questions after that one.
func (o *oracle) ask(t testing.TB, questions []question) []answer {
	t.Helper()
	answers := make([]answer, len(questions))
	for next := 0; next < len(questions); {
		go func(in io.Writer, list []question) {
			enc := json.NewEncoder(in)
			enc.SetEscapeHTML(false)
			for _, q := range list {
				if enc.Encode(q) != nil {
					return // it died: the reader below notices
				}
			}
		}(o.in, questions[next:])
		next += o.read(t, answers[next:])
		if next < len(questions) {
			answers[next] = answer{Crash: "no answer"}
			next++
			o.stop()
			o.start(t)
		}
	}
	return answers
}

// read fills answers and returns how many came.
func (o *oracle) read(t testing.TB, answers []answer) int {
	t.Helper()
	for i := range answers {
		select {
		case line, ok := <-o.lines:
			if !ok {
				return i
			}
			if err := json.Unmarshal(line, &answers[i]); err != nil {
				t.Fatal(err)
			}
		case <-time.After(patience):
			return i
		}
	}
	return len(answers)
}
