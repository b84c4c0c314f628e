package handshake_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/handshake"
)

const (
	one = "Set-Cookie: a=1; Path=/"
	two = "Set-Cookie: b=2"
)

func TestTheHeadThatIsWrittenHasTheLines(t *testing.T) {
	for _, test := range []struct {
		name   string
		writes []string
		want   string
		lost   int
	}{
		{"a handshake", []string{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\nraw"},
			"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n" + one + "\r\n" + two + "\r\n\r\nraw", 0},
		{"in pieces", []string{"HT", "TP/1.1 101 OK\r\nUpgrade: echo\r", "\n\r", "\nraw", "more"},
			"HTTP/1.1 101 OK\r\nUpgrade: echo\r\n" + one + "\r\n" + two + "\r\n\r\nrawmore", 0},
		{"with one of them", []string{"HTTP/1.1 101 OK\r\nset-cookie:  b=2\r\n\r\n", "raw"},
			"HTTP/1.1 101 OK\r\nset-cookie:  b=2\r\n" + one + "\r\n\r\nraw", 0},
		{"a second answer", []string{"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"},
			"HTTP/1.1 200 OK\r\n" + one + "\r\n" + two + "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 0},
		{"no head", []string{"raw ", "bytes"}, "raw bytes", 1},
		{"a head without an end", []string{"HTTP/1.1 200 OK\r\n" + strings.Repeat("x", 70_000), "y"}, "HTTP/1.1 200 OK\r\n" + strings.Repeat("x", 70_000) + "y", 1},
		{"half a head", []string{"HTTP/1.1 200"}, "HTTP/1.1 200", 1},
		{"nothing", nil, "", 1},
	} {
		for _, buffered := range []bool{false, true} {
			server, client := net.Pipe()
			lost := 0
			c, rw := handshake.Carry(server, bufio.NewReadWriter(bufio.NewReader(server), bufio.NewWriter(server)), []string{one, two}, func() { lost++ })
			go func() {
				for _, text := range test.writes {
					if buffered {
						_, _ = rw.WriteString(text)
						_ = rw.Flush()
					} else if n, err := c.Write([]byte(text)); n != len(text) || err != nil {
						t.Errorf("%s: wrote %d, %v", test.name, n, err)
					}
				}
				c.Close()
			}()
			if got, err := io.ReadAll(client); string(got) != test.want || err != nil || lost != test.lost {
				t.Errorf("%s: got %.200q, %v, lost %d times, want %.200q, %d", test.name, got, err, lost, test.want, test.lost)
			}
		}
	}
}

func TestWithoutLinesTheConnectionIsTheSame(t *testing.T) {
	server, client := net.Pipe()
	defer client.Close()
	defer server.Close()
	if c, _ := handshake.Carry(server, nil, nil, nil); c != server {
		t.Errorf("got a %T", c)
	}
}

// A client that reads no more holds a Write up. Close ends it, as that of every net.Conn.
func TestCloseEndsAWriteThatIsHeldUp(t *testing.T) {
	server, client := net.Pipe()
	c, _ := handshake.Carry(server, bufio.NewReadWriter(bufio.NewReader(server), bufio.NewWriter(server)), []string{one}, func() {})
	go func() { _, _ = c.Write([]byte("HTTP/1.1 101 OK\r\n\r\n")) }()
	if _, err := client.Read(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write([]byte("two bytes of this frame are read"))
		wrote <- err
	}()
	if _, err := io.ReadFull(client, make([]byte, 2)); err != nil { // the Write is under way
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- c.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		_ = server.Close()
		t.Error("Close waits for the Write")
	}
	if err := <-wrote; err == nil {
		t.Error("the Write that was held up has succeeded")
	}
}
