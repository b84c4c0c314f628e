package session

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// state is what a session is: named entries and dates, or dead. Copies of one
// session that went different ways are brought together by join. A state is
// immutable: its methods return a new one, and copies share memory.
type state struct {
	created, authenticated int64 // dates in Unix milliseconds
	lastSeen, end          int64
	rotated                int64 // when Rotate made the token; 0 where it did not

	entries entries
	death   death

	// Of a record of another system's format:
	origin []byte // what it was read from
	bare   bool   // it has no dots
}

// death is the dot and the reason of a tombstone. The zero death is life.
type death struct {
	dot    dot
	reason reason
	link   link // to the session that a rotation made of this one, whatever ended it
}

type reason uint8

const (
	destroyed reason = iota + 1 // the visitor logged out
	renewed                     // the session lives on under another ID
	revoked                     // an operator ended it
	rotated                     // the session lives on under another ID, and its token leads there
)

func (st state) dead() bool { return st.death.reason != 0 }

// join combines two copies of one session. It is commutative, associative and
// idempotent, so copies may meet in any order and number: the states are a
// join-semilattice, and their entries a last-writer-wins map (Shapiro et al.,
// "A comprehensive study of Convergent and Commutative Replicated Data
// Types", 2011). Death absorbs everything.
func join(a, b state) state {
	switch {
	case a.dead() && b.dead():
		return state{death: joinDeaths(a.death, b.death)}
	case a.dead():
		return a
	case b.dead():
		return b
	}
	return state{
		created:       min(a.created, b.created),
		authenticated: max(a.authenticated, b.authenticated),
		lastSeen:      max(a.lastSeen, b.lastSeen),
		rotated:       max(a.rotated, b.rotated),
		end:           min(a.end, b.end),
		entries:       joinEntries(a.entries, b.entries),
		origin:        larger(a.origin, b.origin),
	}
}

func larger(a, b []byte) []byte {
	if bytes.Compare(a, b) < 0 {
		return b
	}
	return a
}

// write returns the state after changes, which all get the dot d. The caller
// makes d larger than every dot of st, so that a write is a join too.
func (st state) write(changes []change, d dot) state {
	return join(st, state{
		created: st.created, authenticated: st.authenticated, lastSeen: st.lastSeen, end: st.end, rotated: st.rotated,
		entries: packChanges(changes, d),
	})
}

// equal tells whether a and b are the same, but for when they were last used.
func (st state) equal(other state) bool {
	return st.created == other.created && st.authenticated == other.authenticated && st.end == other.end && st.rotated == other.rotated &&
		st.death == other.death && bytes.Equal(st.entries, other.entries)
}

// bequeath returns what joins the values into another session, and nothing
// else.
func (st state) bequeath() state {
	return state{created: st.created, end: maxMillis, entries: st.entries}
}

// seen returns the state as last used at t, or later if it was.
func (st state) seen(t time.Time) state {
	st.lastSeen = max(st.lastSeen, t.UnixMilli())
	return st
}

// The stored form: a format byte, a kind byte, and for a live state its four
// dates (unsigned varints), a fifth one where its token was rotated, and its
// entries; for a dead one the dot, the reason, and the link if it has one.
const (
	formatV1 = 1

	kindLive    = 1
	kindDead    = 2
	kindRotated = 3 // live, with the fifth date
)

func (st state) encode() []byte { return st.append(make([]byte, 0, st.size())) }

// size is how many bytes append adds at most.
func (st state) size() int {
	return 2 + max(dotSize+1+len(st.death.link), 5*binary.MaxVarintLen64+len(st.entries))
}

func (st state) append(b []byte) []byte {
	if st.dead() {
		b = st.death.dot.append(append(b, formatV1, kindDead))
		return append(append(b, byte(st.death.reason)), st.death.link...)
	}
	kind := byte(kindLive)
	if st.rotated != 0 {
		kind = kindRotated
	}
	b = append(b, formatV1, kind)
	for _, t := range []int64{st.created, st.authenticated, st.lastSeen, st.end} {
		b = binary.AppendUvarint(b, uint64(t))
	}
	if st.rotated != 0 {
		b = binary.AppendUvarint(b, uint64(st.rotated))
	}
	return append(b, st.entries...)
}

var errCorrupt = errors.New("corrupt record")

// decodeState checks all of b, once, so that what reads the entries later
// need not. The state keeps b.
func decodeState(b []byte) (state, error) {
	if len(b) < 2 {
		return state{}, errCorrupt
	}
	if b[0] != formatV1 {
		return state{}, fmt.Errorf("record has format %d, this program knows %d", b[0], formatV1)
	}
	kind, b := b[1], b[2:]
	switch kind {
	case kindDead:
		if len(b) < dotSize+1 || b[dotSize] < byte(destroyed) || b[dotSize] > byte(rotated) {
			return state{}, errCorrupt
		}
		d := death{dot: readDot(b), reason: reason(b[dotSize]), link: link(b[dotSize+1:])}
		if !d.sound() {
			return state{}, errCorrupt
		}
		return state{death: d}, nil
	case kindLive, kindRotated:
		var st state
		dates := [...]*int64{&st.created, &st.authenticated, &st.lastSeen, &st.end, &st.rotated}
		most := len(dates)
		if kind == kindLive {
			most--
		}
		for _, t := range dates[:most] {
			u, n := binary.Uvarint(b)
			if n <= 0 || u > maxMillis {
				return state{}, errCorrupt
			}
			*t, b = int64(u), b[n:]
		}
		if kind == kindRotated && st.rotated == 0 {
			return state{}, errCorrupt // it has a shorter spelling
		}
		st.entries = b
		return st, st.entries.check()
	}
	return state{}, errCorrupt
}
