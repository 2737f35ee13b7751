package sailors_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/openintegrationhub/leat/internal/local"
)

// supervisor keeps a step's process running, as a restart policy does.
type supervisor struct {
	command   local.Command
	variables map[string]string
	log       io.Writer

	mu      sync.Mutex // guards what follows
	started time.Time  // of the process; zero if none runs
	process *os.Process
}

const restartDelay = 200 * time.Millisecond

func (s *supervisor) run(ctx context.Context) {
	// The signal at the parent's death belongs to the thread that started the process: keep it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for ctx.Err() == nil {
		err := s.once(ctx)
		fmt.Fprintf(s.log, "%s: %s ended: %v\n", time.Now().Format(time.TimeOnly), s.variables["ELASTICIO_STEP_ID"], err)
		select {
		case <-ctx.Done():
		case <-time.After(restartDelay):
		}
	}
}

// once runs the process until it ends or ctx is done.
func (s *supervisor) once(ctx context.Context) error {
	line := s.command.Line
	if !strings.Contains(line, ";") {
		line = "exec " + line
	}
	command := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	command.Dir, command.Stdout, command.Stderr = s.command.Dir, s.log, s.log
	command.Env = append(os.Environ(), "LEAT_SAILORS=")
	for name, value := range s.command.Env {
		command.Env = append(command.Env, name+"="+value)
	}
	for name, value := range s.variables {
		command.Env = append(command.Env, name+"="+value)
	}
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 8 * time.Second
	if err := command.Start(); err != nil {
		return err
	}
	s.runs(command.Process, time.Now())
	defer s.runs(nil, time.Time{})
	return command.Wait()
}

func (s *supervisor) runs(p *os.Process, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process, s.started = p, since
}

// since is when the process started; zero if none runs.
func (s *supervisor) since() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started
}

// restart ends the process: the next one follows.
func (s *supervisor) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		s.process.Signal(syscall.SIGTERM)
	}
}
