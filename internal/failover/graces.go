package failover

import (
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/journal"
)

// graces holds the ends by rotation that were heard while the rotated tokens still open their
// sessions.
type graces struct {
	mu      sync.Mutex
	rotated []journal.Tombstone
}

// hear takes in a tombstone from a log. A token that was rotated lately still opens its
// session. The log does not have the link that leads there, and the store's tombstone does:
// so hear keeps such a tombstone back until the grace is over.
func (w *graces) hear(g journal.Tombstone, now time.Time, enter func(journal.Tombstone)) {
	if g.LeadsByStore(now) {
		w.mu.Lock()
		w.rotated = append(w.rotated, g)
		w.mu.Unlock()
		return
	}
	enter(g)
}

// rotatedLately reports whether a rotation of a session was heard and not taken in yet.
func (w *graces) rotatedLately(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.rotated, func(g journal.Tombstone) bool { return g.ID == id })
}

// hearRest takes in the tombstones that waited for the end of a grace.
func (w *graces) hearRest(now time.Time, enter func(journal.Tombstone)) {
	for _, g := range w.leave() {
		w.hear(g, now, enter)
	}
}

// leave returns what waits for the end of a grace, and forgets it. If the store has no such
// shard any more, the caller gives it to other shards.
func (w *graces) leave() []journal.Tombstone {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.rotated
	w.rotated = nil
	return all
}
