package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
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
