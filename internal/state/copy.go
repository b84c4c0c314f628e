package state

import (
	"encoding/binary"
	"slices"
)

// Copy is the state of a session outside the store, together with what is known
// about it.
type Copy struct {
	ID          string
	State       State        // live: a dead one is not encoded as a copy
	Confirmed   int64        // when the store was last asked with success, in Unix milliseconds
	Saved       uint64       // the store had all entries up to this clock value then
	Supersedes  []Superseded // the sessions that must be dead before this one is put into the store
	NeverStored bool         // the store never had the session
	Born        bool         // the store never had the session, and the journal knows that. Not encoded
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

// Inherited returns a copy that adds the entries of st to a session, and says nothing else of it.
func Inherited(id string, st State) Copy {
	return Copy{ID: id, State: st.Values(), NeverStored: true}
}

// Superseded names a session that ended when another began.
type Superseded struct {
	ID  string
	Dot Dot // of its tombstone

	IfLive      bool // in the tombstone cookie: the session may have been dead already
	Durable     bool // the store has the tombstone
	NeverStored bool // the store never had the session

	// IfStored: no visitor was seen to have the session. Where the store has no
	// record under its ID, there is nothing to end.
	IfStored bool

	// Predecessor: the session that supersedes this one has its values and its
	// lease, by Renew. If another writer ended this session, by a logout above all,
	// then its successor ends too.
	Predecessor bool
}

// The bits of an encoded Superseded.
const (
	supersededPredecessor = 1
	supersededIfLive      = 2
	supersededDurable     = 4
	supersededNeverStored = 8
	supersededIfStored    = 16
	supersededAll         = 31
)

// MaxSuperseded bounds a list of superseded sessions.
const MaxSuperseded = 8

// settled reports whether s may be dropped from a full list: no other writer can
// still be found to have ended it, which would end its successor too.
func (s Superseded) settled() bool { return s.NeverStored || s.Durable || !s.Predecessor }

// MarkDurable returns l with every session marked Durable: the store took the
// session that supersedes them after it had their tombstones. It does not alter
// l.
func MarkDurable(l []Superseded) []Superseded {
	if !slices.ContainsFunc(l, func(s Superseded) bool { return !s.Durable }) {
		return l
	}
	l = slices.Clone(l)
	for i := range l {
		l[i].Durable = true
	}
	return l
}

// DropsUnsettled reports whether AddSuperseded would drop a session of l of
// which it is not known yet which writer ended it.
func DropsUnsettled(l []Superseded) bool {
	return len(l) == MaxSuperseded && !slices.ContainsFunc(l, Superseded.settled)
}

// AddSuperseded returns l with s at its end. Where the list would be longer than
// MaxSuperseded it drops one of l: the first that the store never had, else the
// first that is settled otherwise, else the oldest. It does not alter l.
func AddSuperseded(l []Superseded, s Superseded) []Superseded {
	out := append(slices.Clone(l), s)
	if len(out) <= MaxSuperseded {
		return out
	}
	drop := slices.IndexFunc(out[:MaxSuperseded], func(s Superseded) bool { return s.NeverStored })
	if drop < 0 {
		drop = max(0, slices.IndexFunc(out[:MaxSuperseded], Superseded.settled))
	}
	return slices.Delete(out, drop, drop+1)
}

// JoinSuperseded returns a and, behind it, what only b has, each as by
// AddSuperseded. Two that differ in any field are two. It does not alter a or b.
func JoinSuperseded(a, b []Superseded) []Superseded {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = AddSuperseded(a, s)
		}
	}
	return a
}

// Encode returns the plaintext of a sealed copy, docs/SPEC.md: a format byte,
// a byte that is 1 where the store never had the session, the ID, the time of
// confirmation, the clock value up to which the store had the entries, the
// superseded sessions, and the state as Encode has it. It leaves Born out.
func (c Copy) Encode() []byte {
	return c.Append(make([]byte, 0, 64+len(c.Supersedes)*64+c.State.size()))
}

// Append appends what Encode returns to out.
func (c Copy) Append(out []byte) []byte {
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

// DecodeCopy returns the copy that Encode made b of. Its state keeps b. The
// error is ErrCorrupt where b is no copy of a live session, or Decode's.
func DecodeCopy(b []byte) (Copy, error) {
	if len(b) == 0 || b[0] != FormatV1 {
		return Copy{}, ErrCorrupt
	}
	c, rest, err := decodeHead(b)
	if err != nil {
		return Copy{}, err
	}
	if c.State, err = Decode(rest); err != nil {
		return Copy{}, err
	}
	if c.State.Dead() {
		return Copy{}, ErrCorrupt
	}
	return c, nil
}

// decodeHead returns what stands in front of the state of a copy, and the state
// encoded. It does not look at the format.
func decodeHead(b []byte) (c Copy, rest []byte, err error) {
	if len(b) < 2 || b[1] > 1 {
		return Copy{}, nil, ErrCorrupt
	}
	c.NeverStored = b[1] == 1
	id, b, ok := cutBytes(b[2:])
	if !ok {
		return Copy{}, nil, ErrCorrupt
	}
	c.ID = string(id)
	confirmed, n := binary.Uvarint(b)
	if n <= 0 || confirmed > maxMillis {
		return Copy{}, nil, ErrCorrupt
	}
	c.Confirmed, b = int64(confirmed), b[n:]
	if c.Saved, n = binary.Uvarint(b); n <= 0 {
		return Copy{}, nil, ErrCorrupt
	}
	if c.Supersedes, rest, ok = CutSuperseded(b[n:]); !ok {
		return Copy{}, nil, ErrCorrupt
	}
	return c, rest, nil
}

// AppendSuperseded appends l to out, encoded: its length in one byte, then for
// each session its flags, its dot and its ID. It encodes at most MaxSuperseded
// sessions that CutSuperseded accepts.
func AppendSuperseded(out []byte, l []Superseded) []byte {
	out = append(out, byte(len(l)))
	for _, s := range l {
		out = s.Dot.append(append(out, s.flags()))
		out = AppendBytes(out, s.ID)
	}
	return out
}

func (s Superseded) flags() byte {
	flags := byte(0)
	if s.Predecessor {
		flags |= supersededPredecessor
	}
	if s.IfLive {
		flags |= supersededIfLive
	}
	if s.Durable {
		flags |= supersededDurable
	}
	if s.NeverStored {
		flags |= supersededNeverStored
	}
	if s.IfStored {
		flags |= supersededIfStored
	}
	return flags
}

// CutSuperseded splits off b the list that AppendSuperseded wrote, and reports
// whether there is one. The list does not share memory with b.
func CutSuperseded(b []byte) (l []Superseded, rest []byte, ok bool) {
	if len(b) == 0 || b[0] > MaxSuperseded {
		return nil, nil, false
	}
	n, b := int(b[0]), b[1:]
	for range n {
		if len(b) < 1+DotSize || b[0] > supersededAll {
			return nil, nil, false
		}
		flags, dot := b[0], readDot(b[1:])
		var id []byte
		if id, b, ok = cutBytes(b[1+DotSize:]); !ok {
			return nil, nil, false
		}
		l = append(l, Superseded{
			ID:          string(id),
			Dot:         dot,
			IfLive:      flags&supersededIfLive != 0,
			Durable:     flags&supersededDurable != 0,
			NeverStored: flags&supersededNeverStored != 0,
			IfStored:    flags&supersededIfStored != 0,
			Predecessor: flags&supersededPredecessor != 0,
		})
	}
	return l, b, true
}
