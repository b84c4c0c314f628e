package memcached_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/certificate"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/memcached"
)

// roundTrip sets and gets often enough for every way of reading and writing.
func roundTrip(t *testing.T, c *memcached.Client) {
	t.Helper()
	ctx := within(t, time.Minute)
	for _, size := range []int{1, 4096, 500_000} {
		value := strings.Repeat("v", size)
		for range 3 {
			if _, err := c.Set(ctx, "k", memcached.Item{Value: []byte(value)}); err != nil {
				t.Fatal(err)
			}
			together(20, func(int) {
				if got, err := c.Get(ctx, "k"); err != nil || string(got.Value) != value {
					t.Errorf("got %d bytes, %v", len(got.Value), err)
				}
			})
		}
	}
}

func TestUnixSocket(t *testing.T) {
	noneLeft(t)
	server := memcachedtest.StartUnix(t)
	c := newClient(t, nil, server)
	roundTrip(t, c)
	server.Kill()
	ctx := within(t, time.Minute)
	eventually(t, "the error names the socket", func() bool {
		_, err := c.Get(ctx, "k")
		return err != nil && strings.Contains(err.Error(), server.Addr)
	})
}

func TestTLS(t *testing.T) {
	noneLeft(t)
	dir := memcachedtest.Dir(t)
	cert, key, roots := certificate.SelfSigned(t, dir)
	server := memcachedtest.Start(t, "-Z", "-o", "ssl_chain_cert="+cert+",ssl_key="+key)
	c := newClient(t, &memcached.Options{TLS: &tls.Config{RootCAs: roots}}, server)
	roundTrip(t, c)

	// A frozen server does not hold up Close, which TLS would like to be polite.
	server.Freeze()
	ctx := within(t, time.Minute)
	go c.Set(ctx, "k", memcached.Item{Value: make([]byte, 1<<20-100)})
	began := time.Now()
	c.Close()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("Close took %v", took)
	}
	server.Thaw()

	for name, o := range map[string]*memcached.Options{
		"a certificate of nobody's":  {TLS: new(tls.Config)},
		"a certificate of another's": {TLS: &tls.Config{RootCAs: roots, ServerName: "elsewhere.test"}},
	} {
		if _, err := newClient(t, o, server).Get(ctx, "k"); err == nil || !strings.Contains(err.Error(), "x509") {
			t.Errorf("%s: got %v, want an error of x509", name, err)
		}
	}
}

func TestAuth(t *testing.T) {
	server := memcachedtest.Start(t, "-Y", memcachedtest.Passwords(t, "shop:password\n"))
	ctx := within(t, time.Minute)

	c := newClient(t, &memcached.Options{Auth: memcached.Auth{User: "shop", Password: "password"}}, server)
	roundTrip(t, c)
	for want, auth := range map[string]memcached.Auth{
		"sign in: ":        {User: "shop", Password: "wrong"},
		"set Options.Auth": {},
	} {
		_, err := newClient(t, &memcached.Options{Auth: auth}, server).Get(ctx, "k")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "wrong") {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}

	// A server that wants no password gets none, and so does not store it.
	open := memcachedtest.Start(t)
	roundTrip(t, newClient(t, &memcached.Options{Auth: memcached.Auth{User: "shop", Password: "password"}}, open))
	if got := open.Command("get auth\r\n"); got != "END" {
		t.Errorf("an open server stored the password: %q", got)
	}
}

// A listener on this machine's other addresses stands for a server on a network,
// where an attacker may answer and ask for the password.
func TestAPasswordLeavesThisMachineOnlyOverTLS(t *testing.T) {
	const secret = "sesame"
	auth := memcached.Auth{User: "shop", Password: secret}
	for _, addr := range []string{"10.0.0.1:11211", "cache.shop.test", "[2001:db8::1]:11211", "0.0.0.0:11211"} {
		_, err := memcached.New(memcached.Servers("127.0.0.1:11211", addr), &memcached.Options{Auth: auth})
		if err == nil || !strings.Contains(err.Error(), "InsecureAuthInClearText") || !strings.Contains(err.Error(), addr) {
			t.Errorf("%s: got %v, want an error that names the server and the option", addr, err)
		} else if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: got %v, want neither the password nor the server on loopback", addr, err)
		}
	}
	for name, o := range map[string]*memcached.Options{
		"TLS":        {Auth: auth, TLS: new(tls.Config)},
		"the option": {Auth: auth, InsecureAuthInClearText: true},
		"no Auth":    {},
	} {
		c, err := memcached.New(memcached.Servers("10.0.0.1:11211"), o)
		if err != nil {
			t.Errorf("%s: got %v, want a client", name, err)
			continue
		}
		c.Close()
	}
	for _, addr := range []string{"localhost", "127.0.0.1:1", "[::1]:1", "unix:///run/memcached.sock"} {
		c, err := memcached.New(memcached.Servers(addr), &memcached.Options{Auth: auth})
		if err != nil {
			t.Fatalf("%s: got %v, want a client", addr, err)
		}
		if _, err := c.SetServers(memcached.Servers("10.0.0.1:11211")); err == nil || !strings.Contains(err.Error(), "InsecureAuthInClearText") {
			t.Errorf("SetServers: got %v, want an error that names the option", err)
		}
		c.Close()
	}

	// Where a name or the caller's own Dial leads is known by the connection.
	for _, insecure := range []bool{false, true} {
		got := make(chan string, 1)
		dial := func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				defer server.Close()
				var all []byte
				buffer := make([]byte, 1000)
				for {
					n, err := server.Read(buffer)
					all = append(all, buffer[:n]...)
					if err != nil || strings.Contains(string(all), secret) {
						break
					}
					if _, err := io.WriteString(server, "CLIENT_ERROR unauthenticated\r\n"); err != nil {
						break
					}
				}
				select {
				case got <- string(all):
				default:
				}
			}()
			return elsewhere{client}, nil
		}
		c, err := memcached.New(memcached.Servers("cache.shop.test"), &memcached.Options{
			Auth: auth, Dial: dial, InsecureAuthInClearText: insecure,
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Get(within(t, time.Minute), "k")
		if sent := strings.Contains(<-got, secret); sent != insecure {
			t.Errorf("insecure %v: the password was sent: %v", insecure, sent)
		}
		if !insecure && (err == nil || !strings.Contains(err.Error(), "InsecureAuthInClearText")) {
			t.Errorf("got %v, want an error that names the option", err)
		}
		c.Close()
	}
}

// elsewhere is a connection to another machine.
type elsewhere struct{ net.Conn }

func (elsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 11211} }
