package failover

import (
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/state"
)

// RotationGrace is how long the token that a rotation replaced still opens the
// session.
const RotationGrace = 10 * time.Second

// hear takes in a tombstone from a log. A token that was rotated lately still opens its
// session. The log does not have the link that leads there, and the store's tombstone does:
// so hear keeps such a tombstone back until the grace is over.
func (m *membership) hear(g journal.Tombstone, now time.Time, enter func(journal.Tombstone)) {
	if leadsOn := g.Death.Reason == state.Rotated && now.Sub(g.Death.Dot.Time()) < RotationGrace+time.Second; leadsOn {
		m.mu.Lock()
		m.rotated = append(m.rotated, g)
		m.mu.Unlock()
		return
	}
	enter(g)
}

// rotatedLately reports whether a rotation of a session was heard and not taken in yet.
func (m *membership) rotatedLately(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.rotated, func(g journal.Tombstone) bool { return g.ID == id })
}

// hearRest takes in the tombstones that waited for the end of a grace.
func (m *membership) hearRest(now time.Time, enter func(journal.Tombstone)) {
	m.mu.Lock()
	all := m.rotated
	m.rotated = nil
	m.mu.Unlock()
	for _, g := range all {
		m.hear(g, now, enter)
	}
}
