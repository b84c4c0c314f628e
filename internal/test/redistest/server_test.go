//go:build unix

package redistest_test

import (
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/redistest"
)

func TestAServerAnswersAndCountsItsCommands(t *testing.T) {
	s := redistest.Start(t)
	s.Reset()
	s.Command("SET", "a", "1")
	if got := s.Command("GET", "a"); got != "1" {
		t.Errorf("GET: got %q, want %q", got, "1")
	}
	s.Command("GET", "b")
	if got, want := s.Calls(t), map[string]int{"get": 2, "set": 1}; !maps.Equal(got, want) {
		t.Errorf("calls: got %v, want %v", got, want)
	}
	s.Flush()
	if got := s.Command("DBSIZE"); got != "0" {
		t.Errorf("keys after Flush: got %s, want 0", got)
	}
}

func TestAKilledServerIsGoneAndComesBackEmptyOnItsPort(t *testing.T) {
	s := redistest.Start(t)
	s.Command("SET", "a", "1")
	addr := s.Addr()
	s.Kill()
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Error("a killed server still takes connections")
	}
	s.Kill() // twice is once
	s.Restart()
	if s.Addr() != addr {
		t.Errorf("address: got %s, want %s", s.Addr(), addr)
	}
	if got := s.Command("GET", "a"); got != "" {
		t.Errorf("after a restart: got %q, want nothing", got)
	}
}

func TestAFrozenServerTakesConnectionsAndSaysNothing(t *testing.T) {
	s := redistest.Start(t)
	s.Freeze()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Write([]byte("PING\r\n"))
	conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := conn.Read(make([]byte, 16)); err == nil {
		t.Errorf("a frozen server said %d bytes", n)
	}
	s.Thaw()
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	b := make([]byte, 16)
	if n, err := conn.Read(b); err != nil || string(b[:n]) != "+PONG\r\n" {
		t.Errorf("after Thaw: got %q, %v", b[:n], err)
	}
	s.Freeze() // and the end of the test takes a frozen one away too
}

func TestAServerWithAPasswordAndASecondPort(t *testing.T) {
	s := redistest.Start(t, "--requirepass", "tell-nobody", "--cluster-enabled", "yes", "--cluster-port", "{port}")
	if got := s.Command("PING"); got != "PONG" {
		t.Errorf("got %q, want PONG", got)
	}
	if !strings.Contains(s.URL(), ":tell-nobody@") {
		t.Errorf("URL: got %s, want the password in it", s.URL())
	}
	if s.Extra() == 0 {
		t.Error("no second port")
	}
}
