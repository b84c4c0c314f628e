package session

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// State is what a Manager has seen since it was made.
type State struct {
	Failing bool      // the store failed its last operation
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

	failing atomic.Bool // written under mu, read without
	mu      sync.Mutex
	since   time.Time
}

// turn notes whether an operation failed. If that is news it says so, and for
// how long it had been otherwise.
func (h *health) turn(failing bool) (after time.Duration, news bool) {
	if h.failing.Load() == failing {
		return 0, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.failing.CompareAndSwap(!failing, failing) {
		return 0, false
	}
	after, h.since = time.Since(h.since), time.Now()
	return after, true
}

func (m *Manager) answered(ctx context.Context) {
	if after, news := m.health.turn(false); news && m.hooks.Up != nil {
		m.hooks.Up(ctx, after)
	}
}

func (m *Manager) failed(ctx context.Context, operation string, id ID, err error) {
	m.health.failures.Add(1)
	if m.hooks.Failed != nil {
		m.hooks.Failed(ctx, operation, id, err)
	}
	if _, news := m.health.turn(true); news && m.hooks.Down != nil {
		m.hooks.Down(ctx, err)
	}
}

// State returns the counters as they are now. It does not ask the store.
func (m *Manager) State() State {
	h := &m.health
	h.mu.Lock()
	defer h.mu.Unlock()
	return State{
		Failing: h.failing.Load(), Since: h.since,
		Loads: h.loads.Load(), Saves: h.saves.Load(), Refreshes: h.refreshes.Load(),
		Conflicts: h.conflicts.Load(), Failures: h.failures.Load(),
	}
}
