//go:build unix

// Package memcachedtest runs the real memcached for tests: each server on a
// free loopback port of its own, to be killed, frozen and restarted empty.
package memcachedtest

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/test/daemon"
)

// Server is a running memcached.
type Server struct {
	*daemon.Server

	// Addr is its "host:port", or "unix:///path" after StartUnix.
	Addr string

	t daemon.TB
}

// Start runs memcached with args until the test ends. Without the binary the
// test fails, and says how to install it.
func Start(t daemon.TB, args ...string) *Server {
	t.Helper()
	d := daemon.Start(t, daemon.Program{
		Command: "memcached",
		Install: install,
		Ports:   1,
		Args: func(ports []int) []string {
			return append([]string{"-u", "nobody", "-l", "127.0.0.1", "-p", strconv.Itoa(ports[0])}, args...)
		},
		Answers: func(ports []int, _ int) bool { return connects("tcp", daemon.Addr(ports[0])) },
	})
	return &Server{Server: d, Addr: daemon.Addr(d.Ports[0]), t: t}
}

const install = "apt-get install memcached"

// StartUnix runs memcached on a unix socket.
func StartUnix(t daemon.TB, args ...string) *Server {
	t.Helper()
	path := filepath.Join(Dir(t), "memcached.sock")
	d := daemon.Start(t, daemon.Program{
		Command: "memcached",
		Install: install,
		Args: func([]int) []string {
			return append([]string{"-u", "nobody", "-s", path, "-a", "0777"}, args...)
		},
		Answers: func([]int, int) bool { return connects("unix", path) },
	})
	return &Server{Server: d, Addr: "unix://" + path, t: t}
}

// connects reports whether a server takes connections. A memcached whose port another
// server has taken ends within the time that this takes.
func connects(network, addr string) bool {
	nc, err := net.Dial(network, addr)
	if err != nil {
		return false
	}
	_ = nc.Close()
	time.Sleep(20 * time.Millisecond)
	return true
}

// Dir makes a directory that memcached may read and write, which runs as
// nobody where the test runs as root.
func Dir(t daemon.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "memcachedtest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Passwords writes a file of passwords for the argument -Y, "user:password" a line, and returns
// its path. memcached may read it, whatever the umask of the test.
func Passwords(t daemon.TB, lines string) (file string) {
	t.Helper()
	file = filepath.Join(Dir(t), "passwords")
	if err := errors.Join(os.WriteFile(file, []byte(lines), 0o600), os.Chmod(file, 0o644)); err != nil {
		t.Fatal(err)
	}
	return file
}

func (s *Server) dial() (net.Conn, error) {
	if path, ok := strings.CutPrefix(s.Addr, "unix://"); ok {
		return net.Dial("unix", path)
	}
	return net.Dial("tcp", s.Addr)
}

// Flush empties the server.
func (s *Server) Flush() {
	s.t.Helper()
	if got := s.Command("flush_all\r\n"); got != "OK" {
		s.t.Fatalf("memcachedtest: flush_all: %s", got)
	}
}

// Command sends one command, in plain text, and returns the first line of the
// answer.
func (s *Server) Command(command string) string {
	s.t.Helper()
	return strings.TrimRight(s.CommandUntil(command, "\r\n"), "\r\n")
}

// CommandUntil sends one command and returns the answer up to end.
func (s *Server) CommandUntil(command, end string) string {
	s.t.Helper()
	answer, err := s.Try(command, end)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer
}

// Try is CommandUntil for a server that may be away.
func (s *Server) Try(command, end string) (string, error) {
	nc, err := s.dial()
	if err != nil {
		return "", err
	}
	defer func() { _ = nc.Close() }()
	if err := nc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := nc.Write([]byte(command)); err != nil {
		return "", err
	}
	var answer []byte
	for b := make([]byte, 1); !bytes.HasSuffix(answer, []byte(end)); answer = append(answer, b...) {
		if _, err := nc.Read(b); err != nil {
			return "", err
		}
	}
	return string(answer), nil
}
