package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/internal/kubetest"
	"github.com/openintegrationhub/leat/internal/polltest"
)

var update = flag.Bool("update", false, "write what the commands print into the stories")

func TestMain(m *testing.M) {
	testscript.Main(kubetest.Main{M: m}, map[string]func(){"leat": main, "kubectl-flows": main, "greeter": greeter})
}

// The stories of testdata/script have these commands besides those of testscript:
//
//	start NAME [VARIABLE=VALUE...] leat run ARG...
//		Runs leat in the background, on a port of its own unless --config or --listen gives one. What it prints is in NAME.log, its address is $ADDR.
//	end NAME [SIGNAL] [CODE]
//		Sends the signal, INT if none is given, and waits until the process has ended, with this exit code.
//	ready
//		Waits until /readyz of $ADDR says that everything runs.
//	until FILES REGEXP [COUNT]
//		Waits until files that fit the pattern hold this many matches, one if no count is given.
//	count FILES REGEXP COUNT
//		Fails unless the files hold exactly this many matches now.
//	exits CODE COMMAND...
//		Runs the command, which has to end with this exit code.
//	shown [&NAME] COMMAND
//		Does what README or guide show: runs the command line with a shell, for localhost:8080 with $ADDR, or in the background like start.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup:               setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start,
			"end":   end,
			"ready": ready,
			"until": until,
			"count": count,
			"shown": shown,
			"exits": exits,
		},
	})
}

// patience is how long a story waits for something that should happen at once: the machine may be busy with other tests.
const patience = 30 * time.Second

type processes struct {
	env  []string
	list map[string]*process
}

type process struct {
	command *exec.Cmd
	ended   chan struct{} // closed when it has
	log     string
}

// setUp gives the story the repository's files as links, and the Go command what it needs.
func setUp(env *testscript.Env) error {
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	for _, name := range []string{"go.mod", "go.sum", "api", "component", "internal", "example"} {
		if err := os.Symlink(filepath.Join(root, name), filepath.Join(env.WorkDir, name)); err != nil {
			return err
		}
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOFLAGS", "GOSUMDB"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			return fmt.Errorf("go env: %w", err)
		}
		env.Setenv(name, strings.TrimSpace(string(out)))
	}
	p := &processes{env: env.Vars, list: map[string]*process{}}
	env.Values["processes"] = p
	env.Defer(func() {
		for name, process := range p.list {
			process.command.Process.Kill()
			<-process.ended
			if env.T().(testing.TB).Failed() {
				text, _ := os.ReadFile(process.log)
				env.T().Log(fmt.Sprintf("%s.log:\n%s", name, text))
			}
		}
	})
	return nil
}

var addressShown = regexp.MustCompile(`metrics at (http://\S+)/metrics`)

func start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: start NAME [VARIABLE=VALUE...] leat run ARG...")
	}
	name, args := args[0], args[1:]
	p := ts.Value("processes").(*processes)
	env := p.env
	for strings.Contains(args[0], "=") {
		env, args = append(env[:len(env):len(env)], args[0]), args[1:]
	}
	if !slices.Contains(args, "--listen") && !slices.Contains(args, "--config") {
		args = append(args, "--listen", "localhost:0")
	}
	startProcess(ts, name, env, exec.Command(args[0], args[1:]...))
}

// startProcess runs the command and waits for leat's greeting.
func startProcess(ts *testscript.TestScript, name string, env []string, command *exec.Cmd) {
	log := ts.MkAbs(name + ".log")
	out, err := os.Create(log)
	ts.Check(err)
	defer out.Close()
	command.Dir, command.Env, command.Stdout, command.Stderr = ts.MkAbs("."), env, out, out
	ts.Check(command.Start())
	p := &process{command: command, ended: make(chan struct{}), log: log}
	go func() {
		defer close(p.ended)
		command.Wait()
	}()
	ts.Value("processes").(*processes).list[name] = p
	wait(ts, name+" greets", func() (bool, string) {
		text, err := os.ReadFile(log)
		ts.Check(err)
		found := addressShown.FindSubmatch(text)
		if found == nil {
			select {
			case <-p.ended:
				ts.Fatalf("%s ended at once:\n%s", name, text)
			default:
			}
			return false, string(text)
		}
		ts.Setenv("ADDR", string(found[1]))
		ts.Setenv("LEAT_URL", string(found[1]))
		return true, ""
	})
}

func end(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: end NAME [SIGNAL] [CODE]")
	}
	signal, code := "INT", "0"
	if len(args) > 1 {
		signal = args[1]
	}
	if len(args) > 2 {
		code = args[2]
	}
	p := ts.Value("processes").(*processes).list[args[0]]
	if p == nil {
		ts.Fatalf("no process %q", args[0])
	}
	ts.Check(p.command.Process.Signal(map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}[signal]))
	// Ten seconds are promised; the rest is for a busy machine.
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second):
		ts.Fatalf("%s did not end within 15 s of SIG%s", args[0], signal)
	}
	if got := p.command.ProcessState.ExitCode(); strconv.Itoa(got) != code {
		ts.Fatalf("%s: exit code %d, want %s\n%s", args[0], got, code, ts.ReadFile(args[0]+".log"))
	}
	delete(ts.Value("processes").(*processes).list, args[0])
}

func ready(ts *testscript.TestScript, _ bool, _ []string) {
	wait(ts, "ready", func() (bool, string) {
		response, err := http.Get(ts.Getenv("ADDR") + "/readyz")
		if err != nil {
			return false, err.Error()
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		return response.StatusCode == http.StatusOK, string(text)
	})
}

// wait asks done again and again, with a bound.
func wait(ts *testscript.TestScript, what string, done func() (ok bool, state string)) {
	var state string
	if !polltest.Within(patience, func() (ok bool) {
		ok, state = done()
		return ok
	}) {
		ts.Fatalf("not within %s: %s\n%s", patience, what, state)
	}
}

// matches counts what the expression finds in the files that fit the pattern.
func matches(ts *testscript.TestScript, pattern, expression string) (n int, text string) {
	r, err := regexp.Compile("(?m)" + expression)
	ts.Check(err)
	files, err := filepath.Glob(ts.MkAbs(pattern))
	ts.Check(err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		ts.Check(err)
		content = bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")) // mails have them
		text += filepath.Base(file) + ":\n" + string(content) + "\n"
		n += len(r.FindAll(content, -1))
	}
	return n, text
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until FILES REGEXP [COUNT]")
	}
	want := 1
	if len(args) > 2 {
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		want = n
	}
	wait(ts, fmt.Sprintf("%d times %s in %s", want, args[1], args[0]), func() (bool, string) {
		n, text := matches(ts, args[0], args[1])
		return n >= want, text
	})
}

func count(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: count FILES REGEXP COUNT")
	}
	if n, text := matches(ts, args[0], args[1]); strconv.Itoa(n) != args[2] {
		ts.Fatalf("%d times %s, want %s:\n%s", n, args[1], args[2], text)
	}
}

func shown(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: shown [&NAME] COMMAND")
	}
	name, background := strings.CutPrefix(args[0], "&")
	if background {
		args = args[1:]
	}
	line := strings.ReplaceAll(args[0], "localhost:8080", strings.TrimPrefix(ts.Getenv("ADDR"), "http://"))
	if !background {
		ts.Check(ts.Exec("sh", "-c", line))
		return
	}
	line = strings.Replace(line, "leat run", "leat run --listen localhost:0", 1)
	startProcess(ts, name, ts.Value("processes").(*processes).env, exec.Command("sh", "-c", "exec env "+line))
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// greeter is a component of the SDK as a program of its own.
func greeter() {
	component.Serve(map[string]component.Function{"greet": func(*component.Step) (component.Process, error) {
		return func(_ context.Context, in *component.Message, out component.Output) error {
			var body struct{ Name string }
			if err := in.DecodeBody(&body); err != nil {
				return err
			}
			return out.Emit(component.NewMessage(map[string]string{"text": "Hello " + body.Name}))
		}, nil
	}})
}
