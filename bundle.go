package session

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-go/session/seal"
)

// bundle is a copy of a session that travels with its visitor.
type bundle struct {
	id        ID
	state     state
	confirmed int64  // when the store was last asked with success, in Unix milliseconds
	saved     uint64 // the store had all entries up to this clock then
	kills     []kill // what must be dead before this session is put into the store
	unstored  bool   // the store never had it
	born      bool   // the same, and the journal knows it. It does not travel
}

// kill names a session that ended when this one began.
type kill struct {
	id  ID
	dot dot // of its tombstone

	gentle  bool // in the tombstone cookie: it may have been dead already
	durable bool // the store has its tombstone
	unborn  bool // the store never had the session

	// ifStored: nobody has seen the session. Where the store has nothing under
	// its ID there is nothing to end.
	ifStored bool

	// heir: this session has its values and its lease, by Renew. Should another
	// hand have ended the old one, by a logout above all, this one ends too.
	heir bool
}

const (
	killHeir    = 1
	killGentle  = 2
	killDurable = 4
	killUnborn  = 8
	killStored  = 16
)

// maxKills bounds a list of kills. The oldest are dropped, and before them those
// that the store never had: who looks for another hand finds it at the others.
const maxKills = 8

// done returns the kills of a session that the store has: it came there after
// they had been carried out.
func done(l []kill) []kill {
	if !slices.ContainsFunc(l, func(k kill) bool { return !k.durable }) {
		return l
	}
	l = slices.Clone(l)
	for i := range l {
		l[i].durable = true
	}
	return l
}

// rootsBeyond tells whether one more would drop a session of which it is not
// known yet by which hand it died.
func rootsBeyond(l []kill) bool {
	return len(l) == maxKills && !slices.ContainsFunc(l, func(k kill) bool { return k.unborn || k.durable || !k.heir })
}

func withKill(l []kill, k kill) []kill {
	out := append(slices.Clone(l), k)
	if len(out) <= maxKills {
		return out
	}
	drop := slices.IndexFunc(out[:maxKills], func(k kill) bool { return k.unborn })
	if drop < 0 {
		drop = max(0, slices.IndexFunc(out[:maxKills], func(k kill) bool { return k.durable || !k.heir }))
	}
	return slices.Delete(out, drop, drop+1)
}

func joinKills(a, b []kill) []kill {
	for _, k := range b {
		if !slices.Contains(a, k) {
			a = withKill(a, k)
		}
	}
	return a
}

// The sealed form, docs/SPEC.md: a format byte, the ID, the time of
// confirmation, the kills, and the state as a store has it.

func (b bundle) encode() []byte {
	out := make([]byte, 0, 64+len(b.kills)*64+b.state.size())
	unstored := byte(0)
	if b.unstored {
		unstored = 1
	}
	out = append(out, formatV1, unstored)
	out = appendBytes(out, b.id)
	out = binary.AppendUvarint(out, uint64(b.confirmed))
	out = binary.AppendUvarint(out, b.saved)
	out = appendKills(out, b.kills)
	return b.state.append(out)
}

func decodeBundle(b []byte) (out bundle, err error) {
	if len(b) < 2 || b[0] != formatV1 || b[1] > 1 {
		return out, errCorrupt
	}
	out.unstored = b[1] == 1
	id, b, ok := cutBytes(b[2:])
	at, n := binary.Uvarint(b)
	if !ok || n <= 0 || at > maxMillis {
		return out, errCorrupt
	}
	b = b[n:]
	saved, n := binary.Uvarint(b)
	if n <= 0 {
		return out, errCorrupt
	}
	out.id, out.confirmed, out.saved = ID(id), int64(at), saved
	if out.kills, b, ok = cutKills(b[n:]); !ok {
		return out, errCorrupt
	}
	out.state, err = decodeState(b)
	if err == nil && out.state.dead() {
		err = errCorrupt
	}
	return out, err
}

func appendBytes[T ~string | ~[]byte](out []byte, b T) []byte {
	return append(binary.AppendUvarint(out, uint64(len(b))), b...)
}

func appendKills(out []byte, l []kill) []byte {
	out = append(out, byte(len(l)))
	for _, k := range l {
		flags := byte(0)
		if k.heir {
			flags |= killHeir
		}
		if k.gentle {
			flags |= killGentle
		}
		if k.durable {
			flags |= killDurable
		}
		if k.unborn {
			flags |= killUnborn
		}
		if k.ifStored {
			flags |= killStored
		}
		out = appendBytes(k.dot.append(append(out, flags)), k.id)
	}
	return out
}

func cutKills(b []byte) (l []kill, rest []byte, ok bool) {
	if len(b) == 0 || b[0] > maxKills {
		return nil, nil, false
	}
	n, b := int(b[0]), b[1:]
	for range n {
		if len(b) < 1+dotSize || b[0] > killHeir|killGentle|killDurable|killUnborn|killStored {
			return nil, nil, false
		}
		k := kill{
			heir: b[0]&killHeir != 0, gentle: b[0]&killGentle != 0, durable: b[0]&killDurable != 0,
			unborn: b[0]&killUnborn != 0, ifStored: b[0]&killStored != 0, dot: readDot(b[1:]),
		}
		var id []byte
		if id, b, ok = cutBytes(b[1+dotSize:]); !ok {
			return nil, nil, false
		}
		k.id = ID(id)
		l = append(l, k)
	}
	return l, b, true
}

var errUnsealable = errors.New("not even the names of the values fit")

// packed is a bundle that fits.
type packed struct {
	bundle          // without the values that stay behind
	text   string   // sealed
	left   []string // the names of those that do not fit; some always stay on the server
}

// pack seals b within Backup.Copy. What does not fit is left out: from the lowest
// rank, the largest first, and last of all what the store lacks.
func (m *Manager) pack(b bundle, now time.Time) (p packed, err error) {
	return m.packInto(b, now, m.backup.Copy)
}

// packInto is pack for a copy that may take up most bytes of cookies.
func (m *Manager) packInto(b bundle, now time.Time, most int) (p packed, err error) {
	b.state.entries = b.state.entries.withhold(func(e entry) bool { return e.flags&serverOnly != 0 })
	p.bundle = b
	if p.text, err = m.seal(b, now, most); err == nil || !errors.Is(err, seal.ErrTooLarge) {
		return p, err
	}
	order := b.state.entries.present()
	slices.SortStableFunc(order, func(x, y entry) int {
		switch unsavedX, unsavedY := x.dot.clock > b.saved, y.dot.clock > b.saved; {
		case unsavedX && !unsavedY:
			return 1
		case unsavedY && !unsavedX:
			return -1
		}
		return cmp.Or(cmp.Compare(x.flags.rank(), y.flags.rank()), cmp.Compare(len(y.value), len(x.value)))
	})
	place := make(map[string]int, len(order))
	for i, e := range order {
		place[string(e.name)] = i
	}
	// The fewest that must stay behind, by bisection: more left out is shorter.
	without := func(n int) (p packed, err error) {
		p.bundle = b
		p.state.entries = b.state.entries.withhold(func(e entry) bool { return place[string(e.name)] < n })
		p.text, err = m.seal(p.bundle, now, most)
		return p, err
	}
	low, high := 1, len(order)
	if p, err = without(high); err != nil {
		return packed{}, errUnsealable
	}
	for low < high {
		middle := (low + high) / 2
		if q, err := without(middle); err == nil {
			p, high = q, middle
		} else {
			low = middle + 1
		}
	}
	for _, e := range order[:high] {
		p.left = append(p.left, string(e.name))
	}
	return p, nil
}

// seal fails with seal.ErrTooLarge where the text takes up more bytes of cookies.
func (m *Manager) seal(b bundle, now time.Time, most int) (string, error) {
	plain := b.encode()
	if m.backup.Codec == nil && m.carrier.size(seal.SealedLen(len(plain))) > most {
		return "", seal.ErrTooLarge
	}
	text, err := m.bundles.Seal(now, plain)
	if err == nil && m.carrier.size(len(text)) > most {
		return "", seal.ErrTooLarge
	}
	return text, err
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
