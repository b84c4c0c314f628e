package journal

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
)

// Added is what became of a tombstone, and what the caller has to do about it.
type Added struct {
	Tombstone      Tombstone  // the tombstone, merged with what was known
	AlsoEnd        []string   // sessions that another writer's tombstone ends too
	EndsSuccessors bool       // what rotations made of the session ends too, and was not asked for before
	News           bool       // this was not known
	Owed           state.Copy // what the store lacked of the session, and need not get now
	Dropped        Dropped
}

// AddTombstone enters t, merged with what is known of the session, at a time. A copy
// of the session that the store lacks is removed from the journal, and counts as lost
// unless keeps, which is called with the journal locked, reports that nothing is lost
// with it. A copy that is kept for reading is removed too. If the store lacks the
// tombstone, whenPending is called with the journal locked: a breaker that it tells
// cannot let the shard serve before it knows.
//
// It fails with ErrFull if the store lacks the tombstone and there is no room for it.
// There is room if the journal has a pending tombstone or a copy of the session already.
func (j *Journal) AddTombstone(shard string, t Tombstone, at time.Time, whenPending func(), keeps func(state.Copy, Tombstone) bool) (a Added, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	t.tries = 0
	from := t.From
	t, err = j.meetLocked(t, &a)
	if err != nil {
		return Added{}, err
	}
	hint := j.takeCopiesLocked(t.ID)
	n := &node[Tombstone]{value: t, size: tombstoneSize, since: t.Death.Dot.Time().UnixMilli()}
	if old := j.tombstones[t.ID]; old != nil {
		if t.neverDelivered() {
			n.takeSince(old)
		}
		j.removeTombstoneLocked(old)
	}
	a.Tombstone = t
	if recordid.IsRevocation(t.ID) {
		j.users.Store(true)
	}
	switch {
	case t.Pending:
		j.settled.remove(t.ID)
		j.makeRoomLocked(tombstoneSize, &a.Dropped)
		j.enterTombstoneLocked(j.partLocked(shard), n)
		whenPending()
	case a.News, from == revoked.Own: // or ended once more
		j.settled.remove(t.ID)
		j.settled.add(&t, at)
	default:
		j.settled.hearAgain(t.ID, from)
	}
	if hint != nil {
		a.Owed = hint.value.Copy
		if !keeps(a.Owed, t) {
			hint.part.lost++
		}
	}
	return a, nil
}

// meetLocked returns t merged with what is known of the session. It fails with ErrFull
// if there is no room for the outcome.
func (j *Journal) meetLocked(t Tombstone, a *Added) (Tombstone, error) {
	known, ended := j.tombstoneLocked(t.ID)
	hint, kept := j.hints[t.ID], j.reading[t.ID]
	a.News = true
	switch {
	case ended:
		heard := t
		a.EndsSuccessors = t.Pending && t.EndsSuccessors && !known.EndsSuccessors
		t, a.AlsoEnd = t.merge(known)
		a.News = !t.says(known)
		if !t.says(heard) {
			t.From = revoked.Own // the other log has less
		}
	case hint != nil || kept != nil:
		t.meet(hint)
		a.AlsoEnd = t.Death.EndedSuccessors()
	default:
		a.AlsoEnd = t.Death.EndedSuccessors()
	}
	hasRoom := j.tombstones[t.ID] != nil || hint != nil || kept != nil // a copy takes up more than a tombstone
	if t.Pending && !hasRoom && !j.fitsLocked(t.class(), tombstoneSize) {
		return t, ErrFull
	}
	return t, nil
}

// says reports whether the revocation set would hold the same for t and u, apart from the log
// that each was heard from.
func (t *Tombstone) says(u Tombstone) bool {
	x, y := compact(t), compact(&u)
	x.From = y.From
	return x == y
}

// takeCopiesLocked removes the copies of a session from the journal. It returns the hint,
// or nil if there is none.
func (j *Journal) takeCopiesLocked(id string) *node[heldCopy] {
	hint := j.hints[id]
	if hint != nil {
		j.removeCopyLocked(hint)
	}
	if kept := j.reading[id]; kept != nil {
		j.removeCopyLocked(kept)
	}
	return hint
}

// meet updates t by the session's hint in the journal, which shows that the session existed,
// and whether the store can have it.
func (t *Tombstone) meet(hint *node[heldCopy]) {
	t.Unverified, t.IfStored = false, false
	if hint != nil {
		h := hint.value
		owedAlone := h.Born && h.NeverStored
		t.Stranger = t.neverDelivered() && (t.Stranger || h.anonymous && owedAlone)
	}
}

// enterTombstoneLocked enters n as the youngest.
func (j *Journal) enterTombstoneLocked(p *part, n *node[Tombstone]) {
	n.age, n.part = j.youngerLocked(), p
	j.tombstones[n.value.ID] = n
	j.chargeLocked(p, n.size)
	j.placeTombstoneLocked(n)
	p.count(&n.value, +1)
	if n.value.Pending {
		j.changedLocked(n.value.ID, true)
	}
}

// removeTombstoneLocked takes n out of the journal.
func (j *Journal) removeTombstoneLocked(n *node[Tombstone]) {
	delete(j.tombstones, n.value.ID)
	n.part.count(&n.value, -1)
	n.leaveAll()
	j.chargeLocked(n.part, -n.size)
	if n.value.Pending {
		j.changedLocked(n.value.ID, false)
	}
}

// placeTombstoneLocked puts n where it belongs as it is now.
func (j *Journal) placeTombstoneLocked(n *node[Tombstone]) {
	if n.value.dispensable() {
		n.moveTo(byAge, &j.dispensable)
	} else {
		n.moveTo(byAge, &j.lasting)
	}
	n.moveTo(byShard, &n.part.pending)
	if n.value.neverDelivered() {
		n.moveTo(bySince, &j.undeliveredTombstones)
	} else {
		n.moveTo(bySince, nil)
	}
}

// changeLocked changes what is known of a tombstone, which keeps its age.
func (j *Journal) changeLocked(n *node[Tombstone], change func(*Tombstone)) {
	n.part.count(&n.value, -1)
	before := n.value
	change(&n.value)
	j.placeTombstoneLocked(n)
	n.part.count(&n.value, +1)
	before.tries = n.value.tries
	if before != n.value && (before.Pending || n.value.Pending) {
		j.changedLocked(n.value.ID, n.value.Pending)
	}
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
// without a look at another session. If none waits, whenNone is called with the
// journal locked, so that none is added in between.
func (j *Journal) Waiting(shard string, most int, whenNone func()) (waiting, blind bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if p := j.parts[shard]; p != nil {
		blind = p.waits(1, most)
		waiting = blind || p.waits(0, most)
	}
	if !waiting {
		whenNone()
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

// Arrived notes that the store took t at a time. known is the death that the journal had for t
// when the delivery began: a tombstone that has changed since then is still pending. Arrived
// reports whether the store never had t before, as opposed to having lost it.
func (j *Journal) Arrived(t Tombstone, known state.Death, at time.Time) (news bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := j.tombstones[t.ID]
	if n == nil {
		return false
	}
	now := n.value
	if now.Death != known || now.Successor != t.Successor {
		return false
	}
	if now.neverDelivered() {
		n.part.delivered++
		news = true
	}
	j.removeTombstoneLocked(n)
	now.Unverified, now.IfStored = false, false // the store had it
	now.From = revoked.Own
	j.settled.add(&now, at)
	return news
}

// NothingToEnd notes that the shard holds nothing under the ID of an IfStored
// tombstone, at a time. The revocation set keeps it, among those that are dropped first.
func (j *Journal) NothingToEnd(id string, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := j.tombstones[id]; n != nil && n.value.IfStored {
		j.removeTombstoneLocked(n)
		j.settled.add(&n.value, at)
	}
}

// LostData notes that a shard has lost its data: a missing record is no longer evidence.
func (j *Journal) LostData(shard string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if p := j.parts[shard]; p != nil {
		for n := range p.pending.all(byShard) {
			j.changeLocked(n, func(t *Tombstone) { t.IfStored = false })
		}
	}
}
