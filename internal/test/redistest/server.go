//go:build unix

package redistest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to do what it was told. It decides
// nothing in a test that passes.
const patience = 20 * time.Second

// Server is a redis-server of one test's own, on a loopback port, with nothing
// saved to disk. It is killed when the test ends, frozen or not. Its methods
// may be called by any number of goroutines; what goes wrong fails the test.
type Server struct {
	t      testing.TB
	dir    string
	config string // a file, or ""
	args   []string
	port   int // stays the same for the life of the Server
	extra  int // what stands for {port} in args

	mu      sync.Mutex
	process *os.Process // nil where none runs
}

// Start runs redis-server with args behind the usual ones and returns once it
// answers. In args, "{port}" stands for a second free port, which Extra tells:
//
//	redistest.Start(t, "--tls-port", "{port}", "--tls-cert-file", cert)
//
// Where there is no redis-server the test fails, with the command that
// installs it.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(&Server{t: t, args: args})
}

// Sentinel runs redis-server as the sentinel that the file config describes,
// without its port. Sentinel writes to the file.
func Sentinel(t testing.TB, config string) *Server {
	t.Helper()
	return start(&Server{t: t, config: config, args: []string{"--sentinel"}})
}

func start(s *Server) *Server {
	t := s.t
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("redistest: no redis-server on this machine; install it with: apt-get install redis-server")
	}
	s.dir = t.TempDir()
	t.Cleanup(s.Kill)

	// A port that was free a moment ago may be taken by now.
	var err error
	for range 5 {
		s.port, s.extra = freePort(t), freePort(t)
		if err = s.run(); err == nil {
			return s
		}
	}
	t.Fatal(err)
	return nil
}

// Addr is the server's host and port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is the server's address as a redis:// URL, with the password if the
// server was started with --requirepass.
func (s *Server) URL() string {
	if p := s.password(); p != "" {
		return "redis://:" + p + "@" + s.Addr()
	}
	return "redis://" + s.Addr()
}

// Extra is the port that "{port}" in the arguments stood for.
func (s *Server) Extra() int { return s.extra }

// Dir is the server's working directory, which the test's end removes.
func (s *Server) Dir() string { return s.dir }

// Kill ends the server by SIGKILL and returns once it is gone. It does nothing
// where none runs.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return
	}
	s.process.Kill() // works on a frozen process too
	s.wait(0, func(w syscall.WaitStatus) bool { return w.Exited() || w.Signaled() })
	s.process.Release()
	s.process = nil
}

// Freeze stops the server by SIGSTOP: it takes connections and bytes, as the
// kernel does that, and answers nothing. It returns once the server stands.
func (s *Server) Freeze() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signal(syscall.SIGSTOP)
	s.wait(syscall.WUNTRACED, syscall.WaitStatus.Stopped)
}

// Thaw lets a frozen server go on.
func (s *Server) Thaw() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signal(syscall.SIGCONT)
}

// Restart kills the server if it runs and starts it again, empty, on the same
// port.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err = s.run(); err == nil {
			return
		}
	}
	s.t.Fatal(err)
}

// run starts the process and returns nil once it, and no other that may have
// taken the port, answers.
func (s *Server) run() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := filepath.Join(s.dir, "log")
	log, err := os.Create(path)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir}
	if s.config != "" {
		args = slices.Insert(args, 0, s.config)
	} else {
		args = append(args, "--save", "", "--appendonly", "no")
	}
	for _, a := range s.args {
		args = append(args, strings.ReplaceAll(a, "{port}", strconv.Itoa(s.extra)))
	}
	cmd := exec.Command("redis-server", args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.process = cmd.Process
	pid := fmt.Sprintf("process_id:%d\r\n", s.process.Pid)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if info, err := s.ask("INFO", "server"); err == nil && strings.Contains(info, pid) {
			return nil
		}
		var w syscall.WaitStatus
		if got, err := syscall.Wait4(s.process.Pid, &w, syscall.WNOHANG, nil); err != nil || got == s.process.Pid {
			break // it ended by itself
		}
	}
	s.process.Kill()
	s.wait(0, func(w syscall.WaitStatus) bool { return w.Exited() || w.Signaled() })
	s.process.Release()
	s.process = nil
	said, _ := os.ReadFile(path)
	return fmt.Errorf("redistest: redis-server %q did not start:\n%s", args, said)
}

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if s.process == nil {
		s.t.Fatalf("redistest: %v: no server runs", sig)
	}
	if err := s.process.Signal(sig); err != nil {
		s.t.Fatalf("redistest: %v: %v", sig, err)
	}
}

// wait returns when the process changed into the state that is says, or does
// not exist any more.
func (s *Server) wait(options int, is func(syscall.WaitStatus) bool) {
	for {
		var w syscall.WaitStatus
		if _, err := syscall.Wait4(s.process.Pid, &w, options, nil); err == syscall.EINTR {
			continue
		} else if err != nil || is(w) {
			return
		}
	}
}

func (s *Server) password() string {
	for i, a := range s.args {
		if a == "--requirepass" && i+1 < len(s.args) {
			return s.args[i+1]
		}
	}
	return ""
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
