package rabbitmq

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// Where Debian's package has its scripts. Those on the PATH insist on the system user "rabbitmq".
const (
	serverScript = "/usr/lib/rabbitmq/bin/rabbitmq-server"
	ctlScript    = "/usr/lib/rabbitmq/bin/rabbitmqctl"
	policyFile   = "/usr/sbin/policy-rc.d"
)

// install makes sure that rabbitmq-server is on this machine. On Debian and Ubuntu, as root, it installs the package.
func install() error {
	if _, err := os.Stat(serverScript); err == nil {
		return nil
	}
	const want = "rabbitmq-server isn't installed (want Debian's package: apt-get install rabbitmq-server)"
	if os.Geteuid() != 0 {
		return errors.New(want + ", and only root could install it")
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New(want + ", and there's no apt-get to install it")
	}
	fmt.Fprintln(os.Stderr, "test/rabbitmq: rabbitmq-server isn't installed: installing it with apt-get")

	// Keep the package from starting its service: tests start nodes of their own.
	if f, err := os.OpenFile(policyFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755); err == nil {
		_, err = f.WriteString("#!/bin/sh\nexit 101\n")
		defer os.Remove(policyFile)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("write %s: %w", policyFile, err)
		}
	}
	const lock = "DPkg::Lock::Timeout=300"
	for _, args := range [][]string{
		{"update", "-q", "-o", lock},
		{"install", "-q", "-y", "--no-install-recommends", "-o", lock, "rabbitmq-server"},
	} {
		cmd := exec.Command("apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: apt-get %s: %w\n%s", want, args[0], err, out)
		}
	}
	if _, err := os.Stat(serverScript); err != nil {
		return fmt.Errorf("installed rabbitmq-server has no %s: %w", serverScript, err)
	}
	return nil
}
