package failover

import (
	"iter"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/revoked"
)

// heardSet is the revocation set as package members sees it.
type heardSet struct {
	journal *journal.Journal
	has     func(revoked.Tombstone) bool // reports whether a tombstone belongs in the shard's log
	enter   func(g journal.Tombstone)    // takes in what was heard
	// tellOthers has a tombstone put into the logs of the other shards, if it belongs there.
	tellOthers func(x revoked.Tombstone)

	telling *telling // ends that may be in the log and are not in the set yet

	silent bool
}

// Heard takes in tombstones from a log.
func (h heardSet) Heard(all []revoked.Tombstone) {
	for _, x := range all {
		if !h.silent {
			h.enter(journal.Heard(x))
		}
	}
}

// All yields the tombstones that belong in the shard's log, the youngest first, and then
// those that are being written.
func (h heardSet) All() iter.Seq[revoked.Tombstone] {
	const page = 1024
	return func(yield func(revoked.Tombstone) bool) {
		var at revoked.Cursor
		telling := h.telling.list() // one that leaves it from now on is in the set
		for !h.silent {
			var all []revoked.Tombstone
			h.journal.Revoked(func(set *revoked.Set) { all, at = set.Page(at, page) })
			for _, x := range all {
				if x.Class != revoked.MadeUp && h.has(x) && !yield(x) {
					return
				}
			}
			if len(all) < page {
				break
			}
		}
		for _, x := range telling {
			if !h.silent && h.has(x) && !yield(x) {
				return
			}
		}
	}
}

// SetOwn notes that tombstones go into the log of this process, and those of users into its
// logs in all shards.
func (h heardSet) SetOwn(all []revoked.Tombstone) {
	for i := range all {
		if all[i].Class == revoked.Users {
			h.tellOthers(all[i])
		}
	}
	h.journal.Revoked(func(set *revoked.Set) {
		for i := range all {
			set.SetFrom(all[i].ID, revoked.Own)
		}
	})
}

// Forget gives the tombstones from a log another number.
func (h heardSet) Forget(from, to uint8) {
	h.journal.Revoked(func(set *revoked.Set) { set.Forget(from, to) })
}
