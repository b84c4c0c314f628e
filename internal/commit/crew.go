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

// lead saves the changes of all members in one compare-and-set. After a conflict it
// reads the session and tries again, until the budget ends and at least a few times.
func (c *Commit) lead(ctx context.Context, crew *groupcommit.Crew[base]) (base, error) {
	b, err := c.leadOn(ctx, crew)
	c.release(crew)
	return b, err
}

// leadOn is lead, but does not release what it held: if a hook panics, the save stays in
// doubt.
func (c *Commit) leadOn(ctx context.Context, crew *groupcommit.Crew[base]) (base, error) {
	c.refusals = 0
	end := c.Writer.Storage.Attempts()
	b, err := c.start(ctx, crew)
	for attempt := 1; err == nil; attempt++ {
		b, err = c.saveOnce(ctx, crew, b)
		if !errors.Is(err, failure.ErrConflict) {
			return b, err
		}
		c.countConflict(ctx, attempt)
		if unanswered := b.sent != (state.Dot{}); unanswered && attempt == 1 {
			end = c.Writer.Storage.Attempts() // waiting for the answer has used up the time
		}
		version, late := b.Version, c.isLate(attempt, end)
		l := c.reread(ctx, c.known(b))
		if l.Phase == lookup.Unknown {
			if late {
				c.Writer.Shards.CountFailure(ctx, failover.Save, c.ID, l.Err)
			}
			return b, l.Err
		}
		b = c.onto(b, l)
		err = c.judgeConflict(ctx, &b.Loaded, version, late)
	}
	return b, err
}

// start returns the session on which the crew makes its changes: the result of the
// crew before it, or else the store's record if the store must be asked, joined with
// the copies of all members.
func (c *Commit) start(ctx context.Context, crew *groupcommit.Crew[base]) (base, error) {
	if b, ok := crew.Base(); ok { // another member led until now
		b.later = false // the store may answer by now
		return c.takeOver(ctx, b)
	}
	b := base{Loaded: c.Loaded}
	last, passed := crew.Last()
	unread := c.arriving && (!passed || len(c.Doubts) > 0)
	switch {
	case unread:
		l, err := c.atSuccessor(ctx)
		if err != nil {
			return b, err
		}
		b = c.onto(b, l)
		b.Source = l.Source
	case passed:
		b = c.onto(b, last.Loaded)
	}
	for other := range crew.Brought {
		c.joinBrought(&b.Loaded, other.Loaded)
	}
	leads := c.leadsByStore()
	if !leads {
		b = c.ontoJournal(b)
	}
	mayAnswer := b.Away() && c.Writer.Clock.Now().Sub(b.AwaySince) >= askAgain
	if !b.State.Dead() && (len(c.Doubts) > 0 || mayAnswer || leads) {
		l := c.reread(ctx, c.known(b))
		if l.Phase == lookup.Unknown {
			return b, l.Err
		}
		b = c.onto(b, l)
	}
	return b, nil
}

// takeOver returns what the crew's changes are made on after another member has led the crew.
// If that member panicked, the outcome of the save that it sent is unknown.
func (c *Commit) takeOver(ctx context.Context, b base) (base, error) {
	if b.sent == (state.Dot{}) || b.whole {
		return b, nil
	}
	c.doubt(b.sent)
	l := c.reread(ctx, c.known(b))
	if l.Phase == lookup.Unknown {
		return b, l.Err
	}
	return c.onto(b, l), nil
}

// known returns the crew's copy, for a load to join with the store's answer.
func (c *Commit) known(b base) lookup.Known {
	return lookup.KnownAs(&b.Copy, c.Writer.Copies)
}

// onto joins b with l, which was read last, and drops the changes that were made on
// b.
func (c *Commit) onto(b base, l lookup.Loaded) base {
	if l.State.Dead() {
		return base{Loaded: l}
	}
	c.merge(&b.Loaded, l)
	return base{Loaded: b.Loaded, sent: b.sent}
}

// joinBrought joins in the session as another request has it. While the store
// answers, the compare-and-set notices a record that is newer than l; when the store
// stops answering, only this join does. With a foreign format it leaves out what a
// request read from the store, because the dots do not order the writes of other
// programs.
func (c *Commit) joinBrought(l *lookup.Loaded, brought lookup.Loaded) {
	fromStore := !brought.Lacking() && !brought.Away()
	if l.State.Dead() || brought.Phase != lookup.Live || fromStore && c.Writer.Reader.Foreign {
		return
	}
	before := l.State
	saved, born := l.Saved, l.Born
	brought.State = c.Writer.Reader.Settled(brought.State, brought.Saved, l.State)
	l.Copy = l.Join(brought.Copy)
	l.Born = born
	if l.State.Equal(before) {
		l.Saved = saved
		return
	}
	l.Lack()
}

// applyTo makes the commit's changes on b, after those of the earlier members.
func (c *Commit) applyTo(b base) (base, error) {
	if b.State.Dead() {
		return b, c.ended(b.Loaded)
	}
	if b.sent != (state.Dot{}) {
		c.doubt(b.sent)
	}
	if b.whole {
		return b, c.mayWriteLater(b)
	}
	if c.arriving {
		c.arriving, c.Followed = false, true
	}
	c.under = b.under
	made := len(b.changes) == 0 && len(c.Doubts) == 0 && !c.shared && c.madeOn.Equal(b.State)
	c.Loaded = b.Loaded
	if name := state.Overtaken(c.Doubts, b.State, b.sent); name != "" {
		return b, fmt.Errorf("%w: whether a write of key %s was saved is not known", failure.ErrUnavailable, name)
	}
	if !made {
		if err := c.replay(b.State, b.changes); err != nil {
			return b, err
		}
	}
	if b.later {
		if err := c.mayWriteLater(b); err != nil {
			return b, err
		}
	}
	b.edited = b.edited || len(c.Edits) > 0
	b.changes = c.Changes
	return b, nil
}

// saveOnce makes the crew's changes on b and tries once to save the result.
// It fails with failure.ErrConflict if another writer came first.
func (c *Commit) saveOnce(ctx context.Context, crew *groupcommit.Crew[base], b base) (base, error) {
	if b.State.Dead() {
		return b, nil
	}
	if b.whole {
		return c.keepWhole(ctx, crew, b)
	}
	if err := c.mayAsk(ctx, &b); err != nil {
		return c.saveLater(ctx, crew, b, err)
	}
	if b.State.Dead() {
		return b, nil
	}
	b.changes, b.edited = nil, false
	b.under = c.Writer.Clock.Dot(b.State)
	b, err := crew.Apply(b)
	if err != nil {
		return b, err
	}
	changes := b.changes.Against(b.State)
	if len(changes) == 0 && len(c.Doubts) == 0 && !b.Lacking() {
		return b, nil // another request has written the same
	}
	// A save in doubt is written over even without a change, so that it meets
	// another version if it arrives late.
	dot, sent := b.under, c.Writer.Clock.Now()
	st := b.State.Write(changes, dot).Seen(sent)
	v, err := c.send(ctx, crew, b, st)
	switch {
	case err == nil:
		return c.saved(b, st, v, sent, dot), nil
	case errors.Is(err, failure.ErrTooLarge) && crew.Split():
		return c.saveOnce(ctx, crew, b) // the change that is too large may be another member's
	case errors.Is(err, failure.ErrNotAsked):
		return c.saveLater(ctx, crew, b, err)
	case failure.IsAway(err):
		b.sent = dot
		return c.lookAfter(ctx, crew, b, st, sent, err)
	}
	return b, err
}

// mayAsk returns an error if the store must not be asked to take b. If the store lacks the
// session, mayAsk finds out first whether it may be restored. If it must not, and its end could be
// noted, b is dead afterwards and the error nil.
func (c *Commit) mayAsk(ctx context.Context, b *base) error {
	if b.Away() || !c.Writer.Shards.TakesSaves(c.ID) {
		return failure.ErrNotAsked
	}
	err := c.prepareRestore(ctx, &b.Loaded)
	if b.State.Dead() {
		return nil
	}
	return err
}

// saved returns b after a save of st under dot, which was sent at that time.
func (c *Commit) saved(b base, st state.State, v record.Version, sent time.Time, dot state.Dot) base {
	b.State = st
	b.Supersedes = state.MarkDurable(b.Supersedes)
	b.Confirm(v, sent, dot.Clock)
	b.sent = state.Dot{}
	b.wrote = true
	c.Writer.remember(b.Copy)
	return b
}
