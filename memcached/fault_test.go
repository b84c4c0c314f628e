package memcached_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/memcached"
)

const (
	goodStats    = "STAT pid 7\r\nSTAT uptime 100\r\nSTAT time 1800000000\r\nSTAT version 1.6.18\r\nEND\r\n"
	goodSettings = "STAT item_size_max 1048576\r\nSTAT cas_enabled yes\r\nEND\r\n"
)

// fake is a server that answers the handshake as memcached does, and then as
// serve says.
func fake(t *testing.T, serve func(nc net.Conn, br *bufio.Reader)) (addr string) {
	t.Helper()
	return fakeHello(t, "MN\r\n", goodSettings+goodStats, serve)
}

func fakeHello(t *testing.T, hello, stats string, serve func(nc net.Conn, br *bufio.Reader)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer nc.Close()
				br := bufio.NewReader(nc)
				if line, _ := br.ReadString('\n'); line != "mn\r\n" {
					return
				}
				if nc.Write([]byte(hello)); hello != "MN\r\n" {
					br.ReadString('\n') // until the client hangs up
					return
				}
				for _, want := range []string{"stats settings\r\n", "stats\r\n"} {
					if line, _ := br.ReadString('\n'); line != want {
						return
					}
				}
				nc.Write([]byte(stats))
				serve(nc, br)
			})
		}
	})
	return l.Addr().String()
}

// readRequest reads a request without a value, and returns its opaque.
func readRequest(br *bufio.Reader) (line, opaque string, err error) {
	line, err = br.ReadString('\n')
	_, opaque, _ = strings.Cut(strings.TrimSpace(line), " O")
	return line, opaque, err
}

func TestABrokenReplyIsAnErrorAndNeverAValue(t *testing.T) {
	noneLeft(t)
	for _, test := range []struct {
		name  string
		reply string // # is the opaque
		want  string
		open  bool // the fake leaves the connection open
	}{
		{"nonsense", "nonsense\r\n", "unknown reply", true},
		{"binary nonsense", "\x81\x00\x00\x00\r\n", "unknown reply", true},
		{"an empty line", "\r\n", "unknown reply", true},
		{"of the text protocol", "VALUE k 0 5\r\nwrong\r\nEND\r\n", "unknown reply", true},
		{"half a line, then closed", "VA 5 f0 c1 O#", "unexpected EOF", false},
		{"nothing, then closed", "", "closed", false},
		{"closed in the middle of a value", "VA 5 f0 c1 O#\r\nwro", "unexpected EOF", false},
		{"closed before the end of a value", "VA 5 f0 c1 O#\r\nwrong", "unexpected EOF", false},
		{"a value longer than announced", "VA 5 f0 c1 O#\r\nwrong value\r\n", "longer than announced", true},
		{"another's opaque", "VA 5 f0 c1 O1#\r\nwrong\r\n", "opaque", true},
		{"no opaque", "VA 5 f0 c1\r\nwrong\r\n", "opaque", true},
		{"two opaques", "VA 5 f0 c1 O1 O#\r\nwrong\r\n", "flag", true},
		{"a miss of another's", "EN O1#\r\n", "opaque", true},
		{"a miss of nobody's", "EN\r\n", "opaque", true},
		{"a value without CAS", "VA 5 f0 O#\r\nwrong\r\n", "without flags or CAS", true},
		{"a value without flags", "VA 5 c1 O#\r\nwrong\r\n", "without flags or CAS", true},
		{"a CAS that is no number", "VA 5 f0 cx O#\r\nwrong\r\n", "flag", true},
		{"flags over 32 bits", "VA 5 f4294967296 c1 O#\r\nwrong\r\n", "flag", true},
		{"the reply to a set", "HD c1 O#\r\n", "another kind", true},
		{"the reply to mn", "MN\r\n", "unknown reply", true},
		{"a length of 2^63", "VA 9223372036854775808 f0 c1 O#\r\n", "longer than", true},
		{"a length beyond 64 bits", "VA 99999999999999999999 f0 c1 O#\r\n", "without a length", true},
		{"a negative length", "VA -1 f0 c1 O#\r\n", "without a length", true},
		{"a length over the server's limit", "VA 1048577 f0 c1 O#\r\n", "longer than", true},
		{"no length", "VA f0 c1 O#\r\nwrong\r\n", "without a length", true},
		{"a line without CR", "EN O#\n", "without CRLF", true},
		{"a line without end", strings.Repeat("x", 100_000), "too long", true},
		{"an error of the client's", "CLIENT_ERROR bad command line format\r\n", "CLIENT_ERROR bad command line format", true},
		{"an unknown command", "ERROR\r\n", "ERROR", true},
		{"an error of the server's", "SERVER_ERROR out of memory\x00\x1b[31m\r\n", "SERVER_ERROR out of memory[31m", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			addr := fake(t, func(nc net.Conn, br *bufio.Reader) {
				for {
					line, opaque, err := readRequest(br)
					if err != nil {
						return
					}
					if strings.HasPrefix(line, "mg good ") {
						fmt.Fprintf(nc, "VA 4 f3 c9 O%s\r\ngood\r\n", opaque)
						continue
					}
					nc.Write([]byte(strings.ReplaceAll(test.reply, "#", opaque)))
					if !test.open {
						return
					}
				}
			})
			c, err := memcached.New(memcached.Servers(addr), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			ctx := within(t, time.Minute)
			for range 3 { // the reader's reply first, then a lone caller's
				eventually(t, "a good reply is taken", func() bool {
					good, err := c.Get(ctx, "good")
					if err == nil && (string(good.Value) != "good" || good.Flags != 3 || good.Token.CAS != 9) {
						t.Fatalf("got %+v", good)
					}
					return err == nil
				})
				got, err := c.Get(ctx, "bad")
				var node *memcached.NodeError
				if !errors.As(err, &node) || !node.Sent || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %q in it", err, test.want)
				}
				if got.Value != nil {
					t.Errorf("got a value: %q", got.Value)
				}
				if err != nil && (strings.Contains(err.Error(), "wro") || strings.Contains(err.Error(), "bad ") && test.want != "CLIENT_ERROR bad command line format") {
					t.Errorf("the error quotes what came: %v", err)
				}
			}
		})
	}
}

func TestRepliesInAnotherOrderReachNobody(t *testing.T) {
	addr := fake(t, func(nc net.Conn, br *bufio.Reader) {
		for {
			first, opaque1, err1 := readRequest(br)
			second, opaque2, err2 := readRequest(br)
			if err1 != nil || err2 != nil {
				return
			}
			fmt.Fprintf(nc, "VA %d f0 c1 O%s\r\n%s\r\n", len(second), opaque2, second)
			fmt.Fprintf(nc, "VA %d f0 c1 O%s\r\n%s\r\n", len(first), opaque1, first)
		}
	})
	c, err := memcached.New(memcached.Servers(addr), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	together(2, func(i int) {
		got, err := c.Get(within(t, time.Minute), fmt.Sprint("key", i))
		if err == nil {
			t.Errorf("got %q", got.Value)
		}
	})
}

func TestAReplyTooManyEndsTheConnection(t *testing.T) {
	addr := fake(t, func(nc net.Conn, br *bufio.Reader) {
		for {
			_, opaque, err := readRequest(br)
			if err != nil {
				return
			}
			// The second has the opaque of the next request.
			fmt.Fprintf(nc, "VA 5 f0 c1 O%s\r\nright\r\nVA 5 f0 c1 O%s\r\nwrong\r\n", opaque, next(opaque))
		}
	})
	c, err := memcached.New(memcached.Servers(addr), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 200 {
		got, err := c.Get(within(t, time.Minute), "k")
		if err == nil && string(got.Value) != "right" {
			t.Fatalf("got %q", got.Value)
		}
	}
}

func next(opaque string) string {
	var n uint64
	fmt.Sscan(opaque, &n)
	return fmt.Sprint(n + 1)
}

func TestSlowBytesMakeAValueOrAnErrorAtTheDeadline(t *testing.T) {
	var left atomic.Pointer[chan struct{}] // is closed once the caller has left who is not to have a whole reply
	addr := fake(t, func(nc net.Conn, br *bufio.Reader) {
		for {
			_, opaque, err := readRequest(br)
			if err != nil {
				return
			}
			reply := "VA 10 f0 c1 O" + opaque + "\r\n0123456789\r\n"
			for i := range len(reply) {
				if i == len(reply)/2 {
					<-*left.Load()
				}
				if _, err := nc.Write([]byte{reply[i]}); err != nil {
					return
				}
				time.Sleep(time.Millisecond) // is what slow means
			}
		}
	})
	c, err := memcached.New(memcached.Servers(addr), &memcached.Options{Timeout: timeleft.Patience})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 5 {
		leaves := make(chan struct{})
		left.Store(&leaves)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := c.Get(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d: got %v, want context.DeadlineExceeded", i, err)
		}
		cancel()
		close(leaves)
		if got, err := c.Get(within(t, time.Minute), "k"); err != nil || string(got.Value) != "0123456789" {
			t.Errorf("%d: got %q, %v", i, got.Value, err)
		}
	}
}

func TestTheServersOwnTooLargeIsErrTooLarge(t *testing.T) {
	addr := fakeHello(t, "MN\r\n", "ERROR\r\n"+goodStats, func(nc net.Conn, br *bufio.Reader) {
		for {
			if _, _, err := readRequest(br); err != nil {
				return
			}
			br.Discard(3 + 2)
			nc.Write([]byte("SERVER_ERROR object too large for cache\r\n"))
		}
	})
	c, err := memcached.New(memcached.Servers(addr), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		_, err := c.Set(within(t, time.Minute), "k", memcached.Item{Value: []byte("big")})
		var server *memcached.ServerError
		if !errors.Is(err, memcached.ErrTooLarge) || !errors.As(err, &server) {
			t.Errorf("got %v, want ErrTooLarge and the ServerError", err)
		}
	}
}

func TestWhatIsNotMemcachedIsNamed(t *testing.T) {
	const old = "STAT pid 7\r\nSTAT uptime 100\r\nSTAT time 1800000000\r\nSTAT version 1.6.9\r\nEND\r\n"
	for _, test := range []struct {
		name, hello, stats string
		notMeta            bool
		want               string
	}{
		{"memcached 1.5", "ERROR\r\n", "", true, "1.6.13 or later"},
		{"memcached 1.6.9", "MN\r\n", goodSettings + old, true, `version "1.6.9"`},
		{"memcached's proxy", "MN\r\n", goodSettings + "STAT proxy_config_reloads 1\r\n" + goodStats, true, "proxy"},
		{"a server without stats", "MN\r\n", strings.Repeat("ERROR\r\n", 2), true, "no pid"},
		{"a server that answers nonsense", "HTTP/1.1 400 Bad Request\r\n", "", false, "broken reply"},
		{"a server with too many connections", "ERROR Too many open connections\r\n", "", false, "Too many open connections"},
		{"a server that hangs up", "", "", false, "Options.Timeout"},
		{"a server without the meta protocol, that wants a password", "CLIENT_ERROR unauthenticated\r\n", "", false, "set Options.Auth"},
		{"stats of nonsense", "MN\r\n", "nonsense\r\n", false, "stats"},
		{"stats without end", "MN\r\n", strings.Repeat("STAT a b\r\n", 2000), false, "without an end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			addr := fakeHello(t, test.hello, test.stats, func(nc net.Conn, br *bufio.Reader) { br.ReadByte() })
			c, err := memcached.New(memcached.Servers(addr), &memcached.Options{Timeout: 300 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, err = c.Get(within(t, time.Minute), "k")
			var node *memcached.NodeError
			if !errors.As(err, &node) || node.Sent || node.Node != addr || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
			if errors.Is(err, memcached.ErrNotMeta) != test.notMeta {
				t.Errorf("got %v, is ErrNotMeta: %v", err, !test.notMeta)
			}
		})
	}
}

func TestAServerWithoutCASIsNamed(t *testing.T) {
	addr := fakeHello(t, "MN\r\n", "STAT cas_enabled no\r\nEND\r\n"+goodStats, func(nc net.Conn, br *bufio.Reader) {
		for {
			_, opaque, err := readRequest(br)
			if err != nil {
				return
			}
			br.Discard(2)
			fmt.Fprintf(nc, "HD c0 O%s\r\n", opaque)
		}
	})
	c, err := memcached.New(memcached.Servers(addr), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := within(t, time.Minute)
	token, err := c.Set(ctx, "k", memcached.Item{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CompareAndSet(ctx, "k", memcached.Item{}, token); err == nil || !strings.Contains(err.Error(), "-C") {
		t.Errorf("got %v, want an error that names -C", err)
	}
}

// Secrets, keys and values reach no error.
func TestErrorsQuoteNoKeysAndValues(t *testing.T) {
	addr := fake(t, func(nc net.Conn, br *bufio.Reader) {
		for {
			line, err := br.ReadBytes('\n')
			if err != nil {
				return
			}
			nc.Write(bytes.Repeat(line, 2)) // an echo
		}
	})
	c, err := memcached.New(memcached.Servers(addr), &memcached.Options{HashKey: func(string) string { return "not legal: secret" }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := within(t, time.Minute)
	for _, key := range []string{"secret", "a secret"} {
		_, err1 := c.Get(ctx, key)
		_, err2 := c.Set(ctx, key, memcached.Item{Value: []byte("secret")})
		_, err3 := c.CompareAndSet(ctx, key, memcached.Item{Value: make([]byte, 2<<20)}, memcached.Token{})
		for _, err := range []error{err1, err2, err3} {
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want an error without the key", err)
			}
		}
	}
}

// A proxy that does not know the meta protocol hangs up.
func TestAProxyIsNamedWhereItHangsUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 100))
			conn.Close()
		}
	}()
	client, err := memcached.New(memcached.Servers(l.Addr().String()), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err = client.Get(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "proxy") || !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want an error that names proxies", err)
	}
}
