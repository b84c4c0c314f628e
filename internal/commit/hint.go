package commit

import (
	"context"
	"fmt"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/groupcommit"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
)

// saveLater makes the crew's changes without saving them to the store, because of
// cause: the state goes to the journal and to the members' copies. If the store still
// answers loads, saveLater loads the session once more, and makes the changes on that
// record even if no copy vouches for the session.
func (c *Commit) saveLater(ctx context.Context, crew *groupcommit.Crew[base], b base, cause error) (base, error) {
	if !failure.IsAway(cause) {
		return b, cause
	}
	stands := c.onlyLoads(b.Loaded)
	if stands {
		l := c.reread(ctx, c.known(b))
		if l.Phase == lookup.Unknown {
			return b, l.Err
		}
		b = c.onto(b, l)
	}
	if b.State.Dead() {
		return b, nil
	}
	if !stands && !c.vouches(b) {
		return b, cause
	}
	b = c.ontoJournal(b)
	if b.State.Dead() {
		return b, nil
	}
	b.changes, b.edited = nil, false
	b.later = true
	b.under = c.Writer.Clock.Dot(b.State)
	b, err := crew.Apply(b)
	if err != nil {
		return b, err
	}
	changes := b.changes.Against(b.State)
	if len(changes) == 0 && !b.edited {
		return b, nil // no member has changed anything
	}
	if len(changes) > 0 {
		b.State = b.State.Write(changes, b.under).Seen(c.Writer.Clock.Now())
	}
	return c.keep(ctx, b), nil
}

// ontoJournal joins in what the journal knows of the session: writes of other
// requests that the store lacks, the tombstone, or the revocation of its user.
func (c *Commit) ontoJournal(b base) base {
	if b.State.Dead() {
		return b
	}
	if d, dead := c.Writer.Shards.LoginRevoked(b.State); dead {
		return deadBase(c.ID, d)
	}
	if !c.Writer.Copies {
		return b
	}
	s := c.Writer.Shards.Of(c.ID)
	if t, ok := s.Tombstone(c.ID); ok && !t.IfStored {
		return deadBase(c.ID, t.Death)
	}
	known, ok := s.Copy(c.ID)
	if !ok {
		return b
	}
	known.State = c.Writer.Reader.Settled(known.State, known.Saved, b.State)
	if joined := state.Join(b.State, known.State); !joined.Equal(b.State) {
		b.State = joined
		b.Saved = min(b.Saved, known.Saved)
		b.Lack()
	}
	return b
}

// keep gives b to the journal and to the members' copies. If the session has ended
// meanwhile, b is dead.
func (c *Commit) keep(ctx context.Context, b base) base {
	kept, ended := c.Writer.Shards.Of(c.ID).AddHint(ctx, b.Copy)
	if ended.Reason != 0 {
		return deadBase(c.ID, ended)
	}
	b.dropped = !kept
	c.standIn(&b.Loaded)
	b.sent = state.Dot{}
	b.wrote, b.pending = true, true
	return b
}

// standIn notes that a copy stands in for the store. The time of the first missing answer
// stays, so that frequent commits still retry the store after askAgain.
func (c *Commit) standIn(l *lookup.Loaded) {
	if !l.Away() {
		l.AwaySince = c.Writer.Clock.Now()
	}
	l.Source = lookup.FromBackup
	l.Lack()
}

// deadBase returns the base for the commits of a session that has ended.
func deadBase(id string, d state.Death) base {
	return base{Loaded: lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{ID: id, State: state.State{Death: d}}}}
}

// vouches reports whether the session can live by what the crew knows alone.
func (c *Commit) vouches(b base) bool {
	return c.Writer.Copies && !c.Writer.StoreOnly() && c.Writer.Reader.CopyVouches(b.Copy)
}

// mayWriteLater returns why the commit cannot do without the store, or nil if it can.
func (c *Commit) mayWriteLater(b base) error {
	err := c.checkLater(b)
	switch {
	case err == nil:
		return nil
	case b.whole:
		return fmt.Errorf("%w: it may have happened: %w", failure.ErrUnavailable, err)
	}
	return err
}

// checkLater is mayWriteLater for a save that cannot have happened.
func (c *Commit) checkLater(b base) error {
	if !c.travels() {
		return failure.ErrNotAsked
	}
	if !c.onlyLoads(b.Loaded) {
		if err := c.checkBase(); err != nil {
			return err
		}
	}
	l := b.Copy
	if !b.whole {
		if changes := c.Changes.Against(l.State); len(changes) > 0 {
			l.State = l.State.Write(changes, c.Writer.Clock.Dot(l.State))
		}
	}
	if err := c.checkFits(l); err != nil {
		return fmt.Errorf("%w: %w: %w", failure.ErrUnavailable, err, failure.ErrNotAsked)
	}
	return nil
}
