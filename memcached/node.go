package memcached

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The wait before a dial: nothing after a connection that worked, then more
// each time. The longest is short enough that a restart is noticed within a
// second.
const (
	firstBackoff = 20 * time.Millisecond
	maxBackoff   = 500 * time.Millisecond
	worked       = time.Second // a connection that lived as long, or answered
)

// node is one server and the connections to it.
type node struct {
	server  Server
	network string // what to dial
	address string
	tls     *tls.Config // nil: plain
	options *Options
	timeout time.Duration

	load atomic.Int64 // calls that wait or are in flight, those whose caller has left included
	live atomic.Pointer[[]*conn]

	ctx    context.Context // ends with the node: for its dials
	cancel context.CancelFunc
	wg     sync.WaitGroup // its goroutines

	mu       sync.Mutex
	failures int           // dials and short connections that failed in a row
	down     error         // why calls fail at once instead of waiting for a dial
	dialing  bool          // the one goroutine that dials runs
	change   chan struct{} // closed when down or live change
	closed   error         // ErrClosed or errRetired
}

func newNode(s Server, o *Options) *node {
	n := &node{server: s, options: o, timeout: o.Timeout, change: make(chan struct{})}
	n.network, n.address = s.endpoint()
	if o.TLS != nil {
		n.tls = o.TLS.Clone()
		if n.tls.ServerName == "" {
			n.tls.ServerName, _ = s.hostPort()
		}
	}
	n.live.Store(new([]*conn))
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// do sends req and waits for its result. It sends nothing where ctx is done: a lone caller
// has its answer before it looks at ctx again.
func (n *node) do(ctx context.Context, req *request) (result, incarnation, error) {
	if err := ctx.Err(); err != nil {
		return result{}, incarnation{}, n.unsent(err)
	}
	if n.load.Add(1) > int64(n.options.Queue) {
		n.load.Add(-1)
		return result{}, incarnation{}, n.unsent(ErrBusy)
	}
	deadline, _ := ctx.Deadline()
	for {
		c, err := n.conn(ctx, req)
		if err == nil {
			var cl *call
			if cl, err = c.send(req, deadline); err == nil {
				r, err := cl.wait(ctx)
				return r, c.peer.incarnation, err
			}
			if errors.Is(err, errLost) { // the connection ended after conn had returned it
				n.lost(c, c.cause())
				continue
			}
			err = n.unsent(err)
		}
		n.load.Add(-1)
		return result{}, incarnation{}, err
	}
}

func (n *node) unsent(err error) error { return &NodeError{Node: n.server.Addr, Err: err} }

func (n *node) failed(err error) error {
	return &NodeError{Node: n.server.Addr, Err: err, Sent: true, Broken: isBroken(err)}
}

// conn returns a connection that may send req. Where there is none it waits
// for the first dial, but not while the server is known to be away.
func (n *node) conn(ctx context.Context, req *request) (*conn, error) {
	for {
		if live := *n.live.Load(); len(live) > 0 {
			return n.pick(live, req)
		}
		n.mu.Lock()
		switch {
		case n.closed != nil:
			err := n.closed
			n.mu.Unlock()
			return nil, n.unsent(err)
		case len(*n.live.Load()) > 0:
			n.mu.Unlock()
			continue
		case n.down != nil:
			err := n.down
			n.mu.Unlock()
			return nil, n.unsent(err)
		}
		n.startDialingLocked()
		change := n.change
		n.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return nil, n.unsent(ctx.Err())
		}
	}
}

// pick chooses the connection with the fewest calls in flight. A request that
// is pinned to an incarnation goes to no other: a TCP connection does not
// outlive its server, so what this returns cannot become another incarnation's
// before the request is there.
func (n *node) pick(live []*conn, req *request) (*conn, error) {
	var best *conn
	for _, c := range live {
		if req.pinned && c.peer.incarnation.id != req.over.Incarnation {
			continue
		}
		if best == nil || c.inFlight.Load() < best.inFlight.Load() {
			best = c
		}
	}
	if best == nil {
		return nil, ErrConflict
	}
	return best, nil
}

// startDialingLocked makes sure that the goroutine that dials runs. n.mu is held.
func (n *node) startDialingLocked() {
	if !n.dialing && n.closed == nil {
		n.dialing = true
		n.wg.Go(n.connect)
	}
}

// connect dials until there are Options.Conns connections.
func (n *node) connect() {
	for {
		n.mu.Lock()
		wait := backoff(n.failures)
		n.mu.Unlock()
		if wait > 0 {
			select {
			case <-time.After(wait):
			case <-n.ctx.Done():
			}
		}
		c, err := n.dial(n.ctx)
		if !n.dialed(c, err) {
			return
		}
	}
}

// dialed takes the outcome of a dial, and reports whether to go on.
func (n *node) dialed(c *conn, err error) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed != nil {
		if c != nil {
			_ = c.socket.Close()
		}
		n.dialing = false
		return false
	}
	if err != nil {
		n.failures++
		if len(*n.live.Load()) == 0 {
			n.down = err
		}
		n.changedLocked()
		return true
	}
	live := append(slices.Clone(*n.live.Load()), c)
	n.live.Store(&live)
	n.down = nil
	n.changedLocked()
	n.wg.Go(c.read)
	n.wg.Go(c.write)
	n.dialing = len(live) < n.options.Conns
	return n.dialing
}

// lost removes c and dials again.
func (n *node) lost(c *conn, cause error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.Index(*n.live.Load(), c)
	if i < 0 || n.closed != nil {
		return
	}
	live := slices.Delete(slices.Clone(*n.live.Load()), i, i+1)
	n.live.Store(&live)
	n.failures++
	if c.replies.Load() > 0 || time.Since(c.opened) >= worked {
		n.failures = 0
	}
	// Calls wait for the dial that follows at once, not where it would wait
	// itself, nor where the server is known to hang.
	if len(live) == 0 && (n.failures > 0 || errors.Is(cause, errOverdue)) {
		n.down = cause
	}
	n.changedLocked()
	n.startDialingLocked()
}

// changedLocked wakes the callers that wait for a connection. n.mu is held.
func (n *node) changedLocked() {
	close(n.change)
	n.change = make(chan struct{})
}

// drain waits until no call is in flight any more, for up to Options.Timeout or until
// now is closed, and closes the node.
func (n *node) drain(now <-chan struct{}) {
	defer n.close(errRetired)
	for range 100 {
		if n.load.Load() == 0 {
			return
		}
		select {
		case <-time.After(n.timeout / 100):
		case <-now:
			return
		}
	}
}

// close ends all connections and waits for the node's goroutines.
func (n *node) close(cause error) {
	n.mu.Lock()
	if n.closed == nil {
		n.closed = cause
	}
	live := *n.live.Load()
	n.live.Store(new([]*conn))
	n.changedLocked()
	n.mu.Unlock()
	n.cancel()
	for _, c := range live {
		c.fail(cause)
	}
	n.wg.Wait()
}

// backoff is the wait before the next dial, half of it by chance, so that a
// fleet does not dial in step.
func backoff(failures int) time.Duration {
	if failures == 0 {
		return 0
	}
	d := min(maxBackoff, firstBackoff<<min(failures-1, 10))
	return d/2 + rand.N(d/2)
}
