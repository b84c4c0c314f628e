package state

import (
	"encoding/binary"
	"time"
)

// link is what a rotation writes into the tombstone of the session that it
// ends: the dot of the rotation, the time by the wall clock of the instance that
// rotated, random bytes, and the successor's ID. It stays when another hand ends
// the session as well. The empty link leads nowhere.
//
// The grace counts from the wall clock: the dot's clock follows the one that is
// furthest ahead, by up to maxAhead, and the grace would be as much longer.
type Link string

const (
	LinkRandom = 32
	linkTime   = DotSize + 8
	linkHead   = linkTime + LinkRandom
	linkSize   = linkHead + 32 // of an ID of ours
)

func NewLink(d Dot, at time.Time, random [LinkRandom]byte, successor string) Link {
	b := d.append(make([]byte, 0, linkSize))
	b = binary.BigEndian.AppendUint64(b, uint64(at.UnixMilli()))
	return Link(append(append(b, random[:]...), successor...))
}

func (l Link) Dot() Dot { return readDot([]byte(l[:DotSize])) }

func (l Link) millis() uint64 { return binary.BigEndian.Uint64([]byte(l[DotSize:linkTime])) }

func (l Link) Random() string { return string(l[linkTime:linkHead]) }

// successor returns the ID of the session that the rotation made.
func (l Link) Successor() string {
	if l == "" {
		return ""
	}
	return string(l[linkHead:])
}

// sound reports whether a death that was read is one that this program writes.
func (d Death) sound() bool {
	if d.Link == "" {
		return d.Reason != Rotated
	}
	return len(d.Link) == linkSize && d.Link.millis() <= maxMillis && (d.Reason != Rotated || d.Link.Dot() == d.Dot)
}

// time returns when the session ended, as well as it is known.
func (d Death) Time() time.Time {
	if d.Reason == Rotated && d.Link != "" {
		return time.UnixMilli(int64(d.Link.millis()))
	}
	return d.Dot.Time()
}

// joinDeaths brings together two tombstones of one session. A death by any hand
// outranks a rotation, whenever it was: a token whose session has ended leads
// nowhere. Between equals the later one stays. The link is kept apart from that,
// since whoever ends the session also ends what a rotation has made of it. Both
// parts are maxima of total orders, so that the whole is a join.
func JoinDeaths(a, b Death) Death {
	l := max(a.Link, b.Link)
	if a.before(b) {
		a = b
	}
	a.Link = l
	return a
}

func (d Death) before(e Death) bool {
	if turned := d.Reason == Rotated; turned != (e.Reason == Rotated) {
		return turned
	}
	c := d.Dot.compare(e.Dot)
	return c < 0 || c == 0 && d.Reason < e.Reason
}
