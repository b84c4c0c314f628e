package commit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
)

func (c *Commit) save(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	if c.begins() {
		return c.create(ctx)
	}
	return c.followRotations(ctx)
}

// write saves the session under the ID that it has.
func (c *Commit) write(ctx context.Context) (err error) {
	turn, err := c.Writer.queue.Enter(c.Writer.turns.After(ctx, time.Now(), 2*c.Writer.Storage.SaveTimeout), c.ID)
	if err != nil {
		// The store may be well: this write waited for others of its session.
		return fmt.Errorf("%w: waiting for other requests of session %s: %w", failure.ErrUnavailable, c.ID, err)
	}
	defer turn.Leave()
	defer func() {
		if turned := (*rotatedError)(nil); errors.As(err, &turned) {
			turn.Pass(lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{State: state.State{Death: turned.death}}})
		}
	}()
	end := c.Writer.Storage.Attempts()
	last, passed := turn.Last()
	if err := c.catchUp(ctx, last, passed); err != nil {
		return err
	}
	c.refusals = 0
	for attempt := 1; ; attempt++ {
		if c.Renewal == KeepID {
			err = c.update(ctx)
		} else {
			err = c.move(ctx)
		}
		if c.wrote {
			turn.Pass(c.last())
		}
		if c.Begun || !errors.Is(err, failure.ErrConflict) {
			return err // what has begun is begun once
		}
		if c.Writer.Conflict != nil {
			c.Writer.Conflict(ctx, c.ID, attempt)
		}
		if err := c.afterConflict(ctx, end); err != nil {
			return err
		}
	}
}

// catchUp takes in what happened before this commit had its turn: what the commit
// before it has passed on, or else what the store has where it must be asked.
func (c *Commit) catchUp(ctx context.Context, last lookup.Loaded, passed bool) error {
	var err error
	switch {
	case c.arriving && (!passed || len(c.Doubts) > 0):
		err = c.readSuccessor(ctx)
	case passed:
		c.yield(last)
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

// afterConflict takes in what another writer has written. It fails where that
// takes longer than until end, and where nobody else can have written.
//
// Without an answer at the end it is the store that fails, and not the others
// who are faster.
func (c *Commit) afterConflict(ctx context.Context, end time.Time) error {
	version, late := c.Version, !c.Writer.Clock.Now().Before(end)
	err := c.reload(ctx)
	if err != nil {
		if late {
			c.Writer.Shards.CountFailure(ctx, failover.Save, c.ID, err)
		}
		return err
	}
	if c.Away() {
		return nil
	}
	if c.Version == version {
		c.refusals++
	}
	switch {
	case c.refusals > 1: // once may be a cache's mistake
		return c.Writer.Shards.Refused(ctx, c.ID, version)
	case late:
		err = fmt.Errorf("%w: too many concurrent writes of session %s", failure.ErrUnavailable, c.ID)
		c.Writer.Shards.CountFailure(ctx, failover.Save, c.ID, err)
	}
	return err
}

// last returns what the next commit of the same session goes on from.
func (c *Commit) last() lookup.Loaded {
	if c.tombstone.Dead() {
		return lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{State: c.tombstone}}
	}
	return c.Loaded
}

// update tries once to write the session where it is.
func (c *Commit) update(ctx context.Context) error {
	changes := c.Changes.Against(c.State)
	if len(changes) == 0 && len(c.Doubts) == 0 && !c.Lacking() {
		return nil // another request has written the same
	}
	if c.Away() {
		return c.degrade(ctx, false, failure.ErrNotAsked)
	}
	if err := c.prepareRestore(ctx); err != nil {
		return c.degrade(ctx, false, err)
	}
	// A doubt is saved over even without a change: should its save come late,
	// it finds another version.
	dot, sent := c.Writer.Clock.Dot(c.State), c.Writer.Clock.Now()
	st := c.State.Write(changes, dot).Seen(sent)
	v, err := c.Writer.Storage.Save(ctx, c.ID, st, c.Version)
	switch {
	case err == nil:
		c.State = st
		c.Supersedes = state.MarkDurable(c.Supersedes)
		c.Confirm(v, sent, dot.Clock)
		c.wrote = true
	case failure.IsAway(err):
		// It may have happened: in the backup it keeps its dot, so that to write
		// it again does no harm.
		l := c.Loaded
		if l.State = st; c.vouchedByCopy() && c.saveLater(ctx, &l, err) == nil {
			c.Loaded = l
			return nil
		}
		c.Doubts = append(c.Doubts[:len(c.Doubts):len(c.Doubts)], state.NewInDoubt(dot, c.Edits))
	}
	return err
}

// reload takes in what another writer has written. A session that is gone has
// ended, unless its backup vouches: that the store still had it when the
// request began says nothing, as a tombstone may have come and gone meanwhile.
func (c *Commit) reload(ctx context.Context) error {
	l := c.Writer.Reader.Fetch(ctx, c.ID, c.knownCopy(), true)
	switch l.Phase {
	case lookup.Unknown:
		return l.Err
	case lookup.Nobody:
		l = lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{State: state.State{Death: c.Writer.Clock.Death(state.Revoked)}}}
	default: // it stands as it was read
	}
	c.yield(l)
	return c.rebase(l)
}

// rebase joins another copy in and makes the changes again on top.
func (c *Commit) rebase(l lookup.Loaded) error {
	if l.State.Dead() {
		if next, ok := c.Writer.Reader.Follow(c.Held, l.State.Death); ok {
			return &rotatedError{next, l.State.Death}
		}
		c.Loaded = lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{ID: c.ID, State: l.State}, Version: l.Version}
		return failure.ErrEnded
	}
	if c.arriving {
		c.arriving, c.Followed = false, true
		c.Source = l.Source
	}
	unknown := state.Resolve(c.Doubts, l.State)
	c.Edits = state.Unsaved(c.Edits)
	lacked, born := c.Lacking(), c.Born
	c.Copy = c.Join(l.Copy)
	c.Saved = l.Saved // l was told last what the store has
	c.Born = born     // what another request began without the store may have been there since
	c.Version = l.Version
	c.AwaySince = l.AwaySince
	c.Placement = l.Placement
	if lacked && !c.State.Equal(l.State) {
		c.Lack()
	}
	if unknown != "" {
		return &againError{UnknownUpdate(unknown)}
	}
	changes, failed, err := state.Replay(c.State, c.Edits)
	if err != nil {
		failed.Done = true // as if its Update had failed at once
		return &againError{LostValue(err)}
	}
	c.Changes = changes
	return nil
}

// UnknownUpdate is the error of an Update of which nobody knows whether it was
// saved.
func UnknownUpdate(key string) error {
	return fmt.Errorf("%w: whether an Update of key %s was saved is not known", failure.ErrUnavailable, key)
}

// LostValue is the error of an Update that could not run again, because its
// value was withheld from the copy that is left.
func LostValue(err error) error {
	if errors.Is(err, state.ErrWithheld) {
		return failure.ErrLost
	}
	return err
}

// againError is an Update that failed when it was to run again.
type againError struct{ err error }

func (e *againError) Error() string { return e.err.Error() }

// yield makes room for what the store has now.
func (c *Commit) yield(l lookup.Loaded) {
	if l.Phase == lookup.Live && l.Source == lookup.FromStore {
		c.State = c.Writer.Reader.Settled(c.State, c.Saved, l.State)
	}
}
