package commit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/groupcommit"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

func (c *Commit) save(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	if c.begins() {
		return c.create(ctx)
	}
	return c.followRotations(ctx)
}

// write saves the session under the ID that it has, together with the other commits
// of the session that wait in this process.
func (c *Commit) write(ctx context.Context) error {
	c.alone = nil
	// The time of the save under way, of the save that carries this commit, and of
	// a conflict with another instance.
	wait := 3*c.Writer.Storage.SaveTimeout + c.Writer.Storage.ReadTimeout
	b, err := c.Writer.group.Do(ctx, c.ID, wait, (*member)(c))
	return c.took(b, err)
}

// member is a commit as package groupcommit sees it.
type member Commit

// Alone reports whether no other commit may be saved together with this one.
func (m *member) Alone() bool { return m.Renewal != KeepID || len(m.Doubts) > 0 }

// Brings returns what the commit knows.
func (m *member) Brings() base { return base{Loaded: m.Loaded} }

// Apply makes the commit's changes on b.
func (m *member) Apply(b base) (base, error) { return (*Commit)(m).applyTo(b) }

// Lead saves the changes of the crew.
func (m *member) Lead(ctx context.Context, crew *groupcommit.Crew[base]) (base, error) {
	c := (*Commit)(m)
	if c.Renewal != KeepID {
		return c.leadAlone(ctx, crew)
	}
	return c.lead(ctx, crew)
}

// took copies the crew's result into the commit, and returns the error for its caller.
func (c *Commit) took(b base, err error) error {
	switch {
	case c.alone != nil:
		return c.alone
	case errors.Is(err, groupcommit.ErrGaveUp):
		// This is no failure of the store: the commit waited for others of its session.
		if errors.Is(err, groupcommit.ErrCarried) {
			c.doubt(c.under)
		}
		return fmt.Errorf("%w: waiting for other requests of session %s: %w", failure.ErrUnavailable, c.ID, err)
	case err != nil:
		if b.sent != (state.Dot{}) {
			c.doubt(b.sent)
		}
		return err
	case c.Renewal != KeepID:
		return nil
	case b.State.Dead():
		return c.rebase(b.Loaded)
	case b.dropped && !c.CanSend:
		return fmt.Errorf("%w: the journal is full", failure.ErrUnavailable)
	}
	c.Loaded = b.Loaded
	c.wrote = b.wrote
	c.Pending = b.pending
	return nil
}

// leadAlone is lead for a commit that gives the session a new ID.
func (c *Commit) leadAlone(ctx context.Context, crew *groupcommit.Crew[base]) (base, error) {
	c.refusals = 0
	end := c.Writer.Storage.Attempts()
	last, passed := crew.Last()
	err := c.catchUp(ctx, last.Loaded, passed)
	for attempt := 1; err == nil; attempt++ {
		err = c.move(ctx)
		if errors.Is(err, errMoveWaits) {
			return c.lead(ctx, crew)
		}
		if c.Begun || !errors.Is(err, failure.ErrConflict) {
			break // a session is begun once
		}
		c.countConflict(ctx, attempt)
		if c.lookedUp && attempt == 1 {
			end = c.Writer.Storage.Attempts() // the save without an answer has used up the time
		}
		err = c.afterConflict(ctx, c.isLate(attempt, end))
	}
	var turned *rotatedError
	switch {
	case errors.As(err, &turned):
		c.alone = err
		return base{Loaded: lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{State: state.State{Death: turned.death}}}}, nil
	case err != nil && c.wrote:
		c.alone = err
		return base{Loaded: c.last()}, nil
	}
	return base{Loaded: c.last()}, err
}

func (c *Commit) countConflict(ctx context.Context, attempt int) {
	if c.Writer.Conflict != nil {
		c.Writer.Conflict(ctx, c.ID, attempt)
	}
}

// catchUp takes in what happened before this commit had its turn: what the commit
// before it has passed on, or else what the store has, if it must be asked.
func (c *Commit) catchUp(ctx context.Context, last lookup.Loaded, passed bool) error {
	var err error
	switch {
	case c.arriving && (!passed || len(c.Doubts) > 0):
		err = c.readSuccessor(ctx)
	case passed:
		err = c.rebase(last)
	}
	if err != nil {
		return err
	}
	mayAnswer := c.Away() && c.worthAsking()
	if len(c.Doubts) > 0 || mayAnswer {
		return c.reload(ctx)
	}
	return nil
}

// isLate reports whether a commit gives up after this conflict: its time is up, and other
// writers came first several times. If this process gets little processor time, one attempt
// takes as long as several may.
func (c *Commit) isLate(attempt int, end time.Time) bool {
	return attempt >= failover.MinAttempts && !c.Writer.Clock.Now().Before(end)
}

// afterConflict reads what another writer has written. It fails if the commit is late, or
// if no other writer can have written.
//
// If the store does not answer at the end, the store counts as failed; the other writers
// are not the cause.
func (c *Commit) afterConflict(ctx context.Context, late bool) error {
	version := c.Version
	err := c.reload(ctx)
	if err != nil {
		if late {
			c.Writer.Shards.CountFailure(ctx, failover.Save, c.ID, err)
		}
		return err
	}
	return c.judgeConflict(ctx, &c.Loaded, version, late)
}

// judgeConflict decides, after a conflict over a version, whether to retry the save on l; nil
// means yes.
func (c *Commit) judgeConflict(ctx context.Context, l *lookup.Loaded, over record.Version, late bool) error {
	if l.Away() {
		return nil
	}
	if l.Version == over {
		c.refusals++
	}
	switch {
	case c.refusals > 1: // one conflict may result from a stale cache
		return c.Writer.Shards.Refused(ctx, c.ID, over)
	case late:
		err := fmt.Errorf("%w: too many concurrent writes of session %s", failure.ErrUnavailable, c.ID)
		c.Writer.Shards.CountFailure(ctx, failover.Save, c.ID, err)
		return err
	}
	return nil
}

// last returns what the next commit of the same session goes on from.
func (c *Commit) last() lookup.Loaded {
	if c.tombstone.Dead() {
		return lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{State: c.tombstone}}
	}
	return c.Loaded
}

// reload joins in what another writer has written, and makes the changes again.
func (c *Commit) reload(ctx context.Context) error { return c.rebase(c.reread(ctx, c.knownCopy())) }

// reread reads the session past all caches and joins it with known. A session that
// is gone has ended, unless a copy vouches: since the request began, a tombstone may
// have come and gone.
func (c *Commit) reread(ctx context.Context, known lookup.Known) lookup.Loaded {
	l := c.Writer.Reader.Fetch(ctx, c.ID, known, true)
	if l.Phase == lookup.Nobody {
		return lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{State: state.State{Death: c.Writer.Clock.Death(state.Revoked)}}}
	}
	return l
}

// rebase joins another copy in and makes the changes again on top.
func (c *Commit) rebase(l lookup.Loaded) error {
	if l.Phase == lookup.Unknown {
		return l.Err
	}
	if l.State.Dead() {
		return c.ended(l)
	}
	if c.arriving {
		c.arriving, c.Followed = false, true
		c.Source = l.Source
	}
	c.merge(&c.Loaded, l)
	return c.replay(l.State, nil)
}

// ended returns what a tombstone means for the commit: a rotation to follow, or the
// end.
func (c *Commit) ended(l lookup.Loaded) error {
	if next, ok := c.Writer.Reader.Follow(c.Held, l.State.Death); ok {
		return &rotatedError{next, l.State.Death}
	}
	c.Loaded = lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{ID: c.ID, State: l.State}, Version: l.Version}
	return failure.ErrEnded
}

// merge joins l, which was read last, into what is known.
func (c *Commit) merge(known *lookup.Loaded, l lookup.Loaded) {
	if l.Phase == lookup.Live && l.Source == lookup.FromStore {
		known.State = c.Writer.Reader.Settled(known.State, known.Saved, l.State)
	}
	lacked, born := known.Lacking(), known.Born
	known.Copy = known.Join(l.Copy)
	known.Saved = l.Saved // l was read later
	known.Born = born     // a session that another request began without the store may be stored by now
	known.Version = l.Version
	known.AwaySince = l.AwaySince
	known.Placement = l.Placement
	if lacked && !known.State.Equal(l.State) {
		known.Lack()
	}
}

// replay makes the changes again on the commit's state, after those of other
// commits. The doubts are settled by stored, a state of the store.
func (c *Commit) replay(stored state.State, others state.Changes) error {
	unknown := state.Resolve(c.Doubts, stored)
	c.Edits = state.Unsaved(c.Edits)
	if unknown != "" {
		return &againError{UnknownUpdate(unknown)}
	}
	changes, failed, err := state.ReplayOn(c.State, others, c.Edits)
	if err != nil {
		failed.Done = true // it does not run again, like an Update that fails at once
		return &againError{LostValue(err)}
	}
	c.Changes = changes
	c.madeOn, c.shared = c.State, len(others) > 0
	return nil
}

// UnknownUpdate is the error of an Update whose outcome is unknown.
func UnknownUpdate(key string) error {
	return fmt.Errorf("%w: whether an Update of key %s was saved is not known", failure.ErrUnavailable, key)
}

// LostValue is the error of an Update that cannot run again, because the copy that
// is left lacks its value.
func LostValue(err error) error {
	if errors.Is(err, state.ErrWithheld) {
		return failure.ErrLost
	}
	return err
}

// againError is an Update that failed when it was to run again.
type againError struct{ err error }

func (e *againError) Error() string { return e.err.Error() }
