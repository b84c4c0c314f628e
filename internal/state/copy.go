package state

import (
	"encoding/binary"
	"slices"
)

// bundle is a copy of a session that travels with its visitor.
type Bundle struct {
	Id        string
	State     State
	Confirmed int64  // when the store was last asked with success, in Unix milliseconds
	Saved     uint64 // the store had all entries up to this clock then
	Kills     []Kill // what must be dead before this session is put into the store
	Unstored  bool   // the store never had it
	Born      bool   // the same, and the journal knows it. It does not travel
}

// kill names a session that ended when this one began.
type Kill struct {
	Id  string
	Dot Dot // of its tombstone

	Gentle  bool // in the tombstone cookie: it may have been dead already
	Durable bool // the store has its tombstone
	Unborn  bool // the store never had the session

	// ifStored: nobody has seen the session. Where the store has nothing under
	// its ID there is nothing to end.
	IfStored bool

	// heir: this session has its values and its lease, by Renew. Should another
	// hand have ended the old one, by a logout above all, this one ends too.
	Heir bool
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
const MaxKills = 8

// done returns the kills of a session that the store has: it came there after
// they had been carried out.
func Done(l []Kill) []Kill {
	if !slices.ContainsFunc(l, func(k Kill) bool { return !k.Durable }) {
		return l
	}
	l = slices.Clone(l)
	for i := range l {
		l[i].Durable = true
	}
	return l
}

// rootsBeyond tells whether one more would drop a session of which it is not
// known yet by which hand it died.
func RootsBeyond(l []Kill) bool {
	return len(l) == MaxKills && !slices.ContainsFunc(l, func(k Kill) bool { return k.Unborn || k.Durable || !k.Heir })
}

func WithKill(l []Kill, k Kill) []Kill {
	out := append(slices.Clone(l), k)
	if len(out) <= MaxKills {
		return out
	}
	drop := slices.IndexFunc(out[:MaxKills], func(k Kill) bool { return k.Unborn })
	if drop < 0 {
		drop = max(0, slices.IndexFunc(out[:MaxKills], func(k Kill) bool { return k.Durable || !k.Heir }))
	}
	return slices.Delete(out, drop, drop+1)
}

func JoinKills(a, b []Kill) []Kill {
	for _, k := range b {
		if !slices.Contains(a, k) {
			a = WithKill(a, k)
		}
	}
	return a
}

// The sealed form, docs/SPEC.md: a format byte, the ID, the time of
// confirmation, the kills, and the state as a store has it.

func (b Bundle) Encode() []byte {
	out := make([]byte, 0, 64+len(b.Kills)*64+b.State.size())
	unstored := byte(0)
	if b.Unstored {
		unstored = 1
	}
	out = append(out, FormatV1, unstored)
	out = AppendBytes(out, b.Id)
	out = binary.AppendUvarint(out, uint64(b.Confirmed))
	out = binary.AppendUvarint(out, b.Saved)
	out = AppendKills(out, b.Kills)
	return b.State.append(out)
}

func DecodeBundle(b []byte) (out Bundle, err error) {
	if len(b) < 2 || b[0] != FormatV1 || b[1] > 1 {
		return out, ErrCorrupt
	}
	out.Unstored = b[1] == 1
	id, b, ok := cutBytes(b[2:])
	at, n := binary.Uvarint(b)
	if !ok || n <= 0 || at > maxMillis {
		return out, ErrCorrupt
	}
	b = b[n:]
	saved, n := binary.Uvarint(b)
	if n <= 0 {
		return out, ErrCorrupt
	}
	out.Id, out.Confirmed, out.Saved = string(id), int64(at), saved
	if out.Kills, b, ok = CutKills(b[n:]); !ok {
		return out, ErrCorrupt
	}
	out.State, err = DecodeState(b)
	if err == nil && out.State.Dead() {
		err = ErrCorrupt
	}
	return out, err
}

func AppendKills(out []byte, l []Kill) []byte {
	out = append(out, byte(len(l)))
	for _, k := range l {
		flags := byte(0)
		if k.Heir {
			flags |= killHeir
		}
		if k.Gentle {
			flags |= killGentle
		}
		if k.Durable {
			flags |= killDurable
		}
		if k.Unborn {
			flags |= killUnborn
		}
		if k.IfStored {
			flags |= killStored
		}
		out = AppendBytes(k.Dot.append(append(out, flags)), k.Id)
	}
	return out
}

func CutKills(b []byte) (l []Kill, rest []byte, ok bool) {
	if len(b) == 0 || b[0] > MaxKills {
		return nil, nil, false
	}
	n, b := int(b[0]), b[1:]
	for range n {
		if len(b) < 1+DotSize || b[0] > killHeir|killGentle|killDurable|killUnborn|killStored {
			return nil, nil, false
		}
		k := Kill{
			Heir: b[0]&killHeir != 0, Gentle: b[0]&killGentle != 0, Durable: b[0]&killDurable != 0,
			Unborn: b[0]&killUnborn != 0, IfStored: b[0]&killStored != 0, Dot: readDot(b[1:]),
		}
		var id []byte
		if id, b, ok = cutBytes(b[1+DotSize:]); !ok {
			return nil, nil, false
		}
		k.Id = string(id)
		l = append(l, k)
	}
	return l, b, true
}
