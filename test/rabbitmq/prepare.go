package rabbitmq

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// prepare chooses ports and writes the node's files: configuration, plugin list, cookie, and a rabbitmqctl of its own.
func (s *Server) prepare() error {
	p, err := freePorts()
	if err != nil {
		return err
	}
	s.ports = p
	s.Node = filepath.Base(s.dir) + "@localhost"
	s.AMQP = fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", p.amqp)
	s.Management = fmt.Sprintf("http://guest:guest@127.0.0.1:%d", p.management)
	s.env = s.environment()

	var ctl strings.Builder
	ctl.WriteString("#!/bin/sh\nexec env -i")
	for _, kv := range s.env {
		fmt.Fprintf(&ctl, " '%s'", strings.ReplaceAll(kv, "'", `'\''`))
	}
	fmt.Fprintf(&ctl, " '%s' -n '%s' \"$@\"\n", ctlScript, s.Node)

	files := []struct {
		name, text string
		mode       os.FileMode
	}{
		{"rabbitmq.conf", s.config(), 0o600},
		{"enabled_plugins", "[rabbitmq_management].\n", 0o600},
		{".erlang.cookie", filepath.Base(s.dir), 0o400},
		{"rabbitmqctl", ctl.String(), 0o700},
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(s.dir, f.name), []byte(f.text), f.mode); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) config() string {
	return fmt.Sprintf(`listeners.tcp.default = 127.0.0.1:%d
management.tcp.ip = 127.0.0.1
management.tcp.port = %d
collect_statistics_interval = %d
disk_free_limit.absolute = 50MB
log.file.level = info
%s
`, s.ports.amqp, s.ports.management, s.opts.StatsInterval.Milliseconds(), s.opts.Config)
}

// environment of every process of the node. Nothing of the caller's RabbitMQ or Erlang settings gets through.
func (s *Server) environment() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + s.dir,
		"LANG=C.UTF-8",
		"LC_ALL=C.UTF-8",
		fmt.Sprintf("ERL_EPMD_PORT=%d", s.ports.epmd),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_CRASH_DUMP=/dev/null",
		"RABBITMQ_NODENAME=" + s.Node,
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", s.ports.dist),
		"RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(s.dir, "rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + filepath.Join(s.dir, "none"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(s.dir, "enabled_plugins"),
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(s.dir, "mnesia"),
		"RABBITMQ_LOG_BASE=" + s.dir,
		"RABBITMQ_LOGS=" + filepath.Join(s.dir, "node.log"),
		"RABBITMQ_PID_FILE=" + filepath.Join(s.dir, "pid"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
		// The script then becomes the Erlang machine instead of watching it, so that signals and process times are the machine's.
		"RUNNING_UNDER_SYSTEMD=true",
	}
}

// freePorts takes four ports that are free now. All are held until all are known, so that they differ.
func freePorts() (ports, error) {
	var p ports
	for _, port := range []*int{&p.amqp, &p.management, &p.epmd, &p.dist} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return p, err
		}
		defer l.Close()
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return p, nil
}

// awaitReady returns when the node answers its health check and accepts AMQP clients, or can't any more.
func (s *Server) awaitReady(ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.ReadyTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !s.ready(ctx) {
		select {
		case <-ended:
			return fmt.Errorf("rabbitmq-server ended while starting\n%s", s.log())
		case <-ctx.Done():
			return fmt.Errorf("rabbitmq-server isn't ready after %v\n%s", s.opts.ReadyTimeout, s.log())
		case <-tick.C:
		}
	}
	return nil
}

func (s *Server) ready(ctx context.Context) bool {
	for _, path := range []string{"/api/health/checks/virtual-hosts", "/api/health/checks/protocol-listener/amqp", "/api/vhosts/%2F"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Management+path, nil)
		if err != nil {
			return false
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return false
		}
	}
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.ports.amqp))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
