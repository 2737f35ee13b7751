package local

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/polltest"
)

// runProcess runs a command until it ends, with a consumer that never comes.
func runProcess(ctx context.Context, c Command, variables ...plan.Variable) error {
	expect := func() func(context.Context) bool {
		return func(ctx context.Context) bool { <-ctx.Done(); return false }
	}
	return process(c, plan.Step{Variables: variables}, expect, slog.New(slog.DiscardHandler))(ctx, func() {})
}

func TestAProcessGetsItsFolderAndVariables(t *testing.T) {
	t.Setenv("LEAT_TEST_SECRET", "hidden")
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	command := Command{
		Line: `MORE=line sh -c 'pwd; echo "$COLOUR, $SIZE, $MORE, secret=$LEAT_TEST_SECRET"'`,
		Dir:  dir,
		Env:  map[string]string{"COLOUR": "blue", "SIZE": "small"},
	}
	got := runProcess(t.Context(), command, plan.Variable{Name: "SIZE", Value: "large"}).Error()
	if want := "process ended: exit status 0\n  " + dir + "\n  blue, large, line, secret="; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestNoShellStandsBetweenASignalAndASingleCommand(t *testing.T) {
	for line, want := range map[string]string{
		"node run.js":              "exec node run.js",
		"LOG_LEVEL=debug node x":   "exec env LOG_LEVEL=debug node x",
		"node run.js --name=value": "exec node run.js --name=value",
		"cd x && node run.js":      "cd x && node run.js",
		"node run.js | tee log":    "node run.js | tee log",
	} {
		if got := shellLine(line); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestAnEndedProcessLeavesNothingBehind(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	begin := time.Now()
	err := runProcess(t.Context(), Command{Line: fmt.Sprintf("sleep 100 & echo $! >%s; exit 3", file)}) // the child holds the output open
	if got := err.Error(); got != "process ended: exit status 3, without output" {
		t.Errorf("error %q", got)
	}
	if took := time.Since(begin); took > 10*outputGrace {
		t.Errorf("it took %s", took)
	}
	pid, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !polltest.Within(5*time.Second, func() bool { return !alive(strings.TrimSpace(string(pid))) }) {
		t.Fatal("its child still runs")
	}
}

// alive tells whether a process runs; one that has ended and that nobody has waited for doesn't.
func alive(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestAProgramThatCannotStartIsTold(t *testing.T) {
	for name, test := range map[string]struct {
		command Command
		want    []string
	}{
		"no such program": {Command{Line: "leat-test-no-such-program"}, []string{"process ended: exit status 127", "not found"}},
		"no such folder":  {Command{Line: "true", Dir: "/leat/no/such/folder"}, []string{`start "true" in its folder: stat /leat/no/such/folder`}},
	} {
		t.Run(name, func(t *testing.T) {
			err := runProcess(t.Context(), test.command)
			var missing []string
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					missing = append(missing, want)
				}
			}
			if diff := cmp.Diff([]string(nil), missing); diff != "" {
				t.Errorf("%v lacks %v", err, missing)
			}
		})
	}
}
