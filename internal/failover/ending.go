package failover

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

// writeTombstone makes sure that a session is dead in the store. over says what
// stands there, as far as it is known. A tombstone is never overwritten blindly,
// because it may have a link. The death of g becomes the one that stands; where
// there was nothing to end it becomes none, see journal.Tombstone.EndedNothing.
func (a *Shards) writeTombstone(ctx context.Context, c Call, g *journal.Tombstone, over record.Version) error {
	if g.IfLive {
		done, err := a.ensureDead(ctx, c, *g)
		if err == nil {
			g.Death = done.Death
		}
		return err
	}
	st := state.State{Death: g.Death}
	end := a.attempts()
	for known := over != record.Any; ; known = false {
		if !known {
			r, err := a.Backend.Read(ctx, c)
			if err != nil && !errors.Is(err, failure.ErrNotFound) && r.Unreadable == record.Absent {
				return err
			}
			if over = r.Version; r.Unreadable != record.Absent {
				over = r.Unreadable
			} else if err == nil && r.State.Dead() {
				if st = state.Join(st, r.State); st.Death == r.State.Death {
					break
				}
			}
		}
		_, err := a.Backend.Put(ctx, c, Save, st, over)
		if err == nil {
			break
		}
		if !errors.Is(err, failure.ErrConflict) {
			return err
		}
		if !a.Clock.Now().Before(end) {
			return errContested
		}
	}
	g.Death = st.Death
	return nil
}

// maxLine bounds how many sessions one call ends. It takes hours of rotations
// every few seconds to get there.
const maxLine = 1000

// End ends a session as EndOne does, and what rotations have made of it since, up to
// the next Renew. It returns all that it ended, or tried to. Where the store does
// not answer, the journal goes on from there.
func (a *Shards) End(ctx context.Context, g *journal.Tombstone, over record.Version) (d Durability, ended []state.Superseded, err error) {
	g.Line = true
	why, at := g.Death.Reason, g
	for range maxLine {
		far, err := a.EndOne(ctx, at, over)
		if err == nil && at.EndedNothing() { // and there is no backup
			return max(d, far), ended, nil
		}
		ended = state.AddSuperseded(ended, state.Superseded{ID: at.ID, Dot: at.Death.Dot, IfLive: at.IfLive, Durable: far == Durable, IfStored: at.IfStored})
		if err != nil {
			return 0, ended, err
		}
		d = max(d, far)
		next := at.Death.Link.Successor()
		if next == "" {
			return d, ended, nil
		}
		successor := a.successorTombstone(next, why)
		at, over = &successor, record.Any
	}
	return 0, ended, fmt.Errorf("%w: more than %d rotations to follow", failure.ErrUnavailable, maxLine)
}

// successorTombstone ends what a rotation has made of a session that ends. The
// successor may be dead by now, by a Renew above all, and then stays as it is.
func (a *Shards) successorTombstone(id string, why state.Reason) journal.Tombstone {
	if why == state.Rotated {
		why = state.Destroyed
	}
	t := journal.IfLive(id, a.Clock.Death(why))
	t.Line = true
	return t
}

// endSuccessor is the journal's part in End: g was delivered, and the tombstone of
// what a rotation has made of the session is pending from now on.
func (a *Shards) endSuccessor(ctx context.Context, g journal.Tombstone, why state.Reason) error {
	next := g.Death.Link.Successor()
	if !g.Line || next == "" {
		return nil
	}
	successor := a.successorTombstone(next, why)
	successor.Pending, successor.Again = true, g.Again
	return a.Of(next).AddTombstone(ctx, successor)
}

// EndOne ends a session in the store or, where the store does not answer, as soon as
// it does. over says what stands in the store, and is record.Any where nobody knows.
// The death of g becomes the one that stands.
func (a *Shards) EndOne(ctx context.Context, g *journal.Tombstone, over record.Version) (Durability, error) {
	if a.JournalBytes == 0 {
		return Durable, a.writeTombstone(ctx, Call{all: a, ID: g.ID, Budget: a.SaveTimeout}, g, over)
	}
	s, asked := a.Of(g.ID), g.Death
	err := failure.ErrNotAsked
	if a.Mode() != circuit.BackupOnly {
		// Even where the breaker is open, the store is asked once.
		c, no := a.Call(ctx, g.ID, true, a.SaveTimeout)
		if no != nil {
			c = s.bypass(g.ID)
		}
		err = a.writeTombstone(ctx, c, g, over)
	}
	d := Durable
	if err != nil {
		if a.Mode() == circuit.StoreOnly {
			return 0, err
		}
		d = Pending
	} else if g.EndedNothing() {
		g.Death, g.Unverified, g.IfStored = asked, true, true
	} else {
		g.Unverified, g.IfStored = false, false // the store had it
		a.Ended.Add(1)
	}
	g.Pending = d == Pending
	return d, s.AddTombstone(ctx, *g)
}

// Forgotten reports whether the tombstone of k is gone everywhere.
func (a *Shards) Forgotten(k state.Superseded) bool {
	return a.Clock.Now().After(k.Dot.Time().Add(a.TombstoneLife))
}

// MovePending reports whether the session ended by a Renew that the store does not
// know of yet.
func (a *Shards) MovePending(id string) bool {
	if a.JournalBytes == 0 {
		return false
	}
	g, ok := a.journal.Tombstone(id)
	return ok && g.Pending && g.Successor != ""
}

// Learn enters a tombstone that the store has into the journal.
func (a *Shards) Learn(ctx context.Context, id string, d state.Death) {
	if a.JournalBytes != 0 {
		_ = a.Of(id).AddTombstone(ctx, journal.Stored(id, d))
	}
}
