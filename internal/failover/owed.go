package failover

import (
	"context"
	"fmt"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/state"
)

// Owe keeps a state that the store lacks until it is delivered. It reports
// whether there was room.
func (s *Shard) Owe(ctx context.Context, b state.Copy) bool {
	if s.all.Without.Lacks(mechanism.PendingStates) {
		return true
	}
	if g, ended := s.journal.Add(b); ended {
		if heir, _, ok := inheritance(b, g.Death); ok {
			return s.all.Of(heir.ID).Owe(ctx, heir)
		}
		return true // it has ended meanwhile, and what is dead is owed nothing
	}
	s.rouse()
	s.all.makeRoom(ctx)
	_, kept := s.journal.Copy(b.ID)
	return kept
}

// Bury enters a tombstone into the ring. pending says that the store lacks it.
// It fails where the journal holds nothing but pending tombstones and is full.
func (s *Shard) Bury(ctx context.Context, g journal.Tombstone) error {
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
	b := s.journal.AddTombstone(g, s.breaker.Owe, s.keepsWhatIsOwed)
	if heir, _, ok := inheritance(b.Owed, b.Tombstone.Death); ok {
		s.all.Of(heir.ID).Owe(ctx, heir)
	}
	if b.Line {
		_ = s.all.endNext(ctx, b.Tombstone, state.Destroyed)
	}
	if b.Tombstone.Pending {
		s.rouse()
	}
	for _, id := range b.AlsoEnd {
		_ = s.all.Of(id).Bury(ctx, journal.Owed(id, s.all.Clock.Death(state.Revoked)))
	}
	s.all.makeRoom(ctx)
	return nil
}

// keepsWhatIsOwed reports whether nothing is lost with what the store lacked of
// a session that g ends: this process has ended it itself, and wants it gone, or
// all of it is the successor's.
func (s *Shard) keepsWhatIsOwed(owed state.Copy, g journal.Tombstone) bool {
	_, all, inherited := inheritance(owed, g.Death)
	return g.Death.Dot.Instance == s.all.Clock.Instance || inherited && all
}

// canMakeRoom tells whether there is anything but pending tombstones of
// sessions that somebody has seen.
func (a *Shards) canMakeRoom() bool {
	room := false
	a.byName.Range(func(_, v any) bool {
		room = v.(*Shard).journal.CanMakeRoom()
		return !room
	})
	return room
}

var errJournalFull = fmt.Errorf("%w: the journal is full of tombstones that wait for the store", failure.ErrUnavailable)

// makeRoom drops what goes first while the journals are too large: tombstones of
// sessions that nobody has seen; those that the store has, as far as they take
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
		dropped := a.drop((*journal.Journal).DropUnverified) ||
			2*delivered*journal.TombstoneSize > a.JournalBytes && a.drop((*journal.Journal).DropTombstone) ||
			a.drop(func(j *journal.Journal) bool {
				id, ok := j.DropHint()
				if ok && a.Hooks.Overflow != nil {
					a.Hooks.Overflow(ctx, id)
				}
				return ok
			}) || a.drop((*journal.Journal).DropTombstone)
		if !dropped {
			return
		}
	}
}

// drop makes one shard drop something, and reports whether there was one.
func (a *Shards) drop(something func(*journal.Journal) bool) (dropped bool) {
	a.byName.Range(func(_, v any) bool {
		dropped = something(v.(*Shard).journal)
		return !dropped
	})
	return dropped
}
