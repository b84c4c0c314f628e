package backup

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

// ErrTooLarge is the error of Pack for a copy of which not even the names of the
// values fit.
var ErrTooLarge = errors.New("not even the names of the values fit")

// Packed is a copy that fits.
type Packed struct {
	state.Copy            // without the values that are withheld
	Text       string     // the copy, sealed
	Withheld   []Withheld // the values that do not fit; ServerOnly ones are not among them

	generation uint64 // of the keys that sealed it
	deflated   []deflated
}

// Withheld is a value that a copy lacks.
type Withheld struct {
	Name string
	Size int // of the value, in bytes
}

// WithheldError names the keys whose values a copy lacks.
type WithheldError struct {
	Values []Withheld
	Room   int // how many bytes of cookies there were
	Most   int // how many there are where the answer has no other large fields
}

func (e *WithheldError) Error() string {
	var b strings.Builder
	b.WriteString("session: the backup has no room for ")
	for i, v := range e.Values {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s (%d bytes)", v.Name, v.Size)
	}
	fmt.Fprintf(&b, " in %d bytes of cookies", e.Room)
	if e.Room < e.Most {
		fmt.Fprintf(&b, ", which is what other fields of the answer leave of %d", e.Most)
	}
	return b.String()
}

const (
	// minCompressed is the shortest value that is compressed. DEFLATE gains little on a
	// shorter one, and most secrets are shorter.
	minCompressed = 256

	// maxPlain is how many bytes the content of a copy has at most, with all values as
	// they are.
	maxPlain = 64 << 10
)

// Pack seals b so that it takes up no more than most bytes of cookies. It compresses each
// value alone (decision 64), and withholds values that do not fit: last of all those that
// the store lacks, and of the others those of the lowest rank first; within a rank those
// that the client has already, and then the largest. All other values stay. The login
// always travels, because no instance could tell without it whether the session is
// revoked. It fails with ErrTooLarge.
func (c *Cookies) Pack(b state.Copy, brought Brought, now time.Time, most int) (Packed, error) {
	generation := c.Copies.Keys.Generation()
	p, ok := c.choose(b, brought, most)
	if !ok {
		return Packed{}, ErrTooLarge
	}
	packed, plain := p.encode()
	text, err := c.Copies.Seal(now, plain)
	if err != nil {
		return Packed{}, err
	}
	packed.Text, packed.generation = text, generation
	return packed, nil
}

// CheckRoom returns nil where Pack would withhold no value that the store lacks,
// and otherwise a WithheldError with all that it would withhold, or ErrTooLarge.
// It seals nothing.
func (c *Cookies) CheckRoom(b state.Copy, most int) error {
	p, ok := c.choose(b, Brought{}, most)
	if !ok {
		return ErrTooLarge
	}
	lacks := false
	for _, v := range p.values {
		lacks = lacks || v.unsaved && !v.travels
	}
	if lacks {
		return &WithheldError{p.withheld(), most, most}
	}
	return nil
}

// Least returns how many bytes of cookies b takes up without its values.
func (c *Cookies) Least(b state.Copy) int {
	b.State.Entries = b.State.Entries.Withhold(func(state.Entry) bool { return true })
	return c.Size(seal.SealedLen(len(b.Encode())))
}

// Remember keeps a packed copy, so that a request which carries it need not be
// opened. The caller remembers the copies that it sends.
func (c *Cookies) Remember(p Packed) {
	c.opened.put(sumOf(p.Text), p.generation, kept{p.Copy, p.deflated})
}

// packing is a copy, and which of its values travel.
type packing struct {
	whole      state.Copy
	values     []value // those that may travel, in the order of their names
	compressed bool    // one of those that travel is
}

// value is a value that may travel.
type value struct {
	state.Entry
	unsaved bool   // the store lacks it
	news    bool   // the client lacks it
	travels bool   // there is room for it
	body    []byte // what it is compressed to; nil: it travels as it is
}

// before reports how v and w are ordered by what travels first.
func (v *value) before(w *value) int {
	return cmp.Or(
		compareBool(w.unsaved, v.unsaved),
		cmp.Compare(w.Flags.Rank(), v.Flags.Rank()),
		compareBool(w.news, v.news),
		cmp.Compare(len(v.Value), len(w.Value)),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// choose decides which values of b travel in most bytes of cookies. It reports whether
// there is room for the copy without values but the login
// and how long the session lasts.
func (c *Cookies) choose(b state.Copy, brought Brought, most int) (p packing, ok bool) {
	p.whole = b
	entries := brought.entries
	bare := b
	bare.State.Entries = nil
	var head [512]byte // on the stack
	size := len(bare.Append(head[:0])) + len(b.State.Entries)
	p.values = make([]value, 0, 8)
	for l := b.State.Entries; len(l) > 0; {
		var e state.Entry
		e, l, _ = l.Cut()
		if e.Flags.Kind() != state.Present {
			continue
		}
		size -= fieldLen(len(e.Value))
		if e.Flags&state.ServerOnly == 0 {
			always := string(e.Name) == state.LoginEntry || string(e.Name) == state.StayEntry
			if always {
				size += fieldLen(len(e.Value))
			}
			entries = entries.From(string(e.Name))
			had, _, there := entries.Cut()
			p.values = append(p.values, value{
				Entry:   e,
				travels: always,
				unsaved: e.Dot.Clock > b.Saved,
				news:    !there || string(had.Name) != string(e.Name) || had.Dot != e.Dot,
			})
		}
	}
	room, plain := c.plainRoom(most)-size, maxPlain-size
	if room < 0 || plain < 0 {
		return p, false
	}
	p.fill(room, plain, brought.first)
	return p, true
}

// fill lets values travel that take up no more than room bytes, and as they are no more
// than plain bytes. A value that is compressed in had, which may be nil, is not compressed
// again.
func (p *packing) fill(room, plain int, had *kept) {
	var few [16]*value // on the stack
	order := few[:0]
	for i := range p.values {
		if !p.values[i].travels {
			order = append(order, &p.values[i])
		}
	}
	slices.SortStableFunc(order, (*value).before)
	work := maxPlain // what may be compressed in vain must have a bound
	for _, v := range order {
		whole := fieldLen(len(v.Value))
		if whole > plain {
			continue
		}
		body := []byte(nil)
		needs := whole
		if len(v.Value) >= minCompressed && v.Flags&state.Uncompressed == 0 && whole <= work {
			work -= whole
			if body = v.compress(had); body != nil {
				needs = fieldLen(len(body))
			}
		}
		if needs > room {
			continue
		}
		room, plain = room-needs, plain-whole
		v.travels, v.body = true, body
		p.compressed = p.compressed || body != nil
	}
}

// compress returns what v is compressed to, nil where that is no shorter.
func (v *value) compress(had *kept) []byte {
	if had != nil {
		if body := had.bodyOf(v.Entry); body != nil {
			return body
		}
	}
	body, ok := seal.Flate.Compress(make([]byte, 0, len(v.Value)/2), v.Value)
	if ok && len(body) < len(v.Value) {
		return body
	}
	return nil
}

// fieldLen is how many bytes a value of n bytes takes up in an entry.
func fieldLen(n int) int {
	var length [binary.MaxVarintLen64]byte
	return binary.PutUvarint(length[:], uint64(n)) + n
}

// plainRoom returns how many bytes may be sealed in most bytes of cookies. It is
// negative where nothing fits.
func (c *Cookies) plainRoom(most int) int {
	low, high := -1, MaxBudget // the text of so much is longer than MaxBudget
	for high-low > 1 {
		if middle := (low + high) / 2; c.Size(seal.SealedLen(middle)) <= most {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// withheld returns the values that could travel and do not.
func (p *packing) withheld() (out []Withheld) {
	for _, v := range p.values {
		if !v.travels {
			out = append(out, Withheld{string(v.Name), len(v.Value)})
		}
	}
	return out
}

// encode returns the copy with the values that travel, and what is sealed of it.
func (p *packing) encode() (Packed, []byte) {
	out := Packed{Copy: p.whole, Withheld: p.withheld()}
	next := 0
	out.State.Entries = p.whole.State.Entries.Withhold(func(e state.Entry) bool {
		if e.Flags&state.ServerOnly != 0 {
			return true
		}
		next++
		return !p.values[next-1].travels
	})
	if !p.compressed {
		return out, out.Encode()
	}
	out.deflated = make([]deflated, 0, len(p.values))
	packed := make(state.Entries, 0, len(out.State.Entries))
	values := p.values
	for l := out.State.Entries; len(l) > 0; {
		var e state.Entry
		e, l, _ = l.Cut()
		for len(values) > 0 && string(values[0].Name) < string(e.Name) {
			values = values[1:]
		}
		if len(values) > 0 && values[0].body != nil && string(values[0].Name) == string(e.Name) {
			out.deflated = append(out.deflated, deflated{string(e.Name), values[0].body})
			packed = e.Pack(values[0].body).Append(packed)
		} else {
			packed = append(packed, e.Raw...)
		}
	}
	return out, out.EncodePacked(packed)
}
