package memcached

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// maxUnsent bounds the bytes that wait to be written: a single request may be
// larger.
const maxUnsent = 16 << 20

// conn is one connection. Callers encode their requests into out and queue
// their calls, under one lock, so that both have one order. Replies come in
// that order too; each is matched with the oldest call, and by its opaque.
//
// Two goroutines write and read (writer.go, reader.go). A lone caller does
// both itself.
//
// The first error ends the connection and fails all its calls.
type conn struct {
	*link  // its br is of the goroutine that reads
	node   *node
	opened time.Time

	toWrite chan struct{} // wakes the writer
	toRead  chan struct{} // wakes the reader
	dead    chan struct{} // closed by fail

	inFlight atomic.Int64  // calls sent and not finished
	replies  atomic.Uint64 // that came

	mu      sync.Mutex
	out     []byte   // encoded, not yet taken to be written
	spare   []byte   // a buffer for the next out
	writing bool     // the writer is awake, or a lone caller writes
	calls   pipeline // in flight, without the one whose reply is being read
	opaque  uint64   // of the last call; starts at random, so that no reply fits two connections
	err     error    // why it ended

	reads  role        // which goroutine reads
	tend   *time.Timer // runs tendLeads
	tended bool        // tend is set
	leads  uint64      // turns of lone callers as reader
	seen   uint64      // leads at the last tend
	kicked bool        // a read deadline stands, to end a turn

	watch   *time.Timer // runs look
	watched bool        // watch is set
	before  uint64      // replies at the last look
	idle    bool        // the last look found no new reply
}

// maxStep is how far apart two opaques in a row may be: a server that sends one
// reply too many cannot have hit the call that is made next.
const maxStep = 1 << 16

func newConn(n *node, l *link) *conn {
	c := &conn{
		link: l, node: n, opened: time.Now(),
		toWrite: make(chan struct{}, 1), toRead: make(chan struct{}, 1), dead: make(chan struct{}),
		opaque: uint64(rand.Uint32()),
		reads:  byReader,
	}
	c.toRead <- struct{}{}
	c.watch = time.AfterFunc(time.Hour, c.look)
	c.watch.Stop()
	c.tend = time.AfterFunc(time.Hour, c.tendLeads)
	c.tend.Stop()
	return c
}

// send queues req for a caller that has until deadline, if that is not zero. It
// returns errLost where the connection has ended, and then, as with every
// error, nothing was sent.
func (c *conn) send(req *request, deadline time.Time) (*call, error) {
	if limit := c.peer.itemMax; limit > 0 && req.itemSize() > limit {
		return nil, ErrTooLarge
	}
	if req.pinned && c.peer.casOff {
		return nil, errCASOff
	}
	now := time.Now()
	cl := newCall(c.node, req.op)

	c.mu.Lock()
	if c.err != nil || len(c.out) > maxUnsent {
		err := ErrBusy
		if c.err != nil {
			err = errLost
		}
		c.mu.Unlock()
		cl.recycle()
		return nil, err
	}
	c.opaque += 1 + uint64(rand.Uint32N(maxStep)) // no reply fits a call that is not made yet
	cl.opaque = c.opaque
	c.out = req.append(c.out, cl.opaque, c.peer.clock(now))
	c.calls.push(cl)
	alone := c.inFlight.Add(1) == 1
	if !c.watched {
		c.watched, c.idle = true, false
		c.before = c.replies.Load()
		c.watch.Reset(c.node.timeout / 2)
	}
	lead := c.claimReadLocked(alone && (deadline.IsZero() || deadline.Sub(now) > 2*maxLead))
	c.claimWriteLocked(alone) // unlocks
	if lead {
		c.lead()
	}
	return cl, nil
}

// look is called each half of Options.Timeout while calls are in flight. Two
// looks in a row that find no new reply mean that the oldest call has waited
// for Options.Timeout.
func (c *conn) look() {
	c.mu.Lock()
	replies := c.replies.Load()
	switch overdue := c.idle && replies == c.before; {
	case c.err != nil:
	case c.inFlight.Load() == 0:
		c.watched = false
	case overdue:
		c.mu.Unlock()
		c.fail(errOverdue)
		return
	default:
		c.idle, c.before = replies == c.before, replies
		c.watch.Reset(c.node.timeout / 2)
	}
	c.mu.Unlock()
}

// fail ends the connection. Only its first call has an effect.
func (c *conn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	orphans := c.calls
	c.calls, c.out = pipeline{}, nil
	c.mu.Unlock()

	c.watch.Stop()
	c.tend.Stop()
	close(c.dead)
	_ = c.socket.Close()
	c.node.lost(c, err)
	for orphans.len > 0 {
		orphans.pop().finish(result{err: c.node.failed(err)})
	}
}

// cause returns why the connection ended.
func (c *conn) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
