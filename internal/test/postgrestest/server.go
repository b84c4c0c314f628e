//go:build unix

// Package postgrestest runs the real PostgreSQL for tests: each server with a cluster
// of its own on a free loopback port, to be killed, frozen and restarted.
package postgrestest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/daemon"
)

// patience is how long a server may take to do what it was told. It decides
// nothing in a test that passes.
const patience = 30 * time.Second

// Server is a PostgreSQL of one test's own, with the database postgres and the
// superuser test, who needs no password. Kill ends all its processes, as a crash of the
// machine does. Committed rows survive every way to stop it, except in tables that are
// UNLOGGED: fsync is off, and only a crash of the machine would lose more.
type Server struct {
	*daemon.Server
	t        testing.TB
	dir      string
	settings []string
	as       *syscall.SysProcAttr // a user who may run PostgreSQL
}

// Start makes a cluster, runs PostgreSQL on it with settings such as
// "max_connections=20", and returns once it takes connections. Where there is no
// PostgreSQL the test fails, with the command that installs it.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := &Server{t: t, settings: settings, dir: t.TempDir()}
	var err error
	if s.as, err = newCluster(s.dir); err != nil {
		t.Fatal(err)
	}
	s.start()
	return s
}

// Standby starts a server that follows s. It is made from a base backup.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	standby := &Server{t: t, settings: s.settings, dir: t.TempDir()}
	var err error
	if standby.as, err = own(standby.dir); err != nil {
		t.Fatal(err)
	}
	if err := backup(s.URL(), standby); err != nil {
		t.Fatal(err)
	}
	standby.start()
	return standby
}

func (s *Server) start() {
	s.t.Helper()
	postgres, err := program("postgres")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.removeMemory) // when it is killed
	s.Server = daemon.Start(s.t, daemon.Program{
		Command: postgres,
		Install: install,
		Ports:   1,
		Prepare: func() { _ = os.Remove(s.pidFile()) }, // of one that was killed
		Args: func(ports []int) []string {
			args := []string{"-D", s.data(), "-p", strconv.Itoa(ports[0])}
			for _, setting := range append([]string{
				"listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=200", "shared_buffers=32MB",
				"dynamic_shared_memory_type=mmap", // in the cluster, and not in /dev/shm: a server that is killed leaves it
			}, s.settings...) {
				args = append(args, "-c", setting)
			}
			return args
		},
		Answers: func(_ []int, pid int) bool { // as pg_ctl finds out
			text, _ := os.ReadFile(s.pidFile())
			lines := strings.Split(string(text), "\n")
			return len(lines) > 7 && lines[0] == strconv.Itoa(pid) && slices.Contains([]string{"ready", "standby"}, strings.TrimSpace(lines[7]))
		},
		Family: true,
		User:   s.as,
		Dir:    s.dir,
	})
}

// removeMemory removes the segment of System V that a killed server leaves: the machine has only
// so many.
func (s *Server) removeMemory() {
	if id := s.memory(); id != "" {
		_ = exec.Command("ipcrm", "-m", id).Run()
	}
}

// memory returns the ID of the segment, which the PID file names. A server that was stopped has
// none.
func (s *Server) memory() string {
	text, _ := os.ReadFile(s.pidFile())
	if lines := strings.Split(string(text), "\n"); len(lines) > 6 {
		if fields := strings.Fields(lines[6]); len(fields) == 2 { // its key, and its ID
			return fields[1]
		}
	}
	return ""
}

func (s *Server) pidFile() string { return filepath.Join(s.data(), "postmaster.pid") }

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Addr is the server's host and port.
func (s *Server) Addr() string { return daemon.Addr(s.Ports[0]) }

// URL is the server's address, with its superuser.
func (s *Server) URL() string { return s.URLAt(s.Addr()) }

// URLAt is the URL of the server behind a proxy at address.
func (s *Server) URLAt(address string) string {
	return "postgres://test@" + address + "/postgres?sslmode=disable"
}

// Stop shuts the server down as an operator does: connections are closed, and
// tables that are UNLOGGED keep what they hold.
func (s *Server) Stop() {
	s.t.Helper()
	s.Server.Stop(syscall.SIGINT)
}

// CrashBackend ends the process with this number by SIGKILL, as the kernel does
// where memory runs out. PostgreSQL then ends all its other processes and recovers;
// the server's own process goes on, and takes no connections for a moment.
func (s *Server) CrashBackend(pid int) {
	s.t.Helper()
	if !slices.Contains(s.Children(), pid) {
		s.t.Fatalf("postgrestest: process %d is none of the server's", pid)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for deadline := time.Now().Add(patience); slices.Contains(s.Children(), pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("postgrestest: process %d does not end", pid)
		}
	}
}
