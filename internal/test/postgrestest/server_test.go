//go:build unix

package postgrestest

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/daemon"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

// isThere reports whether a server answers the request for TLS, which needs no
// password and no user.
func isThere(s *Server) bool {
	c, err := net.DialTimeout("tcp", s.Addr(), time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := c.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil {
		return false
	}
	n, err := c.Read(make([]byte, 1))
	return err == nil && n == 1
}

func eventually(t *testing.T, what string, s *Server, want bool) {
	t.Helper()
	for begun := time.Now(); isThere(s) != want; time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > patience {
			t.Fatalf("%s: answers: %v", what, !want)
		}
	}
}

func TestAServerIsKilledFrozenAndBack(t *testing.T) {
	s := Start(t)
	eventually(t, "started", s, true)
	s.Freeze()
	if isThere(s) {
		t.Error("a frozen server answers")
	}
	for _, pid := range s.Children() {
		if !daemon.Stands(pid) {
			t.Errorf("process %d of a frozen server runs", pid)
		}
	}
	s.Thaw()
	eventually(t, "thawed", s, true)
	before := s.Children()
	if len(before) == 0 {
		t.Error("the server has no processes")
	}
	s.Kill()
	if isThere(s) {
		t.Error("a killed server answers")
	}
	for _, pid := range before {
		if daemon.Runs(pid) {
			t.Errorf("process %d outlives its server", pid)
		}
	}
	s.Restart()
	eventually(t, "restarted", s, true)
	s.Stop()
	if isThere(s) {
		t.Error("a stopped server answers")
	}
	s.Restart()
	s.Freeze() // and the test ends nevertheless
}

// walWriter returns the number of one of the server's processes, which it starts after it has
// answered for the first time.
func walWriter(t *testing.T, s *Server) int {
	t.Helper()
	for end := time.Now().Add(timeleft.Within(t, 30*time.Second)); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for _, p := range s.Children() {
			line, _ := os.ReadFile("/proc/" + strconv.Itoa(p) + "/cmdline")
			if strings.Contains(string(line), "walwriter") {
				return p
			}
		}
	}
	t.Fatal("the server has no walwriter")
	return 0
}

func TestACrashOfOneProcessLeavesTheServer(t *testing.T) {
	s := Start(t)
	pid := s.PID()
	s.CrashBackend(walWriter(t, s))
	eventually(t, "after a crash", s, true)
	if s.PID() != pid {
		t.Error("the server's own process is another one")
	}
}

// What killed servers leave to the machine fills it in the end, and /dev/shm of a container within
// one run of all tests.
func TestAKilledServerLeavesNoMemory(t *testing.T) {
	var segment string
	t.Run("a server", func(t *testing.T) {
		s := Start(t)
		s.Kill()
		s.Restart()
		segment = s.memory()
		maps, err := os.ReadFile("/proc/" + strconv.Itoa(s.PID()) + "/maps")
		if err != nil {
			t.Skip(err)
		}
		if strings.Contains(string(maps), "/dev/shm/") {
			t.Error("the server has a file in /dev/shm")
		}
		if !hasSegment(t, segment) {
			t.Errorf("the server has no segment %q", segment)
		}
	})
	if segment != "" && hasSegment(t, segment) {
		t.Errorf("the segment %s is left", segment)
	}
}

// hasSegment reports whether the machine has a segment of shared memory with this ID.
func hasSegment(t *testing.T, id string) bool {
	t.Helper()
	list, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(list)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == id {
			return true
		}
	}
	return false
}
