package relay

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// Direction is which way bytes go.
type Direction int

// The directions.
const (
	Up   Direction = iota // to the server
	Down                  // back
)

// Line is a relay between one client and a server that takes its time, stands still
// or breaks when it is told to. It loses and reorders nothing that it does not break.
// Any number of goroutines may use it.
type Line struct {
	listener net.Listener

	mu    sync.Mutex // guards all below
	takes time.Duration
	held  [2]chan struct{} // of each direction that stands still; closed when it goes on
	cut   bool
	conns map[net.Conn]bool
}

// NewLine returns a line to the server at address. It ends with the test.
func NewLine(t testing.TB, address string) *Line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Line{listener: listener, conns: map[net.Conn]bool{}}
	t.Cleanup(func() {
		_ = listener.Close()
		l.Cut()
		l.Release()
	})
	go l.accept(address)
	return l
}

var errCut = errors.New("relay: the line is cut")

// Addr returns the address of the line, for clients that are not given a dialer.
func (l *Line) Addr() string { return l.listener.Addr().String() }

// Dial connects to the server over the line, whatever the address: it is what a
// client is given to dial with.
func (l *Line) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	l.mu.Lock()
	cut := l.cut
	l.mu.Unlock()
	if cut {
		return nil, errCut
	}
	return new(net.Dialer).DialContext(ctx, network, l.Addr())
}

// Delay makes a request together with its answer take so much longer, half of it
// each way. It holds for what sets out from now on. Requests that follow each other
// closely are late together, and not one after the other.
func (l *Line) Delay(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.takes = d
}

// Hold lets nothing pass in a direction until Release: it arrives then, also where
// the client has hung up meanwhile.
func (l *Line) Hold(d Direction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[d] == nil {
		l.held[d] = make(chan struct{})
	}
}

// Release ends Hold in both directions.
func (l *Line) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for d, held := range l.held {
		if held != nil {
			close(held)
			l.held[d] = nil
		}
	}
}

// Cut breaks all connections, with what is on its way, and lets none be made until
// Mend.
func (l *Line) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for c := range l.conns {
		_ = c.Close()
	}
	clear(l.conns)
}

// Mend ends Cut.
func (l *Line) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = false
}

func (l *Line) accept(address string) {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", address)
		if err != nil || !l.keep(client, server) {
			_ = client.Close()
			if err == nil {
				_ = server.Close()
			}
			continue
		}
		go l.carry(Up, client, server)
		go l.carry(Down, server, client)
	}
}

// keep reports whether connections may be used, and notes that they are to be cut.
func (l *Line) keep(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return false
	}
	for _, c := range conns {
		l.conns[c] = true
	}
	return true
}

// carry passes on what comes in a direction, until one of the ends hangs up.
func (l *Line) carry(d Direction, from, to net.Conn) {
	done := make(chan struct{})
	defer l.drop(from, to)
	defer close(done)
	for piece := range l.read(from, done) {
		time.Sleep(time.Until(piece.due))
		if held := l.standing(d); held != nil {
			<-held
		}
		if _, err := to.Write(piece.bytes); err != nil {
			return
		}
	}
}

// piece is bytes on their way.
type piece struct {
	bytes []byte
	due   time.Time
}

// read returns what comes from a connection until it ends, or nobody wants more.
func (l *Line) read(from net.Conn, done <-chan struct{}) <-chan piece {
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		buffer := make([]byte, 1<<16)
		for {
			n, err := from.Read(buffer)
			if n > 0 {
				select {
				case pieces <- piece{slices.Clone(buffer[:n]), time.Now().Add(l.delay())}:
				case <-done:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return pieces
}

// delay returns how long one way takes.
func (l *Line) delay() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.takes / 2
}

// standing returns what ends when a direction goes on; nil where it does.
func (l *Line) standing(d Direction) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[d]
}

func (l *Line) drop(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(l.conns, c)
	}
}
