package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/program"
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
		return nil, program.Wrong(err)
	}
	if len(files) == 0 {
		return nil, program.Wrong(fmt.Errorf("no flow files in %v", args))
	}
	var flows []*flow.Flow
	var mistakes []error
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			mistakes = append(mistakes, cause(file, err))
			continue
		}
		found, err := flow.Parse(file, data, program.CheckData)
		if err != nil {
			mistakes = append(mistakes, err)
		}
		flows = append(flows, found...)
	}
	if err := flow.Unique(flows); err != nil {
		mistakes = append(mistakes, err)
	}
	if len(mistakes) > 0 {
		return nil, program.Wrong(errors.Join(mistakes...))
	}
	return flows, nil
}
