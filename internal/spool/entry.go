package spool

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/state"
)

// Entry is what a line says of a session.
type Entry struct {
	ID         string
	Kind       Kind
	Owed       journal.Undelivered // of a Hint or a Tombstone
	Revocation Revocation          // of a Revoked
}

// Kind is the kind of an Entry.
type Kind uint8

// The kinds. An entry of the first three takes the place of those that came before it
// for its session.
const (
	Settled   Kind = iota + 1 // nothing is owed any more: it was delivered or dropped
	Hint                      // a state that the store lacks
	Tombstone                 // a tombstone that the store lacks
	Revoked                   // a revocation that is settled
)

// Revocation is a tombstone that the store has.
type Revocation struct {
	ID        string
	Dot       state.Dot
	Reason    state.Reason
	Class     uint8  // for the caller
	Successor string // that a Renew or a rotation made; may be empty
	Until     int64  // Unix milliseconds; it is not needed then
}

const formatV1 = 1

// The bits of a hint and of a tombstone.
const (
	hintBorn      = 1
	hintAnonymous = 2
	hintAll       = 3
)

// flags returns the places of a tombstone's booleans, in the order of their bits.
func flags(t *journal.Tombstone) [7]*bool {
	return [...]*bool{&t.Again, &t.Rotated, &t.IfLive, &t.Conflict, &t.EndsSuccessors, &t.Unverified, &t.IfStored}
}

// strangerBit is apart from the others because a journal, and no caller, sets the flag.
const strangerBit = 1 << 7

// entryOf returns what the store lacks of a session, by the source.
func entryOf(id string, owed journal.Undelivered, ok bool) Entry {
	e := Entry{ID: id, Kind: Settled}
	switch {
	case !ok:
	case owed.Hint != nil:
		e.Kind, e.Owed = Hint, owed
	default:
		e.Kind, e.Owed = Tombstone, owed
	}
	return e
}

// encode returns the plaintext of a line, docs/SPEC.md.
func (e Entry) encode() []byte {
	out := state.AppendBytes([]byte{formatV1, byte(e.Kind)}, e.ID)
	switch e.Kind {
	case Hint:
		bits := byte(0)
		if e.Owed.Hint.Born {
			bits |= hintBorn
		}
		if e.Owed.Anonymous {
			bits |= hintAnonymous
		}
		out = append(append(out, bits), e.Owed.Hint.Encode()...)
	case Tombstone:
		t := e.Owed.Tombstone
		bits := byte(0)
		for i, set := range flags(&t) {
			if *set {
				bits |= 1 << i
			}
		}
		if t.Stranger {
			bits |= strangerBit
		}
		out = append(out, bits)
		out = state.AppendBytes(out, t.Successor)
		out = append(out, state.State{Death: t.Death}.Encode()...)
	case Revoked:
		r := e.Revocation
		out = append(out, byte(r.Reason), r.Class)
		out = binary.AppendUvarint(out, uint64(r.Until))
		out = binary.BigEndian.AppendUint64(out, r.Dot.Clock)
		out = binary.BigEndian.AppendUint32(out, r.Dot.Instance)
		out = state.AppendBytes(out, r.Successor)
	case Settled:
	}
	return out
}

var (
	errCorrupt = errors.New("a line that is sealed and says nothing")
	errNewer   = errors.New("a line of a newer program")
)

// decode returns the entry that encode made b of.
func decode(b []byte) (Entry, error) {
	switch {
	case len(b) < 2:
		return Entry{}, errCorrupt
	case b[0] != formatV1 || b[1] > byte(Revoked):
		return Entry{}, errNewer
	}
	e := Entry{Kind: Kind(b[1])}
	id, b, ok := cutBytes(b[2:])
	if !ok || id == "" {
		return Entry{}, errCorrupt
	}
	e.ID = id
	switch e.Kind {
	case Settled:
		ok = len(b) == 0
	case Hint:
		ok = e.decodeHint(b)
	case Tombstone:
		ok = e.decodeTombstone(b)
	case Revoked:
		ok = e.decodeRevocation(b)
	default:
		ok = false
	}
	if !ok {
		return Entry{}, errCorrupt
	}
	return e, nil
}

func (e *Entry) decodeHint(b []byte) bool {
	if len(b) == 0 || b[0] > hintAll {
		return false
	}
	bits := b[0]
	c, err := state.DecodeCopy(b[1:])
	if err != nil || c.ID != e.ID {
		return false
	}
	c.Born = bits&hintBorn != 0
	e.Owed = journal.Undelivered{Hint: &c, Anonymous: bits&hintAnonymous != 0}
	return true
}

func (e *Entry) decodeTombstone(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	t := journal.Tombstone{ID: e.ID, Pending: true, Stranger: b[0]&strangerBit != 0}
	for i, set := range flags(&t) {
		*set = b[0]&(1<<i) != 0
	}
	successor, b, ok := cutBytes(b[1:])
	if !ok {
		return false
	}
	st, err := state.Decode(b)
	if err != nil || !st.Dead() {
		return false
	}
	t.Successor, t.Death = successor, st.Death
	e.Owed = journal.Undelivered{Tombstone: t}
	return true
}

func (e *Entry) decodeRevocation(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	r := Revocation{ID: e.ID, Reason: state.Reason(b[0]), Class: b[1]}
	until, n := binary.Uvarint(b[2:])
	if n <= 0 || len(b) < 2+n+state.DotSize {
		return false
	}
	b = b[2+n:]
	r.Until = int64(until)
	r.Dot = state.Dot{Clock: binary.BigEndian.Uint64(b), Instance: binary.BigEndian.Uint32(b[8:])}
	successor, rest, ok := cutBytes(b[state.DotSize:])
	r.Successor = successor
	e.Revocation = r
	known := r.Reason >= state.Destroyed && r.Reason <= state.Rotated
	return ok && len(rest) == 0 && known
}

func cutBytes(b []byte) (field string, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return "", nil, false
	}
	b = b[size:]
	return string(b[:n]), b[n:], true
}

// line returns an entry sealed, with the line break behind it.
func (s *Spool) line(e Entry) ([]byte, error) {
	text, err := s.box.Seal(time.Now(), e.encode())
	if err != nil {
		return nil, err
	}
	return append([]byte(text), '\n'), nil
}

// open returns the entry of a line without its break.
func (s *Spool) open(line []byte) (Entry, error) {
	plaintext, _, err := s.box.Open(string(line))
	if err != nil {
		return Entry{}, err
	}
	return decode(plaintext)
}
