package failover

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/journal"
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

// reminder is how often an outage that lasts is told.
const reminder = streak.Reminder

// answered notes that an operation worked.
func (a *Shards) answered(ctx context.Context, w Work, id string) {
	if w == NoWork || a.health.ailing.Load() == 0 {
		return
	}
	shard := a.Store.Shard(id)
	if since, news := a.health.recover(shard, w); news && a.Hooks.Up != nil {
		a.Hooks.Up(ctx, Outage{Shard: shard, Since: since, Duration: time.Since(since)})
	}
}

// away notes that an operation failed.
func (a *Shards) away(ctx context.Context, w Work, id string, err error) {
	shard := a.Store.Shard(id)
	switch since, news := a.health.fail(shard, w); {
	case news == streak.Began && a.Hooks.Down != nil:
		a.Hooks.Down(ctx, shard, err)
	case news == streak.Lasts && a.Hooks.StillDown != nil:
		a.Hooks.StillDown(ctx, Outage{Shard: shard, Since: since, Duration: time.Since(since), Err: err})
	}
}

// recover reports whether the shard is well again by it, and since when it was
// not.
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

// fail notes a failure. It returns what there is to tell, and since when the
// shard fails.
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

func (a *Shards) CountFailure(ctx context.Context, operation Operation, id string, err error) {
	a.Failures.Add(1)
	if a.Hooks.Failed != nil {
		a.Hooks.Failed(ctx, a.Store.Shard(id), operation, id, err)
	}
}

// Stats are what is known of the shards, and of what they are owed.
type Stats struct {
	Failing bool      // a shard is away
	Since   time.Time // when Failing became what it is
	Shards  []ShardStats
	Journal journal.Stats // of all shards together
	Bytes   int           // that the journals take up
}

// ShardStats are what is known of a shard.
type ShardStats struct {
	Name string
	circuit.Status
}

// Stats returns the figures as they are now, the shards by name. It does not ask
// the store.
func (a *Shards) Stats() (st Stats) {
	h := &a.health
	h.mu.Lock()
	st.Failing = h.down > 0
	st.Since = h.since
	h.mu.Unlock()
	a.byName.Range(func(_, v any) bool {
		s := v.(*Shard)
		st.Shards = append(st.Shards, ShardStats{s.name, s.breaker.State(a.Clock.Now())})
		st.Journal.Add(s.journal.Stats())
		return true
	})
	slices.SortFunc(st.Shards, func(a, b ShardStats) int { return strings.Compare(a.Name, b.Name) })
	st.Bytes = int(a.ledger.Bytes.Load())
	st.Journal.Delivered = a.ledger.Delivered.Load()
	st.Journal.Lost = a.ledger.Lost.Load()
	return st
}

// The kinds of work.
const (
	Loading  = streak.Load
	Putting  = streak.Put  // a save over record.Absent or record.Any
	Swapping = streak.Swap // a save over a record.Version
	NoWork   = streak.None
)

// SaveOf is the kind of a save.
func SaveOf(over record.Version) Work {
	if over == record.Absent || over == record.Any {
		return Putting
	}
	return Swapping
}
