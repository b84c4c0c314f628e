package state

import (
	"encoding/binary"
	"time"
)

// Link is what a rotation writes into the tombstone of the session that it
// ends: the dot of the rotation, the time by the wall clock of the instance that
// rotated, random bytes, and the successor's ID. The link stays when another
// writer ends the session as well. The empty link leads nowhere; of its methods
// only Successor may be called.
//
// The grace after a rotation counts from the wall clock: the dot's clock follows
// the one that is furthest ahead, by up to MaxAhead, and the grace would be as
// much longer.
type Link string

const (
	// LinkRandom is the number of random bytes in a link.
	LinkRandom = 32

	linkTime = DotSize + 8
	linkHead = linkTime + LinkRandom
	linkSize = linkHead + 32 // of an ID of ours
)

// NewLink returns the link of the rotation with the dot d, at the time at, to
// the session with the ID successor, which has 32 bytes.
func NewLink(d Dot, at time.Time, random [LinkRandom]byte, successor string) Link {
	b := d.append(make([]byte, 0, linkSize))
	b = binary.BigEndian.AppendUint64(b, uint64(at.UnixMilli()))
	return Link(append(append(b, random[:]...), successor...))
}

// Dot returns the dot of the rotation.
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
	if d.Link == "" {
		return d.Reason != Rotated
	}
	if len(d.Link) != linkSize || d.Link.millis() > maxMillis {
		return false
	}
	return d.Reason != Rotated || d.Link.Dot() == d.Dot
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
// commutative, associative and idempotent. A death by any other reason outranks
// a rotation, whenever it was, because the token of an ended session leads
// nowhere. Between equals the later death stays.
//
// The link is joined apart from the rest: a writer that ends the session also
// ends what a rotation has made of it. Both parts are maxima of total orders, so
// the whole is a join.
func JoinDeaths(a, b Death) Death {
	l := max(a.Link, b.Link)
	if a.before(b) {
		a = b
	}
	a.Link = l
	return a
}

func (d Death) before(e Death) bool {
	if rotated := d.Reason == Rotated; rotated != (e.Reason == Rotated) {
		return rotated
	}
	if c := d.Dot.compare(e.Dot); c != 0 {
		return c < 0
	}
	return d.Reason < e.Reason
}
