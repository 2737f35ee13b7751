package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"runtime/pprof"

	"go.yaml.in/yaml/v4"

	"github.com/openintegrationhub/leat/internal/local"
)

// config is the file of --config. Flags win over it.
type config struct {
	Data       string                   `yaml:"data"`
	Listen     string                   `yaml:"listen"`
	AMQP       string                   `yaml:"amqp"`
	Components map[string]local.Command `yaml:"components"`
}

func readConfig(path string) (config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return config{}, fmt.Errorf("read config: %w", err)
	}
	var c config
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		return config{}, fmt.Errorf("%s: %w", path, err)
	}
	folder := filepath.Dir(path)
	for image, command := range c.Components {
		if command.Line == "" {
			return config{}, fmt.Errorf("%s: components[%q].command: missing", path, image)
		}
		if !filepath.IsAbs(command.Dir) {
			command.Dir = filepath.Join(folder, command.Dir)
		}
		c.Components[image] = command
	}
	if c.Data != "" && !filepath.IsAbs(c.Data) {
		c.Data = filepath.Join(folder, c.Data)
	}
	return c, nil
}

// Bounds of the garbage that may pile up before it's collected.
const (
	garbageMax        = 32 << 20 // bytes
	garbagePercentMin = 50       // of the live heap
	garbagePercentMax = 400
)

// tuneCollector lets a bounded amount of garbage grow before it's collected. Messages are short-lived: with Go's default, 100 % of the live
// heap, the collector would run dozens of times a second over a heap of a few MB; with more for every heap, a large one would take several
// times its size. After each collection the percentage is set anew by what is live. GOGC overrides it.
func tuneCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var again func(*[16]byte)
	again = func(next *[16]byte) {
		metrics.Read(live)
		percent := garbageMax * 100 / max(1, int(live[0].Value.Uint64()))
		debug.SetGCPercent(min(max(percent, garbagePercentMin), garbagePercentMax))
		runtime.SetFinalizer(next, again) // nothing else holds it: its turn comes after the next collection
	}
	again(new([16]byte))
}

// profile writes a CPU profile to a file until stop is called.
func profile(path string) (stop func(), err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}
