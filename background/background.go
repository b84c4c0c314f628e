// Package background is for authors of stores on a driver that closes a connection
// when a context ends, as pgx and the drivers of database/sql do. If a server is
// slow for a moment, such a store loses the connection of every caller that gives
// up, and the server is busy with new connections when it could answer again.
//
// [Do] runs a statement so that it outlives its caller: the caller returns when its
// context ends, and the statement ends in the background, on a connection that
// stays.
package background

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrClosed is what Do returns after Close.
var ErrClosed = errors.New("session: background: closed")

// Calls are the statements of one pool of connections that are under way. Any
// number of goroutines may use them.
type Calls struct {
	budget time.Duration
	closed chan struct{}

	mu      sync.Mutex // guards all below
	isEnded bool
	free    int // calls that may begin at once; none while a caller waits
	queue   queue
	running sync.WaitGroup
}

// New returns Calls of which limit may be under way, those that their callers
// have left included. Make limit the size of the pool, and keep as many idle
// connections: then a call that has begun has a connection. Each call may take
// budget, whatever its caller's context says. Only after that does the driver
// close the connection: make budget longer than the server is ever slow, a few
// seconds. New panics where limit or budget is not positive.
func New(limit int, budget time.Duration) *Calls {
	if limit <= 0 || budget <= 0 {
		panic("session: background: New wants a limit and a budget above zero")
	}
	return &Calls{budget: budget, closed: make(chan struct{}), free: limit}
}

// Do runs call, and returns its results, or ctx.Err() as soon as ctx is done. A caller
// that finds as many calls under way as there may be waits, and call is not run for it
// if ctx ends meanwhile. The callers take turns in the order in which they came. Where
// the first of them has too little time left for a call, the last one, which has the
// most time left, takes the turn: an answer that comes too late is of no use to its
// caller.
//
// The context that call gets has ctx's values, and ends after the budget, not with
// ctx. So call may still run when Do has returned. It must not use anything that the
// caller may change then, and needs a copy of the Data of a Record to save, for
// example. A call costs a goroutine, some microseconds.
func Do[T any](ctx context.Context, c *Calls, call func(context.Context) (T, error)) (T, error) {
	var zero T
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	w := &waiter{ctx: ctx, run: func() {
		longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.budget)
		defer cancel()
		value, err := call(longer)
		answers <- answer{value, err}
	}}
	if err := c.begin(w); err != nil {
		return zero, err
	}
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		c.leave(w)
		return zero, ctx.Err()
	case <-c.closed:
	}
	if c.leave(w) {
		return zero, ErrClosed
	}
	select { // it is under way
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		return zero, ctx.Err()
	}
}

// begin runs the call of w, or queues it.
func (c *Calls) begin(w *waiter) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.isEnded:
		return ErrClosed
	case c.free == 0:
		c.queue.add(w)
	default:
		c.free--
		c.running.Add(1)
		go c.work(w)
	}
	return nil
}

// leave reports whether the call of w was in the queue, and is not run any more.
func (c *Calls) leave(w *waiter) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.remove(w)
}

// work runs one call after the other, as long as any wait. The caller whose call is the
// next is not woken first: where a process is busy, the pool would wait for it.
func (c *Calls) work(w *waiter) {
	defer c.running.Done()
	for w != nil {
		began := time.Now()
		w.run()
		w = c.next(time.Since(began))
	}
}

// next returns the call to run after a call that took so long. Where there is none, there
// is room for one more.
func (c *Calls) next(took time.Duration) *waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue.learn(took)
	var w *waiter
	if !c.isEnded {
		w = c.queue.next()
	}
	if w == nil {
		c.free++
	}
	return w
}

// Close lets no further call begin, and returns when none is under way. Close
// the pool after it.
func (c *Calls) Close() {
	c.mu.Lock()
	if !c.isEnded {
		c.isEnded = true
		close(c.closed)
	}
	c.mu.Unlock()
	c.running.Wait()
}
