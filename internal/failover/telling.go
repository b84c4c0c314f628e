package failover

import (
	"sync"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/revoked"
)

// telling holds the tombstones that are being written into a log and enter the revocation set
// afterwards: if the store loses its data meanwhile, the log is written anew with them too. The
// zero telling is empty; any number of goroutines may use it.
type telling struct {
	mu  sync.Mutex
	all map[*journal.Tombstone]revoked.Tombstone // by the caller's tombstone
}

func (t *telling) add(g *journal.Tombstone) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = make(map[*journal.Tombstone]revoked.Tombstone)
	}
	t.all[g] = journal.Compact(*g)
}

func (t *telling) remove(g *journal.Tombstone) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, g)
}

func (t *telling) list() (all []revoked.Tombstone) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, x := range t.all {
		x.From = revoked.Own
		all = append(all, x)
	}
	return all
}
