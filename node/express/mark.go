package express

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/internal/js"
)

// markName is the one field that the Go side adds to a session. Node carries it
// along, as it does every field that it does not know. No key of package session
// can have the name.
const markName = "session/dots"

// mark is what a Manager must know of a session beyond its fields: its dates, and which
// write each field was left by. The hashes show what Node has changed since.
type mark struct {
	created, renewed, lastSeen, end int64 // Unix milliseconds

	rows map[string]row
}

type row struct {
	dot   state.Dot
	flags state.Flags
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

// kinds are the two bits of an entry's flags that say its kind. No kind has both.
const kinds = state.Deleted | state.Withheld

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
		b = appendDot(append(b, byte(r.flags)), r.dot)
		b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
		if r.flags.Kind() == state.Present {
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
		r := row{flags: state.Flags(b[0]), dot: readDot(b[1:])}
		size, n := binary.Uvarint(b[1+dotSize:])
		b = b[1+dotSize:]
		if n <= 0 || size == 0 || size > maxName || uint64(len(b)-n) < size ||
			r.flags.Kind() == kinds || r.dot.Clock>>16 >= maxMillis {
			return mark{}, false
		}
		name := string(b[n : n+int(size)])
		b = b[n+int(size):]
		if r.flags.Kind() == state.Present {
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

// field is one entry of a session, before it is encoded.
type field struct {
	name  string
	dot   state.Dot
	flags state.Flags
	value json.RawMessage
}

// entries returns the fields as a Manager has them, with the dots that the mark has
// for them. A field that Node has written or removed since is later than all of
// them, and its dot names no instance.
func (m mark) entries(f *fields.Fields, attributes json.RawMessage) state.Entries {
	later := state.Dot{Clock: m.latest() + 1}
	var all []field
	add := func(name string, value json.RawMessage) {
		e := field{dot: later, name: name, value: value}
		if r, ok := m.rows[name]; ok {
			e.flags = r.flags &^ kinds
			if r.flags.Kind() == state.Present && r.hash == hashOf(value) {
				e.dot = r.dot
			}
		}
		all = append(all, e)
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
		e := field{dot: r.dot, flags: r.flags, name: name}
		if r.flags.Kind() == state.Present {
			e.dot, e.flags = later, r.flags|state.Deleted
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b field) int { return cmp.Compare(a.name, b.name) })
	return encodeFields(all)
}

// encodeFields returns the entries of fields that are in the order of their names.
func encodeFields(all []field) state.Entries {
	size := 0
	for _, e := range all {
		size += 1 + dotSize + 2*binary.MaxVarintLen32 + len(e.name) + len(e.value)
	}
	out := make(state.Entries, 0, size)
	for _, e := range all {
		out = state.Entry{Dot: e.dot, Flags: e.flags, Name: []byte(e.name), Value: e.value}.Append(out)
	}
	return out
}

// isEntry reports whether a program can have a key for a field. Other fields stay
// where they are.
func isEntry(name string) bool {
	return name != "" && len(name) <= maxName && name != markName && name != cookieName && !slices.Contains(reserved, name)
}

// A tombstone is null, which Node takes for no session, and behind it blanks
// that say when and why the session ended. JSON allows them.
var (
	tombstone = []byte("null")

	tombstoneSize = len(tombstone) + 8*(dotSize+1)
)

func encodeDeath(d state.Death) []byte {
	out := bytes.Clone(tombstone)
	for _, c := range append(appendDot(nil, d.Dot), byte(d.Reason)) {
		for bit := 7; bit >= 0; bit-- {
			out = append(out, " \t"[c>>bit&1])
		}
	}
	return out
}

func parseDeath(data []byte) (state.State, bool) {
	if len(data) != tombstoneSize || !bytes.HasPrefix(data, tombstone) {
		return state.State{}, false
	}
	b := make([]byte, dotSize+1)
	for i, c := range data[len(tombstone):] {
		switch c {
		case ' ':
		case '\t':
			b[i/8] |= 0x80 >> (i % 8)
		default:
			return state.State{}, false
		}
	}
	d := state.Death{Dot: readDot(b), Reason: state.Reason(b[dotSize])}
	return state.State{Death: d}, d.Reason >= state.Destroyed && d.Reason <= state.Revoked
}

func appendDot(b []byte, d state.Dot) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, d.Clock), d.Instance)
}

func readDot(b []byte) state.Dot {
	return state.Dot{Clock: binary.BigEndian.Uint64(b), Instance: binary.BigEndian.Uint32(b[8:])}
}
