package journal

import (
	"time"

	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
)

// settled is the revocation set: the tombstones that this process takes to be in the store, and
// those that the store need not have. Of a link it keeps the successor alone, except in the few
// seconds in which the rotated token still opens the session.
type settled struct {
	set   *revoked.Set
	heard uint32                // when the youngest was heard of, in Unix seconds
	links map[string]state.Link // the links of rotations of the last seconds
}

const (
	linkLife = state.RotationGrace + 10*time.Second // longer than the grace
	maxLinks = 10_000
)

// find returns the tombstone of a session.
func (s *settled) find(id string) (Tombstone, bool) {
	x, ok := s.set.Find(revoked.IDOf(id))
	if !ok {
		return Tombstone{}, false
	}
	t := tombstoneOf(x, id)
	if l := s.links[id]; l != "" {
		t.Death.Link = l
	}
	return t, true
}

// add enters a tombstone that was heard of at a time.
func (s *settled) add(t *Tombstone, at time.Time) {
	s.heard = max(s.heard, uint32(at.Unix()))
	s.set.Add(compact(t), s.heard)
	leads := t.Death.Reason == state.Rotated && at.Sub(t.Death.Time()) < linkLife
	if leads && len(s.links) < maxLinks {
		s.links[t.ID] = t.Death.Link
	}
}

// hearAgain notes that a known tombstone is in the log of another process too. One that is
// in this process's log stays Own.
func (s *settled) hearAgain(id string, from uint8) {
	own := revoked.IDOf(id)
	if x, ok := s.set.Find(own); ok && x.From != revoked.Own && from != revoked.Unnumbered {
		s.set.SetFrom(own, from)
	}
}

// remove takes out the tombstone of a session.
func (s *settled) remove(id string) {
	s.set.Remove(revoked.IDOf(id))
	delete(s.links, id)
}

// expire drops what was heard of before a time, and revocations of users that were before
// another one, a minute later at most.
func (s *settled) expire(before, users time.Time) {
	s.set.Expire(uint32(max(0, before.Unix())), uint32(max(0, users.Unix())))
	for id, l := range s.links {
		if d := (state.Death{Reason: state.Rotated, Link: l}); time.Unix(int64(s.heard), 0).Sub(d.Time()) >= linkLife {
			delete(s.links, id)
		}
	}
}

// early returns how many tombstones were dropped before their time.
func (s *settled) early() (n int) {
	for c := revoked.MadeUp; c <= revoked.Users; c++ {
		n += int(s.set.Early(c))
	}
	return n
}

// Compact returns a tombstone as the revocation set and the logs have it.
func Compact(t Tombstone) revoked.Tombstone {
	x := compact(&t)
	x.Flags &^= revoked.SuccessorsEnd
	return x
}

// compact returns t as the revocation set has it.
func compact(t *Tombstone) revoked.Tombstone {
	x := revoked.Tombstone{ID: revoked.IDOf(t.ID), Class: weight(t), From: t.From}
	x.Death.Dot, x.Death.Reason = t.Death.Dot, t.Death.Reason
	name := t.Death.Successor
	if name == "" {
		name = t.Death.Link.Successor()
		x.Flags = revoked.ByRotation
	}
	successor, ours := revoked.ParseID(name)
	if x.Successor = successor; !ours {
		x.Flags = 0
	}
	if t.Conflict {
		x.Flags |= revoked.Conflict
	}
	if t.EndsSuccessors {
		x.Flags |= revoked.SuccessorsEnd
	}
	return x
}

// weight returns the class of t, which says how much is lost if the set drops t.
func weight(t *Tombstone) revoked.Class {
	switch {
	case recordid.IsRevocation(t.ID):
		return revoked.Users
	case t.Unverified || t.IfStored:
		return revoked.MadeUp
	case t.Death.Anonymous:
		return revoked.Anonymous
	}
	return revoked.Known
}

// tombstoneOf returns the tombstone of a session as the revocation set has it.
func tombstoneOf(x revoked.Tombstone, id string) Tombstone {
	t := Tombstone{ID: id, From: x.From, Conflict: x.Flags&revoked.Conflict != 0, EndsSuccessors: x.Flags&revoked.SuccessorsEnd != 0}
	t.Death.Dot, t.Death.Reason = x.Death.Dot, x.Death.Reason
	t.Death.Anonymous = x.Class == revoked.Anonymous
	madeUp := x.Class == revoked.MadeUp
	t.IfLive = madeUp
	t.Unverified = madeUp
	t.IfStored = madeUp
	switch {
	case x.Successor == revoked.ID{}:
	case x.Flags&revoked.ByRotation != 0:
		t.Death.Link = state.BareLink(x.Successor.String())
	default:
		t.Death.Successor = x.Successor.String()
	}
	return t
}

// Heard returns a tombstone that was read in the log of another process, to be entered.
func Heard(x revoked.Tombstone) Tombstone {
	t := tombstoneOf(x, x.Record())
	t.EndsSuccessors = false
	return t
}

// Page returns the next n tombstones that the store has, as revoked.Set's Page does: each
// with the ID of its session, which must be one of ours.
func (j *Journal) Page(from revoked.Cursor, n int) (page []Tombstone, next revoked.Cursor) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	all, next := j.settled.set.Page(from, n)
	for _, x := range all {
		page = append(page, tombstoneOf(x, x.Record()))
	}
	return page, next
}

// Revoked calls do with the revocation set, locked for reading or for changes of From.
func (j *Journal) Revoked(do func(*revoked.Set)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	do(j.settled.set)
}
