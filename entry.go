package session

import (
	"bytes"
	"cmp"
	"encoding/binary"
)

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
	rankShift        = 4
	maxRank          = 15
)

func (f flags) kind() flags { return f & kindMask }

func (f flags) rank() int { return int(f >> rankShift) }

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

// check is what makes cut safe. Each load passes over all entries here, so it
// looks at the bytes where they lie.
func (l entries) check() error {
	const head = 1 + dotSize
	last := entries{}
	for len(l) > 0 {
		if len(l) <= head || flags(l[0]).kind() == kindMask || l[1] >= 0x80 { // a clock beyond maxMillis
			return errCorrupt
		}
		name, rest, ok := l[head:].field()
		if !ok || len(name) == 0 || len(name) > maxName || string(last) >= string(name) {
			return errCorrupt
		}
		if flags(l[0]).kind() == present {
			if _, rest, ok = rest.field(); !ok {
				return errCorrupt
			}
		}
		last, l = name, rest
	}
	return nil
}

// field is cutBytes, but quick where the length is one byte or two.
func (l entries) field() (field, rest entries, ok bool) {
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

// find returns the entry of that name, deleted and withheld ones too.
func (l entries) find(name string) (entry, bool) {
	e, _, ok := l.from(name).cut()
	if !ok || string(e.name) != name {
		return entry{}, false
	}
	return e, true
}

// from leaves out the entries whose names come before name.
func (l entries) from(name string) entries {
	for len(l) > 0 {
		n, rest, _ := l[1+dotSize:].field()
		if string(n) >= name {
			break
		}
		if flags(l[0]).kind() == present {
			_, rest, _ = rest.field()
		}
		l = rest
	}
	return l
}

// has tells whether the write of that dot is among the entries.
func (l entries) has(d dot) bool {
	for len(l) > 0 {
		e, rest, _ := l.cut()
		if e.dot == d {
			return true
		}
		l = rest
	}
	return false
}

// covers tells whether l knows of every write that other knows of, with or
// without its value.
func (l entries) covers(other entries) bool {
	if bytes.Equal(l, other) {
		return true
	}
	for len(other) > 0 {
		e, rest, _ := other.cut()
		l = l.from(string(e.name))
		mine, _, ok := l.cut()
		if !ok || !bytes.Equal(mine.name, e.name) || mine.dot.compare(e.dot) < 0 {
			return false
		}
		if foreign := e.dot.instance == 0; foreign && mine.dot == e.dot && mine.flags.kind() == present && !bytes.Equal(mine.value, e.value) {
			return false // who wrote it has no dots
		}
		other = rest
	}
	return true
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

func appendBytes[T ~string | ~[]byte](out []byte, b T) []byte {
	return append(binary.AppendUvarint(out, uint64(len(b))), b...)
}

// withhold leaves the values out of the entries that which picks, and keeps
// that they are there.
func (l entries) withhold(which func(entry) bool) entries {
	var out entries // nil: as l so far
	for rest := l; len(rest) > 0; {
		e, next, _ := rest.cut()
		switch {
		case e.flags.kind() == present && which(e):
			if out == nil {
				out = append(make(entries, 0, len(l)), l[:len(l)-len(rest)]...)
			}
			e.flags, e.value = e.flags&^kindMask|withheld, nil
			out = e.append(out)
		case out != nil:
			out = append(out, e.raw...)
		}
		rest = next
	}
	if out == nil {
		return l
	}
	return out
}

// present returns the entries that have a value.
func (l entries) present() (out []entry) {
	for len(l) > 0 {
		e, rest, _ := l.cut()
		if e.flags.kind() == present {
			out = append(out, e)
		}
		l = rest
	}
	return out
}
