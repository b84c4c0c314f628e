package relay_test

import (
	"net"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/relay"
)

// over returns a connection to an echo, over a line.
func over(t *testing.T, l *relay.Line) net.Conn {
	t.Helper()
	c, err := l.Dial(t.Context(), "tcp", "server.test:1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// say sends text and returns how long its echo took.
func say(t *testing.T, c net.Conn, text string) time.Duration {
	t.Helper()
	began := time.Now()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	hear(t, c, text)
	return time.Since(began)
}

func hear(t *testing.T, c net.Conn, text string) {
	t.Helper()
	got := make([]byte, 0, len(text))
	for len(got) < len(text) {
		n, err := c.Read(got[len(got):cap(got)])
		if err != nil {
			t.Fatalf("heard %q: %v", got, err)
		}
		got = got[:len(got)+n]
	}
	if string(got) != text {
		t.Errorf("heard %q, want %q", got, text)
	}
}

func TestALineTakesItsTime(t *testing.T) {
	l := relay.NewLine(t, echo(t))
	c := over(t, l)
	say(t, c, "at once")
	l.Delay(200 * time.Millisecond)
	if took := say(t, c, "late"); took < 200*time.Millisecond {
		t.Errorf("an echo over a line of 200 ms took %v", took)
	}
}

func TestALineStandsStillAndGoesOn(t *testing.T) {
	for _, d := range []relay.Direction{relay.Up, relay.Down} {
		l := relay.NewLine(t, echo(t))
		c := over(t, l)
		l.Hold(d)
		if _, err := c.Write([]byte("held")); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes came while the line stood still", n)
		}
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		l.Release()
		hear(t, c, "held")
	}
}

// What was on its way when the client hung up still arrives.
func TestWhatIsHeldArrivesWithoutItsClient(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	l := relay.NewLine(t, listener.Addr().String())
	c := over(t, l)
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = server.SetDeadline(time.Now().Add(20 * time.Second))
	l.Hold(relay.Up)
	if _, err := c.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	l.Release()
	hear(t, server, "late")
}

func TestALineIsCutAndMended(t *testing.T) {
	l := relay.NewLine(t, echo(t))
	c := over(t, l)
	say(t, c, "before")
	l.Cut()
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes came over a line that is cut", n)
	}
	if c, err := l.Dial(t.Context(), "tcp", "server.test:1"); err == nil {
		_ = c.Close()
		t.Error("a line that is cut was dialed")
	}
	l.Mend()
	say(t, over(t, l), "after")
}
