package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// process is `leat run`, as a person starts it.
type process struct {
	command *exec.Cmd
	folder  string // data
	address string
	log     string
	started time.Time
}

// leat starts a fresh `leat run` with arguments; it returns at once.
func leat(s *settings, args ...string) (*process, error) {
	folder, err := os.MkdirTemp(s.dir, "leat-")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	p := &process{folder: filepath.Join(folder, "data"), address: address, log: filepath.Join(folder, "log")}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.command = exec.Command(s.leat, append([]string{"run", "--data", p.folder, "--listen", p.address}, args...)...)
	p.command.Stdout, p.command.Stderr = log, log
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // if the benchmark is killed
	p.started = time.Now()
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start leat: %w", err)
	}
	return p, nil
}

func (p *process) pid() int { return p.command.Process.Pid }

// ready waits until all steps run.
func (p *process) ready() error {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		response, err := http.Get("http://" + p.address + "/readyz")
		if err != nil {
			continue
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return nil
		}
	}
	text, _ := os.ReadFile(p.log)
	return fmt.Errorf("leat isn't ready after 30 s:\n%s", text)
}

// stop ends the process, and removes its data.
func (p *process) stop() error {
	p.command.Process.Signal(syscall.SIGTERM)
	p.command.Wait() // how it ends doesn't matter here
	return os.RemoveAll(filepath.Dir(p.folder))
}

// write writes a flow file.
func write(s *settings, name, text string) (path string, err error) {
	path = filepath.Join(s.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}
