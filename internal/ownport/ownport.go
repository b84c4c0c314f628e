// Package ownport takes a loopback port for a server that is started as another process. Between
// the choice of a free port and the start of the server, and whenever the server is down, the
// kernel would give the port to whoever asks for any.
package ownport

import "net"

// Port is a loopback port of the caller's own, whether the server on it runs or not. On Linux the
// kernel gives it to no program that asks for any port, and connections to it are refused while
// the server is down. Elsewhere it was free when it was taken.
//
// The server must set SO_REUSEADDR, as servers do to be restarted.
type Port struct {
	Number  int
	release func()
}

// Take returns a Port that is nobody's. The caller closes it when its server is gone for good.
func Take() (*Port, error) { return take() }

// Addr returns the address of the port, as "host:port".
func (p *Port) Addr() string {
	return (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p.Number}).String()
}

// Close gives the port back. It does not end the server.
func (p *Port) Close() { p.release() }
