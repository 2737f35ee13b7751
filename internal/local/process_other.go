//go:build unix && !linux

package local

import "syscall"

// group gives a process a process group of its own, so that its children get its signals too. Only Linux can end it when leat dies: elsewhere it
// ends when it loses the broker.
func group() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
