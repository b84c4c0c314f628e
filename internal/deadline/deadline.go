// Package deadline is context.WithTimeout for very many calls, most of which return
// before anything waits for their deadline. A context costs one small allocation.
// Its channel and timer are made only when a callee needs them, and calls that
// begin at about the same time share a timer, so that no timer has to be stopped.
package deadline

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Line makes contexts of about the same length. The zero Line is ready. Any
// number of goroutines may use it.
type Line struct {
	mu   sync.Mutex
	last *moment
}

// moment is when many contexts end.
type moment struct {
	at   time.Time
	over atomic.Bool
	done chan struct{}
}

// shared is which part of its time a context may end early by, so that it can
// share a moment.
const shared = 32

// Context ends at a time. It has its parent's values; the parent's end does not
// end it.
type Context struct {
	parent context.Context
	line   *Line
	at     time.Time
	slack  time.Duration
	moment atomic.Pointer[moment] // nil until a callee needs the channel
}

// After returns a Context that ends d after now, which is the time. Its Done may
// be closed earlier by 1/32 of d. It needs no cancel.
func (l *Line) After(parent context.Context, now time.Time, d time.Duration) *Context {
	return &Context{parent: parent, line: l, at: now.Add(d), slack: d / shared}
}

// Within is After, but for a parent whose deadline is earlier: then that counts,
// to the moment.
func (l *Line) Within(parent context.Context, now time.Time, d time.Duration) *Context {
	c := l.After(parent, now, d)
	if at, ok := parent.Deadline(); ok && at.Before(c.at) {
		c.at, c.slack = at, 0
	}
	return c
}

// Deadline returns when the context ends.
func (c *Context) Deadline() (time.Time, bool) { return c.at, true }

// Value returns the parent's.
func (c *Context) Value(key any) any { return c.parent.Value(key) }

// Err returns context.DeadlineExceeded once the context has ended.
func (c *Context) Err() error {
	if c.when().over.Load() {
		return context.DeadlineExceeded
	}
	return nil
}

// Done returns a channel that is closed when the context ends.
func (c *Context) Done() <-chan struct{} { return c.when().done }

// when is a look at a flag from the second time on, and no look at the clock.
func (c *Context) when() *moment {
	if m := c.moment.Load(); m != nil {
		return m
	}
	c.moment.CompareAndSwap(nil, c.line.near(c.at, c.slack))
	return c.moment.Load()
}

// String and Format keep the parent's contents, which may be a request with its
// cookies, out of the output of a program that prints a context.
func (c *Context) String() string { return "deadline.Context" }

// Format prints what String returns, with every verb.
func (c *Context) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// near returns a moment that is at a time, or a little earlier.
func (l *Line) near(at time.Time, slack time.Duration) *moment {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.last; m != nil && !m.at.After(at) && at.Sub(m.at) <= slack && !m.over.Load() {
		return m
	}
	m := &moment{at: at, done: make(chan struct{})}
	if left := time.Until(at); left > 0 {
		time.AfterFunc(left, m.end)
	} else {
		m.end()
	}
	l.last = m
	return m
}

func (m *moment) end() {
	m.over.Store(true)
	close(m.done)
}
