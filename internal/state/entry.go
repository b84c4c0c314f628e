package state

import (
	"bytes"
	"cmp"
	"encoding/binary"
)

// Entry is one named value as it stands in a state.
type Entry struct {
	Dot   Dot
	Flags Flags
	Name  []byte
	Value []byte // nil unless the entry is Present
	Raw   []byte // the whole entry, encoded, of one that Cut or Find returned
}

// Flags are an entry's kind in the low two bits, then ServerOnly and Uncompressed; the
// high four bits are its rank among what travels in a copy.
type Flags uint8

// The kinds of an entry, ServerOnly, which keeps a value out of copies, and Uncompressed,
// which keeps it as it is in a copy.
const (
	Present      Flags = 0
	Deleted      Flags = 1
	Withheld     Flags = 2 // there is a value, but not in this copy
	kindMask     Flags = 3
	ServerOnly   Flags = 4
	Uncompressed Flags = 8

	RankShift = 4  // where the rank begins
	MaxRank   = 15 // the largest rank
)

// Kind returns Present, Deleted or Withheld.
func (f Flags) Kind() Flags { return f & kindMask }

// Rank returns the rank, from 0 to MaxRank.
func (f Flags) Rank() int { return int(f >> RankShift) }

// beats reports whether e, of two entries of one name, stays in a join. It is a
// total order: the larger dot; between equal dots a value beats a deletion beats
// withheld, then the larger bytes.
func (e Entry) beats(f Entry) bool {
	prefer := [...]int{Present: 2, Deleted: 1, Withheld: 0}
	return cmp.Or(
		e.Dot.compare(f.Dot),
		cmp.Compare(prefer[e.Flags.Kind()], prefer[f.Flags.Kind()]),
		bytes.Compare(e.Value, f.Value),
		cmp.Compare(e.Flags, f.Flags),
	) > 0
}

// Append appends e to b, encoded as Entries have it.
func (e Entry) Append(b []byte) []byte {
	b = append(b, byte(e.Flags))
	b = e.Dot.append(b)
	b = AppendBytes(b, e.Name)
	if kind := e.Flags.Kind(); kind == Present || kind == Compressed {
		b = AppendBytes(b, e.Value)
	}
	return b
}

// Entries are encoded entries in ascending order of their names. They stay
// encoded: finding one key passes over the others without decoding them. But for
// Check, the methods are for entries that passed Check, and return parts of
// them.
//
// An entry is its flags (1 byte), its dot (12 bytes), its name and, where it
// is present, its value, each after its length as an unsigned varint.
type Entries []byte

// MaxName is the length of the longest name in bytes.
const MaxName = 255

// Cut splits the first entry off, and reports whether there is one.
func (l Entries) Cut() (e Entry, rest Entries, ok bool) {
	if len(l) < 1+DotSize {
		return Entry{}, nil, false
	}
	e.Flags, e.Dot = Flags(l[0]), readDot(l[1:])
	b := []byte(l[1+DotSize:])
	if e.Name, b, ok = cutBytes(b); !ok {
		return Entry{}, nil, false
	}
	if e.Flags.Kind() == Present {
		if e.Value, b, ok = cutBytes(b); !ok {
			return Entry{}, nil, false
		}
	}
	e.Raw = l[:len(l)-len(b)]
	return e, b, true
}

// AppendBytes appends b to out, after its length as an unsigned varint.
func AppendBytes[T ~string | ~[]byte](out []byte, b T) []byte {
	return append(binary.AppendUvarint(out, uint64(len(b))), b...)
}

func cutBytes(b []byte) (field, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	b = b[size:]
	return b[:n:n], b[n:], true
}

// Check returns ErrCorrupt where l is not what Append writes, names ascending. A
// list that passes is safe for every method of Entries. Each load passes over all
// entries here, so Check looks at the bytes where they lie.
func (l Entries) Check() error {
	const head = 1 + DotSize
	last := Entries{}
	for len(l) > 0 {
		if len(l) <= head {
			return ErrCorrupt
		}
		if Flags(l[0]).Kind() == kindMask || l[1] >= 0x80 { // a clock beyond maxMillis
			return ErrCorrupt
		}
		name, rest, ok := l[head:].field()
		if !ok || len(name) > MaxName {
			return ErrCorrupt
		}
		if string(last) >= string(name) { // the empty name is never above the last one
			return ErrCorrupt
		}
		if Flags(l[0]).Kind() == Present {
			if _, rest, ok = rest.field(); !ok {
				return ErrCorrupt
			}
		}
		last, l = name, rest
	}
	return nil
}

// field is cutBytes, but quick where the length is one byte or two.
func (l Entries) field() (field, rest Entries, ok bool) {
	var n, size int
	switch {
	case len(l) > 0 && l[0] < 0x80:
		n, size = int(l[0]), 1
	case len(l) > 1 && l[1] < 0x80:
		n, size = int(l[0]&0x7f)|int(l[1])<<7, 2
	default:
		a, b, ok := cutBytes(l)
		return a, b, ok
	}
	if n > len(l)-size {
		return nil, nil, false
	}
	return l[size : size+n], l[size+n:], true
}

// Find returns the entry of that name, deleted and withheld ones too, and
// reports whether there is one.
func (l Entries) Find(name string) (Entry, bool) {
	l = l.From(name)
	if len(l) == 0 {
		return Entry{}, false
	}
	if n, _, _ := l[1+DotSize:].field(); string(n) != name {
		return Entry{}, false
	}
	e, _, ok := l.Cut()
	return e, ok
}

// From leaves out the entries whose names come before name.
func (l Entries) From(name string) Entries {
	for len(l) > 0 {
		n, rest, _ := l[1+DotSize:].field()
		if string(n) >= name {
			break
		}
		if Flags(l[0]).Kind() == Present {
			_, rest, _ = rest.field()
		}
		l = rest
	}
	return l
}

// Has reports whether the write of that dot is among the entries.
func (l Entries) Has(d Dot) bool {
	for len(l) > 0 {
		e, rest, _ := l.Cut()
		if e.Dot == d {
			return true
		}
		l = rest
	}
	return false
}

// writtenAfter reports whether the entry of that name has a later dot than d.
func (l Entries) writtenAfter(d Dot, name string) bool {
	e, ok := l.Find(name)
	return ok && e.Dot.compare(d) > 0
}

// Covers reports whether l knows of every write that other knows of, with or
// without its value.
func (l Entries) Covers(other Entries) bool {
	if bytes.Equal(l, other) {
		return true
	}
	for len(other) > 0 {
		e, rest, _ := other.Cut()
		l = l.From(string(e.Name))
		mine, _, ok := l.Cut()
		if !ok || !mine.covers(e) {
			return false
		}
		other = rest
	}
	return true
}

// Withheld reports whether a value is withheld.
func (l Entries) Withheld() bool {
	for len(l) > 0 {
		e, rest, _ := l.Cut()
		if e.Flags.Kind() == Withheld {
			return true
		}
		l = rest
	}
	return false
}

// covers reports whether e is of f's name and knows of its write.
func (e Entry) covers(f Entry) bool {
	if !bytes.Equal(e.Name, f.Name) || e.Dot.compare(f.Dot) < 0 {
		return false
	}
	// A writer of another system's format has no dots: two writes of it differ
	// only in the value.
	foreign := f.Dot.Instance == 0 && e.Dot == f.Dot
	differs := e.Flags.Kind() == Present && !bytes.Equal(e.Value, f.Value)
	return !foreign || !differs
}

// Latest returns the largest clock value of any entry, or 0.
func (l Entries) Latest() uint64 {
	var c uint64
	for len(l) > 0 {
		e, rest, _ := l.Cut()
		c, l = max(c, e.Dot.Clock), rest
	}
	return c
}

// Before returns the entries with a smaller clock value than end, and whether that is all of l.
func (l Entries) Before(end uint64) (before Entries, all bool) {
	if l.Latest() < end {
		return l, true
	}
	for len(l) > 0 {
		e, rest, _ := l.Cut()
		if l = rest; e.Dot.Clock < end {
			before = append(before, e.Raw...)
		}
	}
	return before, false
}

// JoinEntries returns the entries of both, and of two of one name the one with
// the larger dot. It is commutative, associative and idempotent. Between equal
// dots a value stays rather than its deletion, and both rather than withheld;
// between two values, the larger bytes.
func JoinEntries(a, b Entries) Entries {
	if len(a) == 0 || bytes.Equal(a, b) {
		return b
	}
	if len(b) == 0 || a.contains(b) { // mostly one of them is of a later state
		return a
	}
	if b.contains(a) {
		return b
	}
	out := make(Entries, 0, len(a)+len(b))
	x, restA, okA := a.Cut()
	y, restB, okB := b.Cut()
	for okA || okB {
		order := bytes.Compare(x.Name, y.Name)
		switch {
		case !okB || okA && order < 0:
			out = append(out, x.Raw...)
			x, restA, okA = restA.Cut()
		case !okA || order > 0:
			out = append(out, y.Raw...)
			y, restB, okB = restB.Cut()
		default:
			if y.beats(x) {
				x = y
			}
			out = append(out, x.Raw...)
			x, restA, okA = restA.Cut()
			y, restB, okB = restB.Cut()
		}
	}
	return out
}

// contains reports whether a join with other leaves l as it is.
func (l Entries) contains(other Entries) bool {
	for len(other) > 0 {
		e, rest, _ := other.Cut()
		l = l.From(string(e.Name))
		mine, _, ok := l.Cut()
		if !ok || !bytes.Equal(mine.Name, e.Name) || e.beats(mine) {
			return false
		}
		other = rest
	}
	return true
}

// Withhold returns l without the values of the entries that which picks; they are
// Withheld then. It does not alter l.
func (l Entries) Withhold(which func(Entry) bool) Entries {
	var out Entries // nil: as l so far
	for rest := l; len(rest) > 0; {
		e, next, _ := rest.Cut()
		switch {
		case e.Flags.Kind() == Present && which(e):
			if out == nil {
				out = append(make(Entries, 0, len(l)), l[:len(l)-len(rest)]...)
			}
			e.Flags, e.Value = e.Flags&^kindMask|Withheld, nil
			out = e.Append(out)
		case out != nil:
			out = append(out, e.Raw...)
		}
		rest = next
	}
	if out == nil {
		return l
	}
	return out
}

// Present returns the entries that have a value.
func (l Entries) Present() (out []Entry) {
	for len(l) > 0 {
		e, rest, _ := l.Cut()
		if e.Flags.Kind() == Present {
			out = append(out, e)
		}
		l = rest
	}
	return out
}
