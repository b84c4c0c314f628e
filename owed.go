package session

import (
	"context"
	"fmt"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/state"
)

// owe keeps a state that the store lacks until it is delivered. It reports
// whether there was room.
func (s *shard) owe(ctx context.Context, b state.Copy) bool {
	if s.m.without&pendingStates != 0 {
		return true
	}
	if g, ended := s.journal.Add(b); ended {
		if heir, _, ok := inheritance(b, g.Death); ok {
			return s.m.shardOf(ID(heir.ID)).owe(ctx, heir)
		}
		return true // it has ended meanwhile, and what is dead is owed nothing
	}
	s.rouse()
	s.m.makeRoom(ctx)
	_, kept := s.journal.Copy(b.ID)
	return kept
}

// bury enters a tombstone into the ring. pending says that the store lacks it.
// It fails where the journal holds nothing but pending tombstones and is full.
func (s *shard) bury(ctx context.Context, g journal.Tombstone) error {
	g.Pending = g.Pending && s.m.without&hints == 0
	g.Again = g.Again && g.Pending
	if !g.Pending && s.m.without&ring != 0 {
		return nil
	}
	full := s.m.ledger.Bytes.Load()+journal.TombstoneSize > int64(s.m.backup.Journal)
	if g.Pending && full && !s.m.canMakeRoom() {
		return errJournalFull
	}
	g.Until = s.m.now().Add(s.m.tombstoneLife()).UnixMilli()
	b := s.journal.AddTombstone(g, s.breaker.Owe, s.keepsWhatIsOwed)
	if heir, _, ok := inheritance(b.Owed, b.Tombstone.Death); ok {
		s.m.shardOf(ID(heir.ID)).owe(ctx, heir)
	}
	if b.Line {
		_ = s.m.endNext(ctx, b.Tombstone, state.Destroyed)
	}
	if b.Tombstone.Pending {
		s.rouse()
	}
	for _, id := range b.AlsoEnd {
		_ = s.m.shardOf(ID(id)).bury(ctx, journal.Owed(id, s.m.tombstone(state.Revoked).Death))
	}
	s.m.makeRoom(ctx)
	return nil
}

// keepsWhatIsOwed reports whether nothing is lost with what the store lacked of
// a session that g ends: this process has ended it itself, and wants it gone, or
// all of it is the successor's.
func (s *shard) keepsWhatIsOwed(owed state.Copy, g journal.Tombstone) bool {
	_, all, inherited := inheritance(owed, g.Death)
	return g.Death.Dot.Instance == s.m.instance || inherited && all
}

// canMakeRoom tells whether there is anything but pending tombstones of
// sessions that somebody has seen.
func (m *Manager) canMakeRoom() bool {
	room := false
	m.shards.byName.Range(func(_, v any) bool {
		room = v.(*shard).journal.CanMakeRoom()
		return !room
	})
	return room
}

var errJournalFull = fmt.Errorf("%w: the journal is full of tombstones that wait for the store", ErrUnavailable)

// makeRoom drops what goes first while the journals are too large: tombstones of
// sessions that nobody has seen; those that the store has, as far as they take
// up more than half; the oldest states, which the cookies still have; and then
// the other tombstones that the store has.
func (m *Manager) makeRoom(ctx context.Context) {
	for m.ledger.Bytes.Load() > int64(m.backup.Journal) {
		delivered := 0
		m.shards.byName.Range(func(_, v any) bool {
			n := v.(*shard).journal.Stats()
			delivered += n.Known - n.Tombstones - n.Again
			return true
		})
		dropped := m.drop((*journal.Journal).DropUnverified) ||
			2*delivered*journal.TombstoneSize > m.backup.Journal && m.drop((*journal.Journal).DropTombstone) ||
			m.drop(func(j *journal.Journal) bool {
				id, ok := j.DropHint()
				if ok && m.hooks.Overflow != nil {
					m.hooks.Overflow(ctx, ID(id))
				}
				return ok
			}) || m.drop((*journal.Journal).DropTombstone)
		if !dropped {
			return
		}
	}
}

// drop makes one shard drop something, and reports whether there was one.
func (m *Manager) drop(something func(*journal.Journal) bool) (dropped bool) {
	m.shards.byName.Range(func(_, v any) bool {
		dropped = something(v.(*shard).journal)
		return !dropped
	})
	return dropped
}

// rouse wakes the keeper.
func (s *shard) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
