package local

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lock is held on a data folder by the one process that may work in it. The system gives it up when the process dies, however it dies.
type lock struct{ file *os.File }

func lockFolder(folder string) (lock, error) {
	path := filepath.Join(folder, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return lock{}, fmt.Errorf("lock data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(path)
		f.Close()
		return lock{}, fmt.Errorf("data folder %s is in use by process %s: stop it, or choose another folder with --data", folder, strings.TrimSpace(string(holder)))
	}
	if err := f.Truncate(0); err == nil {
		fmt.Fprintln(f, os.Getpid())
	}
	return lock{file: f}, nil
}

func (l lock) release() { l.file.Close() }
