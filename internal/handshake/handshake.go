// Package handshake gives a connection that a handler has taken over the header lines
// which its answer was to have. Libraries for websockets write the answer's head by
// themselves, and know nothing of what stands in the ResponseWriter's header.
package handshake

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
)

// Carry returns c and rw, changed so that the first head that is written, of an answer of
// HTTP/1, has all of lines, each "Name: value", in it. A line that the head has already is
// not added again. Where the handler writes something else first, that is sent unchanged,
// and lost is called. Without lines Carry returns what it is given.
func Carry(c net.Conn, rw *bufio.ReadWriter, lines []string, lost func()) (net.Conn, *bufio.ReadWriter) {
	if len(lines) == 0 {
		return c, rw
	}
	carrying := &conn{Conn: c, lines: lines, lost: lost}
	if rw.Writer.Buffered() == 0 {
		rw.Writer.Reset(carrying)
	}
	return carrying.withMethods(), rw
}

// conn is a connection whose head is not written yet, or was.
type conn struct {
	net.Conn
	lost func()

	order sync.Mutex // one Write after the other: nothing overtakes the head

	// No write runs under mu, so that Close ends a Write which a client holds up.
	mu    sync.Mutex
	lines []string // nil: the head has passed
	head  []byte   // what was written of it
}

// maxHead is how much is held back in search of a head's end.
const maxHead = 64 << 10

// Write holds a head back until it is whole.
func (c *conn) Write(p []byte) (int, error) {
	c.order.Lock()
	defer c.order.Unlock()
	out, first := c.pass(p)
	if !first {
		return c.Conn.Write(p)
	}
	if len(out) == 0 {
		return len(p), nil
	}
	_, err := c.Conn.Write(out)
	return len(p), err
}

// pass takes p for a part of the head, and returns what is to be written now. It reports
// whether the head had not passed before.
func (c *conn) pass(p []byte) (out []byte, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lines == nil {
		return nil, false
	}
	c.head = append(c.head, p...)
	const start, end = "HTTP/1.", "\r\n\r\n"
	common := min(len(start), len(c.head))
	at := bytes.Index(c.head, []byte(end))
	switch {
	case string(c.head[:common]) != start[:common], at < 0 && len(c.head) > maxHead:
		c.lost()
	case at < 0:
		return nil, true
	default:
		c.head = c.complete(at + len("\r\n"))
	}
	return c.takeLocked(), true
}

// complete returns the head, whose lines end at a place, with the lines that it lacks.
func (c *conn) complete(end int) []byte {
	var added []byte
	for _, line := range c.lines {
		name, value, _ := strings.Cut(line, ": ")
		if !has(string(c.head[:end]), name, value) {
			added = append(added, line+"\r\n"...)
		}
	}
	return append(append(bytes.Clone(c.head[:end]), added...), c.head[end:]...)
}

func has(head, name, value string) bool {
	for line := range strings.SplitSeq(head, "\r\n") {
		n, v, _ := strings.Cut(line, ":")
		if strings.EqualFold(n, name) && textproto.TrimString(v) == value {
			return true
		}
	}
	return false
}

// takeLocked returns what was held back, which the caller writes. The head has passed then.
func (c *conn) takeLocked() []byte {
	head := c.head
	c.lines, c.head = nil, nil
	return head
}

// ReadFrom copies as the connection itself does, which may be without a buffer, once the
// head has passed.
func (c *conn) ReadFrom(r io.Reader) (n int64, err error) {
	buffer := make([]byte, 512)
	for c.holds() {
		m, err := r.Read(buffer)
		if _, failed := c.Write(buffer[:m]); failed != nil {
			return n, failed
		}
		switch n += int64(m); err {
		case nil:
		case io.EOF:
			return n, nil
		default:
			return n, err
		}
	}
	m, err := io.Copy(c.Conn, r)
	return n + m, err
}

// holds reports whether the head has not passed yet. A Write of it is over then.
func (c *conn) holds() bool {
	c.order.Lock()
	defer c.order.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines != nil
}

// Close lets out what was held back.
func (c *conn) Close() error {
	c.letOut()
	return c.Conn.Close()
}

// letOut writes what was held back: no more of the head follows.
func (c *conn) letOut() {
	c.mu.Lock()
	var rest []byte
	if c.lines != nil {
		c.lost()
		rest = c.takeLocked()
	}
	c.mu.Unlock()
	if len(rest) > 0 {
		_, _ = c.Conn.Write(rest) // this direction ends in any case
	}
}

// NetConn returns the connection itself, as that of *tls.Conn does.
func (c *conn) NetConn() net.Conn { return c.Conn }
