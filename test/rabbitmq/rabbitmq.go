// Package rabbitmq runs a real RabbitMQ for tests: Debian's rabbitmq-server with the management plugin, as an isolated node with its
// own name, ports, port mapper, cookie and data folder. It's the reference that the embedded broker is held against.
//
// Start gives the one node that all tests of a test binary share; New gives a node of one's own, for tests that stop or restart it.
// Nothing survives the test process, not even when it's killed: a small guard process waits for its end and removes the rest.
package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Options of a node. The zero value is what tests want.
type Options struct {
	// Config is appended to the node's rabbitmq.conf (sysctl style, one "key = value" a line).
	Config string
	// StatsInterval is how often queues and connections report to the management plugin; default 200 ms. RabbitMQ's own default is 5 s.
	StatsInterval time.Duration
	// ReadyTimeout bounds each start, restart and stop of the node; default 2 minutes.
	ReadyTimeout time.Duration
}

// Server is a running RabbitMQ node. Its user guest (password guest) is an administrator.
type Server struct {
	AMQP       string // amqp://guest:guest@127.0.0.1:PORT/
	Management string // http://guest:guest@127.0.0.1:PORT
	Node       string // Erlang node name, as rabbitmqctl -n takes it

	opts  Options
	dir   string
	env   []string
	ports ports
	guard io.Closer // closing it makes the guard process clean up
	group int       // process group of port mapper and node

	mu   sync.Mutex // guards node and done
	node *exec.Cmd
	done chan struct{} // closed when node has ended
}

// ports of one node, all on 127.0.0.1.
type ports struct{ amqp, management, epmd, dist int }

var shared = sync.OnceValues(func() (*Server, error) { return New(Options{}) })

// Start returns the node that all tests of this test binary share, and starts it on first use (about 5 seconds). Tests tell their
// objects apart by unique names, and neither stop the node nor change its global settings. It ends with the test binary.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("start rabbitmq: %v", err)
	}
	return s
}

// New installs RabbitMQ if need be, starts a node of one's own, and returns when it accepts clients. Call Stop when done.
func New(opts Options) (_ *Server, err error) {
	if opts.StatsInterval == 0 {
		opts.StatsInterval = 200 * time.Millisecond
	}
	if opts.ReadyTimeout == 0 {
		opts.ReadyTimeout = 2 * time.Minute
	}
	if err := install(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "leat-rabbitmq-")
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, dir: dir}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.startMapper(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.startNode(); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// startMapper starts the node's own port mapper, which leads the process group, and the guard that ends the group with this process.
func (s *Server) startMapper() error {
	epmd := exec.Command("epmd", "-port", fmt.Sprint(s.ports.epmd), "-address", "127.0.0.1")
	epmd.Env, epmd.Dir = s.env, s.dir
	epmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := epmd.Start(); err != nil {
		return fmt.Errorf("start epmd: %w", err)
	}
	s.group = epmd.Process.Pid
	go epmd.Wait()

	// The pipe to the guard closes however this process ends.
	const script = `cat >/dev/null; kill -KILL "-$1"; for i in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$2" && break; sleep 0.2; done`
	guard := exec.Command("sh", "-c", script, "rabbitmq-guard", fmt.Sprint(s.group), s.dir)
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := guard.StdinPipe()
	if err == nil {
		err = guard.Start()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start guard: %w", err), syscall.Kill(-s.group, syscall.SIGKILL))
	}
	ended := make(chan error, 1)
	go func() { ended <- guard.Wait() }()
	s.guard = closer(func() error { return errors.Join(in.Close(), <-ended) })
	return nil
}

// startNode starts the broker process and waits until it's ready.
func (s *Server) startNode() error {
	out, err := os.OpenFile(filepath.Join(s.dir, "out.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	node := exec.Command(serverScript)
	node.Env, node.Dir, node.Stdout, node.Stderr = s.env, s.dir, out, out
	node.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: s.group}
	if err := node.Start(); err != nil {
		return fmt.Errorf("start rabbitmq-server: %w", err)
	}
	done := make(chan struct{})
	go func() { node.Wait(); close(done) }()
	s.mu.Lock()
	s.node, s.done = node, done
	s.mu.Unlock()
	return s.awaitReady(done)
}

// Restart ends the node, gracefully or with kill -9, and starts it again on the same ports and data.
func (s *Server) Restart(graceful bool) error {
	if err := s.end(graceful); err != nil {
		return err
	}
	return s.startNode()
}

// end stops the broker process only.
func (s *Server) end(graceful bool) error {
	s.mu.Lock()
	node, done := s.node, s.done
	s.mu.Unlock()
	sig := syscall.SIGKILL
	if graceful {
		sig = syscall.SIGTERM
	}
	if err := node.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop rabbitmq-server: %w", err)
	}
	select {
	case <-done:
		return nil
	case <-time.After(s.opts.ReadyTimeout):
		return fmt.Errorf("stop rabbitmq-server: still running after %v\n%s", s.opts.ReadyTimeout, s.log())
	}
}

// Stop kills the node and removes everything that belongs to it. A stopped server can't be started again.
func (s *Server) Stop() error { return s.guard.Close() }

// Alarm makes the node believe that its memory is short, or not any more.
func (s *Server) Alarm(on bool) error {
	watermark := "0.4"
	if on {
		watermark = "0.0001"
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.ReadyTimeout)
	defer cancel()
	_, err := s.Ctl(ctx, "set_vm_memory_high_watermark", watermark)
	return err
}

// PID is the process id of the node's Erlang machine.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.node.Process.Pid
}

// Ctl runs rabbitmqctl against the node and returns what it printed.
func (s *Server) Ctl(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, ctlScript, append([]string{"-q", "-n", s.Node}, args...)...)
	cmd.Env, cmd.Dir = s.env, s.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("rabbitmqctl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// CtlPath is an executable file that works as rabbitmqctl for this node, for programs that are told where rabbitmqctl is.
func (s *Server) CtlPath() string { return filepath.Join(s.dir, "rabbitmqctl") }

// log is the end of what the node wrote, for error messages.
func (s *Server) log() string {
	var b strings.Builder
	for _, name := range []string{"out.log", "node.log"} {
		text, _ := os.ReadFile(filepath.Join(s.dir, name))
		if len(text) > 4000 {
			text = text[len(text)-4000:]
		}
		fmt.Fprintf(&b, "--- %s ---\n%s\n", name, text)
	}
	return b.String()
}

type closer func() error

func (c closer) Close() error { return c() }
