package jar

import (
	"cmp"
	"slices"
	"time"
)

// Visit is one request of a session, from Enter to Leave. Its methods may be
// called concurrently with those of other visits.
type Visit struct {
	slots   *Slots
	session *session
	carried Mask
	name    string // of the copy that its answer sets
	set     Mask   // where

	holding Mask // what of it the session's ledger counts
	listed  bool // among the session's answers
	left    bool
	queued  bool      // among those of the Slots that have left
	expires time.Time // once it has left

	before, after *Visit // in that queue

	// The cookies that other visits held, and those that they set, at any time from
	// Enter up to seen. They count for as long as this visit lasts: the browser may
	// have them by now, and this request has not carried them.
	busy, theirs Mask
	seen         uint64
}

// Take returns where a copy of that name and of so many parts goes. The parts lie
// together in one slot: slot i is the cookies from i*parts up to (i+1)*parts.
// The answer sets the cookies in set, the first part in the lowest, and deletes
// those in drop: what the request carried, unless that is set again, by this
// answer or by an overlapping one that found no free slot.
//
// It may be called again until the answer leaves, and then only what it
// returned last counts. It moves only when there are more or fewer parts.
func (v *Visit) Take(name string, parts int, now time.Time) (set, drop Mask) {
	s := v.slots
	cookies := cmp.Or(s.Cookies, Most)
	parts = max(1, min(parts, cookies))
	slots := cookies / parts
	s.mu.Lock()
	defer s.mu.Unlock()
	if !v.left {
		s.sweepLocked(now)
		v.learn()
		v.releaseLocked()
		if !v.fits(parts, slots) {
			v.set = v.choose(parts, slots)
		}
		v.name = name
		v.holdLocked()
		v.listLocked()
	}
	return v.set, v.carried &^ v.set &^ v.theirs
}

// learn notes what others have begun to hold since the last time.
func (v *Visit) learn() {
	j := v.homeLocked()
	v.busy |= j.held.since(v.seen)
	v.theirs |= j.set.since(v.seen)
}

// fits reports whether the visit's cookies are one of these slots.
func (v *Visit) fits(parts, slots int) bool {
	for i := range slots {
		if v.set == slot(i, parts) {
			return true
		}
	}
	return false
}

func slot(i, parts int) Mask { return (1<<parts - 1) << (i * parts) }

// choose finds the slot that does the least harm.
func (v *Visit) choose(parts, slots int) Mask {
	for i := range slots { // free
		if m := slot(i, parts); m&(v.carried|v.busy) == 0 {
			return m
		}
	}
	for _, taken := range [...]Mask{
		v.busy,                       // what only this request carried: its copy has joined
		v.busy&^v.carried | v.theirs, // others carried it too, and may delete it
	} {
		for i := range slots {
			if m := slot(i, parts); m&taken == 0 {
				return m
			}
		}
	}
	for i := range slots { // only others carried it
		if m := slot(i, parts); m&v.theirs == 0 {
			return m
		}
	}
	// Other visits hold all slots: take the one that was taken longest ago.
	best, oldest := slot(0, parts), ^uint64(0)
	for i := range slots {
		if at := v.homeLocked().set.latest(slot(i, parts)); at < oldest {
			best, oldest = slot(i, parts), at
		}
	}
	return best
}

// Also notes that the session gets another ID. Requests that enter by either ID
// share the slots.
func (v *Visit) Also(id string) {
	v.slots.mu.Lock()
	defer v.slots.mu.Unlock()
	if id != "" && !v.left {
		v.slots.alsoLocked(v.homeLocked(), id)
	}
}

// Leave notes that the request is over. Where it has set a copy the answer is still
// under way, until a request enters that carries it, or for 30 s.
func (v *Visit) Leave(now time.Time) {
	s := v.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.left {
		return
	}
	v.left = true
	j := v.homeLocked()
	j.visits--
	if v.listed {
		v.expires = now.Add(unseen)
		s.queueLocked(v)
	} else {
		v.releaseLocked()
	}
	s.forgetLocked(j)
	s.sweepLocked(now)
}

func (v *Visit) expired(now time.Time) bool { return v.left && !now.Before(v.expires) }

// homeLocked returns the visit's session. Where that was joined with another session, it
// returns the joined one.
func (v *Visit) homeLocked() *session {
	for v.session.into != nil {
		v.session = v.session.into
	}
	return v.session
}

// holdLocked keeps the cookies that the visit carried and those that it sets from other
// visits.
func (v *Visit) holdLocked() {
	v.slots.clock++
	v.seen = v.slots.clock
	v.holding = v.carried | v.set
	j := v.homeLocked()
	j.held.add(v.holding, v.seen)
	j.set.add(v.set, v.seen)
}

// listLocked makes the visit wait for a request that carries the cookies it set.
func (v *Visit) listLocked() {
	j := v.homeLocked()
	v.listed = true
	j.answers = append(j.answers, v)
	j.bound()
}

// releaseLocked lets go of all that it holds.
func (v *Visit) releaseLocked() {
	j := v.homeLocked()
	j.held.sub(v.holding)
	if v.holding != 0 {
		j.set.sub(v.set)
	}
	v.holding = 0
	if v.listed {
		v.listed = false
		j.answers = slices.DeleteFunc(j.answers, func(a *Visit) bool { return a == v })
	}
	if v.queued {
		v.slots.unqueueLocked(v)
	}
}
