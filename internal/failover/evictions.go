package failover

import (
	"sync"
	"sync/atomic"
	"time"
)

// evictions counts the records that a shard's server has dropped before their time, by the
// server's own figure.
type evictions struct {
	total atomic.Uint64 // evictions since the first answer

	// Only the shard's goroutine uses these.
	asked time.Time // when it was asked last
	last  uint64    // its answer
	known bool      // there was one
}

// countEvery is how often the shard is asked for its evictions.
const countEvery = time.Minute

// due reports whether the shard is to be asked now.
func (e *evictions) due(now time.Time) bool {
	if !e.asked.IsZero() && now.Sub(e.asked) < countEvery {
		return false
	}
	e.asked = now
	return true
}

// answer takes in how many records the server has evicted since it started, and returns how
// many of them are new.
func (e *evictions) answer(n uint64) (more uint64) {
	last, known := e.last, e.known
	e.last, e.known = n, true
	switch {
	case !known:
		return 0
	case n >= last:
		more = n - last
	default: // the server has started again
		more = n
	}
	e.total.Add(more)
	return more
}

// early counts the tombstones dropped before their time that the hook has been told of.
type early struct {
	mu   sync.Mutex // guards told
	told int
}

// news returns how many tombstones were dropped since the last call. count is called by
// one goroutine at a time.
func (e *early) news(count func() int) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.told
	e.told = count()
	return e.told - before
}
