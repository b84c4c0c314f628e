package commit

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/groupcommit"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

// send saves st, the state that the changes make of b. If a hook panics before the outcome
// of the save is known, the save is in doubt: for this commit, and for the members that it
// carries.
func (c *Commit) send(ctx context.Context, crew *groupcommit.Crew[base], b base, st state.State) (record.Version, error) {
	version := b.Version
	c.sending, b.sent = b.under, b.under
	crew.Hold(b)
	v, err := c.Writer.Storage.Save(ctx, c.ID, st, version)
	unanswered := failure.IsAway(err) && !errors.Is(err, failure.ErrNotAsked)
	if err != nil && !unanswered {
		c.release(crew)
	}
	return v, err
}

// release notes that the outcome of a save is known.
func (c *Commit) release(crew *groupcommit.Crew[base]) {
	c.sending = state.Dot{}
	crew.Release()
}

// lookAfter finds out, within a budget of its own, the outcome of a save that had no
// answer. The save succeeded, or the previous version is still there and lookAfter sends
// the save again, or another writer has written. If the store does not answer this either,
// the journal takes the state.
func (c *Commit) lookAfter(ctx context.Context, crew *groupcommit.Crew[base], b base, st state.State, sent time.Time, cause error) (base, error) {
	var r record.Session
	err := c.Writer.Storage.Load(ctx, c.ID, c.vouches(b), true, &r)
	answered := err == nil || errors.Is(err, failure.ErrNotFound)
	if answered && r.Version == b.Version {
		var v record.Version
		if v, err = c.Writer.Storage.Save(ctx, c.ID, st, b.Version); err == nil {
			return c.saved(b, st, v, sent, b.sent), nil
		}
		if errors.Is(err, failure.ErrConflict) {
			return b, err
		}
		cause = err
	}
	stands := err == nil && (r.State.Entries.Has(b.sent) || r.State.Equal(st))
	switch {
	case stands:
		c.Writer.Storage.Saves.Add(1)
		st = c.Writer.Reader.Settled(st, b.sent.Clock, r.State)
		return c.saved(b, state.Join(st, r.State), r.Version, sent, b.sent), nil
	case errors.Is(err, failure.ErrNotFound) && !c.Writer.Reader.Foreign && c.vouches(b):
		// The store has lost the session, and no other writer has replaced it. The save
		// keeps its dot, because others may have read it and written on top of it.
	case err == nil, errors.Is(err, failure.ErrNotFound):
		return b, failure.ErrConflict
	case !failure.IsAway(cause):
		return b, cause
	}
	b.State = st
	b.whole = true
	return c.keepWhole(ctx, crew, b)
}

// keepWhole gives a state that may be in the store to the journal, under its dot and
// complete: a join of two values under one dot picks one by its bytes. A member that
// cannot do without the store gets an error saying that its write may have happened.
func (c *Commit) keepWhole(ctx context.Context, crew *groupcommit.Crew[base], b base) (base, error) {
	b, err := crew.Apply(b)
	if err != nil {
		return b, err
	}
	return c.keep(ctx, b), nil
}

// doubt notes that a save of the commit's changes had no answer.
func (c *Commit) doubt(sent state.Dot) {
	if n := len(c.Doubts); n > 0 && c.Doubts[n-1].Dot() == sent {
		return
	}
	c.Doubts = append(c.Doubts[:len(c.Doubts):len(c.Doubts)], state.NewInDoubt(sent, c.Edits))
}

// Interrupted notes that a panic of a hook has ended the commit: what it has sent is in
// doubt.
func (c *Commit) Interrupted() {
	if c.sending != (state.Dot{}) {
		c.doubt(c.sending)
	}
}
