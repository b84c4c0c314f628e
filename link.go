package session

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
type link string

const (
	linkRandom = 32
	linkTime   = dotSize + 8
	linkHead   = linkTime + linkRandom
	linkSize   = linkHead + 32 // of an ID of ours
)

func newLink(d dot, at time.Time, random [linkRandom]byte, successor string) link {
	b := d.append(make([]byte, 0, linkSize))
	b = binary.BigEndian.AppendUint64(b, uint64(at.UnixMilli()))
	return link(append(append(b, random[:]...), successor...))
}

func (l link) dot() dot { return readDot([]byte(l[:dotSize])) }

func (l link) millis() uint64 { return binary.BigEndian.Uint64([]byte(l[dotSize:linkTime])) }

func (l link) random() string { return string(l[linkTime:linkHead]) }

// successor returns the ID of the session that the rotation made.
func (l link) successor() string {
	if l == "" {
		return ""
	}
	return string(l[linkHead:])
}

// sound reports whether a death that was read is one that this program writes.
func (d death) sound() bool {
	if d.link == "" {
		return d.reason != rotated
	}
	return len(d.link) == linkSize && d.link.millis() <= maxMillis && (d.reason != rotated || d.link.dot() == d.dot)
}

// time returns when the session ended, as well as it is known.
func (d death) time() time.Time {
	if d.reason == rotated && d.link != "" {
		return time.UnixMilli(int64(d.link.millis()))
	}
	return d.dot.time()
}

// joinDeaths brings together two tombstones of one session. A death by any hand
// outranks a rotation, whenever it was: a token whose session has ended leads
// nowhere. Between equals the later one stays. The link is kept apart from that,
// since whoever ends the session also ends what a rotation has made of it. Both
// parts are maxima of total orders, so that the whole is a join.
func joinDeaths(a, b death) death {
	l := max(a.link, b.link)
	if a.before(b) {
		a = b
	}
	a.link = l
	return a
}

func (d death) before(e death) bool {
	if turned := d.reason == rotated; turned != (e.reason == rotated) {
		return turned
	}
	c := d.dot.compare(e.dot)
	return c < 0 || c == 0 && d.reason < e.reason
}

