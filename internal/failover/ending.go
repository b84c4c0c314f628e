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

// entomb makes sure that a session is dead in the store, where over says what
// stands there as far as it is known. A tombstone is never overwritten blindly:
// it may have a link. The death of g becomes the one that stands: none, where
// there was nothing to end, see journal.Tombstone.nobodys.
func (a *Shards) entomb(ctx context.Context, c Call, g *journal.Tombstone, over record.Version) error {
	if g.IfLive {
		done, err := a.execute(ctx, c, *g)
		if err == nil {
			g.Death = done.Death
		}
		return err
	}
	st := state.State{Death: g.Death}
	end := a.attempts()
	for known := over != record.Any; ; known = false {
		if !known {
			r, err := a.Backend.Read(ctx, c, true)
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

// EndLine ends a session like buryOver, and what rotations have made of it since,
// up to the next Renew. It returns all that it ended, or tried to. Where the store does not
// answer, the journal goes on from there.
func (a *Shards) EndLine(ctx context.Context, g *journal.Tombstone, over record.Version) (d Durability, ended []state.Superseded, err error) {
	g.Line = true
	why, at := g.Death.Reason, g
	for range maxLine {
		far, err := a.BuryOver(ctx, at, over)
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
		heir := a.nextGrave(next, why)
		at, over = &heir, record.Any
	}
	return 0, ended, fmt.Errorf("%w: more than %d rotations to follow", failure.ErrUnavailable, maxLine)
}

// nextGrave is for what a rotation has made of a session that somebody ends. It
// may be dead by now, by a Renew above all, and then it stays as it is.
func (a *Shards) nextGrave(id string, why state.Reason) journal.Tombstone {
	if why == state.Rotated {
		why = state.Destroyed
	}
	return journal.Tombstone{ID: id, Death: a.Clock.Death(why), IfLive: true, Line: true}
}

// endNext is the journal's part in endLine: g was delivered, and what rotations
// have made of it is owed from now on.
func (a *Shards) endNext(ctx context.Context, g journal.Tombstone, why state.Reason) error {
	next := g.Death.Link.Successor()
	if !g.Line || next == "" {
		return nil
	}
	heir := a.nextGrave(next, why)
	heir.Pending, heir.Again = true, g.Again
	return a.Of(next).Bury(ctx, heir)
}

// BuryOver is bury where it is known what stands in the store, or over record.Any.
func (a *Shards) BuryOver(ctx context.Context, g *journal.Tombstone, over record.Version) (Durability, error) {
	if a.JournalBytes == 0 {
		return Durable, a.entomb(ctx, Call{all: a, ID: g.ID, Budget: a.SaveTimeout}, g, over)
	}
	s, asked := a.Of(g.ID), g.Death
	err := failure.ErrNotAsked
	if a.Mode() != circuit.BackupOnly {
		// It is tried once even where the shard is taken for away.
		c, no := a.Call(ctx, g.ID, true, a.SaveTimeout)
		if no != nil {
			c = s.anyway(g.ID)
		}
		err = a.entomb(ctx, c, g, over)
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
	return d, s.Bury(ctx, *g)
}

// Forgotten reports whether the tombstone of k is gone everywhere.
func (a *Shards) Forgotten(k state.Superseded) bool {
	return a.Clock.Now().After(k.Dot.Time().Add(a.TombstoneLife))
}

// Bequeathed tells whether the session ended by a Renew that the store does not
// know of yet.
func (a *Shards) Bequeathed(id string) bool {
	if a.JournalBytes == 0 {
		return false
	}
	g, ok := a.Of(id).journal.Tombstone(id)
	return ok && g.Pending && g.Successor != ""
}

// Remember enters a tombstone that the store has into the ring.
func (a *Shards) Remember(ctx context.Context, id string, d state.Death) {
	if a.JournalBytes != 0 {
		_ = a.Of(id).Bury(ctx, journal.Tombstone{ID: id, Death: d})
	}
}
