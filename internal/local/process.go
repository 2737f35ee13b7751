package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/plan"
)

// Command runs a component's image as a process of this machine.
type Command struct {
	Line string            `yaml:"command"` // for /bin/sh
	Dir  string            `yaml:"dir"`
	Env  map[string]string `yaml:"env"`
}

// FindCommand finds the program for an image: by its whole name, else without tag or digest.
func FindCommand(commands map[string]Command, image string) (Command, bool) {
	if c, ok := commands[image]; ok {
		return c, true
	}
	repository, _, _ := strings.Cut(image, "@")
	if i := strings.LastIndexByte(repository, ':'); i > strings.LastIndexByte(repository, '/') {
		repository = repository[:i]
	}
	c, ok := commands[repository]
	return c, ok
}

// CheckPrograms checks that each step of the flows can run on this machine: that it has a program, a built-in component or a command, and
// that no variable of it is kept in a cluster. The error is flow.Mistakes.
func CheckPrograms(flows []*flow.Flow, o Options) error {
	var mistakes flow.Mistakes
	for _, f := range flows {
		for i, n := range f.Nodes {
			wrong := func(path, format string, args ...any) {
				path = fmt.Sprintf("spec.nodes[%d].%s", i, path)
				mistakes = append(mistakes, flow.Mistake{File: f.File, Path: path, Text: fmt.Sprintf(format, args...)})
			}
			_, builtin := o.Builtin(n.Image)
			if _, ok := FindCommand(o.Commands, n.Image); !ok && !builtin {
				wrong("image", "no built-in component for image %q: say how to run it with --component %s=COMMAND", n.Image, n.Image)
			}
			for _, name := range slices.Sorted(maps.Keys(n.ValueFrom)) {
				wrong("valueFrom."+name, "Secrets and ConfigMaps need Kubernetes: on this machine, set the variable in env")
			}
			for i := range n.EnvFrom {
				wrong(fmt.Sprintf("envFrom[%d]", i), "Secrets and ConfigMaps need Kubernetes: on this machine, set the variables in env")
			}
		}
	}
	if mistakes == nil {
		return nil
	}
	return mistakes
}

const (
	stopGrace   = 8 * time.Second // from SIGTERM to SIGKILL
	outputGrace = time.Second     // for what a process's children still write after its end
	inheritOnly = "PATH HOME LANG TMPDIR TZ NODE_PATH JAVA_HOME SSL_CERT_FILE SSL_CERT_DIR"
)

// process runs the step's program once. It's ready when its queue has a consumer that wasn't there before: one that has just started may still
// fail to open.
func process(c Command, s plan.Step, expect func() (arrived func(context.Context) bool), logger *slog.Logger) func(context.Context, func()) error {
	return func(ctx context.Context, ready func()) error {
		waiting, stopWaiting := context.WithCancel(ctx)
		var waiter sync.WaitGroup
		arrived := expect()
		waiter.Go(func() {
			if arrived(waiting) {
				ready()
			}
		})
		tail, err := execute(ctx, c, s, logger)
		stopWaiting()
		waiter.Wait()
		if tail == nil {
			return err
		}
		return tail.report(err)
	}
}

// execute runs the step's program until it ends, or ctx does. It returns the program's last lines, and nil or how it failed; without lines
// it couldn't be started.
func execute(ctx context.Context, c Command, s plan.Step, logger *slog.Logger) (*tail, error) {
	if _, err := os.Stat(cmp.Or(c.Dir, ".")); err != nil { // exec would blame the shell
		return nil, fmt.Errorf("start %q in its folder: %w", c.Line, err)
	}
	command := exec.Command("/bin/sh", "-c", shellLine(c.Line))
	command.Dir, command.Env = c.Dir, environment(c, s)
	command.SysProcAttr = group()
	command.WaitDelay = outputGrace
	tail := &tail{logger: logger}
	out, in := io.Pipe()
	command.Stdout, command.Stderr = in, in
	var reading sync.WaitGroup
	reading.Go(func() { tail.read(out) })
	defer reading.Wait()
	defer in.Close()

	ended, err := launch(command)
	if err != nil {
		return nil, fmt.Errorf("start %q: %w", c.Line, err)
	}
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = stopProcess(command.Process, ended)
	}
	syscall.Kill(-command.Process.Pid, syscall.SIGKILL) // children that it left behind
	if errors.Is(err, exec.ErrWaitDelay) {              // one of them held its output
		err = nil
	}
	return tail, err
}

// shellLine is the line with no shell between us and its program that a signal could get stuck in, if it's a single command.
func shellLine(line string) string {
	if strings.ContainsAny(line, ";&|()`\n") {
		return line
	}
	if first, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.Contains(first, "=") { // NAME=value program
		return "exec env " + line
	}
	return "exec " + line
}

// launch starts the command; its end comes through the channel.
func launch(command *exec.Cmd) (ended <-chan error, err error) {
	end, started := make(chan error, 1), make(chan error, 1)
	go func() {
		// The signal at the parent's death belongs to the thread that started the process: keep it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			end <- command.Wait()
		}
	}()
	return end, <-started
}

// stopProcess asks the process and its children to end, and ends them if they don't.
func stopProcess(p *os.Process, ended <-chan error) error {
	syscall.Kill(-p.Pid, syscall.SIGTERM)
	select {
	case err := <-ended:
		return err
	case <-time.After(stopGrace):
		syscall.Kill(-p.Pid, syscall.SIGKILL)
		return <-ended
	}
}

// environment is the step's variables, and of ours only what programs need to run at all: no secret of ours is handed on.
func environment(c Command, s plan.Step) []string {
	var env []string
	for _, name := range strings.Fields(inheritOnly) {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for name, value := range c.Env {
		env = append(env, name+"="+value)
	}
	for _, v := range s.Variables {
		env = append(env, v.Name+"="+v.Value)
	}
	return env
}
