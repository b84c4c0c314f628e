package failover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

// deliverTombstone saves a tombstone that the shard lacks.
func (s *Shard) deliverTombstone(ctx context.Context, g journal.Tombstone) error {
	ctx = context.WithoutCancel(ctx)
	known := g.Death // as the journal has it
	if g.Successor == "" {
		if err := s.all.writeTombstone(ctx, s.bypass(g.ID), &g, record.Absent); err != nil {
			if errors.Is(err, failure.ErrForgetful) {
				return err
			}
			s.all.journal.Refused(g.ID)
			return err
		}
		if g.EndedNothing() {
			s.all.journal.NothingToEnd(g.ID)
			return nil
		}
		if err := s.all.endSuccessor(ctx, g, known.Reason); err != nil {
			return err
		}
	} else {
		_, err := s.all.ensureDead(ctx, s.bypass(g.ID), g)
		if errors.Is(err, failure.ErrEnded) {
			err = s.all.Of(g.Successor).AddTombstone(ctx, journal.Owed(g.Successor, s.all.Clock.Death(state.Revoked)))
		}
		if err != nil {
			if !errors.Is(err, failure.ErrForgetful) {
				s.all.journal.Refused(g.ID)
			}
			return err
		}
	}
	s.all.journal.Arrived(g, known, s.until())
	return nil
}

// deliverHint joins a state into the record that the shard has, or creates the
// record where the shard has none and the state's lease still holds.
func (s *Shard) deliverHint(ctx context.Context, d journal.Hint) error {
	ctx = context.WithoutCancel(ctx)
	delivered := true
	ended, err := s.all.applyHint(ctx, d.Copy)
	switch {
	case errors.Is(err, failure.ErrConflict), errors.Is(err, failure.ErrUnavailable):
		return err
	case err != nil:
		delivered = false
		if s.all.Hooks.Dropped != nil {
			s.all.Hooks.Dropped(ctx, d.ID, err)
		}
	}
	s.all.journal.Remove(d, delivered, s.all.Clock.Now())
	if ended.Reason != 0 {
		s.all.Learn(ctx, d.ID, ended)
	}
	return nil
}

// applyHint joins b into the store's record, or creates the record where the store
// has none and the copy's lease still holds. Its error wraps failure.ErrUnavailable
// or failure.ErrConflict where a later attempt may succeed. It returns the death of
// a session that has ended.
func (a *Shards) applyHint(ctx context.Context, b state.Copy) (ended state.Death, err error) {
	c := a.Of(b.ID).bypass(b.ID)
	for end := a.attempts(); ; {
		r, err := a.Backend.Read(ctx, c)
		st := r.State
		switch {
		case errors.Is(err, failure.ErrNotFound):
			if a.Foreign && !b.Born || !a.Vouches(b) {
				return ended, fmt.Errorf("%w: %w", failure.ErrLost, failure.ErrStale)
			}
			if !a.AllowRestore() {
				return ended, fmt.Errorf("%w: too many restores at once", failure.ErrUnavailable)
			}
			var more state.Entries
			more, err = a.PrepareRestore(ctx, b, false)
			st = r.Revive(b.State)
			st.Entries = state.JoinEntries(st.Entries, more)
		case err == nil && st.Dead():
			return st.Death, a.applyToSuccessor(ctx, b, st.Death)
		case err == nil:
			old := b.State
			if a.Foreign {
				old = foreign.Settled(old, b.Saved, st)
			}
			joined := state.Join(st, old)
			if joined.Equal(st) {
				return ended, nil
			}
			st = joined
		}
		if err != nil {
			return ended, err
		}
		if _, err = a.Backend.Put(ctx, c, Deliver, st, r.Version); !errors.Is(err, failure.ErrConflict) || !a.Clock.Now().Before(end) {
			return ended, err
		}
	}
}

// applyToSuccessor delivers b, of a session that has ended, to the session that a
// rotation made of it. It delivers the entries that were written before the
// rotation's grace ended, and fails with failure.ErrEnded where these are not all of
// b.
func (a *Shards) applyToSuccessor(ctx context.Context, b state.Copy, d state.Death) error {
	successor, all, ok := successorCopy(b, d)
	if !ok {
		return failure.ErrEnded
	}
	if _, err := a.applyHint(ctx, successor); err != nil || all {
		return err
	}
	return failure.ErrEnded
}

// RotationGrace is how long the token that a rotation replaced still opens the
// session.
const RotationGrace = 10 * time.Second

// successorCopy returns the part of b that belongs to the session which a rotation
// made: the entries that were written before the grace ended. all reports whether
// these are all entries of b, and ok whether there is at least one.
func successorCopy(b state.Copy, d state.Death) (successor state.Copy, all, ok bool) {
	if d.Reason != state.Rotated || d.Link == "" {
		return successor, false, false
	}
	end := d.Dot.Time().Add(RotationGrace)
	var kept state.Entries
	all = true
	for l := b.State.Entries; len(l) > 0; {
		e, rest, _ := l.Cut()
		if l = rest; e.Dot.Time().Before(end) {
			kept = append(kept, e.Raw...)
		} else {
			all = false
		}
	}
	st := b.State
	st.Entries = kept
	return state.Copy{ID: d.Link.Successor(), State: st.Values()}, all, len(kept) > 0
}
