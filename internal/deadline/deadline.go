// Package deadline is context.WithTimeout for calls that mostly return before
// anybody has to wait: it makes a channel and a timer only when Done is asked
// for. On a store in memory that is never, and saves four allocations.
package deadline

import (
	"context"
	"sync"
	"time"
)

// Context ends after a time, when its parent ends, or by Cancel.
type Context struct {
	context.Context // the parent

	at   time.Time
	mu   sync.Mutex
	err  error
	done chan struct{} // nil until somebody asks for it
	stop []func() bool // what done has started
}

// After returns a Context that ends after d at the latest. Cancel must be
// called, like the function that context.WithTimeout returns.
func After(parent context.Context, d time.Duration) *Context {
	c := &Context{Context: parent, at: time.Now().Add(d)}
	if at, ok := parent.Deadline(); ok && at.Before(c.at) {
		c.at = at
	}
	return c
}

// Deadline returns the earlier of the parent's and its own.
func (c *Context) Deadline() (time.Time, bool) { return c.at, true }

// Err returns why the context has ended, or nil.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && c.done == nil {
		c.err = c.due()
	}
	return c.err
}

// due tells whether it is time to end. c.mu is held.
func (c *Context) due() error {
	if err := c.Context.Err(); err != nil {
		return err
	}
	if !time.Now().Before(c.at) {
		return context.DeadlineExceeded
	}
	return nil
}

// Done returns a channel that is closed when the context ends.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done != nil {
		return c.done
	}
	c.done = make(chan struct{})
	if c.err == nil {
		c.err = c.due()
	}
	if c.err != nil {
		close(c.done)
		return c.done
	}
	timer := time.AfterFunc(time.Until(c.at), func() { c.end(context.DeadlineExceeded) })
	c.stop = append(c.stop, timer.Stop)
	if c.Context.Done() != nil {
		c.stop = append(c.stop, context.AfterFunc(c.Context, func() { c.end(c.Context.Err()) }))
	}
	return c.done
}

// Cancel ends the context, if it has not ended yet.
func (c *Context) Cancel() { c.end(context.Canceled) }

func (c *Context) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		if c.done != nil {
			close(c.done)
		}
	}
	for _, stop := range c.stop {
		stop()
	}
	c.stop = nil
}
