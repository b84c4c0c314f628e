package relay_test

import (
	"bytes"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/ownport"
	"github.com/holdfast-go/session/internal/test/relay"
)

// echo serves what it is sent, and returns its address.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c) }()
		}
	}()
	return l.Addr().String()
}

func TestWhatPassesMayBeChangedOrEnded(t *testing.T) {
	var accepted atomic.Int32
	address := relay.Relay{
		Accepted: func() { accepted.Add(1) },
		Up: func(b []byte) []byte {
			if bytes.HasPrefix(b, []byte("end")) {
				return nil
			}
			return b
		},
		Down: bytes.ToUpper,
	}.Start(t, echo(t))
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "HELLO" {
		t.Errorf("got %q, %v, want HELLO", got, err)
	}
	if _, err := c.Write([]byte("end")); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
		t.Errorf("after the end: got %q, %v", rest, err)
	}
	if n := accepted.Load(); n != 1 {
		t.Errorf("got %d connections, want 1", n)
	}
}

func TestAServerThatIsAwayEndsTheConnection(t *testing.T) {
	nowhere, err := ownport.Take()
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Close()
	c, err := net.Dial("tcp", relay.Relay{}.Start(t, nowhere.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
		t.Errorf("got %q, %v, want the end", rest, err)
	}
}
