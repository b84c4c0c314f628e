package session

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// State is what a Manager has seen since it was made.
type State struct {
	Failing bool      // a shard of the store failed three operations in a row
	Since   time.Time // when Failing became what it is

	Loads     uint64 // sessions asked of the store
	Saves     uint64 // sessions written, new ones and tombstones included
	Refreshes uint64 // saves that only put the expiry off
	Conflicts uint64 // saves that another writer came before
	Failures  uint64 // operations that the store failed
}

// health counts what the store does, and notices when it fails and recovers.
type health struct {
	loads, saves, refreshes, conflicts, failures atomic.Uint64

	ailing atomic.Int32 // len(shards), to be read without mu
	mu     sync.Mutex   // guards all below
	shards map[string]*ailment
	down   int // how many of them have failed often enough to be news
	since  time.Time
}

// ailment is what is wrong with one shard: each kind of work that failed last,
// and how often in a row.
type ailment struct {
	works work
	row   int
}

// work is a kind of operation. A store that loads may be unable to save, as a
// replica or a full one is: it recovers when it saves. One that did neither is
// back when it loads.
type work uint8

const (
	loading work = 1 << iota
	saving
)

// newsAfter is how many operations of one shard have to fail in a row before
// the store counts as failing: a single slow answer is no outage.
const newsAfter = 3

// shard names the part of the store that has id.
func (m *Manager) shard(id ID) string {
	if p, ok := m.store.(Prober); ok {
		return p.Shard(id)
	}
	return ""
}

// answered notes that an operation worked.
func (m *Manager) answered(ctx context.Context, w work, id ID) {
	if m.health.ailing.Load() == 0 {
		return
	}
	if after, news := m.health.recover(m.shard(id), w); news && m.hooks.Up != nil {
		m.hooks.Up(ctx, after)
	}
}

// away notes that an operation failed.
func (m *Manager) away(ctx context.Context, w work, id ID, err error) {
	if m.health.fail(m.shard(id), w) && m.hooks.Down != nil {
		m.hooks.Down(ctx, err)
	}
}

// recover reports whether the store as a whole is well again by it, and how
// long it was not.
func (h *health) recover(shard string, w work) (after time.Duration, news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.shards[shard]
	if a == nil {
		return 0, false
	}
	switch {
	case a.works&w == 0:
		return 0, false // it still does not do what failed
	case w == loading:
		a.works = 0
	default:
		a.works &^= w
	}
	if a.works != 0 {
		return 0, false
	}
	delete(h.shards, shard)
	h.ailing.Add(-1)
	if a.row < newsAfter {
		return 0, false
	}
	if h.down--; h.down > 0 {
		return 0, false
	}
	after, h.since = time.Since(h.since), time.Now()
	return after, true
}

// fail reports whether the store as a whole fails by it, and did not before.
func (h *health) fail(shard string, w work) (news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.shards[shard]
	if a == nil {
		a = &ailment{}
		if h.shards == nil {
			h.shards = make(map[string]*ailment)
		}
		h.shards[shard] = a
		h.ailing.Add(1)
	}
	a.works |= w
	if a.row++; a.row != newsAfter {
		return false
	}
	if h.down++; h.down > 1 {
		return false
	}
	h.since = time.Now()
	return true
}

func (m *Manager) failed(ctx context.Context, operation string, id ID, err error) {
	m.health.failures.Add(1)
	if m.hooks.Failed != nil {
		m.hooks.Failed(ctx, operation, id, err)
	}
}

// State returns the counters as they are now. It does not ask the store.
func (m *Manager) State() State {
	h := &m.health
	h.mu.Lock()
	defer h.mu.Unlock()
	return State{
		Failing: h.down > 0, Since: h.since,
		Loads: h.loads.Load(), Saves: h.saves.Load(), Refreshes: h.refreshes.Load(),
		Conflicts: h.conflicts.Load(), Failures: h.failures.Load(),
	}
}
