package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/state"
)

// mayRestore prepares that b is put into a store that has nothing under its ID:
// the shard must remember what it should, and the sessions that b took the
// place of must be dead. It returns what those held. ErrEnded says that b is
// dead too, ErrUnavailable that it cannot be told. visitor tells whether one
// waits.
func (m *Manager) mayRestore(ctx context.Context, b state.Copy, visitor bool) (more state.Entries, err error) {
	s := m.shardOf(ID(b.ID))
	if err := s.believed(ctx); err != nil {
		return nil, err
	}
	if m.without&killLists != 0 {
		return nil, nil
	}
	for _, k := range b.Supersedes {
		if m.forgotten(k) {
			continue
		}
		held, err := m.endSuperseded(ctx, b, k, visitor)
		if err != nil {
			return nil, err
		}
		more = state.JoinEntries(more, held)
	}
	return more, nil
}

// endSuperseded makes sure that a session is dead which b took the place of. It
// returns what that held, where b inherits it. Where b does not inherit, the old
// session was dead once, by the writer that began b, and a store that does not
// answer now keeps nobody from b.
func (m *Manager) endSuperseded(ctx context.Context, b state.Copy, k state.Superseded, visitor bool) (held state.Entries, err error) {
	s := m.shardOf(ID(k.ID))
	inherits := k.Heir && !k.Durable
	t := journal.Stored(k.ID, state.Death{Dot: k.Dot, Reason: state.Renewed})
	t.IfLive = !inherits
	if inherits {
		if known, ok := s.journal.Tombstone(k.ID); ok && known.ByOtherWriter(k) {
			return nil, ErrEnded
		}
		t.Successor = b.ID
		t.Rotated = b.State.Rotated != 0 // what came before that rotation is dead by now
	}
	c := s.anyway(ID(k.ID))
	if visitor { // a visitor does not wait for a shard that is away
		c, err = m.call(ctx, ID(k.ID), true, m.options.ReadTimeout)
	}
	var done state.State
	if err == nil {
		done, err = m.execute(ctx, c, t)
	}
	switch {
	case err != nil && inherits:
		return nil, err
	case err != nil:
		return nil, nil //nolint:nilerr // see above
	case inherits:
		held = done.Entries
	}
	return held, s.bury(ctx, journal.Stored(k.ID, done.Death))
}

// execute makes sure that a session is dead in the store, without overwriting a
// tombstone by a hand. It returns the death that stands there, and what an heir
// takes over; where there was nothing to end, a state that is not dead. ErrEnded
// says that the heir is dead too.
//
// Where another instance has rotated the session that g renews, what that has
// led to ends for the heir as well: a login ends all tokens of before it.
func (m *Manager) execute(ctx context.Context, c call, g journal.Tombstone) (state.State, error) {
	st, err := m.executeOne(ctx, c, g)
	for at, hops := st, 0; err == nil && g.Supersedes(at.Death.Link); hops++ {
		if hops == maxLine {
			return state.State{}, fmt.Errorf("%w: more than %d rotations to follow", ErrUnavailable, maxLine)
		}
		next := g
		next.ID = at.Death.Link.Successor()
		next.Death.Link = ""
		s := m.shardOf(ID(next.ID))
		if b, ok := s.journal.Copy(next.ID); ok {
			m.shardOf(ID(g.Successor)).owe(ctx, state.Copy{ID: g.Successor, State: b.State.Values()})
		}
		c := call{m: m, id: ID(next.ID), shard: s, budget: c.budget}
		if at, err = m.executeOne(ctx, c, next); err == nil {
			m.remember(ctx, ID(next.ID), at.Death)
			st.Entries = state.JoinEntries(st.Entries, at.Entries)
		}
	}
	return st, err
}

// executeOne is execute without what rotations have led to.
func (m *Manager) executeOne(ctx context.Context, c call, g journal.Tombstone) (state.State, error) {
	for end := m.attempts(); ; {
		r, err := m.read(ctx, c, true)
		st := r.state
		if errors.Is(err, ErrNotFound) {
			if settled, err := c.nothingThere(ctx, r, g); settled {
				return state.State{}, err
			}
		} else if err != nil {
			unreadable := g.Successor == "" && r.garbled != Absent
			if !unreadable {
				return state.State{}, err
			}
			r.version = r.garbled // nobody can go on with that record either
		}
		dead := state.State{Death: g.Death}
		if st.Dead() {
			if st.Death.Reason != state.Rotated || !g.Supersedes(st.Death.Link) {
				return standing(st, g)
			}
			dead.Death = state.JoinDeaths(dead.Death, st.Death)
		}
		if g.Successor != "" && len(st.Entries) > 0 {
			// What was written to the old session meanwhile is the heir's. It is
			// safe before there is no other place for it.
			m.shardOf(ID(g.Successor)).owe(ctx, state.Copy{ID: g.Successor, State: st.Values()})
		}
		_, err = m.put(ctx, c, OperationDeliver, dead, r.version)
		switch {
		case err == nil:
			st.Death = dead.Death
			return st, nil
		case !errors.Is(err, ErrConflict):
			return state.State{}, err
		case !m.now().Before(end):
			return state.State{}, errContested
		}
	}
}

// nothingThere reports whether a store that holds nothing, or nothing any more,
// leaves nothing to do for a tombstone, or nothing that can be done now.
func (c call) nothingThere(ctx context.Context, r stored, t journal.Tombstone) (settled bool, err error) {
	switch {
	case t.Successor != "" && c.shard.quarantined():
		return true, errForgetful // there may have been a tombstone
	case !t.IfStored || r.version != Absent:
		return false, nil
	case c.shard == nil:
		return true, nil
	}
	return true, c.shard.believed(ctx)
}

// standing returns the tombstone that stands in the place of t. By another
// writer's the successor of t ends too.
func standing(st state.State, t journal.Tombstone) (state.State, error) {
	byAnother := st.Death.Dot != t.Death.Dot && st.Death.Reason != state.Rotated
	if t.Successor != "" && byAnother {
		return state.State{}, ErrEnded
	}
	return st, nil
}

// believed looks whether the shard still remembers what it should, so that its
// having nothing is an answer. Else it returns why not.
func (s *shard) believed(ctx context.Context) error {
	m := s.m
	err := s.look(m.reading.Within(ctx, time.Now(), m.options.ReadTimeout), false)
	switch {
	case err != nil && over(ctx):
		return fmt.Errorf("%w: %w", ErrUnavailable, errOver(ctx))
	case err != nil:
		return &awayError{err}
	case s.quarantined():
		return errForgetful
	}
	return nil
}

// errContested is why an operation gives up that others always came before.
var errContested = fmt.Errorf("%w: others write the session all the time", ErrUnavailable)

// quarantined tells whether the shard has just lost its memory: that it has
// nothing is then no answer.
func (s *shard) quarantined() bool {
	return s.m.without&quarantine == 0 && s.breaker.Quarantined(s.m.now())
}

// forgot says that the shard has lost its memory: all tombstones that are known
// here are published again. known tells whether it had one, as far as this
// process saw. One that is not known is disbelieved all the same, but may be
// new: that alarms nobody.
func (s *shard) forgot(ctx context.Context, known bool) {
	s.breaker.Forgot(s.m.now())
	s.journal.Republish(s.m.without&ring == 0, s.breaker.Owe)
	s.rouse()
	if known && s.m.hooks.Forgot != nil {
		s.m.hooks.Forgot(ctx, s.name)
	}
}
