// Package rate bounds how many times a second something is done, such as restores
// into a store that lost its data (package failover has that one).
package rate

import (
	"sync"
	"time"
)

// Limiter is a token bucket that holds what is allowed in one second, and is
// full at first. The zero Limiter is ready; any number of goroutines may use it.
type Limiter struct {
	mu   sync.Mutex // guards all below
	left float64
	last time.Time
}

// Allow reports whether one more may be done now, when at most perSecond may be
// done in each second. If so, it counts as done.
func (l *Limiter) Allow(now time.Time, perSecond int) bool { return l.AllowAll(now, perSecond, 1) }

// AllowAll is Allow for n at once.
func (l *Limiter) AllowAll(now time.Time, perSecond, n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := float64(perSecond)
	if l.last.IsZero() {
		l.left = most
	}
	l.left = min(most, l.left+now.Sub(l.last).Seconds()*most)
	l.last = now
	if l.left < float64(n) {
		return false
	}
	l.left -= float64(n)
	return true
}
