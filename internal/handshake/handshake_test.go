package handshake_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/handshake"
	"github.com/holdfast-go/session/internal/test/timeleft"
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
	case <-time.After(timeleft.Patience):
		_ = server.Close()
		t.Error("Close waits for the Write")
	}
	if err := <-wrote; err == nil {
		t.Error("the Write that was held up has succeeded")
	}
}

// tcp returns both ends of a connection over TCP.
func tcp(t *testing.T) (server, client *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Close(), s.Close() })
	return s.(*net.TCPConn), c.(*net.TCPConn)
}

// only has the methods of net.Conn and CloseWrite.
type only struct {
	net.Conn
	halfClosed bool
}

func (o *only) CloseWrite() error {
	o.halfClosed = true
	return o.Close()
}

func carry(c net.Conn, lost func()) net.Conn {
	out, _ := handshake.Carry(c, bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c)), []string{one, two}, lost)
	return out
}

const (
	upgrade = "HTTP/1.1 101 OK\r\nUpgrade: echo\r\n\r\n"
	carried = "HTTP/1.1 101 OK\r\nUpgrade: echo\r\n" + one + "\r\n" + two + "\r\n\r\n"
)

// Libraries look for what a connection can do beyond net.Conn, and take another way
// where it cannot.
func TestTheConnectionCanDoWhatTheServersCan(t *testing.T) {
	server, _ := tcp(t)
	c := carry(server, func() {})
	for name, can := range map[string]bool{
		"CloseWrite":  can[interface{ CloseWrite() error }](c),
		"CloseRead":   can[interface{ CloseRead() error }](c),
		"SyscallConn": can[syscall.Conn](c),
		"ReadFrom":    can[io.ReaderFrom](c),
		"SetNoDelay":  can[interface{ SetNoDelay(bool) error }](c),
		"NetConn":     can[interface{ NetConn() net.Conn }](c),
	} {
		if !can {
			t.Errorf("over TCP there is no %s", name)
		}
	}
	secure := tls.Server(server, &tls.Config{MinVersion: tls.VersionTLS13})
	lost := 0
	c = carry(secure, func() { lost++ })
	if half, ok := c.(interface{ CloseWrite() error }); !ok || half.CloseWrite() == nil || lost != 1 { // before the TLS handshake
		t.Errorf("over TLS CloseWrite is not that of the connection, or tells nothing: %T, lost %d times", c, lost)
	}
	if !can[interface{ ConnectionState() tls.ConnectionState }](c) {
		t.Errorf("over TLS there is no ConnectionState: %T", c)
	}
	if n, ok := c.(interface{ NetConn() net.Conn }); !ok || n.NetConn() != net.Conn(secure) {
		t.Error("over TLS NetConn does not return the server's connection")
	}
	pipe, other := net.Pipe()
	defer other.Close()
	if c = carry(pipe, func() {}); can[interface{ CloseWrite() error }](c) || can[syscall.Conn](c) {
		t.Error("a pipe has more than before")
	}
	o := &only{Conn: pipe}
	if half, ok := carry(o, func() { lost++ }).(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil || !o.halfClosed || lost != 2 {
		t.Error("no CloseWrite where the server's connection has nothing else")
	}
}

func can[T any](c net.Conn) bool {
	_, ok := c.(T)
	return ok
}

// What is written by the further methods has the lines, too, and lets out what was held
// back.
func TestNoMethodGoesPastTheHead(t *testing.T) {
	for _, test := range []struct {
		name string
		send func(c net.Conn) error
		want string
		lost int
	}{
		{"ReadFrom", func(c net.Conn) error {
			n, err := io.Copy(c, io.MultiReader(strings.NewReader(upgrade[:9]), strings.NewReader(upgrade[9:]+"ra"), strings.NewReader("w")))
			if want := int64(len(upgrade) + len("raw")); err == nil && n != want {
				err = fmt.Errorf("%d bytes, want %d", n, want)
			}
			return err
		}, carried + "raw", 0},
		{"ReadFrom, after the head", func(c net.Conn) error {
			if _, err := io.WriteString(c, upgrade); err != nil {
				return err
			}
			_, err := io.Copy(c, strings.NewReader("raw"))
			return err
		}, carried + "raw", 0},
		{"CloseWrite, after the head", func(c net.Conn) error { _, err := io.WriteString(c, upgrade); return err }, carried, 0},
		{"CloseWrite, with half a head", func(c net.Conn) error { _, err := io.WriteString(c, "HTTP/1.1 101"); return err }, "HTTP/1.1 101", 1},
		{"CloseWrite alone", func(net.Conn) error { return nil }, "", 1},
	} {
		server, client := tcp(t)
		lost := 0
		c := carry(server, func() { lost++ })
		if err := test.send(c); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if got, err := io.ReadAll(client); string(got) != test.want || err != nil || lost != test.lost {
			t.Errorf("%s: got %q, %v, lost %d times, want %q, %d", test.name, got, err, lost, test.want, test.lost)
		}
		_, _ = io.WriteString(client, "still") // only one direction is closed
		_ = client.CloseWrite()
		if got, err := io.ReadAll(c); string(got) != "still" || err != nil {
			t.Errorf("%s: then the server reads %q, %v", test.name, got, err)
		}
	}
}
