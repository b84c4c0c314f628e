package failover

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/streak"
)

// health counts the shards that are away. If there is no breaker, its detector finds
// out which are.
type health struct {
	ailing   atomic.Int32 // detector.Failing(), to be read without mu
	mu       sync.Mutex   // guards all below
	detector streak.Detector
	down     int       // how many shards are away
	since    time.Time // when the first of them went away, or the last came back
}

// Work is a kind of operation.
type Work = streak.Work

// reminder is the time between two calls of the StillDown hook for one outage.
const reminder = streak.Reminder

// recover notes that an operation succeeded. It reports whether the shard is back
// with it, and since when it was away.
func (h *health) recover(shard string, w Work) (since time.Time, back bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	since, back = h.detector.Recover(shard, w)
	h.ailing.Store(int32(h.detector.Failing()))
	if back {
		h.countLocked(-1)
	}
	return since, back
}

// fail notes that an operation failed. It returns the news for the hooks, and since
// when the shard is away.
func (h *health) fail(shard string, w Work) (since time.Time, news streak.News) {
	h.mu.Lock()
	defer h.mu.Unlock()
	since, news = h.detector.Fail(shard, w, time.Now())
	h.ailing.Store(int32(h.detector.Failing()))
	if news == streak.Began {
		h.countLocked(+1)
	}
	return since, news
}

// countLocked counts n more shards as away.
func (h *health) countLocked(n int) {
	before := h.down
	if h.down += n; before == 0 || h.down == 0 {
		h.since = time.Now()
	}
}

// The kinds of work.
const (
	Loading  = streak.Load
	Putting  = streak.Put  // a save over record.Absent or record.Any
	Swapping = streak.Swap // a save over a record.Version
	NoWork   = streak.None
)

// SaveOf returns the kind of a save.
func SaveOf(over record.Version) Work {
	if over == record.Absent || over == record.Any {
		return Putting
	}
	return Swapping
}
