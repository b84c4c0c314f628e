package handshake

import (
	"crypto/tls"
	"io"
	"net"
)

// withMethods returns c with the methods that its connection has beyond those of net.Conn.
// Libraries look for them: to close one direction, to wait for many connections at once, to
// copy without a buffer. A caller that writes to the descriptor itself, as with
// SyscallConn, bypasses the head too.
func (c *conn) withMethods() net.Conn {
	switch under := c.Conn.(type) {
	case *net.TCPConn:
		return &tcpConn{under, c}
	case *tls.Conn:
		return &tlsConn{under, c}
	case closeWriter:
		return &halfConn{c, under}
	}
	return c
}

type closeWriter interface{ CloseWrite() error }

// tcpConn has all methods of its connection. Its methods that write know of the head.
type tcpConn struct {
	*net.TCPConn
	head *conn
}

func (c *tcpConn) Write(p []byte) (int, error)               { return c.head.Write(p) }
func (c *tcpConn) ReadFrom(r io.Reader) (n int64, err error) { return c.head.ReadFrom(r) }
func (c *tcpConn) Close() error                              { return c.head.Close() }
func (c *tcpConn) NetConn() net.Conn                         { return c.TCPConn }

func (c *tcpConn) CloseWrite() error {
	c.head.letOut()
	return c.TCPConn.CloseWrite()
}

// tlsConn is like tcpConn over TLS.
type tlsConn struct {
	*tls.Conn
	head *conn
}

func (c *tlsConn) Write(p []byte) (int, error) { return c.head.Write(p) }
func (c *tlsConn) Close() error                { return c.head.Close() }
func (c *tlsConn) NetConn() net.Conn           { return c.Conn }

func (c *tlsConn) CloseWrite() error {
	c.head.letOut()
	return c.Conn.CloseWrite()
}

// halfConn is a connection of another kind of which one direction can be closed.
type halfConn struct {
	*conn
	under closeWriter
}

func (c *halfConn) CloseWrite() error {
	c.letOut()
	return c.under.CloseWrite()
}
