package express

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/internal/js"
)

// markName is the one field that the Go side adds to a session. Node carries it
// along, as it does every field that it does not know. No key of package session
// can have the name.
const markName = "session/dots"

// mark is what a Manager must know of a session beyond its fields: its dates,
// and which write each field was left by. Whatever Node has changed since is
// told by the hashes.
type mark struct {
	created, renewed, lastSeen, end int64 // Unix milliseconds

	rows map[string]row
}

type row struct {
	dot   foreign.Dot
	flags uint8
	hash  [hashSize]byte // of a value that is present
}

// The mark's bytes, in base64url: a version; the dates as unsigned varints;
// then the rows in the order of their names, each its flags, its dot, its name
// after the length, and the hash if a value is present.
const (
	markVersion = 1
	dotSize     = 8 + 4
	hashSize    = 8
	maxName     = 255
	maxMillis   = 1<<47 - 1 // as package session has it
)

// hashOf does not tell apart what JavaScript does not.
func hashOf(value json.RawMessage) (h [hashSize]byte) {
	text, _ := fields.Canonical(value)
	sum := sha256.Sum256(text)
	copy(h[:], sum[:])
	return h
}

func (m mark) encode() json.RawMessage {
	b := []byte{markVersion}
	for _, t := range []int64{m.created, m.renewed, m.lastSeen, m.end} {
		b = binary.AppendUvarint(b, uint64(max(0, t)))
	}
	names := make([]string, 0, len(m.rows))
	for name := range m.rows {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		r := m.rows[name]
		b = appendDot(append(b, r.flags), r.dot)
		b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
		if r.flags&foreign.KindMask == foreign.Present {
			b = append(b, r.hash[:]...)
		}
	}
	return js.Quote(base64.RawURLEncoding.EncodeToString(b))
}

// parseMark returns nothing where the value is not one that encode made: then
// Node has written all of the session.
func parseMark(value json.RawMessage) (m mark, ok bool) {
	text, _ := js.String(value)
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) == 0 || b[0] != markVersion {
		return mark{}, false
	}
	b = b[1:]
	for _, t := range []*int64{&m.created, &m.renewed, &m.lastSeen, &m.end} {
		u, n := binary.Uvarint(b)
		if n <= 0 || u > maxMillis {
			return mark{}, false
		}
		*t, b = int64(u), b[n:]
	}
	m.rows = make(map[string]row)
	for last := ""; len(b) > 0; {
		if len(b) < 1+dotSize {
			return mark{}, false
		}
		r := row{flags: b[0], dot: readDot(b[1:])}
		size, n := binary.Uvarint(b[1+dotSize:])
		b = b[1+dotSize:]
		if n <= 0 || size == 0 || size > maxName || uint64(len(b)-n) < size ||
			r.flags&foreign.KindMask == foreign.KindMask || r.dot.Clock>>16 >= maxMillis {
			return mark{}, false
		}
		name := string(b[n : n+int(size)])
		b = b[n+int(size):]
		if r.flags&foreign.KindMask == foreign.Present {
			if len(b) < hashSize {
				return mark{}, false
			}
			r.hash, b = [hashSize]byte(b), b[hashSize:]
		}
		if name <= last {
			return mark{}, false
		}
		m.rows[name], last = r, name
	}
	return m, true
}

// latest is the largest clock of any row.
func (m mark) latest() (clock uint64) {
	for _, r := range m.rows {
		clock = max(clock, r.dot.Clock)
	}
	return clock
}

// entries returns the fields as a Manager has them, with the dots that the mark
// has for them. What Node has written or removed since is later than all of it,
// and of no instance.
func (m mark) entries(f *fields.Fields, attributes json.RawMessage) []foreign.Entry {
	later := foreign.Dot{Clock: m.latest() + 1}
	var out []foreign.Entry
	add := func(name string, value json.RawMessage) {
		e := foreign.Entry{Dot: later, Name: name, Value: value}
		if r, ok := m.rows[name]; ok {
			e.Flags = r.flags &^ foreign.KindMask
			if r.flags&foreign.KindMask == foreign.Present && r.hash == hashOf(value) {
				e.Dot = r.dot
			}
		}
		out = append(out, e)
	}
	for _, name := range f.Names() {
		if value, _ := f.Get(name); isEntry(name) {
			add(name, value)
		}
	}
	if _, ok := m.rows[cookieName]; ok {
		add(cookieName, attributes)
	}
	for name, r := range m.rows {
		if _, ok := f.Get(name); ok {
			continue // its value, or that of the cookie
		}
		e := foreign.Entry{Dot: r.dot, Flags: r.flags, Name: name}
		if r.flags&foreign.KindMask == foreign.Present {
			e.Dot, e.Flags = later, r.flags|foreign.Deleted
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b foreign.Entry) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// isEntry tells whether a field is one that a program can have a key for. Others
// stay where they are.
func isEntry(name string) bool {
	return name != "" && len(name) <= maxName && name != markName && name != cookieName && !slices.Contains(reserved, name)
}

// A tombstone is null, which Node takes for no session, and behind it blanks
// that say when and why the session ended. JSON allows them.
var (
	tombstone = []byte("null")

	tombstoneSize = len(tombstone) + 8*(dotSize+1)
)

func encodeDeath(s foreign.State) []byte {
	out := bytes.Clone(tombstone)
	for _, c := range append(appendDot(nil, s.Death), s.Reason) {
		for bit := 7; bit >= 0; bit-- {
			out = append(out, " \t"[c>>bit&1])
		}
	}
	return out
}

func parseDeath(data []byte) (foreign.State, bool) {
	if len(data) != tombstoneSize || !bytes.HasPrefix(data, tombstone) {
		return foreign.State{}, false
	}
	b := make([]byte, dotSize+1)
	for i, c := range data[len(tombstone):] {
		switch c {
		case ' ':
		case '\t':
			b[i/8] |= 0x80 >> (i % 8)
		default:
			return foreign.State{}, false
		}
	}
	s := foreign.State{Dead: true, Death: readDot(b), Reason: b[dotSize]}
	return s, s.Reason >= 1 && s.Reason <= 3
}

func appendDot(b []byte, d foreign.Dot) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, d.Clock), d.Instance)
}

func readDot(b []byte) foreign.Dot {
	return foreign.Dot{Clock: binary.BigEndian.Uint64(b), Instance: binary.BigEndian.Uint32(b[8:])}
}
