package local

import (
	"bufio"
	"context"
	"encoding/json"
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
	linesKept   = 20              // of a process's output, for the report of its failure
	lineBytes   = 64 << 10
	inheritOnly = "PATH HOME LANG TMPDIR TZ NODE_PATH JAVA_HOME SSL_CERT_FILE SSL_CERT_DIR"
)

// process runs the step's program once. It counts as ready when it has started: what it does then the broker can tell.
func process(c Command, s plan.Step, logger *slog.Logger) func(context.Context, func()) error {
	return func(ctx context.Context, ready func()) error {
		line := c.Line
		if !strings.ContainsAny(line, ";&|()`\n") {
			line = "exec " + line // no shell in between that a signal could get stuck in
		}
		command := exec.Command("/bin/sh", "-c", line)
		command.Dir, command.Env = c.Dir, environment(c, s)
		command.SysProcAttr = group()
		tail := &tail{logger: logger}
		out, in := io.Pipe()
		command.Stdout, command.Stderr = in, in
		reading := make(chan struct{})
		go func() { defer close(reading); tail.read(out) }()

		ended := make(chan error, 1)
		started := make(chan error, 1)
		go func() {
			// The signal at the parent's death belongs to the thread that started the process: keep it.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			err := command.Start()
			started <- err
			if err == nil {
				ended <- command.Wait()
			}
		}()
		if err := <-started; err != nil {
			in.Close()
			return fmt.Errorf("start %q: %w", c.Line, err)
		}
		ready()
		var err error
		select {
		case err = <-ended:
		case <-ctx.Done():
			err = stopProcess(command.Process, ended)
		}
		in.Close()
		<-reading
		return tail.report(err)
	}
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

// tail logs a process's output line by line and keeps the end of it.
type tail struct {
	logger *slog.Logger
	lines  []string
}

func (t *tail) read(r io.Reader) {
	lines := bufio.NewReaderSize(r, lineBytes)
	for {
		line, err := lines.ReadSlice('\n') // a longer line comes in pieces
		if text := strings.TrimRight(string(line), "\r\n"); text != "" {
			t.log(text)
			if len(t.lines) == linesKept {
				t.lines = t.lines[1:]
			}
			t.lines = append(t.lines, text)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// log logs a line of output. Node components write bunyan's JSON, most of it the same in each line: of these just the message is shown, at its
// own level.
func (t *tail) log(text string) {
	level := slog.LevelInfo
	var line struct {
		Level   int    `json:"level"` // 30 info, 40 warn, 50 error
		Message string `json:"msg"`
		Error   struct {
			Message string `json:"message"`
		} `json:"err"`
	}
	if strings.HasPrefix(text, "{") && json.Unmarshal([]byte(text), &line) == nil && line.Level > 0 && line.Message != "" {
		text = line.Message
		if line.Error.Message != "" && !strings.Contains(text, line.Error.Message) {
			text += ": " + line.Error.Message
		}
		level = slog.Level((line.Level - 30) / 10 * 4) // slog's steps are 4
	}
	t.logger.Log(context.Background(), level, text, "output", true)
}

// report says how the process ended, with its last lines.
func (t *tail) report(err error) error {
	how := "exit status 0"
	if err != nil {
		how = err.Error()
	}
	if len(t.lines) == 0 {
		return fmt.Errorf("process ended: %s, without output", how)
	}
	return fmt.Errorf("process ended: %s\n  %s", how, strings.Join(t.lines, "\n  "))
}
