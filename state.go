package session

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
)

// state is what a session is: named entries and dates, or dead. Copies of one
// session that went different ways are brought together by join. A state is
// immutable: its methods return a new one, and copies share memory.
type state struct {
	created, authenticated int64 // dates in Unix milliseconds
	lastSeen, end          int64

	entries entries
	death   death
}

// death is the dot and the reason of a tombstone. The zero death is life.
type death struct {
	dot    dot
	reason reason
}

type reason uint8

const (
	destroyed reason = iota + 1 // the visitor logged out
	renewed                     // the session lives on under another ID
	revoked                     // an operator ended it
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
		if c := a.death.dot.compare(b.death.dot); c < 0 || c == 0 && a.death.reason < b.death.reason {
			return b
		}
		return a
	case a.dead():
		return a
	case b.dead():
		return b
	}
	return state{
		created:       min(a.created, b.created),
		authenticated: max(a.authenticated, b.authenticated),
		lastSeen:      max(a.lastSeen, b.lastSeen),
		end:           min(a.end, b.end),
		entries:       joinEntries(a.entries, b.entries),
	}
}

// write returns the state after changes, which all get the dot d. The caller
// makes d larger than every dot of st, so that a write is a join too.
func (st state) write(changes []change, d dot) state {
	return join(st, state{
		created: st.created, authenticated: st.authenticated, lastSeen: st.lastSeen, end: st.end,
		entries: packChanges(changes, d),
	})
}

// The stored form: a format byte, a kind byte, and for a live state its four
// dates (unsigned varints) and its entries; for a dead one the dot and the
// reason.
const (
	formatV1 = 1

	kindLive = 1
	kindDead = 2
)

func (st state) encode() []byte {
	if st.dead() {
		b := append(make([]byte, 0, 2+dotSize+1), formatV1, kindDead)
		b = st.death.dot.append(b)
		return append(b, byte(st.death.reason))
	}
	b := append(make([]byte, 0, 2+4*binary.MaxVarintLen64+len(st.entries)), formatV1, kindLive)
	for _, t := range []int64{st.created, st.authenticated, st.lastSeen, st.end} {
		b = binary.AppendUvarint(b, uint64(t))
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
		if len(b) != dotSize+1 || b[dotSize] < byte(destroyed) || b[dotSize] > byte(revoked) {
			return state{}, errCorrupt
		}
		return state{death: death{readDot(b), reason(b[dotSize])}}, nil
	case kindLive:
		var st state
		for _, t := range []*int64{&st.created, &st.authenticated, &st.lastSeen, &st.end} {
			u, n := binary.Uvarint(b)
			if n <= 0 || u > maxMillis {
				return state{}, errCorrupt
			}
			*t, b = int64(u), b[n:]
		}
		st.entries = b
		return st, st.entries.check()
	}
	return state{}, errCorrupt
}

// entry is one named value as it stands in a state.
type entry struct {
	dot   dot
	flags flags
	name  []byte
	value []byte
	raw   []byte // the whole entry, encoded
}

// flags are an entry's kind in the low two bits, then serverOnly; the high
// four bits are its rank among what travels in a backup.
type flags uint8

const (
	present    flags = 0
	deleted    flags = 1
	withheld   flags = 2 // there is a value, but not in this copy
	kindMask   flags = 3
	serverOnly flags = 4
)

func (f flags) kind() flags { return f & kindMask }

// beats tells which of two entries of one name stays in a join. It is a total
// order: the larger dot; between equal dots a value beats a deletion beats
// withheld, then the larger bytes.
func (e entry) beats(f entry) bool {
	prefer := [...]int{present: 2, deleted: 1, withheld: 0}
	return cmp.Or(
		e.dot.compare(f.dot),
		cmp.Compare(prefer[e.flags.kind()], prefer[f.flags.kind()]),
		bytes.Compare(e.value, f.value),
		cmp.Compare(e.flags, f.flags),
	) > 0
}

// entries are encoded entries in ascending order of their names. They stay
// encoded: finding one key passes over the others without decoding them.
//
// An entry is its flags (1 byte), its dot (12 bytes), its name and, where it
// is present, its value, each after its length as an unsigned varint.
type entries []byte

const maxName = 255

// cut splits the first entry off.
func (l entries) cut() (e entry, rest entries, ok bool) {
	if len(l) < 1+dotSize {
		return entry{}, nil, false
	}
	e.flags, e.dot = flags(l[0]), readDot(l[1:])
	b := []byte(l[1+dotSize:])
	if e.name, b, ok = cutBytes(b); !ok {
		return entry{}, nil, false
	}
	if e.flags.kind() == present {
		if e.value, b, ok = cutBytes(b); !ok {
			return entry{}, nil, false
		}
	}
	e.raw = l[:len(l)-len(b)]
	return e, b, true
}

func cutBytes(b []byte) (field, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	b = b[size:]
	return b[:n:n], b[n:], true
}

func (l entries) check() error {
	var last []byte
	for len(l) > 0 {
		e, rest, ok := l.cut()
		if !ok || len(e.name) == 0 || len(e.name) > maxName || e.flags.kind() == kindMask ||
			bytes.Compare(last, e.name) >= 0 || e.dot.clock>>counterBits > maxMillis {
			return errCorrupt
		}
		last, l = e.name, rest
	}
	return nil
}

// find returns the entry of that name, deleted and withheld ones too.
func (l entries) find(name string) (entry, bool) {
	for len(l) > 0 {
		e, rest, _ := l.cut()
		switch {
		case string(e.name) == name:
			return e, true
		case string(e.name) > name:
			return entry{}, false
		}
		l = rest
	}
	return entry{}, false
}

// latest is the largest clock of any entry.
func (l entries) latest() uint64 {
	var c uint64
	for len(l) > 0 {
		e, rest, _ := l.cut()
		c, l = max(c, e.dot.clock), rest
	}
	return c
}

func joinEntries(a, b entries) entries {
	if len(a) == 0 || bytes.Equal(a, b) {
		return b
	}
	if len(b) == 0 {
		return a
	}
	out := make(entries, 0, len(a)+len(b))
	x, restA, okA := a.cut()
	y, restB, okB := b.cut()
	for okA || okB {
		order := bytes.Compare(x.name, y.name)
		switch {
		case !okB || okA && order < 0:
			out = append(out, x.raw...)
			x, restA, okA = restA.cut()
		case !okA || order > 0:
			out = append(out, y.raw...)
			y, restB, okB = restB.cut()
		default:
			if y.beats(x) {
				x = y
			}
			out = append(out, x.raw...)
			x, restA, okA = restA.cut()
			y, restB, okB = restB.cut()
		}
	}
	return out
}

func (e entry) append(b []byte) []byte {
	b = append(b, byte(e.flags))
	b = e.dot.append(b)
	b = append(binary.AppendUvarint(b, uint64(len(e.name))), e.name...)
	if e.flags.kind() == present {
		b = append(binary.AppendUvarint(b, uint64(len(e.value))), e.value...)
	}
	return b
}
