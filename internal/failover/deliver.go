package failover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/revoked"
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
			s.all.journal.NothingToEnd(g.ID, s.all.Clock.Now())
			return nil
		}
		if g.Death != known { // another writer's tombstone stood there, and may name a successor
			s.all.Learn(ctx, g.ID, g.Death)
		}
		if err := s.all.endNamed(ctx, g.Death); err != nil {
			s.all.journal.Refused(g.ID) // so a full journal does not keep the shard from serving
			return err
		}
		if err := s.all.endSuccessor(ctx, g, known.Reason); err != nil {
			return err
		}
	} else {
		_, err := s.all.ensureDead(ctx, s.bypass(g.ID), g, state.Copy{})
		if errors.Is(err, failure.ErrEnded) {
			err = s.all.endWithSuccessors(ctx, g.Successor)
		}
		if err != nil {
			if !errors.Is(err, failure.ErrForgetful) {
				s.all.journal.Refused(g.ID)
			}
			return err
		}
	}
	g.Unverified, g.IfStored = false, false // the store had it
	if s.all.journal.Arrived(g, known, s.all.Clock.Now()) {
		s.tellLater(g)
	}
	return nil
}

// endNamed ends the sessions that a death names and that end with it, except those that this
// process knows to have ended. It fails if the journal has no room for one of them: Learn has
// tried the same, but only a caller that gets the error tries again.
func (a *Shards) endNamed(ctx context.Context, d state.Death) error {
	for _, id := range d.EndedSuccessors() {
		t, known := a.Tombstone(id)
		livesOn := t.Death.Reason == state.Rotated || t.Death.Reason == state.Renewed
		if known && !livesOn {
			continue
		}
		if err := a.endWithSuccessors(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// deliverHint joins a state into the record that the shard has, or creates the
// record if the shard has none and the state's lease still holds.
func (s *Shard) deliverHint(ctx context.Context, d journal.Hint) error {
	ctx = context.WithoutCancel(ctx)
	delivered := true
	ended, err := s.all.applyHint(ctx, d.Copy, true)
	end := ended
	if t, known := s.Tombstone(d.ID); known && end.Reason == 0 { // since the delivery has begun
		end = t.Death
	}
	endedHere := end.Reason != 0 && end.Dot.Instance == s.all.Clock.Instance
	if early := (*earlyError)(nil); errors.As(err, &early) {
		now := s.all.Clock.Now()
		if now.Sub(s.all.journal.Awaits(d.ID, now)) < heardWithin {
			return err
		}
		err = early.lost
	}
	switch {
	case errors.Is(err, failure.ErrConflict), errors.Is(err, failure.ErrUnavailable):
		return err
	case errors.Is(err, failure.ErrEnded) && endedHere: // see losesNothing: a Renew has taken it along
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

// applyHint joins b into the store's record, or creates the record if the store has none and
// the copy's lease still holds. Its error wraps failure.ErrUnavailable or failure.ErrConflict
// if a later attempt may succeed. It returns the death of a session that has ended. direct is
// as in successorCopy.
func (a *Shards) applyHint(ctx context.Context, b state.Copy, direct bool) (ended state.Death, err error) {
	c := a.Of(b.ID).bypass(b.ID)
	for tries := a.attempts(); ; {
		r, err := a.Backend.Read(ctx, c)
		st := r.State
		switch {
		case errors.Is(err, failure.ErrNotFound):
			if err := a.mayPutBack(b); err != nil {
				return ended, err
			}
			var more state.Entries
			more, err = a.PrepareRestore(ctx, b, false)
			st = r.Revive(b.State)
			st.Entries = state.JoinEntries(st.Entries, more)
		case err == nil && st.Dead():
			return st.Death, a.applyToSuccessor(ctx, b, st.Death, direct)
		case err == nil:
			joined := a.joinHint(st, b)
			if err := a.mayGoOn(joined); err != nil {
				return ended, err
			}
			if joined.Equal(st) {
				return ended, nil
			}
			st = joined
		}
		if err != nil {
			return ended, err
		}
		if _, err = a.Backend.Put(ctx, c, Deliver, st, r.Version); !errors.Is(err, failure.ErrConflict) || tries.spent() {
			return ended, err
		}
	}
}

// earlyError says that a state must wait: its session may soon be in the store, or this process
// may soon hear which session goes on in its place.
type earlyError struct {
	lost error // why it is lost otherwise
}

func (e *earlyError) Error() string { return "session: it may turn out where this belongs" }

// mayGoOn fails if the login to a session was revoked: another instance may have renewed the
// session at the same time, as RevokeOthers does, and this process may not have heard of it yet.
// The session's successor takes over what waits here.
func (a *Shards) mayGoOn(st state.State) error {
	if _, dead := a.LoginRevoked(st); dead {
		return &earlyError{failure.ErrEnded}
	}
	return nil
}

// mayPutBack returns why b is not put into a store that lacks its session. If only the values
// that the session inherits are known here, they wait for an instance with a copy to restore the
// session.
func (a *Shards) mayPutBack(b state.Copy) error {
	if a.Foreign && !b.Born || !a.Vouches(b) {
		lost := fmt.Errorf("%w: %w", failure.ErrLost, failure.ErrStale)
		if b.Confirmed == 0 {
			return &earlyError{lost}
		}
		return lost
	}
	if err := a.mayGoOn(b.State); err != nil {
		return err
	}
	if !a.AllowRestore() {
		return fmt.Errorf("%w: too many restores at once", failure.ErrUnavailable)
	}
	return nil
}

// joinHint joins b into st, the state that the store has.
func (a *Shards) joinHint(st state.State, b state.Copy) state.State {
	old := b.State
	if a.Foreign {
		old = foreign.Settled(old, b.Saved, st)
	}
	return state.Join(st, old)
}

// applyToSuccessor delivers to the successor the entries of b, a copy of a session that has ended
// by d, that belong to it, see successorCopy. It fails with failure.ErrEnded if some entries do
// not, or if none does.
func (a *Shards) applyToSuccessor(ctx context.Context, b state.Copy, d state.Death, direct bool) error {
	successor, all, ok := successorCopy(b, d, a.Clock.Instance, direct)
	if !ok {
		return failure.ErrEnded
	}
	if _, err := a.applyHint(ctx, successor, false); err != nil || all {
		return err
	}
	return failure.ErrEnded
}

// errPaced is the error of a walk that stops for now, so that the shard has time for visitors.
var errPaced = errors.New("session: enough tombstones were written again for now")

// writeAgain retries the refused tombstones that are due, and continues the walk until end.
// It reports whether there is more to write. A tombstone that cannot be written does not hold
// up those behind it.
func (s *Shard) writeAgain(ctx context.Context, end time.Time) (more bool, err error) {
	now := s.all.Clock.Now
	due, done := s.again.due(s.all.journal, now())
	tried, err := s.writePageAgain(ctx, end, due)
	done(tried, now())
	for s.again.left.Load() > 0 && now().Before(end) {
		page, done, ok := s.again.page(s.all.journal, now())
		if !ok {
			return true, errors.Join(err, errPaced)
		}
		tried, errPage := s.writePageAgain(ctx, end, page)
		done(tried, now())
		err = errors.Join(err, errPage)
	}
	return s.again.left.Load() > 0, err
}

// writePageAgain writes those tombstones of a page that the shard has had, until end. It
// returns the result of each, and the last error.
func (s *Shard) writePageAgain(ctx context.Context, end time.Time, page []journal.Tombstone) (tried attempt, err error) {
	var mu sync.Mutex
	err = forEach(end, s.all.Clock.Now, page, func(g journal.Tombstone) (err error) {
		if s.had(g) {
			err = s.writeOneAgain(ctx, g)
		}
		mu.Lock()
		defer mu.Unlock()
		tried.n++
		if err != nil {
			tried.refused = append(tried.refused, g.ID)
		} else {
			tried.taken = append(tried.taken, g.ID)
		}
		return err
	})
	return tried, err
}

// had reports whether the shard has had a tombstone.
func (s *Shard) had(g journal.Tombstone) bool {
	return s.all.Store.Shard(g.ID) == s.name && !g.IfStored
}

// writeOneAgain makes sure that the store has a tombstone that it had. A session
// that another writer has made of this one meanwhile ends, see state.Death.EndedSuccessors.
func (s *Shard) writeOneAgain(ctx context.Context, g journal.Tombstone) error {
	known := g.Death
	err := s.all.writeTombstone(context.WithoutCancel(ctx), s.bypass(g.ID), &g, record.Absent)
	if err != nil {
		return err
	}
	if g.Death != known {
		s.all.Learn(ctx, g.ID, g.Death)
	}
	return s.all.endNamed(ctx, g.Death) // a full journal has kept Learn from it, now or before
}

// tellOthers goes on with the walk until end, and reports whether there is more to tell.
func (s *Shard) tellOthers(ctx context.Context, end time.Time) (more bool, err error) {
	const page = 1024
	for {
		w := s.members.log.walk()
		if w == nil || !s.all.Clock.Now().Before(end) {
			return w != nil, nil
		}
		var all, lacks []revoked.Tombstone
		var next revoked.Cursor
		s.all.journal.Revoked(func(set *revoked.Set) { all, next = set.Page(w.at, page) })
		for _, x := range all {
			foreign := s.all.Store.Shard(x.Record()) != s.name
			if x.Class != revoked.MadeUp && w.from[x.From] && foreign {
				lacks = append(lacks, x)
			}
		}
		if err := s.members.Append(ctx, lacks...); err != nil {
			return true, err
		}
		w.at = next
		if len(all) == page {
			continue
		}
		s.members.log.endWalk(w)
	}
}
