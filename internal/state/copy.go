package state

import (
	"encoding/binary"
	"slices"
)

// bundle is a copy of a session that travels with its visitor.
type Copy struct {
	ID          string
	State       State
	Confirmed   int64        // when the store was last asked with success, in Unix milliseconds
	Saved       uint64       // the store had all entries up to this clock then
	Supersedes  []Superseded // what must be dead before this session is put into the store
	NeverStored bool         // the store never had it
	Born        bool         // the same, and the journal knows it. It does not travel
}

// Join returns what c and d, two copies of one session, know together: the joined
// state, the later confirmation, what both agree that the store has, and all
// sessions that either supersedes. The store never had the session only where
// both say so. It is commutative but for the order of Supersedes, associative as
// long as no more than MaxSuperseded sessions come together, and idempotent.
func (c Copy) Join(d Copy) Copy {
	c.State = Join(c.State, d.State)
	c.Confirmed = max(c.Confirmed, d.Confirmed)
	c.Saved = min(c.Saved, d.Saved)
	c.Supersedes = JoinSuperseded(c.Supersedes, d.Supersedes)
	c.NeverStored = c.NeverStored && d.NeverStored
	c.Born = c.Born || d.Born
	return c
}

// kill names a session that ended when this one began.
type Superseded struct {
	ID  string
	Dot Dot // of its tombstone

	IfLive      bool // in the tombstone cookie: it may have been dead already
	Durable     bool // the store has its tombstone
	NeverStored bool // the store never had the session

	// ifStored: nobody has seen the session. Where the store has nothing under
	// its ID there is nothing to end.
	IfStored bool

	// heir: this session has its values and its lease, by Renew. Should another
	// hand have ended the old one, by a logout above all, this one ends too.
	Heir bool
}

const (
	supersededHeir        = 1
	supersededIfLive      = 2
	supersededDurable     = 4
	supersededNeverStored = 8
	supersededIfStored    = 16
)

// maxKills bounds a list of kills. The oldest are dropped, and before them those
// that the store never had: who looks for another hand finds it at the others.
const MaxSuperseded = 8

// done returns the kills of a session that the store has: it came there after
// they had been carried out.
func MarkDurable(l []Superseded) []Superseded {
	if !slices.ContainsFunc(l, func(k Superseded) bool { return !k.Durable }) {
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
func DropsUnsettled(l []Superseded) bool {
	return len(l) == MaxSuperseded && !slices.ContainsFunc(l, func(k Superseded) bool { return k.NeverStored || k.Durable || !k.Heir })
}

func AddSuperseded(l []Superseded, k Superseded) []Superseded {
	out := append(slices.Clone(l), k)
	if len(out) <= MaxSuperseded {
		return out
	}
	drop := slices.IndexFunc(out[:MaxSuperseded], func(k Superseded) bool { return k.NeverStored })
	if drop < 0 {
		drop = max(0, slices.IndexFunc(out[:MaxSuperseded], func(k Superseded) bool { return k.Durable || !k.Heir }))
	}
	return slices.Delete(out, drop, drop+1)
}

func JoinSuperseded(a, b []Superseded) []Superseded {
	for _, k := range b {
		if !slices.Contains(a, k) {
			a = AddSuperseded(a, k)
		}
	}
	return a
}

// The sealed form, docs/SPEC.md: a format byte, the ID, the time of
// confirmation, the kills, and the state as a store has it.

func (c Copy) Encode() []byte {
	out := make([]byte, 0, 64+len(c.Supersedes)*64+c.State.size())
	unstored := byte(0)
	if c.NeverStored {
		unstored = 1
	}
	out = append(out, FormatV1, unstored)
	out = AppendBytes(out, c.ID)
	out = binary.AppendUvarint(out, uint64(c.Confirmed))
	out = binary.AppendUvarint(out, c.Saved)
	out = AppendSuperseded(out, c.Supersedes)
	return c.State.append(out)
}

func DecodeCopy(b []byte) (out Copy, err error) {
	if len(b) < 2 || b[0] != FormatV1 || b[1] > 1 {
		return out, ErrCorrupt
	}
	out.NeverStored = b[1] == 1
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
	out.ID, out.Confirmed, out.Saved = string(id), int64(at), saved
	if out.Supersedes, b, ok = CutSuperseded(b[n:]); !ok {
		return out, ErrCorrupt
	}
	out.State, err = Decode(b)
	if err == nil && out.State.Dead() {
		err = ErrCorrupt
	}
	return out, err
}

func AppendSuperseded(out []byte, l []Superseded) []byte {
	out = append(out, byte(len(l)))
	for _, k := range l {
		flags := byte(0)
		if k.Heir {
			flags |= supersededHeir
		}
		if k.IfLive {
			flags |= supersededIfLive
		}
		if k.Durable {
			flags |= supersededDurable
		}
		if k.NeverStored {
			flags |= supersededNeverStored
		}
		if k.IfStored {
			flags |= supersededIfStored
		}
		out = AppendBytes(k.Dot.append(append(out, flags)), k.ID)
	}
	return out
}

func CutSuperseded(b []byte) (l []Superseded, rest []byte, ok bool) {
	if len(b) == 0 || b[0] > MaxSuperseded {
		return nil, nil, false
	}
	n, b := int(b[0]), b[1:]
	for range n {
		if len(b) < 1+DotSize || b[0] > supersededHeir|supersededIfLive|supersededDurable|supersededNeverStored|supersededIfStored {
			return nil, nil, false
		}
		k := Superseded{
			Heir: b[0]&supersededHeir != 0, IfLive: b[0]&supersededIfLive != 0, Durable: b[0]&supersededDurable != 0,
			NeverStored: b[0]&supersededNeverStored != 0, IfStored: b[0]&supersededIfStored != 0, Dot: readDot(b[1:]),
		}
		var id []byte
		if id, b, ok = cutBytes(b[1+DotSize:]); !ok {
			return nil, nil, false
		}
		k.ID = string(id)
		l = append(l, k)
	}
	return l, b, true
}
