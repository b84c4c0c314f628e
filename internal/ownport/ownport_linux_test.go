package ownport_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/holdfast-go/session/internal/ownport"
)

// portRange is IP_LOCAL_PORT_RANGE of Linux 6.3: from which ports the kernel chooses for a socket.
const portRange = 51

// only makes the kernel choose between one port and none.
func only(port int) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, portRange, port|port<<16)
		})
		return errors.Join(err, failed)
	}
}

// anyPort listens on any port, where the kernel has only this one to choose from.
func anyPort(t *testing.T, port int) error {
	t.Helper()
	l, err := (&net.ListenConfig{Control: only(port)}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if errors.Is(err, syscall.ENOPROTOOPT) {
		t.Skip("this kernel is older than Linux 6.3, and chooses from all ports")
	}
	if err == nil {
		_ = l.Close()
	}
	return err
}

func take(t *testing.T) *ownport.Port {
	t.Helper()
	p, err := ownport.Take()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestNoProgramThatAsksForAnyPortIsGivenOneThatIsTaken(t *testing.T) {
	p := take(t)
	serves := func() {
		t.Helper()
		l, err := net.Listen("tcp", p.Addr())
		if err != nil {
			t.Fatalf("the server that the port is for: %v", err)
		}
		defer func() { _ = l.Close() }()
		c, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
	isDown := func(when string) {
		t.Helper()
		if err := anyPort(t, p.Number); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s, another server: got %v, want %v", when, err, syscall.EADDRINUSE)
		}
		other, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = other.Close() }()
		c, err := (&net.Dialer{Control: only(p.Number)}).DialContext(t.Context(), "tcp", other.Addr().String())
		if err == nil {
			_ = c.Close()
			t.Errorf("%s: a client was given the port", when)
		}
		if c, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s, a connection to it: got %v, %v, want %v", when, c, err, syscall.ECONNREFUSED)
		}
	}
	isDown("before the server starts")
	serves()
	isDown("when the server has ended")
	serves()
	p.Close()
	p.Close() // twice is once
}

func TestAPortThatIsGivenBackIsForAnybody(t *testing.T) {
	p := take(t)
	p.Close()
	if err := anyPort(t, p.Number); err != nil {
		t.Error(err)
	}
}
