// Package revoked holds the tombstones of sessions that a process has ended or heard
// of: a compact, bounded set, and the encoding in which instances tell each other of
// their additions through the store.
//
// The set is a cache of facts that stand elsewhere too: in the store as tombstones, and
// in the logs of all instances. It decides nothing. Package failover asks it before an
// answer of the store is used, and package journal holds the tombstones that the store
// lacks.
//
// The package is pure: it knows neither a store nor what time it is. Where to look: a
// [Set] says what is known (set.go), a queue keeps one class of tombstones in the order
// of their age (queue.go), an index finds one by its ID (index.go), whose binary form is in
// id.go, and page.go walks through all; a log consists of a [Segment] and further ones
// (segment.go), and [Members] names the logs (members.go), both in the frame of frame.go.
package revoked

import "github.com/holdfast-go/session/internal/state"

// ID is the binary form of a session's ID.
type ID [16]byte

// Class says how much is lost with a tombstone that the set drops before its time.
type Class uint8

// The classes, in the order in which a full set drops them.
const (
	MadeUp    Class = iota // the token is one that no store and no copy has vouched for
	Anonymous              // the session was never renewed and knew no user
	Known                  // any other session

	// Users: the tombstone revokes the logins of one user, or everybody's, up to the clock of
	// Death. The ID is the digest in UserID or Everybody.
	Users
	classes
)

// Tombstone is what the set holds of a session that has ended, or of a user whose logins
// count no more.
type Tombstone struct {
	ID        ID
	Death     state.Death // without a link
	Class     Class
	Successor ID // the session that a Renew or a rotation made; zero: none
	Flags     Flags

	// From is the number of the log that the tombstone was last heard from.
	From uint8
}

// Flags say more about a tombstone.
type Flags uint8

// The flags.
const (
	ByRotation    Flags = 0b0000_1000 // a rotation made the successor
	Conflict      Flags = 0b0001_0000 // more than one writer has ended the session
	SuccessorsEnd Flags = 0b0010_0000 // this process ends what was made of the session; logs do not have this flag
)

// Logs are numbered by the process that reads them. These numbers are not given out.
const (
	Own        = 0   // the log of this process
	Expired    = 254 // a log that was dropped when its tombstones had expired: no log needs them any more
	Unnumbered = 255 // a log that has no number, or has none any more
)

// Set is a bounded set of tombstones. It is not for concurrent use.
//
// A tombstone takes up 30 bytes, 16 more if it names a successor, and up to 10 in the
// index. Make a Set with New.
type Set struct {
	limit  int // bytes
	queues [classes]queue
	index  index
	early  [classes]uint64
}

// New returns an empty set that takes up at most limit bytes.
func New(limit int) *Set { return &Set{limit: limit, index: newIndex()} }

// Add enters a tombstone that this process heard of at a time, in Unix seconds, which
// must not be earlier than that of a call before. If the set knows the session already,
// Add joins the deaths and keeps the higher class. The name of the first successor
// stays, unless a rotation made that successor and a Renew the other one. The tombstone
// keeps its age, unless its class changes.
//
// A tombstone in the log of this process stays Own, also when another log has it:
// otherwise two processes that heard it from each other would each rely on the other
// to write it again. Of all other logs, From becomes the latest.
//
// Add reports whether the set has changed; another From does not count. A full set
// drops tombstones in the order of the classes, the oldest of a class first; if that is
// the new tombstone itself, the set learns nothing.
func (s *Set) Add(t Tombstone, heard uint32) (news bool) {
	if at, ok := s.index.find(t.ID, s.id); ok {
		return s.merge(at, t, heard)
	}
	if !s.makeRoom(t.Class, cost(&t)) {
		s.early[t.Class]++
		return false
	}
	s.enter(t, heard)
	return true
}

// merge joins t to the tombstone that the set has of the session.
func (s *Set) merge(at place, t Tombstone, heard uint32) (news bool) {
	q := &s.queues[at.class()]
	old := q.at(at)
	merged := old
	merged.Death = state.JoinDeaths(old.Death, t.Death)
	merged.Class = max(old.Class, t.Class)
	merged.nameSuccessor(t)
	merged.Flags |= t.Flags & (Conflict | SuccessorsEnd)
	if old.From != Own {
		merged.From = t.From
	}
	told := merged
	told.From = old.From
	switch {
	case merged == old, told == old && t.From == Unnumbered: // the log that is known stays
		return false
	case told == old:
		q.setFrom(at, merged.From)
		return false
	case merged.Class != old.Class:
		s.remove(at)
		s.enter(merged, heard)
	default:
		q.set(at, merged)
	}
	return true
}

// nameSuccessor takes over the other tombstone's successor if t has none, or if t's was made by a
// rotation and the other's by a Renew.
func (t *Tombstone) nameSuccessor(other Tombstone) {
	byRenew := t.Successor != (ID{}) && t.Flags&ByRotation == 0
	byRotation := t.Successor != (ID{}) && !byRenew
	otherByRotation := other.Flags&ByRotation != 0
	if other.Successor == (ID{}) || byRenew || byRotation && otherByRotation {
		return
	}
	t.Successor = other.Successor
	t.Flags = t.Flags&^ByRotation | other.Flags&ByRotation
}

// enter adds a tombstone that is not known.
func (s *Set) enter(t Tombstone, heard uint32) {
	at := s.queues[t.Class].add(t, heard)
	s.index.add(t.ID, at.in(t.Class), s.id)
}

// remove takes out a tombstone.
func (s *Set) remove(at place) {
	q := &s.queues[at.class()]
	s.index.remove(q.at(at).ID, s.id)
	q.remove(at)
}

// makeRoom drops what goes before a tombstone of a class, until there is room for it. It
// reports whether there is.
func (s *Set) makeRoom(class Class, bytes int) bool {
	for c := Class(0); s.Bytes()+bytes+s.index.growth() > s.limit; {
		switch at, ok := s.queues[c].oldest(); {
		case ok:
			s.remove(at.in(c))
			s.early[c]++
		case c == class:
			return false // there is not even room for one
		default:
			c++
		}
	}
	return true
}

// id returns the ID of the tombstone at a place.
func (s *Set) id(at place) ID { return s.queues[at.class()].id(at) }

// Find returns the tombstone of a session.
func (s *Set) Find(id ID) (t Tombstone, known bool) {
	at, known := s.index.find(id, s.id)
	if !known {
		return Tombstone{}, false
	}
	return s.queues[at.class()].at(at), true
}

// Remove takes out the tombstone of a session.
func (s *Set) Remove(id ID) (t Tombstone, known bool) {
	at, known := s.index.find(id, s.id)
	if known {
		t = s.queues[at.class()].at(at)
		s.remove(at)
	}
	return t, known
}

// SetFrom changes the number of the log that the tombstone of a session was last read in, if
// the set has the tombstone.
func (s *Set) SetFrom(id ID, from uint8) {
	if at, ok := s.index.find(id, s.id); ok {
		s.queues[at.class()].setFrom(at, from)
	}
}

// Forget makes the tombstones that were heard from a log Unnumbered, or Expired, so that
// another log can get its number. It takes time in proportion to the tombstones of the set, a
// millisecond for a million. Those of Users are needed for longer than the logs that have
// them: they become Unnumbered in place of Expired.
func (s *Set) Forget(from, to uint8) {
	for c := range s.queues {
		if Class(c) == Users && to == Expired {
			to = Unnumbered
		}
		s.queues[c].forget(from, to)
	}
}

// Expire drops the tombstones that were heard of before a time, in Unix seconds, and those
// of Users that were before another one. Some stay for up to a minute longer.
func (s *Set) Expire(before, users uint32) {
	for c := range classes {
		if c == Users {
			before = users
		}
		q := &s.queues[c]
		for {
			at, ok := q.oldest()
			if !ok || q.heard(at) >= before {
				break
			}
			s.remove(at.in(c))
		}
	}
}

// All yields the tombstones, the youngest of the highest class first.
func (s *Set) All(yield func(Tombstone) bool) {
	for c := int(classes) - 1; c >= 0; c-- {
		if !s.queues[c].youngestFirst(Class(c), yield) {
			return
		}
	}
}

// Len returns how many tombstones the set holds.
func (s *Set) Len() (n int) {
	for c := range s.queues {
		n += s.queues[c].live
	}
	return n
}

// Bytes returns how many bytes the set takes up, about.
func (s *Set) Bytes() (n int) {
	for c := range s.queues {
		n += s.queues[c].bytes
	}
	return n + s.index.bytes()
}

// Has reports whether the set holds a tombstone of a class.
func (s *Set) Has(c Class) bool { return s.queues[c].live > 0 }

// Early returns how many tombstones of a class the set has dropped before their time.
func (s *Set) Early(c Class) uint64 { return s.early[c] }
