// Command images packs the images that a Dockerfile describes as OCI archives, without Docker: what its build stages make is handed in with
// -from. So the Dockerfile is the only description of an image.
//
//	images [-file Dockerfile] [-context DIR] [-from build=DIR] [-out DIR] [-repository R] [-tag T] [TARGET...]
//
// Each TARGET (default: every stage with an ENTRYPOINT) becomes DIR/TARGET.tar with the name R/TARGET:T. The same input gives the same digest:
// files have no times and no owner but root.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	o := options{from: map[string]string{}}
	file := flag.String("file", "Dockerfile", "the Dockerfile")
	flag.StringVar(&o.context, "context", ".", "folder that what it copies is relative to")
	out := flag.String("out", ".", "folder for the archives")
	flag.StringVar(&o.repository, "repository", "openintegrationhub", "repository before each target's name")
	flag.StringVar(&o.tag, "tag", "latest", "tag of the images")
	flag.Func("from", "STAGE=DIR: where COPY --from=STAGE finds its files; what isn't there is taken from this machine. Repeatable", func(s string) error {
		stage, dir, ok := strings.Cut(s, "=")
		o.from[stage] = dir
		if !ok {
			return fmt.Errorf("%q isn't STAGE=DIR", s)
		}
		return nil
	})
	flag.Parse()
	if err := run(*file, *out, o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

type options struct {
	repository, tag string
	context         string
	from            map[string]string // build stage -> folder with what it made
}

// run packs the targets of a Dockerfile, all of them if none is named.
func run(file, out string, o options, targets []string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	stages, err := parse(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if len(targets) == 0 {
		for _, s := range stages {
			if len(s.Entrypoint) > 0 {
				targets = append(targets, s.Name)
			}
		}
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, target := range targets {
		sources, config, err := flatten(stages, target)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		path := filepath.Join(out, target+".tar")
		name := fmt.Sprintf("%s/%s:%s", o.repository, target, o.tag)
		if err := pack(path, name, sources, config, o.locate); err != nil {
			return fmt.Errorf("pack %s: %w", target, err)
		}
		fmt.Println(path, name)
	}
	return nil
}

// locate finds what an instruction copies: in the context, or in what its stage made. What a stage didn't make, it copied from the system that
// it was built on; ours is this machine.
func (o options) locate(stage, name string) (path string, err error) {
	if stage == "" {
		return filepath.Join(o.context, name), nil
	}
	dir, ok := o.from[stage]
	if !ok {
		return "", fmt.Errorf("where is stage %s? give -from %s=DIR", stage, stage)
	}
	path = filepath.Join(dir, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return name, nil
}
