// Package relay is a TCP proxy for tests, between a store and its server. It may
// delay, change or end what passes.
package relay

import (
	"net"
	"testing"
)

// Relay says what happens to a connection. Each function may be nil.
type Relay struct {
	Accepted func()                // called for each connection
	Up, Down func(b []byte) []byte // what of b goes to the server, and back; nil ends the connection
}

// Start passes connections on to address until the test ends, and returns its own
// address.
func (r Relay) Start(t testing.TB, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			if r.Accepted != nil {
				r.Accepted()
			}
			server, err := net.Dial("tcp", address)
			if err != nil {
				_ = client.Close()
				continue
			}
			go pass(server, client, r.Up)
			go pass(client, server, r.Down)
		}
	}()
	return l.Addr().String()
}

func pass(to, from net.Conn, change func([]byte) []byte) {
	defer func() { _ = to.Close() }()
	defer func() { _ = from.Close() }()
	buffer := make([]byte, 1<<20)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			b := buffer[:n]
			if change != nil {
				b = change(b)
			}
			if b == nil {
				return
			}
			if _, err := to.Write(b); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
