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

// AddHint keeps a state that the shard lacks until it is delivered. It reports
// whether the journal had room.
func (s *Shard) AddHint(ctx context.Context, c state.Copy) bool {
	if s.all.Without.Lacks(mechanism.PendingStates) {
		return true
	}
	added, err := s.all.journal.Add(s.name, c, neverRenewed(c.State))
	if err != nil {
		return false
	}
	s.all.tellDropped(ctx, added.Dropped)
	if added.Ended {
		if successor, _, ok := successorCopy(c, added.Tombstone.Death); ok {
			return s.all.Of(successor.ID).AddHint(ctx, successor)
		}
		return true // it has ended meanwhile
	}
	s.signal()
	return true
}

// neverRenewed reports whether nobody has gained rights in a session: every login
// renews it.
func neverRenewed(st state.State) bool { return st.Authenticated == st.Created }

// keepFor is how long a copy that the store has taken stays known where no request
// of its session carries it back.
const keepFor = 30 * time.Second

// Keep keeps what the store has taken of a session: a request that has read before
// makes its changes on nothing older, also where the store does not answer any more.
// It is kept until a request of that session has carried it back, or for 30 s, and
// not where the journal is full.
func (s *Shard) Keep(ctx context.Context, c state.Copy) {
	if s.all.Without.Lacks(mechanism.PendingStates) {
		return
	}
	kept, err := s.all.journal.Keep(s.name, c, s.all.Clock.Now().Add(keepFor))
	if err == nil {
		s.all.tellDropped(ctx, kept.Dropped)
	}
}

// lately is how long what was kept stays known although a request has carried it:
// others that were sent before may be on their way, with something older.
const lately = 5 * time.Second

// Carried notes that a request of a session has carried these entries.
func (a *Shards) Carried(id string, entries state.Entries) {
	a.journal.Carried(id, entries, a.Clock.Now().Add(keepFor-lately))
}

// AddTombstone enters a tombstone into the journal. It fails where the journal is
// full and holds nothing but pending tombstones.
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

// losesNothing reports whether nothing is lost with what the store lacked of
// a session that g ends: this process has ended it itself, and wants it gone, or
// all of it is the successor's.
func (s *Shard) losesNothing(owed state.Copy, g journal.Tombstone) bool {
	_, all, inherited := successorCopy(owed, g.Death)
	return g.Death.Dot.Instance == s.all.Clock.Instance || inherited && all
}

var errJournalFull = fmt.Errorf("%w: the journal is full of tombstones that wait for the store", failure.ErrUnavailable)

// tellDropped tells the hooks of changes that went because the journal was full:
// their visitors' cookies still have them.
func (a *Shards) tellDropped(ctx context.Context, d journal.Dropped) {
	if a.Hooks.Overflow == nil {
		return
	}
	for _, id := range d.Hints {
		a.Hooks.Overflow(ctx, id)
	}
}
