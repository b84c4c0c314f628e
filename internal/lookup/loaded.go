package lookup

import (
	"time"

	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

// Loaded is a session as a load has found it, and where the load has it from.
type Loaded struct {
	state.Copy
	Version record.Version
	Err     error // why it is unknown

	Phase     Phase
	Source    Source
	Placement Placement
	AwaySince time.Time // when a copy replaced a missing answer; zero: the store answered
}

// Placement is how much of the state the store is known to have.
type Placement uint8

// The placements.
const (
	Complete Placement = iota // all of it
	Behind                    // not all of it: the commit repairs the record
	Missing                   // none of it: the commit creates the record
)

// Away reports whether the store did not answer, so that a copy stands in for it.
func (l *Loaded) Away() bool { return !l.AwaySince.IsZero() }

// Lacking reports whether the store lacks some of the state, or all of it.
func (l *Loaded) Lacking() bool { return l.Placement != Complete }

// Lack notes that the store lacks something.
func (l *Loaded) Lack() { l.Placement = max(l.Placement, Behind) }

// MarkNeverStored notes that the store lacks the session and never had it.
func (l *Loaded) MarkNeverStored() {
	l.Placement = Missing
	l.Born, l.NeverStored = true, true
}

// Confirm notes that the store took the state in a save that was sent at that time,
// with all entries up to the clock saved.
func (l *Loaded) Confirm(v record.Version, sent time.Time, saved uint64) {
	l.Version = v
	l.Placement = Complete
	l.Confirmed, l.Saved = sent.UnixMilli(), saved
	l.Born, l.NeverStored = false, false
}

// YieldsTo reports whether twin, the session of a further token of the request, counts in
// place of l, which is not live. It does if it is live or unknown, or was rotated lately. If
// l is unknown, twin must be live and have a copy, which shows that it counted in an earlier
// answer.
func (l *Loaded) YieldsTo(twin *Loaded, hasCopy bool) bool {
	if l.Phase == Unknown {
		return twin.Phase == Live && hasCopy
	}
	rotated := twin.Phase == Dead && twin.State.Death.Reason == state.Rotated
	return twin.Phase == Live || twin.Phase == Unknown || rotated
}

// InStore reports whether the store has all of the state.
func (l *Loaded) InStore() bool {
	return !l.Away() && !l.Lacking() && !l.NeverStored && l.State.Entries.Latest() <= l.Saved
}

// Phase says whether there is a session.
type Phase uint8

// The phases.
const (
	Unasked Phase = iota
	Nobody        // the visitor has no session; Version is that of an expired record, if there is one
	Live
	Dead
	Unknown // neither store nor backup can tell
)

// Source is where a session was loaded from.
type Source uint8

// The sources of a session.
const (
	FromNowhere Source = iota
	FromStore
	FromBackup // the store did not answer, or had lost it
)

// Unsaved reports whether the session was read from an old one that may be Shared,
// and no commit has saved it yet.
func (l *Loaded) Unsaved() bool { return l.Phase == Live && l.Source == FromNowhere }
