// Package process runs the embedded broker as a process of its own, as tests need it that kill it or measure it. The process is the
// program itself, started again: its main, or TestMain, must call Main before anything else.
package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/broker/management"
)

// The environment variable that makes the program a broker. Its value is the data folder, the two addresses and the bytes of the disk that
// must be free, with bars between.
const variable = "LEAT_TEST_BROKER"

// ready is what the broker process prints when clients may come.
const ready = "ready"

// Main becomes the broker when this process was started by Start, and doesn't return then.
func Main() {
	config, ok := os.LookupEnv(variable)
	if !ok {
		return
	}
	if err := run(strings.Split(config, "|")); err != nil {
		fmt.Fprintln(os.Stderr, "broker process:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run serves until it's told to end, by signal or by the end of its standard input, which is the end of its parent.
func run(config []string) error {
	o := broker.DefaultOptions()
	o.Dir = config[0]
	free, err := strconv.ParseUint(config[3], 10, 64)
	if err != nil {
		return err
	}
	o.DiskFree = free
	o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	b, err := broker.New(o)
	if err != nil {
		return err
	}
	amqp, err := net.Listen("tcp", config[1])
	if err != nil {
		return err
	}
	web, err := net.Listen("tcp", config[2])
	if err != nil {
		return err
	}
	listeners := []management.Listener{{Protocol: "amqp", Addr: amqp.Addr()}, {Protocol: "http", Addr: web.Addr()}}
	go b.Serve(amqp)
	go http.Serve(web, management.New(b, management.Options{Logger: o.Logger, Listeners: listeners}))

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop <- syscall.SIGTERM
	}()
	alarm := make(chan os.Signal, 1)
	signal.Notify(alarm, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range alarm {
			b.SetMemoryAlarm(s == syscall.SIGUSR1)
		}
	}()
	fmt.Println(ready)
	<-stop
	return b.Close()
}

// Broker is a broker process. Its addresses stay the same over a restart.
type Broker struct {
	AMQP       string // amqp://guest:guest@HOST:PORT/
	Management string // http://guest:guest@HOST:PORT

	config string
	cmd    *exec.Cmd
	stdin  io.Closer // kept open; the process ends when this one does
	errors io.Writer
}

// Options of a broker process. Start's are the defaults.
type Options struct {
	DiskFree uint64    // bytes; below it publishers are blocked, 0 is never
	Errors   io.Writer // takes what the process logs; default is this one's standard error
}

// Start starts a broker on a data folder and returns when clients may come.
func Start(dir string) (*Broker, error) {
	return StartWith(dir, Options{DiskFree: broker.DefaultOptions().DiskFree})
}

// StartWith is Start with options.
func StartWith(dir string, o Options) (*Broker, error) {
	amqp, web, err := freeAddresses()
	if err != nil {
		return nil, err
	}
	b := &Broker{AMQP: "amqp://guest:guest@" + amqp + "/", Management: "http://guest:guest@" + web, config: strings.Join([]string{dir, amqp, web, strconv.FormatUint(o.DiskFree, 10)}, "|"), errors: os.Stderr}
	if o.Errors != nil {
		b.errors = o.Errors
	}
	return b, b.start()
}

func freeAddresses() (one, two string, err error) {
	a, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer a.Close()
	b, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer b.Close()
	return a.Addr().String(), b.Addr().String(), nil
}

func (b *Broker) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), variable+"="+b.config)
	cmd.Stderr = b.errors
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start broker process: %w", err)
	}
	b.cmd, b.stdin = cmd, stdin
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(stdout).ReadString('\n')
		line <- strings.TrimSpace(text)
	}()
	select {
	case text := <-line:
		if text == ready {
			return nil
		}
		return errors.Join(fmt.Errorf("broker process printed %q, want %q", text, ready), b.Kill())
	case <-time.After(time.Minute):
		return errors.Join(errors.New("broker process isn't ready after a minute"), b.Kill())
	}
}

// PID is the process id.
func (b *Broker) PID() int { return b.cmd.Process.Pid }

// Alarm makes the broker believe that its memory is short, or not any more, and returns when it does.
func (b *Broker) Alarm(on bool) error {
	signal, want := syscall.SIGUSR2, http.StatusOK
	if on {
		signal, want = syscall.SIGUSR1, http.StatusServiceUnavailable
	}
	if err := b.cmd.Process.Signal(signal); err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		res, err := http.Get(b.Management + "/api/health/checks/alarms")
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode == want {
			return nil
		}
	}
	return fmt.Errorf("the memory alarm isn't %t after 10 s", on)
}

// Kill ends the process as by kill -9.
func (b *Broker) Kill() error {
	if err := b.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	b.cmd.Wait() // says that it was killed
	return nil
}

// Stop ends the process cleanly.
func (b *Broker) Stop() error {
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return b.cmd.Wait()
}

// Resume starts a process that was killed or stopped again, on the same folder and addresses.
func (b *Broker) Resume() error { return b.start() }

// Restart ends the process, cleanly or as by kill -9, and starts it on the same folder and addresses.
func (b *Broker) Restart(graceful bool) error {
	end := b.Kill
	if graceful {
		end = b.Stop
	}
	if err := end(); err != nil {
		return err
	}
	return b.start()
}
