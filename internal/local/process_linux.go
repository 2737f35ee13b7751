package local

import "syscall"

// group gives a process a process group of its own, so that its children get its signals too, and ends it when leat dies.
func group() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
