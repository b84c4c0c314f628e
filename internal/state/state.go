// Package state has the state of a session, copies of it, and how two of them
// are joined.
package state

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
type State struct {
	Created, Authenticated int64 // dates in Unix milliseconds
	LastSeen, End          int64
	Rotated                int64 // when Rotate made the token; 0 where it did not

	Entries Entries
	Death   Death

	// Of a record of another system's format:
	Origin []byte // what it was read from
	Bare   bool   // it has no dots
}

// death is the dot and the reason of a tombstone. The zero death is life.
type Death struct {
	Dot    Dot
	Reason Reason
	Link   Link // to the session that a rotation made of this one, whatever ended it
}

type Reason uint8

const (
	Destroyed Reason = iota + 1 // the visitor logged out
	Renewed                     // the session lives on under another ID
	Revoked                     // an operator ended it
	Rotated                     // the session lives on under another ID, and its token leads there
)

func (st State) Dead() bool { return st.Death.Reason != 0 }

// join combines two copies of one session. It is commutative, associative and
// idempotent, so copies may meet in any order and number: the states are a
// join-semilattice, and their entries a last-writer-wins map (Shapiro et al.,
// "A comprehensive study of Convergent and Commutative Replicated Data
// Types", 2011). Death absorbs everything.
func Join(a, b State) State {
	switch {
	case a.Dead() && b.Dead():
		return State{Death: JoinDeaths(a.Death, b.Death)}
	case a.Dead():
		return a
	case b.Dead():
		return b
	}
	return State{
		Created:       min(a.Created, b.Created),
		Authenticated: max(a.Authenticated, b.Authenticated),
		LastSeen:      max(a.LastSeen, b.LastSeen),
		Rotated:       max(a.Rotated, b.Rotated),
		End:           min(a.End, b.End),
		Entries:       JoinEntries(a.Entries, b.Entries),
		Origin:        larger(a.Origin, b.Origin),
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
func (st State) Write(changes []Change, d Dot) State {
	return Join(st, State{
		Created: st.Created, Authenticated: st.Authenticated, LastSeen: st.LastSeen, End: st.End, Rotated: st.Rotated,
		Entries: PackChanges(changes, d),
	})
}

// equal tells whether a and b are the same, but for when they were last used.
func (st State) Equal(other State) bool {
	return st.Created == other.Created && st.Authenticated == other.Authenticated && st.End == other.End && st.Rotated == other.Rotated &&
		st.Death == other.Death && bytes.Equal(st.Entries, other.Entries)
}

// bequeath returns what joins the values into another session, and nothing
// else.
func (st State) Values() State {
	return State{Created: st.Created, End: maxMillis, Entries: st.Entries}
}

// seen returns the state as last used at t, or later if it was.
func (st State) Seen(t time.Time) State {
	st.LastSeen = max(st.LastSeen, t.UnixMilli())
	return st
}

// The stored form: a format byte, a kind byte, and for a live state its four
// dates (unsigned varints), a fifth one where its token was rotated, and its
// entries; for a dead one the dot, the reason, and the link if it has one.
const (
	FormatV1 = 1

	kindLive    = 1
	kindDead    = 2
	kindRotated = 3 // live, with the fifth date
)

func (st State) Encode() []byte { return st.append(make([]byte, 0, st.size())) }

// size is how many bytes append adds at most.
func (st State) size() int {
	return 2 + max(DotSize+1+len(st.Death.Link), 5*binary.MaxVarintLen64+len(st.Entries))
}

func (st State) append(b []byte) []byte {
	if st.Dead() {
		b = st.Death.Dot.append(append(b, FormatV1, kindDead))
		return append(append(b, byte(st.Death.Reason)), st.Death.Link...)
	}
	kind := byte(kindLive)
	if st.Rotated != 0 {
		kind = kindRotated
	}
	b = append(b, FormatV1, kind)
	for _, t := range []int64{st.Created, st.Authenticated, st.LastSeen, st.End} {
		b = binary.AppendUvarint(b, uint64(t))
	}
	if st.Rotated != 0 {
		b = binary.AppendUvarint(b, uint64(st.Rotated))
	}
	return append(b, st.Entries...)
}

var ErrCorrupt = errors.New("corrupt record")

// decodeState checks all of b, once, so that what reads the entries later
// need not. The state keeps b.
func Decode(b []byte) (State, error) {
	if len(b) < 2 {
		return State{}, ErrCorrupt
	}
	if b[0] != FormatV1 {
		return State{}, fmt.Errorf("record has format %d, this program knows %d", b[0], FormatV1)
	}
	kind, b := b[1], b[2:]
	switch kind {
	case kindDead:
		if len(b) < DotSize+1 || b[DotSize] < byte(Destroyed) || b[DotSize] > byte(Rotated) {
			return State{}, ErrCorrupt
		}
		d := Death{Dot: readDot(b), Reason: Reason(b[DotSize]), Link: Link(b[DotSize+1:])}
		if !d.sound() {
			return State{}, ErrCorrupt
		}
		return State{Death: d}, nil
	case kindLive, kindRotated:
		var st State
		dates := [...]*int64{&st.Created, &st.Authenticated, &st.LastSeen, &st.End, &st.Rotated}
		most := len(dates)
		if kind == kindLive {
			most--
		}
		for _, t := range dates[:most] {
			u, n := binary.Uvarint(b)
			if n <= 0 || u > maxMillis {
				return State{}, ErrCorrupt
			}
			*t, b = int64(u), b[n:]
		}
		if kind == kindRotated && st.Rotated == 0 {
			return State{}, ErrCorrupt // it has a shorter spelling
		}
		st.Entries = b
		return st, st.Entries.Check()
	}
	return State{}, ErrCorrupt
}
