package journal

import (
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
)

// Tombstone says that a session has ended, and what the store knows of it.
type Tombstone struct {
	ID      string
	Death   state.Death
	Pending bool  // the store lacks it
	Again   bool  // Pending, but the store had it before it lost its data
	From    uint8 // the number of the log that it was heard from; revoked.Own: none

	// Successor is the session that Renew or Rotate made of this one while the
	// store could not be asked. If another writer has ended this one, the
	// successor ends too.
	Successor string
	Rotated   bool // Successor was made by Rotate, which leaves alone what another rotation has led to

	IfLive         bool // a tombstone that is stored already stays as it is
	Conflict       bool // more than one writer has ended the session
	EndsSuccessors bool // what rotations have made of the session ends too
	Unverified     bool // only the token is known: no store and no copy has vouched for the session
	IfStored       bool // like Unverified; no tombstone is needed if the store has no record

	// Stranger: the session began in this process while the store did not answer, and
	// when it ended the store had nothing of it and it had never known a user. Only the
	// visitor's own copy is left of it, so little is lost if the journal drops the
	// tombstone before the store has it.
	//
	// AddTombstone sets it by the hint of the session. A caller sets it only to enter
	// again a tombstone that a journal has returned.
	Stranger bool

	tries uint8 // attempts to deliver it that failed, up to maxTries
}

// Stored returns the tombstone of a session that the store knows to be dead.
func Stored(id string, d state.Death) Tombstone { return Tombstone{ID: id, Death: d} }

// Owed returns a tombstone that the store lacks.
func Owed(id string, d state.Death) Tombstone { return Tombstone{ID: id, Death: d, Pending: true} }

// Moved returns the tombstone, which the store lacks, of a session that lives on
// as successor, by a Renew or a rotation.
func Moved(id string, d state.Death, successor string) Tombstone {
	t := Owed(id, d)
	t.Successor = successor
	t.Rotated = d.Reason == state.Rotated
	return t
}

// Unseen returns the tombstone of a session that no store and no copy has vouched
// for: if the store has no record under its ID, there is nothing to end.
func Unseen(id string, d state.Death) Tombstone {
	return Tombstone{ID: id, Death: d, IfLive: true, Unverified: true, IfStored: true}
}

// IfLive returns the tombstone of a session that ends unless it has ended already.
func IfLive(id string, d state.Death) Tombstone { return Tombstone{ID: id, Death: d, IfLive: true} }

// Named returns the tombstone, which the store may lack, that a visitor's cookie
// names.
func Named(k state.Superseded) Tombstone {
	t := Owed(k.ID, state.Death{Dot: k.Dot, Reason: state.Destroyed})
	t.IfLive = k.IfLive || k.Durable
	t.EndsSuccessors = true
	t.Unverified, t.IfStored = k.IfStored, k.IfStored
	t.Again = k.Durable
	return t
}

// Missing returns t as a tombstone that the store lacks, or has lost.
func (t Tombstone) Missing() Tombstone {
	t.Again = t.Again || !t.Pending && !t.IfStored
	t.Pending = true
	return t
}

// ByOtherWriter reports whether a writer other than the one that k names has
// ended the session. A rotation ends no session: it lives on under another ID.
func (t Tombstone) ByOtherWriter(k state.Superseded) bool {
	return t.Conflict || t.Death.Dot != k.Dot && t.Death.Reason != state.Rotated
}

// OnlyHeard reports whether this process knows of the tombstone only from another process's
// log; that process may have crashed before its save reached the store.
func (t Tombstone) OnlyHeard() bool {
	return !t.Pending && t.From != revoked.Own && t.From != revoked.Unnumbered
}

// neverDelivered reports whether the store lacks the tombstone, and this process does not
// know that it ever had it.
func (t *Tombstone) neverDelivered() bool { return t.Pending && !t.Again }

// EndedNothing reports whether the store had nothing to end, so that it has no
// tombstone.
func (t *Tombstone) EndedNothing() bool { return t.Death.Reason == 0 }

// dispensable reports whether the tombstone is of a session that no user has had. A
// full journal displaces it first.
func (t *Tombstone) dispensable() bool { return t.Unverified || t.IfStored || t.Stranger }

// blind reports whether the tombstone can be written without a look at what the store
// has of the session, or at another session.
func (t *Tombstone) blind() bool { return t.Successor == "" && !t.IfLive }

// merge joins t with old, the tombstone that is known already. It returns the successors
// that end because another writer has ended the session, each only when that becomes known.
// Two rotations keep both successors; two Renews keep none.
func (t Tombstone) merge(old Tombstone) (merged Tombstone, ended []string) {
	came := t
	if old.Successor != "" && old.Pending && t.Death.Reason != state.Renewed {
		t.IfLive = false // it is not known yet whether the successor may live
	}
	twoWriters := old.Death.Dot != t.Death.Dot && !t.IfLive && !old.IfLive
	if twoWriters {
		ended = t.meetOther(&old)
	}
	t.mergeFlags(old)
	if t.IfLive && !old.IfLive {
		t.Death = old.Death
	} else if t.IfLive == old.IfLive {
		t.Death = state.Join(state.State{Death: old.Death}, state.State{Death: t.Death}).Death
	}
	if t.Successor == "" {
		t.Successor, t.Rotated = old.Successor, old.Rotated
	}
	t.IfLive = t.IfLive && old.IfLive
	if t.Death != old.Death {
		ended = addNames(ended, t.Death.EndedSuccessors()...)
		if twoWriters && came.renewedBeside(old) {
			ended = addNames(ended, old.Death.Successor, came.Death.Successor)
		}
	}
	return t, ended
}

// renewedBeside reports whether t and old are two Renews of one session.
func (t *Tombstone) renewedBeside(old Tombstone) bool {
	bothRenewed := t.Death.Reason == state.Renewed && old.Death.Reason == state.Renewed
	return bothRenewed && old.Death.Successor != t.Death.Successor
}

// meetOther notes that another writer has ended the session as well, and returns the
// successors that end because of it.
func (t *Tombstone) meetOther(old *Tombstone) (ended []string) {
	endedNow, endedBefore := t.Death.Reason != state.Rotated, old.Death.Reason != state.Rotated
	t.Conflict = endedNow && endedBefore
	if endedNow {
		ended = old.dropSuccessor(ended)
	}
	if endedBefore {
		ended = t.dropSuccessor(ended)
	}
	return ended
}

// addNames adds the IDs of sessions to those that end, but for the empty ID.
func addNames(ended []string, ids ...string) []string {
	for _, id := range ids {
		if id != "" && !slices.Contains(ended, id) {
			ended = append(ended, id)
		}
	}
	return ended
}

// dropSuccessor adds the successor to those that end, if there is one.
func (t *Tombstone) dropSuccessor(ended []string) []string {
	if t.Successor == "" {
		return ended
	}
	ended = addNames(ended, t.Successor)
	t.Successor = ""
	return ended
}

// mergeFlags takes in what the store lacks, and what is known of the session.
func (t *Tombstone) mergeFlags(old Tombstone) {
	t.Stranger = (t.Stranger || old.Stranger) && t.neverDelivered() && old.neverDelivered()
	t.Again = (t.Again || old.Again) && !t.neverDelivered() && !old.neverDelivered()
	t.Pending = t.Pending || old.Pending
	t.Conflict = t.Conflict || old.Conflict
	t.EndsSuccessors = t.EndsSuccessors || old.EndsSuccessors
	t.Unverified = t.Unverified && old.Unverified
	t.IfStored = t.IfStored && old.IfStored
}

// LeadsByStore reports whether t is of a rotation whose token still opens the session at the given
// time, and t does not have the link: it comes from the log of another process, or too many
// sessions were rotated. The store's tombstone has the link.
func (t *Tombstone) LeadsByStore(now time.Time) bool {
	d := &t.Death
	return d.Reason == state.Rotated && d.Link.Bare() && now.Sub(d.Dot.Time()) < state.RotationGrace+time.Second
}

// Supersedes reports whether l leads to a session that ends for the successor of t:
// a rotation by another writer wrote l, and the successor was made by a Renew,
// which ends what the rotation led to.
func (t *Tombstone) Supersedes(l state.Link) bool {
	return t.Successor != "" && !t.Rotated && l != "" && l.Dot() != t.Death.Dot && l.Successor() != t.Successor
}
