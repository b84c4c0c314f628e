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
	slots  chan struct{}
	closed chan struct{}

	mu      sync.Mutex
	isEnded bool
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
	return &Calls{budget: budget, slots: make(chan struct{}, limit), closed: make(chan struct{})}
}

// Do runs call, and returns its results, or ctx.Err() as soon as ctx is
// done. A caller that finds as many calls under way as there may be waits, and
// call is not run for it if ctx ends meanwhile.
//
// The context that call gets has ctx's values, and ends after the budget, not
// with ctx. So call may still run when Do has returned: it must not use anything that
// the caller may change then, such as the Data of a Record to save, of which it
// needs a copy. A call costs a goroutine, some microseconds.
func Do[T any](ctx context.Context, c *Calls, call func(context.Context) (T, error)) (T, error) {
	var zero T
	if err := c.begin(ctx); err != nil {
		return zero, err
	}
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		defer c.end()
		longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.budget)
		defer cancel()
		value, err := call(longer)
		answers <- answer{value, err}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		return zero, ctx.Err()
	}
}

// begin takes a slot.
func (c *Calls) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.closed:
		return ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil || c.isEnded {
		<-c.slots
		if err == nil {
			err = ErrClosed
		}
		return err
	}
	c.running.Add(1)
	return nil
}

func (c *Calls) end() {
	<-c.slots
	c.running.Done()
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
