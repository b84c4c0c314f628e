package session

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/streak"
)

// Stats is what a Manager has seen since it was made. It goes through JSON and
// back.
type Stats struct {
	Failing bool      // a shard of the store is away
	Since   time.Time // when Failing became what it is

	Loads     uint64 // sessions asked of the store
	Saves     uint64 // sessions written, new ones and tombstones included
	Refreshes uint64 // saves that only put the expiry off
	Conflicts uint64 // saves that another writer came before
	Failures  uint64 // operations that the store failed, and saves that other writers came before until the time was up

	// With a Backup:
	Degraded uint64       // loads that were answered from the backup
	Restores uint64       // sessions put back into a store that lacked them
	Shards   []ShardStats // those that were met so far, by name
	Journal  JournalStats
}

// ShardStats is a shard of the store as this process sees it.
type ShardStats struct {
	Name       string
	State      ShardState
	Since      time.Time     // when State became what it is
	Cause      Cause         // of being away; empty while it serves
	Mode       Mode          // the operator's
	Quarantine time.Duration // how long it is still not believed when it has nothing: it lost its memory
}

// JournalStats is what a process has still to deliver to its store.
type JournalStats struct {
	States     int // sessions that the store lacks a change of
	Tombstones int // ended sessions that the store was never told of
	Again      int // ended sessions that it was told of, and is told again because it lost its memory
	Ring       int // tombstones known, those included
	Bytes      int // what all of it takes up, about

	// Since the Manager was made, and never less than before:
	Delivered uint64 // changes and tombstones that the store lacked, and has taken from the journal
	Lost      uint64 // dropped for good: the journal was full, the lease had run out or another hand had ended the session
}

func (s *JournalStats) add(n journal.Stats) {
	s.States += n.States
	s.Tombstones += n.Tombstones
	s.Again += n.Again
	s.Ring += n.Known
}

// health counts what the store does. Where there is no breaker, it notices when
// a shard fails and recovers.
type health struct {
	loads, saves, refreshes, conflicts, failures, degraded, restores atomic.Uint64

	ailing   atomic.Int32 // detector.Failing(), to be read without mu
	mu       sync.Mutex   // guards all below
	detector streak.Detector
	down     int       // how many shards are away
	since    time.Time // when the first of them went, or the last was well again
}

// work is a kind of operation.
type work = streak.Work

const (
	loading  = streak.Load
	putting  = streak.Put  // a save over Absent or Any
	swapping = streak.Swap // a save over a Version
	noWork   = streak.None
)

// workOf is the kind of a save.
func workOf(over Version) work {
	if over == Absent || over == Any {
		return putting
	}
	return swapping
}

// reminder is how often an outage that lasts is told.
const reminder = streak.Reminder

// shard names the part of the store that has id.
func (m *Manager) shard(id ID) string {
	if p, ok := m.store.(Prober); ok {
		return p.Shard(id)
	}
	return ""
}

// answered notes that an operation worked.
func (m *Manager) answered(ctx context.Context, w work, id ID) {
	if w == noWork || m.health.ailing.Load() == 0 {
		return
	}
	shard := m.shard(id)
	if since, news := m.health.recover(shard, w); news && m.hooks.Up != nil {
		m.hooks.Up(ctx, Outage{Shard: shard, Since: since, Duration: time.Since(since)})
	}
}

// away notes that an operation failed.
func (m *Manager) away(ctx context.Context, w work, id ID, err error) {
	shard := m.shard(id)
	switch since, news := m.health.fail(shard, w); {
	case news == streak.Began && m.hooks.Down != nil:
		m.hooks.Down(ctx, shard, err)
	case news == streak.Lasts && m.hooks.StillDown != nil:
		m.hooks.StillDown(ctx, Outage{Shard: shard, Since: since, Duration: time.Since(since), Err: err})
	}
}

// recover reports whether the shard is well again by it, and since when it was
// not.
func (h *health) recover(shard string, w work) (since time.Time, back bool) {
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
func (h *health) fail(shard string, w work) (since time.Time, news streak.News) {
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

func (m *Manager) failed(ctx context.Context, operation Operation, id ID, err error) {
	m.health.failures.Add(1)
	if m.hooks.Failed != nil {
		m.hooks.Failed(context.WithValue(ctx, failedShard{}, m.shard(id)), operation, id, err)
	}
}

// Stats returns the counters as they are now. It does not ask the store.
func (m *Manager) Stats() Stats {
	h := &m.health
	h.mu.Lock()
	st := Stats{Failing: h.down > 0, Since: h.since}
	h.mu.Unlock()
	st.Loads, st.Saves, st.Refreshes = h.loads.Load(), h.saves.Load(), h.refreshes.Load()
	st.Conflicts, st.Failures = h.conflicts.Load(), h.failures.Load()
	st.Degraded, st.Restores = h.degraded.Load(), h.restores.Load()
	m.shards.byName.Range(func(_, v any) bool {
		s := v.(*shard)
		st.Shards = append(st.Shards, s.status())
		st.Journal.add(s.journal.Stats())
		return true
	})
	slices.SortFunc(st.Shards, func(a, b ShardStats) int { return strings.Compare(a.Name, b.Name) })
	st.Journal.Bytes = int(m.ledger.Bytes.Load())
	st.Journal.Delivered, st.Journal.Lost = m.ledger.Delivered.Load(), m.ledger.Lost.Load()
	return st
}

func (s *shard) status() ShardStats {
	b := s.breaker.State(s.m.now())
	if b.State == circuit.Serving {
		b.Cause = circuit.Nothing // of an outage that is over
	}
	return ShardStats{
		Name: s.name, State: ShardState(b.State), Since: b.Since, Cause: Cause(b.Cause.String()),
		Mode: Mode(b.Mode), Quarantine: b.Quarantine,
	}
}
