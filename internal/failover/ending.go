package failover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

// writeTombstone makes sure that the store has a tombstone of the session. over is
// the version of the record, as far as the caller knows it. writeTombstone reads an
// existing tombstone before it writes another over it, because that one may have a
// link. g.Death becomes the death that stands in the store, and zero where there was
// nothing to end, see journal.Tombstone.EndedNothing.
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

// maxLine bounds the sessions of one chain of rotations that a call ends. Rotations
// every few seconds need hours to make a longer chain.
const maxLine = 1000

// End ends a session as EndOne does, and every session that rotations have made from
// it, up to the next Renew. With a backup it returns all sessions that it ended or
// tried to end, for the copies to carry. Where the store does not answer, the rest of
// the chain ends when the journal delivers the tombstone.
func (a *Shards) End(ctx context.Context, g *journal.Tombstone, over record.Version) (d Durability, ended []state.Superseded, err error) {
	g.Line = true
	why, at := g.Death.Reason, g
	for range maxLine {
		far, err := a.EndOne(ctx, at, over)
		if err == nil && at.EndedNothing() { // and there is no backup
			return max(d, far), ended, nil
		}
		if a.JournalBytes > 0 { // else no copy could carry it
			ended = state.AddSuperseded(ended, state.Superseded{ID: at.ID, Dot: at.Death.Dot, IfLive: at.IfLive, Durable: far == Durable, IfStored: at.IfStored})
		}
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

// successorTombstone returns the tombstone of the session that a rotation made of
// one that ends. That session may have ended already, by a Renew above all; its own
// tombstone stands then.
func (a *Shards) successorTombstone(id string, why state.Reason) journal.Tombstone {
	if why == state.Rotated {
		why = state.Destroyed
	}
	t := journal.IfLive(id, a.Clock.Death(why))
	t.Line = true
	return t
}

// endSuccessor continues End when the journal has delivered g: the tombstone of the
// session that a rotation made of it becomes pending.
func (a *Shards) endSuccessor(ctx context.Context, g journal.Tombstone, why state.Reason) error {
	next := g.Death.Link.Successor()
	if !g.Line || next == "" {
		return nil
	}
	successor := a.successorTombstone(next, why)
	successor.Pending, successor.Again = true, g.Again
	return a.Of(next).AddTombstone(ctx, successor)
}

// EndOne ends a session in the store. Where the store does not answer, the tombstone
// is pending in the journal until it does. over is the version that stands in the
// store, or record.Any where the caller does not know it. EndOne sets g.Death to
// the death that the store has afterwards.
func (a *Shards) EndOne(ctx context.Context, g *journal.Tombstone, over record.Version) (Durability, error) {
	if a.JournalBytes == 0 {
		return Durable, a.writeTombstone(ctx, Call{all: a, ID: g.ID, Budget: a.SaveTimeout}, g, over)
	}
	s, asked := a.Of(g.ID), g.Death
	err := failure.ErrNotAsked
	if a.Mode() != circuit.BackupOnly {
		// Even where the breaker is open, the tombstone is sent once.
		c, no := a.AllowSave(ctx, g.ID)
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
		g.Death = asked
		g.Unverified, g.IfStored = true, true
	} else {
		g.Unverified, g.IfStored = false, false // the store had it
		a.Ended.Add(1)
	}
	g.Pending = d == Pending
	return d, s.AddTombstone(ctx, *g)
}

// Tombstone returns the tombstone of a session, if it has ended as far as this process
// knows. Without a backup it knows of none.
func (a *Shards) Tombstone(id string) (journal.Tombstone, bool) {
	if a.JournalBytes == 0 {
		return journal.Tombstone{}, false
	}
	return a.journal.Tombstone(id)
}

// Forgotten reports whether the tombstone of k is gone everywhere: the store has dropped
// one that it had. One that the store was never told of lives until the session itself
// would have ended.
func (a *Shards) Forgotten(k state.Superseded) bool {
	return a.Clock.Now().After(k.Dot.Time().Add(a.LifeOf(k)))
}

// LifeOf returns for how long the tombstones of sessions that have ended are needed.
func (a *Shards) LifeOf(ended ...state.Superseded) time.Duration {
	for _, k := range ended {
		if pending := !k.Durable && !k.IfStored; pending {
			return max(a.TombstoneLife, a.Lifetime)
		}
	}
	return a.TombstoneLife
}

// MovePending reports whether a Renew has ended the session and the store lacks its
// tombstone.
func (a *Shards) MovePending(id string) bool {
	if a.JournalBytes == 0 {
		return false
	}
	g, ok := a.journal.Tombstone(id)
	return ok && g.Pending && g.Successor != ""
}

// Learn enters a tombstone into the journal that the store has.
func (a *Shards) Learn(ctx context.Context, id string, d state.Death) {
	if a.JournalBytes != 0 {
		_ = a.Of(id).AddTombstone(ctx, journal.Stored(id, d))
	}
}
