package failover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

// publish brings the shard a tombstone.
func (s *Shard) publish(ctx context.Context, g journal.Tombstone) error {
	ctx = context.WithoutCancel(ctx)
	known := g.Death // to the journal
	if g.Successor == "" {
		if err := s.all.entomb(ctx, s.anyway(g.ID), &g, record.Absent); err != nil {
			if errors.Is(err, failure.ErrForgetful) {
				return err
			}
			s.journal.Refused(g.ID)
			return err
		}
		if g.EndedNothing() {
			s.journal.NothingToEnd(g.ID)
			return nil
		}
		if err := s.all.endNext(ctx, g, known.Reason); err != nil {
			return err
		}
	} else {
		_, err := s.all.execute(ctx, s.anyway(g.ID), g)
		if errors.Is(err, failure.ErrEnded) {
			err = s.all.Of(g.Successor).Bury(ctx, journal.Owed(g.Successor, s.all.Clock.Death(state.Revoked)))
		}
		if err != nil {
			if !errors.Is(err, failure.ErrForgetful) {
				s.journal.Refused(g.ID)
			}
			return err
		}
	}
	s.journal.Arrived(g, known)
	return nil
}

// pay brings the shard a state: joined into what stands there, or created where
// nothing does and the state's lease still holds.
func (s *Shard) pay(ctx context.Context, d journal.Hint) error {
	ctx = context.WithoutCancel(ctx)
	delivered := true
	err := s.all.settleDebt(ctx, d.Copy)
	switch {
	case errors.Is(err, failure.ErrConflict), errors.Is(err, failure.ErrUnavailable):
		return err
	case err != nil:
		delivered = false
		if s.all.Hooks.Dropped != nil {
			s.all.Hooks.Dropped(ctx, d.ID, err)
		}
	}
	s.journal.Remove(d, delivered)
	return nil
}

// settleDebt fails with failure.ErrUnavailable or failure.ErrConflict where it is worth trying
// again.
func (a *Shards) settleDebt(ctx context.Context, b state.Copy) error {
	c := a.Of(b.ID).anyway(b.ID)
	for end := a.attempts(); ; {
		r, err := a.Backend.Read(ctx, c, true)
		st := r.State
		switch {
		case errors.Is(err, failure.ErrNotFound):
			if a.Foreign && !b.Born || !a.Vouches(b) {
				return fmt.Errorf("%w: %w", failure.ErrLost, failure.ErrStale)
			}
			if !a.AllowRestore() {
				return fmt.Errorf("%w: too many restores at once", failure.ErrUnavailable)
			}
			var more state.Entries
			more, err = a.MayRestore(ctx, b, false)
			st = r.Revive(b.State)
			st.Entries = state.JoinEntries(st.Entries, more)
		case err == nil && st.Dead():
			return a.settleLater(ctx, b, st.Death)
		case err == nil:
			joined := state.Join(st, b.State)
			if joined.Equal(st) {
				return nil
			}
			st = joined
		}
		if err != nil {
			return err
		}
		if _, err = a.Backend.Put(ctx, c, Deliver, st, r.Version); !errors.Is(err, failure.ErrConflict) || !a.Clock.Now().Before(end) {
			return err
		}
	}
}

// settleLater is settleDebt for a session that has ended.
func (a *Shards) settleLater(ctx context.Context, b state.Copy, d state.Death) error {
	heir, all, ok := inheritance(b, d)
	if !ok {
		return failure.ErrEnded
	}
	if err := a.settleDebt(ctx, heir); err != nil || all {
		return err
	}
	return failure.ErrEnded
}

// RotationGrace is how long the token before a rotation still leads to the
// session.
const RotationGrace = 10 * time.Second

// inheritance is what the session that a rotation made gets of a state that the
// store lacks: what was written to the old one before the grace was over. all
// tells whether that is everything.
func inheritance(b state.Copy, d state.Death) (heir state.Copy, all, ok bool) {
	if d.Reason != state.Rotated || d.Link == "" {
		return heir, false, false
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
