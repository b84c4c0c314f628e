//go:build unix

// Package mariadbtest runs the real MariaDB for tests: each server on a free loopback
// port of its own, to be killed, frozen and restarted with its data.
package mariadbtest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/daemon"
)

// Server is a running MariaDB with an empty database "test", whose user "root" has no
// password.
type Server struct {
	*daemon.Server

	// Addr is its "host:port".
	Addr string
}

const install = "apt-get install mariadb-server"

// binary finds a program of the server, which Debian keeps where a user has no path to.
func binary(t testing.TB, name string) string {
	t.Helper()
	path, err := daemon.Find(name, install, "/usr/sbin/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var (
	template     sync.Mutex // guards templatePath
	templatePath string
)

// data returns the path of a data directory that no server has used: making one takes
// seconds, so that it is made once in a test binary.
func data(t testing.TB) string {
	t.Helper()
	template.Lock()
	defer template.Unlock()
	if templatePath != "" {
		return templatePath
	}
	path, err := os.MkdirTemp("", "mariadbtest") //nolint:usetesting // it outlives the test
	if err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(path, "data")
	args := []string{"--no-defaults", "--datadir=" + made, "--tmpdir=" + path, "--auth-root-authentication-method=normal", "--innodb-log-file-size=16M"}
	if os.Getuid() == 0 {
		args = append(args, "--user=root")
	}
	out, err := exec.Command(binary(t, "mariadb-install-db"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("mariadbtest: mariadb-install-db: %v\n%s", err, out)
	}
	if err := os.Mkdir(filepath.Join(made, "test"), 0o700); err != nil && !os.IsExist(err) { // the database
		t.Fatal(err)
	}
	templatePath = made
	return made
}

// RemoveTemplate removes what Start has made once for all servers of a test binary.
func RemoveTemplate() {
	template.Lock()
	defer template.Unlock()
	if templatePath != "" {
		_ = os.RemoveAll(filepath.Dir(templatePath))
		templatePath = ""
	}
}

// Start runs MariaDB with args until the test ends.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "mariadb") //nolint:usetesting // a socket's name is short, a test's directory is not
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if out, err := exec.Command("cp", "-a", data(t), dir).CombinedOutput(); err != nil {
		t.Fatalf("mariadbtest: %v\n%s", err, out)
	}
	// A server that starts removes what it takes for the remains of others in its tmpdir: the
	// tables that a server beside it has there for a query.
	temporary := filepath.Join(dir, "tmp")
	if err := os.Mkdir(temporary, 0o700); err != nil {
		t.Fatal(err)
	}
	pidFile := filepath.Join(dir, "pid")
	args = append([]string{
		"--no-defaults", "--datadir=" + filepath.Join(dir, "data"), "--tmpdir=" + temporary, "--socket=" + filepath.Join(dir, "s"),
		"--pid-file=" + pidFile, "--bind-address=127.0.0.1", "--skip-name-resolve",
		"--innodb-flush-log-at-trx-commit=2", // a kill of the process loses nothing
		"--innodb-log-file-size=16M", "--innodb-buffer-pool-size=32M", "--max-connections=2000", "--skip-log-bin",
	}, args...)
	if os.Getuid() == 0 {
		args = append(args, "--user=root")
	}
	d := daemon.Start(t, daemon.Program{
		Command: binary(t, "mariadbd"),
		Install: install,
		Ports:   1,
		Args: func(ports []int) []string {
			return append(args[:len(args):len(args)], "--port="+strconv.Itoa(ports[0]))
		},
		Answers: func(ports []int, pid int) bool {
			text, _ := os.ReadFile(pidFile)
			return strings.TrimSpace(string(text)) == strconv.Itoa(pid) && greets(daemon.Addr(ports[0]))
		},
	})
	return &Server{Server: d, Addr: daemon.Addr(d.Ports[0])}
}

// greets reports whether a server says something to a client that connects.
func greets(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	n, err := c.Read(make([]byte, 1))
	return n == 1 && err == nil
}
