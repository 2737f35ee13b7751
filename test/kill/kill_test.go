// Package kill_test kills leat, and its parts, with kill -9 at random moments, and proves that nothing that was accepted is lost.
//
// LEAT_KILL=full runs the tests at full length, LEAT_SEED=NUMBER repeats a run's random choices.
package kill_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/internal/polltest"
)

// binaries is where the programs under test are.
var binaries string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if binaries, err = os.MkdirTemp("", "leat-kill-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(binaries)
	for name, path := range map[string]string{"leat": "../../cmd/leat", "worker": "./worker"} {
		build := exec.Command("go", "build", "-o", filepath.Join(binaries, name), path)
		if out, err := build.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return m.Run(), nil
}

// full tells whether the tests run at full length.
var full = os.Getenv("LEAT_KILL") == "full"

// seeded returns this run's random choices, and logs how to repeat them.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("LEAT_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("LEAT_SEED: %v", err)
		}
	}
	t.Logf("LEAT_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// program is `leat run` on one data folder, killed and started again.
type program struct {
	t       *testing.T
	args    []string
	folder  string // data folder
	address string
	log     *os.File // of all its lives

	mu    sync.Mutex // guards what follows
	life  *life
	kills int
}

// life of a process.
type life struct {
	process *os.Process
	started time.Time
	ended   chan struct{} // closed when the process has ended
}

// newProgram returns a program that is to be started.
func newProgram(t *testing.T, args ...string) *program {
	t.Helper()
	folder := t.TempDir()
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, folder: filepath.Join(folder, "data"), address: freeAddress(t), log: log}
	p.args = append([]string{"run", "--data", p.folder, "--listen", p.address}, args...)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("log, the end of it:\n%s", text[max(0, len(text)-8000):])
		}
		log.Close()
	})
	return p
}

// freeAddress is one that a program can listen on time and again.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start starts the program anew.
func (p *program) start() {
	p.t.Helper()
	command := exec.Command(filepath.Join(binaries, "leat"), p.args...)
	command.Stdout, command.Stderr = p.log, p.log
	command.SysProcAttr = dieWithParent()
	l := &life{started: time.Now(), ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The signal at the parent's death belongs to the thread that started the process: keep it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			command.Wait()
			close(l.ended)
		}
	}()
	if err := <-started; err != nil {
		p.t.Fatal(err)
	}
	l.process = command.Process
	p.mu.Lock()
	defer p.mu.Unlock()
	p.life = l
}

// kill kills the program with signal 9 and returns when it's gone. Killing a program that isn't there does nothing.
func (p *program) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life == nil {
		return
	}
	select {
	case <-p.life.ended:
		p.t.Errorf("leat ended by itself")
	default:
	}
	p.life.process.Kill()
	<-p.life.ended
	p.life = nil
	p.kills++
}

// awaitReady waits until all steps run.
func (p *program) awaitReady() {
	p.t.Helper()
	p.await("readiness", 30*time.Second, func() bool {
		response, err := http.Get("http://" + p.address + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// await polls until done, and fails the test after a while.
func (p *program) await(what string, atMost time.Duration, done func() bool) {
	p.t.Helper()
	if !polltest.Within(atMost, done) {
		p.t.Fatalf("no %s within %v", what, atMost)
	}
}

// wait lets time pass.
func wait(d time.Duration) { <-time.After(d) }

// sender posts requests to a flow until each was accepted.
type sender struct {
	url      string
	client   *http.Client
	accepted atomic.Int64
	tries    []atomic.Int32 // by number of the request
	strange  atomic.Pointer[error]
	began    time.Time
}

const senders = 16

func newSender(p *program, flow string, requests int) *sender {
	return &sender{
		url:    "http://" + p.address + "/flow/" + flow,
		client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: senders}},
		tries:  make([]atomic.Int32, requests),
		began:  time.Now(),
	}
}

// took is how long ago the sender was made.
func (s *sender) took() time.Duration { return time.Since(s.began).Round(time.Millisecond) }

// requestID is what the body of request n holds, the same length for all.
func requestID(n int) string { return fmt.Sprintf("request-%06d-end", n) }

// run sends all requests and returns when each has got its 200, or one got an answer that it must not get.
func (s *sender) run() error {
	var next atomic.Int64
	var group sync.WaitGroup
	for range senders {
		group.Go(func() {
			for n := int(next.Add(1)) - 1; n < len(s.tries); n = int(next.Add(1)) - 1 {
				for !s.post(n) {
					if s.strange.Load() != nil {
						return
					}
					wait(2 * time.Millisecond)
				}
				s.accepted.Add(1)
			}
		})
	}
	group.Wait()
	if err := s.strange.Load(); err != nil {
		return *err
	}
	return nil
}

// post sends request n and tells whether it was accepted. A lost connection and a 503 aren't a promise, everything else but a 200 is wrong.
func (s *sender) post(n int) bool {
	s.tries[n].Add(1)
	response, err := s.client.Post(s.url, "application/json", bodyOf(n))
	if err != nil {
		return false
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		io.Copy(io.Discard, response.Body)
		return true
	case http.StatusServiceUnavailable:
		return false
	}
	text, _ := io.ReadAll(response.Body)
	err = fmt.Errorf("request %d: %s: %s", n, response.Status, text)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return false
	}
	s.strange.CompareAndSwap(nil, &err)
	return false
}
