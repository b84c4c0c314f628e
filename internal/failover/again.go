package failover

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/rate"
	"github.com/holdfast-go/session/internal/revoked"
)

// again is a walk through the revocation set, which writes into a shard that has lost its
// data the tombstones that it had, the youngest first. A tombstone that the shard refuses
// does not hold up the others: it is tried again by itself, until the set has forgotten
// it.
type again struct {
	left atomic.Int64 // about how many tombstones of the set the walk has not tried yet

	mu      sync.Mutex // guards all below
	at      revoked.Cursor
	rest    []journal.Tombstone // tombstones of the page before at that were not tried yet
	last    bool                // no page comes after rest
	walk    int                 // number of the walk
	limit   rate.Limiter
	refused map[string]refusal // by the ID of the session
}

// refusal is when a tombstone that the shard has refused is tried again.
type refusal struct {
	next time.Time
	wait time.Duration // from the last refusal to next
}

const (
	againPage = 64   // tombstones at a time
	againRate = 1000 // a second

	// maxRefused is how many refused tombstones the walk leaves behind. If there are as many,
	// the shard probably takes none at all, and the walk waits for it.
	maxRefused = 1024

	firstAgain = time.Second // from the first refusal until the next attempt; it doubles each time
	lastAgain  = time.Minute
)

// begin begins the walk, anew if there is one.
func (w *again) begin(j *journal.Journal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = revoked.Cursor{}
	w.rest, w.last = nil, false
	w.refused = nil
	w.walk++
	j.Revoked(func(set *revoked.Set) { w.left.Store(int64(set.Len())) })
}

// owes returns about how many tombstones are still to be written, and how many of these the
// shard has refused.
func (w *again) owes() (all, refused int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	refused = len(w.refused)
	return int(w.left.Load()) + refused, refused
}

// attempt is the result of writing a page of tombstones.
type attempt struct {
	n              int // how many of the page were looked at, in their order
	taken, refused []string
}

// page returns the next tombstones, and a function that the caller gives the result of
// writing them. It reports whether the walk may go on now.
func (w *again) page(j *journal.Journal, now time.Time) (page []journal.Tombstone, done func(attempt, time.Time), ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.refused) >= maxRefused {
		return nil, nil, false
	}
	if len(w.rest) == 0 {
		if !w.limit.AllowAll(now, againRate, againPage) {
			return nil, nil, false
		}
		w.rest, w.at = j.Page(w.at, againPage)
		w.last = len(w.rest) < againPage
	}
	walk := w.walk
	return w.rest, func(a attempt, now time.Time) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.walk != walk {
			return
		}
		w.judgeLocked(a, now)
		w.rest = w.rest[a.n:]
		w.left.Store(max(1, w.left.Load()-int64(a.n)))
		if w.last && len(w.rest) == 0 {
			w.left.Store(0)
		}
	}, true
}

// due returns the refused tombstones that are to be tried now, and a function that the
// caller gives the result. Those that the set has forgotten are not tried again.
func (w *again) due(j *journal.Journal, now time.Time) (page []journal.Tombstone, done func(attempt, time.Time)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, r := range w.refused {
		t, known := j.Tombstone(id)
		switch {
		case !known, t.Pending: // a pending one is delivered by the journal
			delete(w.refused, id)
		case !now.Before(r.next):
			page = append(page, t)
		}
	}
	walk := w.walk
	return page, func(a attempt, now time.Time) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.walk == walk {
			w.judgeLocked(a, now)
		}
	}
}

// judgeLocked notes which tombstones the shard has refused, and when they are tried again.
func (w *again) judgeLocked(a attempt, now time.Time) {
	for _, id := range a.taken {
		delete(w.refused, id)
	}
	if w.refused == nil {
		w.refused = make(map[string]refusal)
	}
	for _, id := range a.refused {
		r := w.refused[id]
		r.wait = min(max(2*r.wait, firstAgain), lastAgain)
		r.next = now.Add(r.wait)
		w.refused[id] = r
	}
}
