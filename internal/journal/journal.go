// Package journal keeps the writes that shards of the store lack while they do not
// answer, the tombstones of sessions that the process knows to have ended, and copies
// of sessions that requests may still need to read. It decides nothing that needs the
// store: it returns the consequences of an entry, and the caller acts on them.
//
// A [Journal] is one over all shards. It has one order by age and one bound in
// bytes. When it is full, an entry makes room by displacing others, whatever
// their shard, in this order:
//
//  1. tombstones of made-up tokens, and of sessions that began here without the
//     store, whose state this journal had not delivered yet, and that knew no user;
//  2. copies kept only for reading;
//  3. hints, which the visitors' cookies still have.
//
// It displaces the oldest of each class first. A tombstone that the store lacks,
// of a session that a visitor had, is never displaced: if those alone fill the
// journal, there is no room, and [ErrFull] says so. An entry displaces nothing
// that would go later than itself. So sessions that visitors without a login begin and
// end displace only each other.
//
// A tombstone that the store has takes up no room among these. It is part of the
// revocation set, which is compact and has a bound of its own (package revoked).
//
// Where to look: copies.go enters hints and copies for reading, tombstones.go
// tombstones, and tombstone.go says what a tombstone is and how two of one session
// merge; users.go has the revocations of users. room.go says what a full journal
// displaces and what expires. Each class has its own order by age (journal.go); chain.go
// keeps the orders. part.go counts what a shard lacks, and moves entries when the store's
// layout changes; undelivered.go and oldest.go say what is undelivered. settled.go has the
// tombstones that the store has.
//
// The package does no I/O. Package failover delivers what a journal holds and says how
// long a tombstone lives, package spool keeps the journal in a file, and package copies
// says how many bytes it may take up.
package journal

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
)

// Journal holds what the shards of a store lack, as hints, every tombstone that
// this process made or saw, for as long as a tombstone lives, and copies kept for
// reading. Each entry knows its shard by name. A Journal is in memory only: after
// a crash the states and tombstones are still in the cookies and in the journals
// of other instances.
//
// A Journal does no I/O and has no clock and no goroutine. Any number of
// goroutines may use it. A method that lists entries, or whose comment says so,
// takes time in proportion to their number; every other takes constant time, and
// as much again for each entry that it drops. The zero Journal is not usable: see
// New.
type Journal struct {
	// InUse reports whether a request needs what became known of a session at a time,
	// because it has read the session before: then a copy stays although it was carried
	// back, or its time is up. It is called with the journal locked. Nil: none does. It
	// is set before the first call.
	InUse func(id string, at time.Time) bool

	// Forgot is called when a copy for reading is dropped for lack of room, or finds none,
	// with its session and when it became known: a request may need it. It is called with the
	// journal locked. It may be nil. It is set before the first call.
	Forgot func(id string, at time.Time)

	// Changed is called whenever Undelivered has another result for a session than
	// before, with whether the store lacks anything of the session now. It is called with
	// the journal locked, so that the changes come in their order. It may be nil. It is
	// set before the first call.
	Changed func(id string, lacks bool)

	limit int64
	users atomic.Bool // there may be revocations of users

	mu         sync.RWMutex // guards all below
	parts      map[string]*part
	tombstones map[string]*node[Tombstone] // the tombstones that the store lacks
	settled    settled                     // the tombstones that it has; no session is in both
	hints      map[string]*node[heldCopy]
	reading    map[string]*node[heldCopy] // a session that is here or in hints has no tombstone
	age        uint64                     // age of the youngest entry
	bytes      int64                      // at most limit

	// By age. Each tombstone that the store lacks is in one of two.
	dispensable chain[Tombstone] // those that go first
	lasting     chain[Tombstone] // the others, which are never displaced

	hintsByAge, readingByAge chain[heldCopy]

	kept chain[heldCopy] // those that Keep keeps, by expiry

	// The sessions that the store has never had, in the order in which it began to lack
	// them: see Oldest.
	undeliveredHints      chain[heldCopy]
	undeliveredTombstones chain[Tombstone]
}

// New returns an empty journal that takes up at most limit bytes, and whose revocation
// set takes up at most revocations bytes more.
func New(limit, revocations int64) *Journal {
	return &Journal{
		limit:      limit,
		settled:    settled{set: revoked.New(int(revocations)), links: make(map[string]state.Link)},
		parts:      make(map[string]*part),
		tombstones: make(map[string]*node[Tombstone]),
		hints:      make(map[string]*node[heldCopy]),
		reading:    make(map[string]*node[heldCopy]),
	}
}

// ErrFull is the error for an entry for which there is no room, because it may
// not displace what the journal holds. Nothing has changed then.
var ErrFull = errors.New("the journal is full")

// The bytes that an entry takes up, with its share of the maps: measured, see
// TestSizes.
const (
	// tombstoneSize is the size of every tombstone. It is that of one with a link;
	// one without takes up 96 bytes less.
	tombstoneSize = 352

	copySize       = 424 // size of a copy, besides its values and the sessions that it supersedes
	supersededSize = 80
)

// Tombstone returns the tombstone of a session, if this process knows that it has ended.
func (j *Journal) Tombstone(id string) (Tombstone, bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.tombstoneLocked(id)
}

func (j *Journal) tombstoneLocked(id string) (Tombstone, bool) {
	if n := j.tombstones[id]; n != nil {
		return n.value, true
	}
	return j.settled.find(id)
}

// Held is what a journal knows of a session that has not ended.
type Held struct {
	state.Copy
	Owed bool // the store lacks a part of it
}

// Copy returns what the journal knows of a session: what the store lacks, joined
// with what is kept for reading.
func (j *Journal) Copy(id string) (h Held, ok bool) {
	j.mu.RLock()
	hint, kept := j.hints[id], j.reading[id]
	var owed, read state.Copy
	if hint != nil {
		owed = hint.value.Copy
	}
	if kept != nil {
		read = kept.value.Copy
	}
	j.mu.RUnlock()
	switch {
	case hint == nil:
		return Held{Copy: read}, kept != nil
	case kept == nil:
		return Held{Copy: owed, Owed: true}, true
	}
	return Held{Copy: owed.Join(read), Owed: true}, true
}

// youngerLocked returns the age of an entry that comes now.
func (j *Journal) youngerLocked() uint64 {
	j.age++
	return j.age
}

// chargeLocked adds bytes, which may be negative, to the sizes of p and of the journal.
func (j *Journal) chargeLocked(p *part, bytes int64) {
	j.bytes += bytes
	p.bytes += bytes
}
