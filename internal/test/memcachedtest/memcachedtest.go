//go:build unix

// Package memcachedtest runs the real memcached for tests: each server on a
// free loopback port of its own, to be killed, frozen and restarted.
package memcachedtest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Server is a running memcached. Its methods are for one goroutine.
type Server struct {
	// Addr is its "host:port", or "unix:///path" after StartUnix.
	Addr string

	t    TB
	args []string
	cmd  *exec.Cmd
	out  *output
}

// TB is what Server needs of a test: *testing.T, *testing.B, or *Main.
type TB interface {
	Helper()
	Cleanup(func())
	Logf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Main is a TB for TestMain, where examples need a server. Its failures panic.
type Main struct{ cleanups []func() }

// Close runs what Cleanup was given, the last first.
func (m *Main) Close() {
	for _, f := range slices.Backward(m.cleanups) {
		f()
	}
}

func (m *Main) Helper()                           {}
func (m *Main) Cleanup(f func())                  { m.cleanups = append(m.cleanups, f) }
func (m *Main) Logf(format string, args ...any)   { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (m *Main) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (m *Main) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// output is what a process printed so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// Start runs memcached with args until the test ends. Without the binary the
// test fails, and says how to install it.
func Start(t TB, args ...string) *Server {
	t.Helper()
	for range 5 { // another process may take the port in between
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		_ = l.Close()
		host, port, _ := net.SplitHostPort(addr)
		s := &Server{Addr: addr, t: t, args: append([]string{"-l", host, "-p", port}, args...)}
		if s.start() {
			return s
		}
		t.Logf("memcached on port %s: %s", port, s.out)
	}
	t.Fatal("memcachedtest: memcached does not start")
	return nil
}

// StartUnix runs memcached on a unix socket.
func StartUnix(t TB, args ...string) *Server {
	t.Helper()
	path := filepath.Join(Dir(t), "memcached.sock")
	s := &Server{Addr: "unix://" + path, t: t, args: append([]string{"-s", path, "-a", "0777"}, args...)}
	if !s.start() {
		t.Fatalf("memcachedtest: memcached does not start: %s", s.out)
	}
	return s
}

// Dir makes a directory that memcached may read and write, which runs as
// nobody where the test runs as root.
func Dir(t TB) string {
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

func (s *Server) start() bool {
	s.t.Helper()
	path, err := exec.LookPath("memcached")
	if err != nil {
		s.t.Fatal("memcachedtest: no memcached here; install it: apt-get install memcached")
	}
	s.out = new(output)
	s.cmd = exec.Command(path, append([]string{"-u", "nobody"}, s.args...)...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	process, gone := s.cmd.Process, make(chan struct{})
	go func() {
		_, _ = process.Wait()
		close(gone)
	}()
	s.t.Cleanup(func() {
		_ = process.Kill() // ends a frozen one too
		<-gone
	})
	for {
		if nc, err := s.dial(); err == nil {
			_ = nc.Close()
			// It may be somebody else's server: ours is alive if it holds the port.
			select {
			case <-gone:
				return false
			case <-time.After(20 * time.Millisecond):
				return true
			}
		}
		select {
		case <-gone:
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *Server) dial() (net.Conn, error) {
	if path, ok := strings.CutPrefix(s.Addr, "unix://"); ok {
		return net.Dial("unix", path)
	}
	return net.Dial("tcp", s.Addr)
}

// Kill ends the server as a crash would (SIGKILL). It returns when the port
// refuses connections.
func (s *Server) Kill() {
	s.t.Helper()
	_ = s.cmd.Process.Kill()
	s.poll("the port to be closed", func() bool {
		nc, err := s.dial()
		if err == nil {
			_ = nc.Close()
		}
		return err != nil
	})
}

// Restart kills the server and starts it anew, empty, at the same address.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if !s.start() {
		s.t.Fatalf("memcachedtest: memcached does not restart: %s", s.out)
	}
}

// Freeze stops the process (SIGSTOP): the kernel goes on accepting connections
// and bytes, nobody answers.
func (s *Server) Freeze() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
	s.poll("all threads to stop", func() bool {
		// Where there is no /proc there is nothing to look at.
		stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.cmd.Process.Pid))
		for _, name := range stats {
			stat, _ := os.ReadFile(name)
			_, state, _ := bytes.Cut(stat, []byte(") "))
			if !bytes.HasPrefix(state, []byte("T")) {
				return false
			}
		}
		return true
	})
}

// Thaw ends Freeze.
func (s *Server) Thaw() {
	s.t.Helper()
	s.signal(syscall.SIGCONT)
}

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
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
	nc, err := s.dial()
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	if err := nc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := nc.Write([]byte(command)); err != nil {
		s.t.Fatal(err)
	}
	var answer []byte
	for b := make([]byte, 1); !bytes.HasSuffix(answer, []byte(end)); answer = append(answer, b...) {
		if _, err := nc.Read(b); err != nil {
			s.t.Fatal(err)
		}
	}
	return string(answer)
}

func (s *Server) poll(what string, done func() bool) {
	s.t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("memcachedtest: waited in vain for %s", what)
		}
	}
}
