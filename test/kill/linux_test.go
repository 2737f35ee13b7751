package kill_test

import "syscall"

// dieWithParent ends a process when the test ends, however that ends.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
