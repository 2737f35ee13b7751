package sailors_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/openintegrationhub/leat/internal/local"
)

// supervisor keeps a step's process running, as a restart policy does.
type supervisor struct {
	command   local.Command
	variables map[string]string
	log       io.Writer
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
	command := exec.CommandContext(ctx, "/bin/sh", "-c", "exec "+s.command.Line)
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
	return command.Run()
}
