package session

import (
	"encoding/binary"
	"slices"
)

// bundle is a copy of a session that travels with its visitor.
type bundle struct {
	id        string
	state     state
	confirmed int64  // when the store was last asked with success, in Unix milliseconds
	saved     uint64 // the store had all entries up to this clock then
	kills     []kill // what must be dead before this session is put into the store
	unstored  bool   // the store never had it
	born      bool   // the same, and the journal knows it. It does not travel
}

// kill names a session that ended when this one began.
type kill struct {
	id  string
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
	out.id, out.confirmed, out.saved = string(id), int64(at), saved
	if out.kills, b, ok = cutKills(b[n:]); !ok {
		return out, errCorrupt
	}
	out.state, err = decodeState(b)
	if err == nil && out.state.dead() {
		err = errCorrupt
	}
	return out, err
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
		k.id = string(id)
		l = append(l, k)
	}
	return l, b, true
}

