package revoked

import (
	"encoding/binary"
	"slices"

	"github.com/holdfast-go/session/internal/state"
)

// The positions of a log are divided into blocks, and those into smaller parts. A
// segment is a record with the tombstones of a small part, while a block is being
// filled, and of a block once it is closed.
const (
	SmallPart = 64   // positions
	Block     = 1024 // positions
)

const (
	segmentMagic = "HFS"
	segmentV1    = 1
	segmentHead  = 4 + 4 + 2              // without the frame
	entryHead    = 16 + state.DotSize + 1 // the size of an entry without a successor

	reasonBits    = 0b0000_0111
	classShift    = 3
	classBits     = 0b0001_1000
	successorBit  = 0b0010_0000
	byRotationBit = 0b0100_0000
	conflictBit   = 0b1000_0000
)

// Segment is a record of a log.
type Segment struct {
	Minute     uint32 // since 1970-01-01 00:00 UTC, in which the youngest tombstone was entered
	First      uint32 // the position of the first tombstone
	Tombstones []Tombstone
}

// Append appends the encoded form of s to b: 18 bytes, and 29 for each tombstone, or 45
// if it names a successor. There are 65,535 tombstones at most. From does not travel.
func (s Segment) Append(b []byte) []byte {
	from := len(b)
	b = slices.Grow(b, frameSize+segmentHead+len(s.Tombstones)*(entryHead+len(ID{})))
	b = append(append(b, segmentMagic...), segmentV1)
	b = binary.BigEndian.AppendUint32(b, s.Minute)
	b = binary.BigEndian.AppendUint32(b, s.First)
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.Tombstones)))
	for i := range s.Tombstones {
		t := &s.Tombstones[i]
		b = append(b, t.ID[:]...)
		b = binary.BigEndian.AppendUint64(b, t.Death.Dot.Clock)
		b = binary.BigEndian.AppendUint32(b, t.Death.Dot.Instance)
		flags := byte(t.Death.Reason) | byte(t.Class)<<classShift
		if t.Flags&ByRotation != 0 {
			flags |= byRotationBit
		}
		if t.Flags&Conflict != 0 {
			flags |= conflictBit
		}
		if t.Successor == (ID{}) {
			b = append(b, flags)
			continue
		}
		b = append(b, flags|successorBit)
		b = append(b, t.Successor[:]...)
	}
	return checksummed(b, from)
}

// DecodeSegment is the inverse of Segment.Append. Bytes that Append does not make are
// ErrMalformed, or ErrFormat if a later program has written them.
func DecodeSegment(b []byte) (Segment, error) {
	b, err := unframe(b, segmentMagic, segmentV1, segmentHead)
	if err != nil {
		return Segment{}, err
	}
	s := Segment{Minute: binary.BigEndian.Uint32(b), First: binary.BigEndian.Uint32(b[4:])}
	n := int(binary.BigEndian.Uint16(b[8:]))
	b = b[segmentHead:]
	if len(b) < n*entryHead {
		return Segment{}, ErrMalformed
	}
	s.Tombstones = make([]Tombstone, 0, n)
	for range n {
		t, rest, err := decodeEntry(b)
		if err != nil {
			return Segment{}, err
		}
		b = rest
		s.Tombstones = append(s.Tombstones, t)
	}
	if len(b) > 0 {
		return Segment{}, ErrMalformed
	}
	return s, nil
}

func decodeEntry(b []byte) (t Tombstone, rest []byte, err error) {
	if len(b) < entryHead {
		return Tombstone{}, nil, ErrMalformed
	}
	copy(t.ID[:], b)
	t.Death.Dot.Clock = binary.BigEndian.Uint64(b[16:])
	t.Death.Dot.Instance = binary.BigEndian.Uint32(b[24:])
	flags := b[28]
	t.Death.Reason = state.Reason(flags & reasonBits)
	t.Class = Class(flags & classBits >> classShift)
	b = b[entryHead:]
	known := t.Death.Reason >= state.Destroyed && t.Death.Reason <= state.Rotated
	byRotation, named := flags&byRotationBit != 0, flags&successorBit != 0
	ofUser := !named && t.Death.Reason == state.Revoked
	if !known || byRotation && !named || t.Class == Users && !ofUser {
		return Tombstone{}, nil, ErrMalformed
	}
	if byRotation {
		t.Flags |= ByRotation
	}
	if flags&conflictBit != 0 {
		t.Flags |= Conflict
	}
	if flags&successorBit != 0 {
		if len(b) < len(t.Successor) {
			return Tombstone{}, nil, ErrMalformed
		}
		copy(t.Successor[:], b)
		b = b[len(t.Successor):]
		if t.Successor == (ID{}) {
			return Tombstone{}, nil, ErrMalformed
		}
	}
	return t, b, nil
}
