package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settleTime is how long files have to be left alone before they are read: editors write in several steps.
const settleTime = 200 * time.Millisecond

// watch calls changed each time that one of the files, or a file of one of the folders, has changed, until ctx is done.
func watch(ctx context.Context, args []string, logger *slog.Logger, changed func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch flow files: %w", err)
	}
	defer watcher.Close()
	named := map[string]bool{}
	for _, arg := range args {
		folder := arg
		if info, err := os.Stat(arg); err == nil && !info.IsDir() {
			folder = filepath.Dir(arg) // editors replace files, so it's the folder that tells
			named[filepath.Clean(arg)] = true
		}
		if err := watcher.Add(folder); err != nil {
			return fmt.Errorf("watch %s: %w", folder, err)
		}
		if folder == arg {
			named[filepath.Clean(folder)+string(filepath.Separator)] = true
		}
	}
	concerns := func(file string) bool {
		return named[filepath.Clean(file)] || named[filepath.Dir(file)+string(filepath.Separator)]
	}
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-watcher.Errors:
			logger.Warn("flow files may have changed unnoticed", "err", err)
		case e := <-watcher.Events:
			if concerns(e.Name) && !e.Has(fsnotify.Chmod) {
				settled = time.After(settleTime)
			}
		case <-settled:
			settled = nil
			changed()
		}
	}
}
