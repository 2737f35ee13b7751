package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// cluster is a PostgreSQL server of this test binary's own: in a temporary folder, on a socket in it, without any port. A guard process removes it
// when the test binary ends, however it does.
type cluster struct {
	dir   string
	guard io.WriteCloser
	next  int
}

var startCluster = sync.OnceValues(newCluster)

// database returns the URL of a new, empty database.
func database(t testing.TB) string {
	t.Helper()
	c, err := startCluster()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	c.next++
	name := fmt.Sprint("test", c.next)
	db, err := sql.Open("pgx", c.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return c.url(name)
}

func (c *cluster) url(database string) string {
	return "postgres:///" + database + "?" + url.Values{"host": {c.dir}, "user": {"postgres"}}.Encode()
}

func newCluster() (*cluster, error) {
	bin, err := installPostgres()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "leat-postgres-")
	if err != nil {
		return nil, err
	}
	attr, err := account(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", data)
	initdb.Dir, initdb.SysProcAttr = dir, attr
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w\n%s", err, out), os.RemoveAll(dir))
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	server := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off")
	server.Dir, server.SysProcAttr, server.Stdout, server.Stderr = dir, attr, log, log
	if err := server.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	ended := make(chan struct{})
	go func() { server.Wait(); close(ended) }()
	c := &cluster{dir: dir}
	if err := c.watch(server.Process.Pid); err != nil {
		return nil, errors.Join(err, server.Process.Kill(), os.RemoveAll(dir))
	}
	return c, c.await(ended)
}

// account is who the server runs as: it refuses to be root.
func account(dir string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{Setpgid: true}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Setpgid: true, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

// watch starts the guard. It ends the server, which ends its children, and removes the folder when its input closes: with this process.
func (c *cluster) watch(pid int) error {
	const script = `cat >/dev/null; kill -QUIT "$1"; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.2; kill -0 "$1" 2>/dev/null || break; done; rm -rf -- "$2"`
	guard := exec.Command("sh", "-c", script, "postgres-guard", strconv.Itoa(pid), c.dir)
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := guard.StdinPipe()
	if err != nil {
		return err
	}
	c.guard = in
	return guard.Start()
}

func (c *cluster) await(ended <-chan struct{}) error {
	db, err := sql.Open("pgx", c.url("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			text, _ := os.ReadFile(filepath.Join(c.dir, "log"))
			return fmt.Errorf("postgres ended while starting\n%s", text)
		case <-ctx.Done():
			return fmt.Errorf("postgres isn't ready: %w", err)
		case <-tick.C:
		}
	}
}

// installPostgres returns the folder of the server's programs. On Debian and Ubuntu, as root, it installs the package where it's missing.
func installPostgres() (string, error) {
	find := func() string {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
		if path, err := exec.LookPath("initdb"); len(found) == 0 && err == nil {
			found = append(found, path)
		}
		if len(found) == 0 {
			return ""
		}
		return filepath.Dir(slices.Max(found))
	}
	if dir := find(); dir != "" {
		return dir, nil
	}
	const want = "PostgreSQL isn't installed (want Debian's package: apt-get install postgresql)"
	if os.Geteuid() != 0 {
		return "", errors.New(want + ", and only root could install it")
	}
	// Keep the package from starting a server: tests start their own.
	const policy = "/usr/sbin/policy-rc.d"
	if f, err := os.OpenFile(policy, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755); err == nil {
		_, err = f.WriteString("#!/bin/sh\nexit 101\n")
		defer os.Remove(policy)
		if err := errors.Join(err, f.Close()); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	const lock = "DPkg::Lock::Timeout=240"
	for _, args := range [][]string{{"update", "-q", "-o", lock}, {"install", "-q", "-y", "--no-install-recommends", "-o", lock, "postgresql"}} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: apt-get %s: %w\n%s", want, args[0], err, out)
		}
	}
	if dir := find(); dir != "" {
		return dir, nil
	}
	return "", errors.New(want)
}
