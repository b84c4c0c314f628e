package chaos

import (
	"context"
	"errors"
	"net"
	"sync"
)

// Wire is what connects one instance with the store. It can be cut.
type Wire struct {
	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

// Dial connects, unless the wire is cut.
func (w *Wire) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	cut := w.cut
	w.mu.Unlock()
	if cut {
		return nil, errors.New("chaos: the wire is cut")
	}
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		_ = c.Close()
		return nil, errors.New("chaos: the wire is cut")
	}
	if w.conns == nil {
		w.conns = map[net.Conn]bool{}
	}
	w.conns[c] = true
	return c, nil
}

// Cut breaks all connections, and lets none be made.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

// Mend lets connections be made again.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}
