package mirrorstore

import (
	"bytes"
	"strings"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
)

// join returns what two records of one ID that went different ways amount to. It reports false
// where it cannot read them.
func join(id session.ID, a, b []byte) (data []byte, ok bool) {
	if bytes.Equal(a, b) {
		return a, true
	}
	switch {
	case isMembers(id):
		return joinMembers(a, b)
	case isSegment(id):
		return longer(a, b), true
	}
	x, err := state.Decode(a)
	if err != nil {
		return nil, false
	}
	y, err := state.Decode(b)
	if err != nil {
		return nil, false
	}
	return state.Join(x, y).Encode(), true
}

// joinMembers joins two records of one shard's members. Records with two Values say that the
// shard has lost its memory on one side; those are not joined.
func joinMembers(a, b []byte) (data []byte, ok bool) {
	x, err := revoked.DecodeMembers(a)
	if err != nil {
		return nil, false
	}
	y, err := revoked.DecodeMembers(b)
	if err != nil || x.Value != y.Value {
		return nil, false
	}
	return revoked.JoinMembers(x, y).Append(nil), true
}

// longer returns the segment of a log that contains the other: one process writes a log, and
// replaces a segment only by one that contains it.
func longer(a, b []byte) []byte {
	if len(b) > len(a) {
		return b
	}
	return a
}

// relation says how a record stands to another one of its ID.
type relation int

const (
	unrelated relation = iota // a record that has something the later one lacks
	contained                 // a record of which the later one has everything
	opaque                    // it cannot be told
)

// compare returns whether later contains data: every write of a session has a dot of its own.
// Of records from which the library removes things, and of those that it cannot read, it
// cannot be told.
func compare(id session.ID, later, data []byte) relation {
	if bytes.Equal(later, data) {
		return contained
	}
	if isRewritten(id) {
		return opaque
	}
	a, err := state.Decode(later)
	if err != nil {
		return opaque
	}
	b, err := state.Decode(data)
	if err != nil {
		return opaque
	}
	if state.Join(a, b).Equal(a) {
		return contained
	}
	return unrelated
}

// isRewritten reports whether a record of this ID may be replaced by one that does not contain
// it: what the library keeps for itself, but for revocations and markers.
func isRewritten(id session.ID) bool {
	if recordid.IsRevocation(string(id)) || strings.HasPrefix(string(id), recordid.MarkerPrefix) {
		return false
	}
	return recordid.Reserved(string(id))
}

func isMembers(id session.ID) bool {
	return recordid.Reserved(string(id)) && strings.HasPrefix(string(id), recordid.Members)
}

func isSegment(id session.ID) bool {
	return recordid.Reserved(string(id)) && strings.HasPrefix(string(id), "log-")
}

// isShared reports whether id is that of a record by which instances tell each other of
// something. Records of a probe, and of a store itself, belong to one store alone.
func isShared(id session.ID) bool {
	own := strings.HasPrefix(string(id), "~") || strings.HasPrefix(string(id), "probe-")
	return recordid.Reserved(string(id)) && !own
}

// isTombstone reports whether a record is that of a session that has ended.
func isTombstone(data []byte) bool {
	st, err := state.Decode(data)
	return err == nil && st.Dead()
}
