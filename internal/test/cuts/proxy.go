// Package cuts breaks the connections of a store in each phase of a call, on a real server,
// and holds the store to what package session asks of it: a read is answered all the same,
// and what may have been written is not sent twice.
package cuts

import (
	"bytes"
	"net"
	"sync"
	"testing"
)

// Phase is when the connection of a call is cut.
type Phase int

// The phases.
const (
	Idle      Phase = iota // before the call, so that the client may know
	Swallowed              // when the request has come, and goes no further
	Asking                 // in the middle of the request
	Done                   // when the server has answered, and the answer goes no further
	Answering              // in the middle of the answer
)

func (p Phase) String() string {
	return [...]string{"before the request", "after the request, which is lost", "in the middle of the request",
		"before the answer", "in the middle of the answer"}[p]
}

// Proxy stands in front of servers.
type Proxy struct {
	t testing.TB

	mu    sync.Mutex // guards all below
	mark  []byte     // in a request: cut now. Empty: never
	phase Phase
	abort bool // by a reset
	all   bool // all connections, and not only that of the call

	conns map[*pair]bool
	seen  map[string]int // how often a mark came, by the mark
}

// pair is a connection, in two parts.
type pair struct {
	client, server net.Conn
	answer         Phase // what is to happen to the next piece of the answer; Idle: nothing
}

// NewProxy returns a Proxy. It ends with the test.
func NewProxy(t testing.TB) *Proxy {
	p := &Proxy{t: t, conns: map[*pair]bool{}, seen: map[string]int{}}
	t.Cleanup(func() { p.cut(nil) })
	return p
}

// Before returns an address that leads to the server at address.
func (p *Proxy) Before(address string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", address)
			if err != nil {
				_ = client.Close()
				continue
			}
			c := &pair{client: client, server: server}
			p.mu.Lock()
			p.conns[c] = true
			p.mu.Unlock()
			go p.carry(c, client, server, p.up)
			go p.carry(c, server, client, p.down)
		}
	}()
	return l.Addr().String()
}

// arm makes the next request with the mark in it the one whose connection is cut.
func (p *Proxy) arm(mark string, phase Phase, abort, all bool) {
	if phase == Idle {
		p.mu.Lock()
		p.abort = abort
		p.mu.Unlock()
		p.cut(nil)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mark = []byte(mark)
	p.phase = phase
	p.abort = abort
	p.all = all
}

// times returns how often a mark came.
func (p *Proxy) times(mark string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[mark]
}

// count notes what comes with a mark from now on.
func (p *Proxy) count(mark string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[mark] = 0
}

// carry passes on what change makes of a piece, until it is to end.
func (p *Proxy) carry(c *pair, from, to net.Conn, change func(*pair, []byte) (pass []byte, end bool)) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		pass, end := change(c, buf[:n])
		if len(pass) > 0 {
			_, _ = to.Write(pass)
		}
		if end {
			p.mu.Lock()
			all := p.all
			p.mu.Unlock()
			if all {
				p.cut(nil)
			} else {
				p.cut(c)
			}
			return
		}
		if err != nil {
			p.cut(c)
			return
		}
	}
}

func (p *Proxy) up(c *pair, b []byte) (pass []byte, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for mark := range p.seen {
		p.seen[mark] += bytes.Count(b, []byte(mark))
	}
	if len(p.mark) == 0 || !bytes.Contains(b, p.mark) {
		return b, false
	}
	p.mark = nil
	switch p.phase {
	case Swallowed:
		return nil, true
	case Asking:
		return b[:len(b)/2], true
	default:
		c.answer = p.phase
		return b, false
	}
}

func (p *Proxy) down(c *pair, b []byte) (pass []byte, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch c.answer {
	case Done:
		return nil, true
	case Answering:
		return b[:len(b)/2], true
	default:
		return b, false
	}
}

// cut ends a connection; nil: all.
func (p *Proxy) cut(c *pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for other := range p.conns {
		if c != nil && c != other {
			continue
		}
		delete(p.conns, other)
		if client, ok := other.client.(*net.TCPConn); ok && p.abort {
			_ = client.SetLinger(0)
		}
		_ = other.client.Close()
		_ = other.server.Close()
	}
}
