//go:build unix

// Package daemon runs a real server for tests: started on free loopback ports, killed,
// frozen, started again with its data, and gone when the test ends.
package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-go/session/internal/test/printed"
)

// patience is how long a server may take to start, and to start again. A JVM beside
// other tests is slow. It decides nothing in a test that passes.
const patience = 90 * time.Second

// Server is a server of one test's own. It is killed when the test ends, frozen or not.
// Its methods may be called by any number of goroutines; what goes wrong fails the test.
type Server struct {
	// Ports are the loopback ports that the server was told to use. They stay the
	// same when it is started again.
	Ports []int

	t       TB
	program Program

	mu      sync.Mutex
	process *os.Process   // nil where none runs
	gone    chan struct{} // closed once process has ended
}

// Start runs the program until the test ends, and returns once it answers. Without the
// program the test fails, and says how to install it.
func Start(t TB, p Program) *Server {
	t.Helper()
	var err error
	if p.Command, err = Find(p.Command, p.Install); err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, program: p}
	t.Cleanup(s.Kill)
	s.mu.Lock()
	defer s.mu.Unlock()
	for range 5 { // where the kernel holds no port for a server, another process may take it in between
		s.Ports = takePorts(t, p.Ports)
		if err = s.startLocked(); err == nil {
			return s
		}
	}
	t.Fatal(err)
	return nil
}

// startLocked starts the process and returns nil once it answers.
func (s *Server) startLocked() error {
	if s.program.Prepare != nil {
		s.program.Prepare()
	}
	out := new(printed.Text)
	cmd := exec.Command(s.program.Command, s.program.Args(s.Ports)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr, cmd.Dir = s.program.User, s.program.Dir
	cmd.WaitDelay = patience // for one that it has started and that goes on printing
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("daemon: %w", err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(gone)
	}()
	s.process, s.gone = cmd.Process, gone
	answers := false
	for end := time.Now().Add(patience); time.Now().Before(end); {
		select {
		case <-gone: // and another server has the port, if there was an answer
			s.process = nil
			return fmt.Errorf("daemon: %q has ended: %s", cmd.Args, out)
		case <-time.After(2 * time.Millisecond):
		}
		if answers {
			return nil
		}
		answers = s.program.Answers(s.Ports, cmd.Process.Pid)
	}
	s.killLocked()
	s.t.Fatalf("daemon: %q does not answer within %v: %s", cmd.Args, patience, out)
	return nil
}

// PID returns the server's process ID, and 0 where none runs.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return 0
	}
	return s.process.Pid
}

// Children returns the IDs of the processes that the server has started.
func (s *Server) Children() []int {
	if pid := s.PID(); pid != 0 {
		return children(pid)
	}
	return nil
}

// Kill ends the server by SIGKILL, as a crash would, and returns once it is gone. It does
// nothing where none runs.
func (s *Server) Kill() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killLocked()
}

func (s *Server) killLocked() {
	if s.process == nil {
		return
	}
	_ = s.process.Signal(syscall.SIGSTOP) // first, so that it starts no process meanwhile
	left := s.familyLocked()
	for _, pid := range left {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = s.process.Kill()
	<-s.gone
	s.process = nil
	s.until("its processes end", func() bool { return !slices.ContainsFunc(left, Runs) })
}

// familyLocked returns the server's other processes.
func (s *Server) familyLocked() []int {
	if !s.program.Family {
		return nil
	}
	return children(s.process.Pid)
}

// Stop ends the server by a signal, as an operator does, and returns once it is gone.
func (s *Server) Stop(sig syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signalLocked(sig)
	<-s.gone
	s.process = nil
}

// Restart kills the server where it runs, and starts it on the same ports with what it
// has on disk. It returns once the server answers.
func (s *Server) Restart() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killLocked()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); { // the port may be taken for a moment
		if err = s.startLocked(); err == nil {
			return
		}
	}
	s.t.Fatal(err)
}

// Freeze stops the server by SIGSTOP and returns once all its threads stand: the kernel
// takes connections and bytes, and nothing is answered.
func (s *Server) Freeze() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signalLocked(syscall.SIGSTOP) // first, so that it starts no process meanwhile
	family := s.familyLocked()
	for _, pid := range family {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	family = append(family, s.process.Pid)
	s.until("it stops", func() bool {
		return !slices.ContainsFunc(family, func(pid int) bool { return !Stands(pid) })
	})
}

// Thaw ends Freeze.
func (s *Server) Thaw() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signalLocked(syscall.SIGCONT)
	for _, pid := range s.familyLocked() {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
}

func (s *Server) signalLocked(sig syscall.Signal) {
	s.t.Helper()
	if s.process == nil {
		s.t.Fatalf("daemon: %v: no %s runs", sig, s.program.Command)
	}
	if err := s.process.Signal(sig); err != nil {
		s.t.Fatalf("daemon: %s: %v: %v", s.program.Command, sig, err)
	}
}

// until waits for the effect of a signal.
func (s *Server) until(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("daemon: %s: waited in vain until %s", s.program.Command, what)
		}
	}
}
