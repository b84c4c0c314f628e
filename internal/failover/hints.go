package failover

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/state"
)

// AddHint adds a state that the shard lacks to the journal, which keeps it until it
// is delivered. kept reports whether the journal had room. Where this process knows
// that the session has ended, the journal keeps nothing, and AddHint returns its
// death; what a rotation's successor takes over is kept for that one, and that is no
// death where it is everything.
func (s *Shard) AddHint(ctx context.Context, c state.Copy) (kept bool, ended state.Death) {
	if s.all.Without.Lacks(mechanism.PendingStates) {
		return true, ended
	}
	added, err := s.all.journal.Add(s.name, c, neverRenewed(c.State))
	if err != nil {
		return false, ended
	}
	s.all.tellDropped(ctx, added.Dropped)
	if added.Ended {
		successor, all, ok := successorCopy(c, added.Tombstone.Death)
		if ok {
			kept, ended = s.all.Of(successor.ID).AddHint(ctx, successor)
		}
		if !ok || !all {
			return false, added.Tombstone.Death
		}
		return kept, ended
	}
	s.signal()
	return true, ended
}

// neverRenewed reports whether the session has never known a user: every login
// renews it.
func neverRenewed(st state.State) bool { return st.Authenticated == st.Created }

// keepFor is how long the journal keeps a copy that the store has, if no request of
// the session carries it back.
const keepFor = 30 * time.Second

// Keep keeps a copy that the store has, so that a request which read the session
// earlier bases its changes on this copy even if the store stops answering. The
// journal keeps it until a request of the session has carried it back, or for 30 s,
// and longer for a request that read the session earlier and still runs. A full
// journal does not keep it.
func (s *Shard) Keep(ctx context.Context, c state.Copy) {
	if s.all.Without.Lacks(mechanism.PendingStates) {
		return
	}
	kept, err := s.all.journal.Keep(s.name, c, s.all.Clock.Now())
	if err == nil {
		s.all.tellDropped(ctx, kept.Dropped)
	}
}

// Lately is how long the journal keeps a copy at least after a request has carried
// it: requests that were sent earlier may still arrive with an older one.
const Lately = 5 * time.Second

// Carried notes that a request has carried these entries of a session.
func (a *Shards) Carried(id string, entries state.Entries) {
	a.journal.Carried(id, entries, a.Clock.Now().Add(-Lately))
}

// AddTombstone enters a tombstone into the journal. It fails if the journal is full
// of pending tombstones.
func (s *Shard) AddTombstone(ctx context.Context, t journal.Tombstone) error {
	t.Pending = t.Pending && !s.all.Without.Lacks(mechanism.Hints)
	t.Again = t.Again && t.Pending
	if !t.Pending && s.all.Without.Lacks(mechanism.Revocations) {
		return nil
	}
	t.Until = s.until()
	added, err := s.all.journal.AddTombstone(s.name, t, s.breaker.Owe, s.losesNothing)
	if err != nil {
		return errJournalFull
	}
	s.all.tellDropped(ctx, added.Dropped)
	if successor, _, ok := successorCopy(added.Owed, added.Tombstone.Death); ok {
		s.all.Of(successor.ID).AddHint(ctx, successor)
	}
	if added.Line {
		_ = s.all.endSuccessor(ctx, added.Tombstone, state.Destroyed)
	}
	if added.Tombstone.Pending {
		s.signal()
	}
	for _, id := range added.AlsoEnd {
		_ = s.all.Of(id).AddTombstone(ctx, journal.Owed(id, s.all.Clock.Death(state.Revoked)))
	}
	return nil
}

// until returns when a tombstone of now may be dropped, in Unix milliseconds.
func (s *Shard) until() int64 { return s.all.Clock.Now().Add(s.all.TombstoneLife).UnixMilli() }

// losesNothing reports whether g makes owed, which the shard lacked, unnecessary:
// this process ended the session itself, so that nobody needs its values, or all
// entries belong to the successor.
func (s *Shard) losesNothing(owed state.Copy, g journal.Tombstone) bool {
	_, all, inherited := successorCopy(owed, g.Death)
	return g.Death.Dot.Instance == s.all.Clock.Instance || inherited && all
}

var errJournalFull = fmt.Errorf("%w: the journal is full of tombstones that wait for the store", failure.ErrUnavailable)

// tellDropped calls the Overflow hook for each change that the journal dropped to
// make room. The visitors' cookies still carry these changes.
func (a *Shards) tellDropped(ctx context.Context, d journal.Dropped) {
	if a.Hooks.Overflow == nil {
		return
	}
	for _, id := range d.Hints {
		a.Hooks.Overflow(ctx, id)
	}
}
