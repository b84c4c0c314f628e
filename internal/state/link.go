package state

import (
	"encoding/binary"
	"time"
)

// Link is what a rotation writes into the tombstone of the session that it
// ends: the dot of the rotation, the time by the wall clock of the instance that
// rotated, random bytes, and the successor's ID. The link stays when another
// writer ends the session as well. The empty link leads nowhere; of its methods
// only Successor and Bare may be called.
//
// The grace after a rotation counts from the wall clock: the dot's clock follows
// the one that is furthest ahead, by up to MaxAhead, and the grace would be as
// much longer.
type Link string

// RotationGrace is how long the token that a rotation replaced still opens the
// session.
const RotationGrace = 10 * time.Second

const (
	// LinkRandom is the number of random bytes in a link.
	LinkRandom = 32

	linkTime = DotSize + 8
	linkHead = linkTime + LinkRandom
	linkSize = linkHead + idSize

	idSize = 32 // of an ID of ours
)

// NewLink returns the link of the rotation with the dot d, at the time at, to
// the session with the ID successor, which has 32 bytes.
func NewLink(d Dot, at time.Time, random [LinkRandom]byte, successor string) Link {
	b := d.append(make([]byte, 0, linkSize))
	b = binary.BigEndian.AppendUint64(b, uint64(at.UnixMilli()))
	return Link(append(append(b, random[:]...), successor...))
}

// BareLink returns a link that names the successor and nothing else: the token of the
// session that it leads from opens nothing any more.
func BareLink(successor string) Link {
	return NewLink(Dot{}, time.UnixMilli(0), [LinkRandom]byte{}, successor)
}

// Bare reports whether l is bare, or empty.
func (l Link) Bare() bool { return l == "" || l.Dot() == Dot{} }

// Dot returns the dot of the rotation, or zero where the link is bare.
func (l Link) Dot() Dot { return readDot([]byte(l[:DotSize])) }

func (l Link) millis() uint64 { return binary.BigEndian.Uint64([]byte(l[DotSize:linkTime])) }

// Random returns the random bytes, of which the successor's token is derived.
func (l Link) Random() string { return string(l[linkTime:linkHead]) }

// Successor returns the ID of the session that the rotation made, or "".
func (l Link) Successor() string {
	if l == "" {
		return ""
	}
	return string(l[linkHead:])
}

// sound reports whether d is a death that this program writes.
func (d Death) sound() bool {
	if d.Successor != "" && len(d.Successor) != idSize {
		return false
	}
	if d.Link == "" {
		return d.Reason != Rotated
	}
	if len(d.Link) != linkSize || d.Link.millis() > maxMillis {
		return false
	}
	return d.Reason != Rotated || d.Link.Dot() == d.Dot || d.Link.Dot() == Dot{}
}

// Follow returns d with the name of the session that a Renew made. A name that is none
// of ours is left out.
func (d Death) Follow(successor string) Death {
	if len(successor) == idSize {
		d.Successor = successor
	}
	return d
}

// EndedSuccessors returns the IDs of the sessions that were made of this one and end with it.
// A writer that ends a session after another writer has renewed or rotated it took the
// session for live, so one of the two did not act for the visitor. (A client that shows a
// token which was replaced already writes no death over that of the session.)
func (d Death) EndedSuccessors() (ids []string) {
	if d.rank() < rankEnded {
		return nil
	}
	for _, id := range [...]string{d.Successor, d.Link.Successor()} {
		if id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// Time returns when the session ended, to the millisecond: by the wall clock of
// the instance that rotated it, or else by the clock of d's dot.
func (d Death) Time() time.Time {
	if d.Reason == Rotated && d.Link != "" {
		return time.UnixMilli(int64(d.Link.millis()))
	}
	return d.Dot.Time()
}

// JoinDeaths combines two tombstones of one session. Like Join it is
// commutative, associative and idempotent. A Renew outranks a rotation, whenever it
// was, because the token of an ended session leads nowhere; and every other death
// outranks both, because the session lives on under no ID. Between equals the later
// death stays.
//
// The link and the successor are joined apart from the rest: a writer that ends the
// session also ends what was made of it. The session was anonymous where both say so. All parts are maxima of total orders, so the
// whole is a join.
func JoinDeaths(a, b Death) Death {
	link, successor := max(a.Link, b.Link), max(a.Successor, b.Successor)
	anonymous := a.Anonymous && b.Anonymous
	if a.before(b) {
		a = b
	}
	a.Link, a.Successor = link, successor
	a.Anonymous = anonymous
	return a
}

// rank orders the deaths by what is left of the session.
func (d Death) rank() int {
	switch d.Reason {
	case Rotated:
		return 0
	case Renewed:
		return 1
	case Destroyed, Revoked:
	}
	return rankEnded
}

// rankEnded is the rank of a death after which the session lives on under no ID.
const rankEnded = 2

func (d Death) before(e Death) bool {
	if a, b := d.rank(), e.rank(); a != b {
		return a < b
	}
	if c := d.Dot.compare(e.Dot); c != 0 {
		return c < 0
	}
	return d.Reason < e.Reason
}
