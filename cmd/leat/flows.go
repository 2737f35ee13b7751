package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/openintegrationhub/leat/components"
	"github.com/openintegrationhub/leat/internal/flow"
)

// flowFiles lists the files that the arguments name: a folder stands for the .json, .yaml and .yml files in it. The error names every
// argument that's missing.
func flowFiles(args []string) ([]string, error) {
	var files []string
	var missing []error
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			missing = append(missing, cause(arg, err))
			continue
		}
		if !info.IsDir() {
			files = append(files, arg)
			continue
		}
		for _, pattern := range []string{"*.json", "*.yaml", "*.yml"} {
			found, err := filepath.Glob(filepath.Join(arg, pattern))
			if err != nil {
				return nil, err
			}
			files = append(files, found...)
		}
	}
	slices.Sort(files)
	return slices.Compact(files), errors.Join(missing...)
}

// cause says what is wrong with a file in the form of mistakes: file: text.
func cause(file string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("%s: %w", file, err)
}

// readFlows reads and checks all flows of the files. The error holds every mistake of every file.
func readFlows(args []string) ([]*flow.Flow, error) {
	files, err := flowFiles(args)
	if err != nil {
		return nil, wrongInput{err}
	}
	if len(files) == 0 {
		return nil, wrongInput{fmt.Errorf("no flow files in %v", args)}
	}
	var flows []*flow.Flow
	var mistakes []error
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			mistakes = append(mistakes, cause(file, err))
			continue
		}
		found, err := flow.Parse(file, data, checkData)
		if err != nil {
			mistakes = append(mistakes, err)
		}
		flows = append(flows, found...)
	}
	if err := flow.Unique(flows); err != nil {
		mistakes = append(mistakes, err)
	}
	if len(mistakes) > 0 {
		return nil, wrongInput{errors.Join(mistakes...)}
	}
	return flows, nil
}

// checkData lets the built-in component of a node check the node's data.
func checkData(n *flow.Node) []flow.Mistake {
	c, ok := components.Find(n.Image)
	if !ok {
		return nil
	}
	var mistakes []flow.Mistake
	for _, p := range c.Check(n.Function, n.Data) {
		mistakes = append(mistakes, flow.Mistake{Path: p.Path, Text: p.Text})
	}
	return mistakes
}
