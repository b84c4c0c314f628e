package session

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// State is what a Manager has seen since it was made.
type State struct {
	Failing bool      // the store failed its last load or its last save
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

	failing atomic.Uint32 // the kinds of work that failed last; written under mu, read without
	mu      sync.Mutex
	since   time.Time
}

// work is a kind of operation. A store that loads may be unable to save, as a
// replica or a full one is: it recovers when it saves. One that did neither is
// back when it loads.
type work uint32

const (
	loading work = 1 << iota
	saving
)

// turn notes whether a kind of work failed. If the store fails or works as a
// whole for that reason, it says so, and for how long it had been otherwise.
func (h *health) turn(w work, fails bool) (after time.Duration, news bool) {
	if h.failing.Load()&uint32(w) != 0 == fails {
		return 0, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.failing.Load()
	now := before &^ uint32(w)
	switch {
	case fails:
		now |= uint32(w)
	case w == loading:
		now = 0
	}
	h.failing.Store(now)
	if (before != 0) == (now != 0) {
		return 0, false
	}
	after, h.since = time.Since(h.since), time.Now()
	return after, true
}

func (m *Manager) answered(ctx context.Context, w work) {
	if after, news := m.health.turn(w, false); news && m.hooks.Up != nil {
		m.hooks.Up(ctx, after)
	}
}

func (m *Manager) away(ctx context.Context, w work, err error) {
	if _, news := m.health.turn(w, true); news && m.hooks.Down != nil {
		m.hooks.Down(ctx, err)
	}
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
		Failing: h.failing.Load() != 0, Since: h.since,
		Loads: h.loads.Load(), Saves: h.saves.Load(), Refreshes: h.refreshes.Load(),
		Conflicts: h.conflicts.Load(), Failures: h.failures.Load(),
	}
}
