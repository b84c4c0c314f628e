package journal

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

// heldCopy is a copy that the journal holds: a hint, or one kept for reading.
type heldCopy struct {
	state.Copy
	owed bool // a hint

	anonymous bool      // a hint whose session knew no user
	awaits    time.Time // since when a hint waits for news, see Awaits

	// Why a copy is kept for reading, one of these or both:
	delivered time.Time // since when the store has it
	kept      time.Time // when Keep kept it; or Forget, for a request that needs it
}

func (c *heldCopy) size() int64 {
	values := len(c.State.Entries) + len(c.State.Origin)
	return int64(copySize + values + supersededSize*len(c.Supersedes))
}

// Hint is a state that the store lacks and that waits for delivery: a hinted
// handoff, as in Amazon's Dynamo (DeCandia et al., 2007).
type Hint struct {
	state.Copy
	version uint64 // another one after each write
}

// Outcome is the result of entering a copy.
type Outcome struct {
	Ended     bool      // the session has ended, and nothing was kept
	Tombstone Tombstone // the tombstone, if the session has ended
	Dropped   Dropped
}

// Add keeps a state that the store lacks until it is delivered, joined with the hint
// of the session that is there already. If the session has ended, Add keeps nothing
// and returns the tombstone. It fails with ErrFull if there is no room; the hint that
// is there already stays as it is.
//
// anonymous reports whether the session has never known a user. It decides when the
// journal may drop the session's tombstone, see Tombstone.Stranger. A caller that cannot tell
// passes false; once false it stays false for as long as the hint is there.
func (j *Journal) Add(shard string, c state.Copy, anonymous bool) (o Outcome, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if t, ended := j.tombstoneLocked(c.ID); ended {
		return Outcome{Ended: true, Tombstone: t}, nil
	}
	if j.reading[c.ID] != nil {
		c.Born, c.NeverStored = false, false // what is kept for reading has been in the store
	}
	h := heldCopy{Copy: c, owed: true, anonymous: anonymous}
	old := j.hints[c.ID]
	if old != nil {
		h.Copy = old.value.Join(c)
		h.anonymous = anonymous && old.value.anonymous
		h.awaits = old.value.awaits
	}
	return o, j.replaceLocked(old, shard, h, hint, &o.Dropped)
}

// changedAt returns when a state was changed or used last, in Unix milliseconds.
func changedAt(st state.State) int64 {
	last := state.Dot{Clock: st.Entries.Latest()}
	return max(st.LastSeen, last.Time().UnixMilli())
}

// replaceLocked enters a copy in the place of old, which may be nil.
func (j *Journal) replaceLocked(old *node[heldCopy], shard string, h heldCopy, c class, d *Dropped) error {
	size := h.size()
	if !j.fitsLocked(c, size) {
		return ErrFull
	}
	n := &node[heldCopy]{value: h, size: size, since: changedAt(h.State), part: j.partLocked(shard)}
	if old != nil {
		if h.owed {
			n.takeSince(old)
		}
		j.removeCopyLocked(old)
	}
	j.makeRoomLocked(size, d)
	j.enterCopyLocked(n)
	return nil
}

// enterCopyLocked enters n as the youngest.
func (j *Journal) enterCopyLocked(n *node[heldCopy]) {
	n.age, n.size = j.youngerLocked(), n.value.size()
	j.chargeLocked(n.part, n.size)
	if n.value.owed {
		j.hints[n.value.ID] = n
		n.moveTo(byAge, &j.hintsByAge)
		j.changedLocked(n.value.ID, true)
	} else {
		j.reading[n.value.ID] = n
		n.moveTo(byAge, &j.readingByAge)
	}
	j.placeCopyLocked(n)
}

// placeCopyLocked puts n into the orders of its shard and of what expires.
func (j *Journal) placeCopyLocked(n *node[heldCopy]) {
	if n.value.owed {
		n.moveTo(byShard, &n.part.hints)
		n.moveTo(bySince, &j.undeliveredHints)
		return
	}
	n.moveTo(byShard, &n.part.reading)
	n.part.sees(n.value.delivered)
	if n.value.kept.IsZero() {
		n.moveTo(byExpiry, nil)
	} else {
		n.moveTo(byExpiry, &j.kept)
	}
}

// removeCopyLocked takes n out of the journal.
func (j *Journal) removeCopyLocked(n *node[heldCopy]) {
	if n.value.owed {
		delete(j.hints, n.value.ID)
		j.changedLocked(n.value.ID, false)
	} else {
		delete(j.reading, n.value.ID)
	}
	n.leaveAll()
	j.chargeLocked(n.part, -n.size)
}

// Hints lists the states that a shard lacks, the oldest first, and those that wait for news of
// their session behind the others.
func (j *Journal) Hints(shard string) []Hint {
	j.mu.RLock()
	var out, waiting []Hint
	if p := j.parts[shard]; p != nil {
		out = make([]Hint, 0, p.hints.n)
		for n := range p.hints.all(byShard) {
			h := Hint{n.value.Copy, n.age}
			if n.value.awaits.IsZero() {
				out = append(out, h)
			} else {
				waiting = append(waiting, h)
			}
		}
	}
	j.mu.RUnlock()
	for _, hints := range [...][]Hint{out, waiting} {
		slices.SortFunc(hints, func(a, b Hint) int { return cmp.Compare(a.version, b.version) })
	}
	return append(out, waiting...)
}

// Remove notes that the store has taken a hint, at that time, or else that the
// hint is lost for good. A copy that was delivered stays readable until Forget.
// Remove does neither if the session was written again since Hints returned the
// hint: there is another hint then.
func (j *Journal) Remove(d Hint, delivered bool, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := j.hints[d.ID]
	if n == nil {
		return
	}
	h := &n.value
	if n.age != d.version {
		if delivered {
			j.foundLocked(n)
		}
		return
	}
	j.removeCopyLocked(n)
	if !delivered {
		n.part.lost++
		return
	}
	n.part.delivered++
	h.owed, h.anonymous = false, false
	h.awaits = time.Time{}
	h.delivered = at
	if old := j.reading[d.ID]; old != nil {
		h.joinReading(old.value)
		j.removeCopyLocked(old)
	}
	h.stored()
	j.enterCopyLocked(n) // takes up no more than before
}

// Found notes that the store has a record of a session: the save of the hint may have succeeded
// without an answer.
func (j *Journal) Found(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := j.hints[id]; n != nil && n.value.Born {
		j.foundLocked(n)
	}
}

// foundLocked notes that the store has a record of the session of a hint, and lacks only what
// the hint has besides.
func (j *Journal) foundLocked(n *node[heldCopy]) {
	n.value.Born, n.value.NeverStored = false, false
	n.leave(bySince)
	n.since = changedAt(n.value.State)
	n.moveTo(bySince, &j.undeliveredHints)
	j.changedLocked(n.value.ID, true)
}

// Awaits marks the hint of a session as waiting for news of the session at the given time, and
// returns since when it waits.
func (j *Journal) Awaits(id string, at time.Time) (since time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := j.hints[id]
	switch {
	case n == nil:
		return at
	case n.value.awaits.IsZero():
		n.value.awaits = at
	}
	return n.value.awaits
}

// stored notes that the store has all of the copy.
func (c *heldCopy) stored() {
	c.Born, c.NeverStored = false, false
	c.Saved = c.State.Entries.Latest()
	c.Supersedes = state.MarkDurable(c.Supersedes)
}

// joinReading joins another copy of the session that is kept for reading.
func (c *heldCopy) joinReading(old heldCopy) {
	c.Copy = c.Join(old.Copy)
	c.delivered = latest(c.delivered, old.delivered)
	c.kept = latest(c.kept, old.kept)
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// Keep keeps for reading a copy that the store had at the given time, until a request of
// that session has carried it back, see Carried, or until Expire. It is joined with what
// is kept of the session already, as if all of it were kept at the later time. If the
// session has ended, Keep keeps nothing and returns the tombstone. It fails with ErrFull
// if there is no room for a copy that is kept only for reading.
func (j *Journal) Keep(shard string, c state.Copy, at time.Time) (o Outcome, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if t, ended := j.tombstoneLocked(c.ID); ended {
		return Outcome{Ended: true, Tombstone: t}, nil
	}
	h := heldCopy{Copy: c, kept: at}
	old := j.reading[c.ID]
	if old != nil {
		h.joinReading(old.value)
	}
	h.stored()
	if err := j.replaceLocked(old, shard, h, reading, &o.Dropped); err != nil {
		j.forgotLocked(c.ID, at)
		return o, err
	}
	return o, nil
}

// Carried drops the copy that Keep keeps of a session if a request has carried all of its
// entries and it was kept before the given time. A later copy stays, because requests that
// carry something older may be on their way. So do one that a running request needs, see
// InUse, and, until Forget, one that was delivered.
func (j *Journal) Carried(id string, entries state.Entries, before time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := j.reading[id]
	if n == nil || !n.value.kept.Before(before) {
		return
	}
	has := entries.Covers(n.value.State.Entries) && !entries.Withheld()
	if has && !j.inUse(id, n.value.kept) {
		j.unkeepLocked(n)
	}
}

// unkeepLocked drops a copy that was kept, unless it was delivered too.
func (j *Journal) unkeepLocked(n *node[heldCopy]) {
	n.value.kept = time.Time{}
	n.moveTo(byExpiry, nil)
	if n.value.delivered.IsZero() {
		j.removeCopyLocked(n)
	}
}

// Forget drops the copies that a shard took before the given time, except those that Keep
// keeps and those that a running request needs, see InUse: these are kept from then on as if
// Keep had kept them when they were taken. Call Forget when the shard serves; before must
// precede every request that asked the shard before it served again. If there is something
// to drop, Forget takes time in proportion to the shard's copies for reading.
func (j *Journal) Forget(shard string, before time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := j.parts[shard]
	if p == nil || p.earliest.IsZero() || !p.earliest.Before(before) {
		return
	}
	p.earliest = time.Time{}
	for n := range p.reading.all(byShard) {
		h := &n.value
		switch {
		case !h.delivered.Before(before):
			p.sees(h.delivered)
		case h.kept.IsZero() && !j.inUse(h.ID, h.delivered):
			j.removeCopyLocked(n)
		default:
			h.kept = latest(h.kept, h.delivered)
			h.delivered = time.Time{}
			j.placeCopyLocked(n)
		}
	}
}

// forgotLocked calls Forgot for a copy for reading that was dropped, or that found no room.
func (j *Journal) forgotLocked(id string, at time.Time) {
	if j.Forgot != nil {
		j.Forgot(id, at)
	}
}

// inUse reports whether a request needs what became known of a session at a time.
func (j *Journal) inUse(id string, at time.Time) bool { return j.InUse != nil && j.InUse(id, at) }
