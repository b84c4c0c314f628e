// Package state defines a session, and the join of two copies of it that went
// different ways.
//
// A [State] is a map of named entries with a few dates, or dead. [Join] combines
// any two states of one session; a write is a join with newer dots, and so is a
// restore, a retry after a conflict, and an old cookie that arrives late. A
// [Copy] is a state outside the store, with what is known about it. An [Edit] is
// an operation of a handler that can run again on a newer state, and [InDoubt] a
// save that was not answered.
//
// The package is pure: it knows neither HTTP nor a store nor what time it is,
// starts no goroutine and keeps no lock. How long a rotation's old token leads on is its
// RotationGrace, beside the link (link.go). It does not decide which copy may vouch
// for a session (package lookup does), how a copy is sealed (package backup), or how
// long a tombstone lives (manager.go of the root package computes that from the
// options; package storage stores a tombstone for so long, package journal drops
// it then, and package copies gives it that long in a cookie).
//
// Where to look: state.go has states, their encoding and their join, entry.go the entries, and
// clock.go the dots; link.go has the links of rotations, and the join of deaths; edit.go has
// what handlers change, and indoubt.go saves that were not answered; copy.go has copies, and
// packed.go those with compressed values; login.go and stay.go have the library's own entries.
package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// State is what a session is: named entries and dates, or dead. The zero State
// is live and has no entries. A State is immutable: its methods return a new
// one, and copies share memory.
type State struct {
	Created, Authenticated int64 // dates in Unix milliseconds
	LastSeen, End          int64
	Rotated                int64 // when Rotate made the token; 0 where it did not

	Entries Entries
	Death   Death

	// Of a record of another system's format:
	Origin []byte // the record that it was read from
	Bare   bool   // it has no dots
}

// Death is what a tombstone says. The zero Death is life.
type Death struct {
	Dot    Dot
	Reason Reason
	Link   Link // to the session that a rotation made of this one, whatever ended it

	// Anonymous says that the session was never renewed, so that it knew no user.
	Anonymous bool

	// Successor is the ID of the session that a Renew made of this one, whatever ended
	// it.
	Successor string
}

// Reason is why a session ended.
type Reason uint8

// The reasons why a session ends.
const (
	Destroyed Reason = iota + 1 // the visitor logged out
	Renewed                     // the session lives on under another ID
	Revoked                     // an operator ended it
	Rotated                     // the session lives on under another ID, and its token leads there
)

// Dead reports whether the session has ended.
func (st State) Dead() bool { return st.Death.Reason != 0 }

// NeverRenewed reports whether the session has never known a user: it has no login, and
// was never renewed by an application that does not say who logs in.
func (st State) NeverRenewed() bool {
	_, known := st.Login()
	return st.Authenticated == st.Created && !known
}

// Join combines two states of one session. Death absorbs everything. Of live
// states it keeps the entries as JoinEntries does, the earlier Created and End,
// and the later of the other dates.
//
// Join is commutative, associative and idempotent, so copies may meet in any
// order and number: the states are a join-semilattice, and their entries a
// last-writer-wins map (Shapiro et al., "A comprehensive study of Convergent and
// Commutative Replicated Data Types", 2011).
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

// Write returns st after changes, which are in the order of their names and all
// get the dot d. The caller makes d larger than every dot of st, so that a write
// is a join too.
func (st State) Write(changes []Change, d Dot) State {
	return Join(st, State{
		Created:       st.Created,
		Authenticated: st.Authenticated,
		LastSeen:      st.LastSeen,
		End:           st.End,
		Rotated:       st.Rotated,
		Entries:       PackChanges(changes, d),
	})
}

// Equal reports whether st and other are the same but for LastSeen, Origin and
// Bare.
func (st State) Equal(other State) bool {
	if st.Created != other.Created || st.Authenticated != other.Authenticated {
		return false
	}
	if st.End != other.End || st.Rotated != other.Rotated {
		return false
	}
	return st.Death == other.Death && bytes.Equal(st.Entries, other.Entries)
}

// Values returns the state whose join with another session gives it st's
// entries, and changes no date but Created, to the earlier.
func (st State) Values() State {
	return State{Created: st.Created, End: maxMillis, Entries: st.Entries}
}

// Seen returns st as last used at t, or later if it was.
func (st State) Seen(t time.Time) State {
	st.LastSeen = max(st.LastSeen, t.UnixMilli())
	return st
}

const (
	// FormatV1 is the first byte of everything that this package encodes.
	FormatV1 = 1

	kindLive    = 1
	kindDead    = 2
	kindRotated = 3 // live, with the fifth date

	anonymousBit = 0x80 // in the byte of a reason
)

// Encode returns the stored form of st: a format byte, a kind byte, and for a
// live state its four dates (unsigned varints), a fifth one where its token was
// rotated, and its entries; for a dead one the dot, the reason with a bit that says
// whether the session was anonymous, and the link and the successor if it has them. It leaves Origin and Bare out.
func (st State) Encode() []byte { return st.append(make([]byte, 0, st.size())) }

// size is how many bytes append adds at most.
func (st State) size() int {
	death := DotSize + 1 + len(st.Death.Link) + len(st.Death.Successor)
	return 2 + max(death, 5*binary.MaxVarintLen64+len(st.Entries))
}

func (st State) append(b []byte) []byte {
	if st.Dead() {
		b = st.Death.Dot.append(append(b, FormatV1, kindDead))
		reason := byte(st.Death.Reason)
		if st.Death.Anonymous {
			reason |= anonymousBit
		}
		b = append(append(b, reason), st.Death.Link...)
		return append(b, st.Death.Successor...)
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

// ErrCorrupt is the error for bytes that this package did not encode.
var ErrCorrupt = errors.New("corrupt record")

// Decode returns the state that Encode made b of. The state keeps b. The error
// is ErrCorrupt, or names the format where it is not FormatV1.
//
// Decode checks all of b, once, so that what reads the entries later need not.
func Decode(b []byte) (State, error) { return decode(b, nil) }

// decode is Decode. Where unpack is not nil it returns the entries of a live state as
// they are outside of a packed copy.
func decode(b []byte, unpack func(Entries) (Entries, error)) (State, error) {
	if len(b) < 2 {
		return State{}, ErrCorrupt
	}
	if b[0] != FormatV1 {
		return State{}, fmt.Errorf("record has format %d, this program knows %d", b[0], FormatV1)
	}
	switch kind := b[1]; kind {
	case kindDead:
		return decodeDead(b[2:])
	case kindLive, kindRotated:
		return decodeLive(b[2:], kind == kindRotated, unpack)
	}
	return State{}, ErrCorrupt
}

func decodeDead(b []byte) (State, error) {
	if len(b) < DotSize+1 {
		return State{}, ErrCorrupt
	}
	d := Death{Dot: readDot(b), Reason: Reason(b[DotSize] &^ anonymousBit), Anonymous: b[DotSize]&anonymousBit != 0}
	known := d.Reason >= Destroyed && d.Reason <= Rotated
	rest := b[DotSize+1:]
	if len(rest) >= linkSize {
		d.Link, rest = Link(rest[:linkSize]), rest[linkSize:]
	}
	d.Successor = string(rest)
	if !known || !d.sound() {
		return State{}, ErrCorrupt
	}
	return State{Death: d}, nil
}

func decodeLive(b []byte, rotated bool, unpack func(Entries) (Entries, error)) (st State, err error) {
	dates := [...]*int64{&st.Created, &st.Authenticated, &st.LastSeen, &st.End, &st.Rotated}
	most := len(dates)
	if !rotated {
		most--
	}
	for _, t := range dates[:most] {
		u, n := binary.Uvarint(b)
		if n <= 0 || u > maxMillis {
			return State{}, ErrCorrupt
		}
		*t, b = int64(u), b[n:]
	}
	if rotated && st.Rotated == 0 {
		return State{}, ErrCorrupt // it has a shorter spelling
	}
	st.Entries = b
	if unpack != nil {
		if st.Entries, err = unpack(b); err != nil {
			return State{}, err
		}
	}
	return st, st.Entries.Check()
}
