package failover

import (
	"math"

	"github.com/holdfast-go/session/internal/state"
)

// successorCopy returns the entries of b, a copy of a session that has ended by d, that belong to
// the session's successor: those written before the grace of a rotation ended, or before a Renew.
// direct reports whether b is what this process has acknowledged under the session's own token.
// If it is, and this process (instance own) made the Renew, these are all entries of b. all
// reports whether these are all entries of b, and ok whether there is at least one.
func successorCopy(b state.Copy, d state.Death, own uint32, direct bool) (successor state.Copy, all, ok bool) {
	var id string
	var end uint64
	switch {
	case d.Reason == state.Rotated && d.Link != "":
		id, end = d.Link.Successor(), state.ClockAt(d.Dot.Time().Add(state.RotationGrace))
	case d.Reason == state.Renewed && d.Successor != "":
		id, end = d.Successor, d.Dot.Clock
		if direct && d.Dot.Instance == own {
			end = math.MaxUint64
		}
	default:
		return successor, false, false
	}
	st := b.State
	st.Entries, all = st.Entries.Before(end)
	return state.Inherited(id, st), all, len(st.Entries) > 0
}

// inherit returns heir with the entries of a session that it takes over from. If only the ID
// of heir is known, it returns these entries alone.
func inherit(heir state.Copy, from state.State) state.Copy {
	values := state.Inherited(heir.ID, from)
	if heir.State.Created == 0 {
		return values
	}
	return heir.Join(values)
}
