package failover

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/streak"
)

// health counts what the store does. Where there is no breaker, it notices when
// a shard fails and recovers.
type health struct {
	ailing   atomic.Int32 // detector.Failing(), to be read without mu
	mu       sync.Mutex   // guards all below
	detector streak.Detector
	down     int       // how many shards are away
	since    time.Time // when the first of them went, or the last was well again
}

// Work is a kind of operation.
type Work = streak.Work

// reminder is how often the hooks are told of an outage that lasts.
const reminder = streak.Reminder

// recover notes that an operation worked. It reports whether the shard is well
// again, and since when it was not.
func (h *health) recover(shard string, w Work) (since time.Time, back bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	since, back = h.detector.Recover(shard, w)
	h.ailing.Store(int32(h.detector.Failing()))
	if back {
		h.count(-1)
	}
	return since, back
}

// fail notes a failure. It returns what the hooks are to be told, and since when
// the shard fails.
func (h *health) fail(shard string, w Work) (since time.Time, news streak.News) {
	h.mu.Lock()
	defer h.mu.Unlock()
	since, news = h.detector.Fail(shard, w, time.Now())
	h.ailing.Store(int32(h.detector.Failing()))
	if news == streak.Began {
		h.count(+1)
	}
	return since, news
}

// count counts the shards that are away. h.mu is held.
func (h *health) count(n int) {
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
