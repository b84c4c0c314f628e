package journal

import (
	"cmp"
	"slices"

	"github.com/holdfast-go/session/internal/state"
)

// Added is what became of a tombstone, and what the caller has to do about it.
type Added struct {
	Tombstone Tombstone  // as it stands now, merged with what was known
	AlsoEnd   []string   // sessions that another hand's tombstone ends too
	Line      bool       // what rotations made of the session ends too, and was not asked for before
	Owed      state.Copy // what the store lacked of the session, and need not get now
	Dropped   Dropped
}

// AddTombstone enters t, merged with what is known of the session. What the store
// lacked of the session leaves the journal: it is lost unless keeps, which is
// called with the journal locked, reports that nothing is lost with it. What is
// kept of the session for reading leaves it too. Where the store lacks the
// tombstone, unpaid is called with the journal locked: a breaker that it tells
// cannot let the shard serve before it knows.
//
// It fails with ErrFull where the store lacks the tombstone and there is no room
// for it. There is room where the session is known already. A tombstone that the
// store has is not kept where there is no room; it is among Added.Dropped then.
func (j *Journal) AddTombstone(shard string, t Tombstone, unpaid func(), keeps func(state.Copy, Tombstone) bool) (a Added, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	t.tries = 0
	known := j.tombstones[t.ID]
	hint, seen := j.takeCopiesLocked(t.ID)
	switch {
	case known != nil:
		a.Line = t.Pending && t.Line && !known.value.Line
		t, a.AlsoEnd = t.merge(known.value)
		j.removeTombstoneLocked(known)
	case seen:
		t.meet(hint)
	case !j.fitsLocked(t.class(), tombstoneSize):
		return j.refuse(t)
	default:
		j.makeRoomLocked(tombstoneSize, t.Pending, &a.Dropped)
	}
	a.Tombstone = t
	j.enterTombstoneLocked(j.partLocked(shard), t)
	if t.Pending {
		unpaid()
	}
	if hint != nil {
		a.Owed = hint.value.Copy
		if !keeps(a.Owed, t) {
			hint.part.lost++
		}
	}
	return a, nil
}

// takeCopiesLocked removes the copies of a session from the journal, and reports
// whether there were any. The hint is nil where there is none. A copy takes up more
// than the tombstone that comes for it.
func (j *Journal) takeCopiesLocked(id string) (h *node[heldCopy], seen bool) {
	h = j.hints[id]
	if h != nil {
		j.removeCopyLocked(h)
	}
	kept := j.reading[id]
	if kept != nil {
		j.removeCopyLocked(kept)
	}
	return h, h != nil || kept != nil
}

// meet takes in what a copy in the journal says of the session: there was one,
// and whether the store can have it.
func (t *Tombstone) meet(hint *node[heldCopy]) {
	t.Unverified, t.IfStored = false, false
	if hint != nil {
		h := hint.value
		owedAlone := h.Born && h.NeverStored
		t.Stranger = t.neverDelivered() && (t.Stranger || h.anonymous && owedAlone)
	}
}

// refuse is for a tombstone that finds no room.
func (j *Journal) refuse(t Tombstone) (Added, error) {
	switch {
	case t.Pending:
		return Added{}, ErrFull
	case t.dispensable():
		return Added{Tombstone: t, Dropped: Dropped{Strangers: []string{t.ID}}}, nil
	}
	return Added{Tombstone: t, Dropped: Dropped{Stored: []string{t.ID}}}, nil
}

// enterTombstoneLocked enters t as the youngest.
func (j *Journal) enterTombstoneLocked(p *part, t Tombstone) {
	n := &node[Tombstone]{value: t, age: j.youngerLocked(), size: tombstoneSize, part: p}
	j.tombstones[t.ID] = n
	j.chargeLocked(p, n.size)
	j.placeTombstoneLocked(n)
	p.count(&n.value, +1)
}

// removeTombstoneLocked takes n out of the journal.
func (j *Journal) removeTombstoneLocked(n *node[Tombstone]) {
	delete(j.tombstones, n.value.ID)
	n.part.count(&n.value, -1)
	n.leaveAll()
	j.chargeLocked(n.part, -n.size)
}

// placeTombstoneLocked puts n where it belongs as it is now.
func (j *Journal) placeTombstoneLocked(n *node[Tombstone]) {
	switch t := &n.value; {
	case t.dispensable():
		n.moveTo(byAge, &j.strangers)
	case t.Pending:
		n.moveTo(byAge, &j.owed)
	default:
		n.moveTo(byAge, &j.stored)
	}
	if n.value.Pending {
		n.moveTo(byShard, &n.part.pending)
		n.moveTo(byExpiry, nil)
	} else {
		n.moveTo(byShard, &n.part.settled)
		n.moveTo(byExpiry, &j.settled)
	}
}

// changeLocked changes what is known of a tombstone, which keeps its age.
func (j *Journal) changeLocked(n *node[Tombstone], change func(*Tombstone)) {
	n.part.count(&n.value, -1)
	change(&n.value)
	j.placeTombstoneLocked(n)
	n.part.count(&n.value, +1)
}

// PendingTombstones lists the tombstones that a shard lacks, the youngest first.
func (j *Journal) PendingTombstones(shard string) []Tombstone {
	type aged struct {
		Tombstone
		age uint64
	}
	j.mu.RLock()
	var all []aged
	if p := j.parts[shard]; p != nil {
		all = make([]aged, 0, p.pending.n)
		for n := range p.pending.all(byShard) {
			all = append(all, aged{n.value, n.age})
		}
	}
	j.mu.RUnlock()
	slices.SortFunc(all, func(a, b aged) int { return cmp.Compare(b.age, a.age) })
	var out []Tombstone
	for _, t := range all {
		out = append(out, t.Tombstone)
	}
	return out
}

// Waiting reports whether a tombstone waits that the shard has refused fewer than
// most times, which are 255 at most, and whether one of those can be written
// without a look at another session. Where none waits, paid is called with the
// journal locked, so that none is added in between.
func (j *Journal) Waiting(shard string, most int, paid func()) (waiting, blind bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if p := j.parts[shard]; p != nil {
		blind = p.waits(1, most)
		waiting = blind || p.waits(0, most)
	}
	if !waiting {
		paid()
	}
	return waiting, blind
}

// Refused counts an attempt to deliver a tombstone that failed.
func (j *Journal) Refused(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := j.tombstones[id]; n != nil && n.value.tries < maxTries {
		j.changeLocked(n, func(t *Tombstone) { t.tries++ })
	}
}

// Arrived notes that the store has taken t, which the journal held with the death
// known. The tombstone may be dropped at until, in Unix milliseconds, or at its
// Until if that is later. One that has changed since then is still pending.
func (j *Journal) Arrived(t Tombstone, known state.Death, until int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := j.tombstones[t.ID]
	if n == nil {
		return
	}
	now := n.value
	if !now.Pending || now.Death != known || now.Successor != t.Successor {
		return
	}
	if now.neverDelivered() {
		n.part.delivered++
	}
	j.removeTombstoneLocked(n)
	now.Pending, now.Again = false, false
	now.Successor = ""                          // which may live, or is dead
	now.Unverified, now.IfStored = false, false // the store had it
	now.Stranger = false
	now.tries = 0
	now.Until = max(now.Until, until)
	j.enterTombstoneLocked(n.part, now)
}

// NothingToEnd notes that the shard holds nothing under the ID of an IfStored
// tombstone. The journal keeps it, among those that are dropped first.
func (j *Journal) NothingToEnd(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := j.tombstones[id]; n != nil && n.value.IfStored {
		j.changeLocked(n, func(t *Tombstone) { t.Pending, t.Again = false, false })
	}
}

// Republish notes that a shard has lost its data. All its tombstones become
// pending again if publish is set. unpaid is called with the journal locked if
// any is pending then. Republish takes time in proportion to the tombstones of
// the shard.
func (j *Journal) Republish(shard string, publish bool, unpaid func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := j.parts[shard]
	if p == nil {
		return
	}
	for n := range p.pending.all(byShard) {
		j.changeLocked(n, func(t *Tombstone) { t.IfStored = false }) // "nothing" from this shard proves nothing any more
	}
	for n := range p.settled.all(byShard) {
		if n.value.IfStored || !publish {
			continue // the shard had nothing to end before it lost its memory, either
		}
		j.changeLocked(n, func(t *Tombstone) { t.Pending, t.Again = true, true })
	}
	if p.pending.n > 0 {
		unpaid()
	}
}
