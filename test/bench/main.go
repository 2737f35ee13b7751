// Command bench measures what Leat promises about speed and size, against references that run beside it in the same run:
//
//	go run ./test/bench [-quick] [-leat FILE] post|chain|sdk|sailors|start|memory ...
//
// docs/guide/benchmarks.md says how to read what it prints.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// settings of a run.
type settings struct {
	leat   string        // the binary to measure
	rounds int           // how often each variant is measured, in turn
	warmup time.Duration // before each measurement
	length time.Duration // of each measurement
	starts int           // of the program, for the start time
	idle   time.Duration // before resident memory is looked at
	flow   string        // folder of the example flows
	only   string        // measure only the variants with this in their name; "" for all
	dir    string        // for data folders; removed at the end

	sailorMessages int    // through a chain of components on elastic.io's library
	sailor         string // version of that library
}

// benchmarks by name, in the order in which they run.
var benchmarks = []struct {
	name string
	run  func(*settings) error
}{
	{"start", benchStart},
	{"memory", benchMemory},
	{"post", benchPost},
	{"chain", benchChain},
	{"sdk", benchSDK},
	{"sailors", benchSailors},
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == bareCommand {
		fail(serveBare(os.Args[2]))
		return
	}
	s := settings{rounds: 5, warmup: time.Second, length: 4 * time.Second, starts: 15, idle: 30 * time.Second, flow: "example", sailorMessages: 5000}
	quick := flag.Bool("quick", false, "short measurements: to see that it works")
	flag.StringVar(&s.leat, "leat", "", "binary to measure; by default it's built")
	flag.IntVar(&s.rounds, "rounds", s.rounds, "how often each variant is measured")
	flag.StringVar(&s.sailor, "sailor", "2.7.8", "version of elastic.io's Node library, of those that test/sailors installs")
	flag.DurationVar(&s.length, "length", s.length, "of each measurement")
	flag.StringVar(&s.only, "only", "", "measure only the variants with this text in their name, without ratios")
	profile := flag.String("profile", "", "write a CPU profile of this process to this file: with -only, of what to improve")
	flag.Parse()
	if *quick {
		s.rounds, s.length, s.starts, s.idle, s.sailorMessages = 2, time.Second, 3, 2*time.Second, 1000
	}
	stop, err := startProfile(*profile)
	fail(err)
	err = run(&s, flag.Args())
	stop()
	fail(err)
}

// startProfile begins a CPU profile, unless path is empty.
func startProfile(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run runs the named benchmarks, or all.
func run(s *settings, names []string) (err error) {
	for _, name := range names {
		if !slices.ContainsFunc(benchmarks, func(b struct {
			name string
			run  func(*settings) error
		}) bool {
			return b.name == name
		}) {
			return fmt.Errorf("no benchmark %q", name)
		}
	}
	if s.dir, err = os.MkdirTemp("", "leat-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	if s.leat == "" {
		s.leat = filepath.Join(s.dir, "leat")
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", s.leat, "./cmd/leat")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build leat: %w\n%s", err, out)
		}
	}
	fmt.Printf("%s, %d CPUs (%s), %s\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), cpuModel(), runtime.Version())
	for _, b := range benchmarks {
		if len(names) > 0 && !slices.Contains(names, b.name) {
			continue
		}
		fmt.Printf("\n## %s  (load average before: %s)\n\n", b.name, loadAverage())
		if err := b.run(s); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return nil
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// loadAverage is how busy the machine is with other things: above 0.5 or so figures are of little worth, ratios of some.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}
