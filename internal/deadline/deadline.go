// Package deadline is context.WithTimeout for very many calls, most of which return
// before anything waits for their deadline. A context costs one small allocation.
// Its channel and timer are made only when a callee needs them, and calls that
// begin at about the same time share a timer, so that no timer has to be stopped.
package deadline

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// SharedTimer makes contexts of about the same length. The zero SharedTimer is ready. Any
// number of goroutines may use it.
type SharedTimer struct {
	patient atomic.Bool

	mu    sync.Mutex
	last  *moment
	yield func() // runs all that is ready; nil: runtime.Gosched
}

// Patient is a SharedTimer for work that no visitor waits for. Time in which other goroutines
// have the processor hardly counts.
type Patient struct{ timer SharedTimer }

// After is SharedTimer.After.
func (p *Patient) After(parent context.Context, d time.Duration) *Context {
	p.timer.patient.Store(true)
	return p.timer.After(parent, time.Now(), d)
}

// Until is After for a parent whose end ends the context too. budget is the time alone.
// The caller calls cancel when it needs the context no longer.
func (p *Patient) Until(parent context.Context, d time.Duration) (ctx context.Context, budget *Context, cancel context.CancelFunc) {
	budget = p.After(parent, d)
	ctx, end := context.WithCancel(budget)
	stop := context.AfterFunc(parent, end)
	return ctx, budget, func() { stop(); end() }
}

// moment is when many contexts end.
type moment struct {
	at    time.Time
	whole time.Duration // from when it was made
	left  atomic.Int64  // of that, in nanoseconds, as far as this process ran
	over  atomic.Bool
	done  chan struct{}
	small time.Duration // a part, once one was late
	yield func()
}

const (
	// parts is how many parts the time until a moment is divided into. A part ends when
	// the process has run all goroutines that were ready by then, and the next part begins
	// only then. So a stop of the process, or time in which other goroutines had the
	// processor, counts as one part at most: the answer that a caller waits for may have
	// arrived meanwhile.
	parts = 4

	// lateParts is in how many parts the time passes once a part was late, and patientParts
	// the same for a Patient. An answer of the store reaches its caller over several
	// goroutines, each of which waits for the processor. A visitor waits no longer than for
	// the budget and as many turns of the processor as there are parts.
	lateParts    = 16
	patientParts = 100
	shortest     = time.Millisecond // part

	// punctual is how late a part may be where the process has a processor.
	punctual = time.Millisecond
)

// shared is which part of its time a context may end early by, so that it can
// share a moment.
const shared = 32

// Context ends at a time. It has its parent's values; the parent's end does not
// end it.
type Context struct {
	parent context.Context
	timer  *SharedTimer
	at     time.Time
	slack  time.Duration
	moment atomic.Pointer[moment] // nil until a callee needs the channel
}

// After returns a Context that ends d after now, which is the time. Its Done may
// be closed earlier by 1/32 of d. It needs no cancel.
func (l *SharedTimer) After(parent context.Context, now time.Time, d time.Duration) *Context {
	return &Context{parent: parent, timer: l, at: now.Add(d), slack: d / shared}
}

// Within is After, but for a parent whose deadline is earlier: then that counts,
// to the moment.
func (l *SharedTimer) Within(parent context.Context, now time.Time, d time.Duration) *Context {
	c := l.After(parent, now, d)
	if at, ok := parent.Deadline(); ok && at.Before(c.at) {
		c.at, c.slack = at, 0
	}
	return c
}

// Deadline returns when the context ends, if this process runs until then. It ends later
// otherwise.
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

// Hurried reports whether at least half of the time is over, as far as this process ran
// in it. Where no callee has waited for the end it is not known, and Hurried reports true.
func (c *Context) Hurried() bool {
	m := c.moment.Load()
	return m == nil || 2*time.Duration(m.left.Load()) <= m.whole
}

// when returns the moment at which the context ends. Only the first call reads the
// clock.
func (c *Context) when() *moment {
	if m := c.moment.Load(); m != nil {
		return m
	}
	c.moment.CompareAndSwap(nil, c.timer.near(c.at, c.slack))
	return c.moment.Load()
}

// String and Format keep the parent's contents, which may be a request with its
// cookies, out of the output of a program that prints a context.
func (c *Context) String() string { return "deadline.Context" }

// Format prints what String returns, with every verb.
func (c *Context) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// near returns a moment that is at a time, or a little earlier.
func (l *SharedTimer) near(at time.Time, slack time.Duration) *moment {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.last; m != nil && !m.at.After(at) && at.Sub(m.at) <= slack && !m.over.Load() {
		return m
	}
	m := &moment{at: at, whole: time.Until(at), done: make(chan struct{}), yield: l.yield}
	m.small = max(m.whole/lateParts, shortest)
	if l.patient.Load() {
		m.small = max(m.whole/patientParts, shortest)
	}
	if m.yield == nil {
		m.yield = runtime.Gosched
	}
	m.left.Store(int64(m.whole))
	m.pass(false)
	l.last = m
	return m
}

// pass ends m when the time that is left has passed. late reports whether a part of it was.
func (m *moment) pass(late bool) {
	left := time.Duration(m.left.Load())
	if left <= 0 {
		m.over.Store(true)
		close(m.done)
		return
	}
	part := max(m.whole/parts, shortest)
	if late {
		part = m.small
	}
	if left < part+part/2 {
		part = left
	}
	began := time.Now()
	time.AfterFunc(part, func() {
		m.yield()
		m.left.Add(-int64(part))
		m.pass(late || time.Since(began) > part+punctual)
	})
}
