package revoked

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// LogName names a log: random bytes, which no other log has.
type LogName [16]byte

func (n LogName) compare(m LogName) int { return bytes.Compare(n[:], m[:]) }

// Members is the record in which the instances that use a shard name themselves and
// their logs. Minutes count from 1970-01-01 00:00 UTC.
type Members struct {
	// Value is random. A shard whose members record has another value than before has
	// lost its memory.
	Value [16]byte

	Made     int64  // when Value was made, in Unix milliseconds
	Sequence uint64 // grows with each writing of the record
	Minute   uint32 // the minute of the latest writing

	// NothingBefore is a minute, or 0. The shard went back further in time than a
	// tombstone lives: a record of a session that was last seen before that minute
	// counts as nothing.
	NothingBefore uint32

	Rows  []Row     // ascending by their logs
	Asked []LogName // logs of which a member misses a segment, ascending
}

// Row is a member and its log.
type Row struct {
	Log      LogName
	Instance uint32
	Layout   uint64 // hash of the store's layout as the instance sees it
	Next     uint32 // the position behind the log's last tombstone
	First    uint32 // the first position whose tombstone still matters; Next: none does
	Renewed  uint32 // minute
}

const (
	membersMagic = "HFM"
	membersV1    = 1
	membersHead  = 16 + 8 + 8 + 4 + 4 // without the frame, and the counts
	rowSize      = 16 + 4 + 8 + 4 + 4 + 4
)

// Append appends the encoded form of m to b: 52 bytes, 40 for each row, and 16 for each
// name that is asked for.
func (m *Members) Append(b []byte) []byte {
	from := len(b)
	b = append(append(b, membersMagic...), membersV1)
	b = append(b, m.Value[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Made))
	b = binary.BigEndian.AppendUint64(b, m.Sequence)
	b = binary.BigEndian.AppendUint32(b, m.Minute)
	b = binary.BigEndian.AppendUint32(b, m.NothingBefore)
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.Rows)))
	for _, r := range m.Rows {
		b = append(b, r.Log[:]...)
		b = binary.BigEndian.AppendUint32(b, r.Instance)
		b = binary.BigEndian.AppendUint64(b, r.Layout)
		b = binary.BigEndian.AppendUint32(b, r.Next)
		b = binary.BigEndian.AppendUint32(b, r.First)
		b = binary.BigEndian.AppendUint32(b, r.Renewed)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.Asked)))
	for _, n := range m.Asked {
		b = append(b, n[:]...)
	}
	return checksummed(b, from)
}

// DecodeMembers is the inverse of Members.Append. Bytes that Append does not make are
// ErrMalformed, or ErrFormat if a later program has written them.
func DecodeMembers(b []byte) (*Members, error) {
	b, err := unframe(b, membersMagic, membersV1, membersHead+2)
	if err != nil {
		return nil, err
	}
	m := new(Members)
	copy(m.Value[:], b)
	m.Made = int64(binary.BigEndian.Uint64(b[16:]))
	m.Sequence = binary.BigEndian.Uint64(b[24:])
	m.Minute = binary.BigEndian.Uint32(b[32:])
	m.NothingBefore = binary.BigEndian.Uint32(b[36:])
	n := int(binary.BigEndian.Uint16(b[membersHead:]))
	b = b[membersHead+2:]
	if len(b) < n*rowSize+2 {
		return nil, ErrMalformed
	}
	for range n {
		m.Rows = append(m.Rows, decodeRow(b))
		b = b[rowSize:]
	}
	n = int(binary.BigEndian.Uint16(b))
	b = b[2:]
	if len(b) != n*len(LogName{}) {
		return nil, ErrMalformed
	}
	for range n {
		m.Asked = append(m.Asked, LogName(b[:16]))
		b = b[16:]
	}
	if !m.ordered() {
		return nil, ErrMalformed
	}
	return m, nil
}

func decodeRow(b []byte) Row {
	return Row{
		Log:      LogName(b[:16]),
		Instance: binary.BigEndian.Uint32(b[16:]),
		Layout:   binary.BigEndian.Uint64(b[20:]),
		Next:     binary.BigEndian.Uint32(b[28:]),
		First:    binary.BigEndian.Uint32(b[32:]),
		Renewed:  binary.BigEndian.Uint32(b[36:]),
	}
}

// ordered reports whether rows and names ascend, and no row begins behind its end.
func (m *Members) ordered() bool {
	for i, r := range m.Rows {
		if r.First > r.Next || i > 0 && m.Rows[i-1].Log.compare(r.Log) >= 0 {
			return false
		}
	}
	for i := range m.Asked {
		if i > 0 && m.Asked[i-1].compare(m.Asked[i]) >= 0 {
			return false
		}
	}
	return true
}

// Clone returns a copy that shares nothing with m.
func (m *Members) Clone() *Members {
	c := *m
	c.Rows, c.Asked = slices.Clone(m.Rows), slices.Clone(m.Asked)
	return &c
}

// Find returns the row of a log, or nil.
func (m *Members) Find(log LogName) *Row {
	i, ok := m.search(log)
	if !ok {
		return nil
	}
	return &m.Rows[i]
}

func (m *Members) search(log LogName) (int, bool) {
	return slices.BinarySearchFunc(m.Rows, log, func(r Row, log LogName) int { return r.Log.compare(log) })
}

// Put enters a row, in the place of that of the same log.
func (m *Members) Put(r Row) {
	i, ok := m.search(r.Log)
	if ok {
		m.Rows[i] = r
		return
	}
	m.Rows = slices.Insert(m.Rows, i, r)
}

// Remove takes the row of a log out, if there is one.
func (m *Members) Remove(log LogName) {
	if i, ok := m.search(log); ok {
		m.Rows = slices.Delete(m.Rows, i, i+1)
	}
}

// Ask enters the name of a log of which a segment is missing, and reports whether it was
// not there.
func (m *Members) Ask(log LogName) bool {
	i, ok := slices.BinarySearchFunc(m.Asked, log, LogName.compare)
	if !ok {
		m.Asked = slices.Insert(m.Asked, i, log)
	}
	return !ok
}

// Asks reports whether a segment of a log is asked for.
func (m *Members) Asks(log LogName) bool {
	_, ok := slices.BinarySearchFunc(m.Asked, log, LogName.compare)
	return ok
}

// JoinMembers combines two members records with one Value: of all counts the larger one
// stays, also of the counts of a log. It is commutative, associative and idempotent. It
// shares nothing with a and b. Rows that one of them lacks stay, so it does not replace a
// record from which rows were removed on purpose.
func JoinMembers(a, b *Members) *Members {
	m := a.Clone()
	m.Made = max(m.Made, b.Made)
	m.Sequence = max(m.Sequence, b.Sequence)
	m.Minute = max(m.Minute, b.Minute)
	m.NothingBefore = max(m.NothingBefore, b.NothingBefore)
	for _, r := range b.Rows {
		if old := m.Find(r.Log); old != nil {
			*old = joinRows(*old, r)
		} else {
			m.Put(r)
		}
	}
	for _, n := range b.Asked {
		m.Ask(n)
	}
	return m
}

// joinRows takes the larger position of each kind, and the layout and the instance of
// the later renewal. Each part is the maximum of a total order, so the whole is a join.
func joinRows(a, b Row) Row {
	later := cmp.Or(cmp.Compare(a.Renewed, b.Renewed), cmp.Compare(a.Layout, b.Layout), cmp.Compare(a.Instance, b.Instance))
	m := a
	if later < 0 {
		m = b
	}
	m.Next, m.First = max(a.Next, b.Next), max(a.First, b.First)
	return m
}
