package failover

import (
	"context"
	"fmt"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/state"
)

// AddHint keeps a state that the shard lacks until it is delivered. It reports
// whether the journal had room.
func (s *Shard) AddHint(ctx context.Context, b state.Copy) bool {
	if s.all.Without.Lacks(mechanism.PendingStates) {
		return true
	}
	if g, ended := s.journal.Add(b); ended {
		if successor, _, ok := successorCopy(b, g.Death); ok {
			return s.all.Of(successor.ID).AddHint(ctx, successor)
		}
		return true // it has ended meanwhile
	}
	s.signal()
	s.all.makeRoom(ctx)
	_, kept := s.journal.Copy(b.ID)
	return kept
}

// AddTombstone enters a tombstone into the journal. It fails where the journal is
// full and holds nothing but pending tombstones.
func (s *Shard) AddTombstone(ctx context.Context, g journal.Tombstone) error {
	g.Pending = g.Pending && !s.all.Without.Lacks(mechanism.Hints)
	g.Again = g.Again && g.Pending
	if !g.Pending && s.all.Without.Lacks(mechanism.Ring) {
		return nil
	}
	full := s.all.ledger.Bytes.Load()+journal.TombstoneSize > int64(s.all.JournalBytes)
	if g.Pending && full && !s.all.canMakeRoom() {
		return errJournalFull
	}
	g.Until = s.all.Clock.Now().Add(s.all.TombstoneLife).UnixMilli()
	b := s.journal.AddTombstone(g, s.breaker.Owe, s.losesNothing)
	if successor, _, ok := successorCopy(b.Owed, b.Tombstone.Death); ok {
		s.all.Of(successor.ID).AddHint(ctx, successor)
	}
	if b.Line {
		_ = s.all.endSuccessor(ctx, b.Tombstone, state.Destroyed)
	}
	if b.Tombstone.Pending {
		s.signal()
	}
	for _, id := range b.AlsoEnd {
		_ = s.all.Of(id).AddTombstone(ctx, journal.Owed(id, s.all.Clock.Death(state.Revoked)))
	}
	s.all.makeRoom(ctx)
	return nil
}

// losesNothing reports whether nothing is lost with what the store lacked of
// a session that g ends: this process has ended it itself, and wants it gone, or
// all of it is the successor's.
func (s *Shard) losesNothing(owed state.Copy, g journal.Tombstone) bool {
	_, all, inherited := successorCopy(owed, g.Death)
	return g.Death.Dot.Instance == s.all.Clock.Instance || inherited && all
}

// canMakeRoom reports whether the journals hold anything but pending tombstones of
// verified sessions.
func (a *Shards) canMakeRoom() bool {
	room := false
	a.byName.Range(func(_, v any) bool {
		room = v.(*Shard).journal.CanMakeRoom()
		return !room
	})
	return room
}

var errJournalFull = fmt.Errorf("%w: the journal is full of tombstones that wait for the store", failure.ErrUnavailable)

// makeRoom drops what goes first while the journals are too large: unverified
// tombstones; those that the store has, as far as they take
// up more than half; the oldest states, which the cookies still have; and then
// the other tombstones that the store has.
func (a *Shards) makeRoom(ctx context.Context) {
	for a.ledger.Bytes.Load() > int64(a.JournalBytes) {
		delivered := 0
		a.byName.Range(func(_, v any) bool {
			n := v.(*Shard).journal.Stats()
			delivered += n.Known - n.Tombstones - n.Again
			return true
		})
		dropped := a.dropOldest((*journal.Journal).DropUnverified) ||
			2*delivered*journal.TombstoneSize > a.JournalBytes && a.dropOldest((*journal.Journal).DropTombstone) ||
			a.dropOldest(func(j *journal.Journal) bool {
				id, ok := j.DropHint()
				if ok && a.Hooks.Overflow != nil {
					a.Hooks.Overflow(ctx, id)
				}
				return ok
			}) || a.dropOldest((*journal.Journal).DropTombstone)
		if !dropped {
			return
		}
	}
}

// dropOldest makes one shard drop something, and reports whether one could.
func (a *Shards) dropOldest(something func(*journal.Journal) bool) (dropped bool) {
	a.byName.Range(func(_, v any) bool {
		dropped = something(v.(*Shard).journal)
		return !dropped
	})
	return dropped
}
