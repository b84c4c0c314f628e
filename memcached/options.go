package memcached

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Options of a Client. The zero value, and nil, are the defaults.
type Options struct {
	// Ring assigns keys to servers, where there are several.
	Ring RingOptions

	// TLS, if set, is used for every connection. An empty ServerName means
	// the host of the server's Addr.
	TLS *tls.Config

	// Auth signs in to servers that run with -Y. It is sent only to a server
	// that asks for it, and only where the network cannot read it: over TLS, to this machine's loopback addresses, or to a unix socket. New and
	// SetServers refuse a list with any other server, and a connection that
	// turns out to lead elsewhere fails.
	Auth Auth

	// InsecureAuthInClearText sends Auth over any connection, to every server that
	// asks for it. Set it only where the network itself is private, such as inside
	// a VPN that encrypts.
	InsecureAuthInClearText bool

	// Conns is the number of connections to each server, default 1. One
	// carries any number of requests at once; more help only where the server
	// has cores to spare.
	Conns int

	// Queue is how many requests to one server may be in flight, default
	// 4096. Beyond that they are ErrBusy at once.
	Queue int

	// Timeout bounds a dial together with its handshake, and how long a server may
	// leave all requests without any reply: after one to one and a half times Timeout
	// the connection is closed. Default 1 s. How long a caller waits is up to its
	// context.
	Timeout time.Duration

	// HashKey turns a key that memcached cannot take (empty, over 250 bytes,
	// with blanks or control characters) into one that it can. Nil means the
	// function HashKey. The caller has to make sure that no other key is equal to
	// a result. The ring gets the key as it was.
	HashKey func(key string) string

	// Dial replaces net.Dialer's DialContext. It gets names, not addresses,
	// and is called by one goroutine per server. The connection has to support
	// deadlines.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	dialOwn bool // Dial is the caller's
}

// withDefaults returns a copy of o that is complete, or every mistake in o.
func (o *Options) withDefaults() (*Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	var errs []error
	if c.Conns < 0 || c.Queue < 0 || c.Timeout < 0 {
		errs = append(errs, errors.New("memcached: negative Options.Conns, Queue or Timeout"))
	}
	if strings.ContainsAny(c.Auth.User+c.Auth.Password, " \r\n\x00") {
		errs = append(errs, errors.New("memcached: Options.Auth: memcached takes no blanks and line breaks in User and Password"))
	}
	if c.Conns == 0 {
		c.Conns = 1
	}
	if c.Queue == 0 {
		c.Queue = 4096
	}
	if c.Timeout == 0 {
		c.Timeout = time.Second
	}
	c.dialOwn = c.Dial != nil
	if c.Dial == nil {
		d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}
		c.Dial = d.DialContext
	}
	return &c, errors.Join(errs...)
}

// checkAuth joins an error for each server to which Auth would go in clear
// text. Where Dial is the caller's, only the connection tells where it leads.
func (o *Options) checkAuth(servers []Server) error {
	if o.Auth == (Auth{}) || o.TLS != nil || o.InsecureAuthInClearText || o.dialOwn {
		return nil
	}
	var errs []error
	for _, s := range servers {
		network, _ := s.endpoint()
		host, _ := s.hostPort()
		if network == "unix" || host == "localhost" || isLoopback(host) {
			continue
		}
		errs = append(errs, fmt.Errorf("memcached: server %q: %w", s.Addr, errClearText))
	}
	return errors.Join(errs...)
}

var errClearText = errors.New("Options.Auth would go there in clear text; set Options.TLS, or Options.InsecureAuthInClearText where nobody else can read the network")

// keepsSecrets reports whether only the two ends can read the traffic of nc.
func keepsSecrets(nc net.Conn) bool {
	if _, ok := nc.(interface{ ConnectionState() tls.ConnectionState }); ok {
		return true
	}
	remote := nc.RemoteAddr()
	if remote.Network() == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(remote.String())
	return err == nil && isLoopback(host)
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Auth is a user and a password of memcached's -Y file. It does not print.
type Auth struct {
	User     string
	Password string
}

// Format prints neither User nor Password, whatever the verb.
func (Auth) Format(f fmt.State, _ rune) { fmt.Fprint(f, "memcached.Auth{…}") }

// LogValue logs neither User nor Password.
func (Auth) LogValue() slog.Value { return slog.StringValue("memcached.Auth{…}") }
