package journal

import (
	"time"

	"github.com/holdfast-go/session/internal/revoked"
)

// Dropped are the entries that went because the journal was full, as the IDs of
// their sessions, each the oldest first.
type Dropped struct {
	Dispensable []string // tombstones that are Unverified, IfStored or Stranger
	Reading     []string // copies kept only for reading: from now on these sessions need the store's answer
	Hints       []string // states that the store lacks: from now on only the visitors' cookies have them
}

// class ranks an entry by how soon it is displaced. An entry displaces those of its
// own class and of the classes before.
type class int

const (
	dispensable class = iota
	reading
	hint
	tombstone // one that is never displaced
)

// class returns the class of t.
func (t *Tombstone) class() class {
	if t.dispensable() {
		return dispensable
	}
	return tombstone
}

// fitsLocked reports whether an entry of that class finds room if it displaces every
// entry that it may, an entry of the same session and class that it replaces among
// them.
func (j *Journal) fitsLocked(c class, size int64) bool {
	room := j.limit - j.bytes + j.dispensable.bytes
	if c >= reading {
		room += j.readingByAge.bytes
	}
	if c >= hint {
		room += j.hintsByAge.bytes
	}
	return size <= room
}

// makeRoomLocked displaces entries in their order until there is room for one which
// fits.
func (j *Journal) makeRoomLocked(size int64, d *Dropped) {
	for j.bytes+size > j.limit {
		j.dropNextLocked(d)
	}
}

func (j *Journal) dropNextLocked(d *Dropped) {
	switch {
	case j.dispensable.front != nil:
		n := j.dispensable.front
		if n.value.neverDelivered() {
			n.part.lost++
		}
		j.removeTombstoneLocked(n)
		d.Dispensable = append(d.Dispensable, n.value.ID)
	case j.readingByAge.front != nil:
		n := j.readingByAge.front
		j.removeCopyLocked(n)
		d.Reading = append(d.Reading, n.value.ID)
		j.forgotLocked(n.value.ID, latest(n.value.kept, n.value.delivered))
	default:
		n := j.hintsByAge.front
		n.part.lost++
		j.removeCopyLocked(n)
		d.Hints = append(d.Hints, n.value.ID)
	}
}

// Expire drops three things: the tombstones that the store has had since before settledBefore,
// a minute later at most; the revocations of users that it has had since before usersBefore;
// and the copies that Keep has kept since keptBefore or earlier, except those that a running
// request needs, see InUse. A copy with an earlier date than one that was entered before it
// expires together with that one, and so does a copy that was in use when its time was up.
func (j *Journal) Expire(settledBefore, usersBefore, keptBefore time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.settled.expire(settledBefore, usersBefore)
	if len(j.tombstones) == 0 && !j.settled.set.Has(revoked.Users) {
		j.users.Store(false)
	}
	for range j.kept.n {
		n := j.kept.front
		if n.value.kept.After(keptBefore) {
			break
		}
		if j.inUse(n.value.ID, n.value.kept) {
			n.leave(byExpiry)
			n.moveTo(byExpiry, &j.kept)
			continue
		}
		j.unkeepLocked(n)
	}
}
