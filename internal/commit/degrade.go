package commit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

// askAgain is how long a request does without a store that did not answer before it asks the
// store again.
const askAgain = time.Second

// worthAsking reports whether the store has answered this commit's request, or failed
// to at least askAgain ago.
func (c *Commit) worthAsking() bool { return c.Writer.Clock.Now().Sub(c.AwaySince) >= askAgain }

// worthMending reports whether the store lacks something and may take it.
func (c *Commit) worthMending() bool {
	return c.Lacking() && !c.ReadOnly && c.worthAsking() && c.Writer.Shards.TakesSaves(c.ID)
}

// onlyLoads reports whether the store has answered for l, and takes no saves.
func (c *Commit) onlyLoads(l lookup.Loaded) bool {
	return !l.Away() && !c.Writer.Shards.TakesSaves(c.ID)
}

// travels reports whether a copy of the session goes to its visitor.
func (c *Commit) travels() bool {
	hasCopies := c.Writer.Copies
	return hasCopies && !c.Fresh && !c.Writer.StoreOnly()
}

// vouchedByCopy reports whether a copy can stand in for the store.
func (c *Commit) vouchedByCopy() bool { return c.travels() && c.Writer.Reader.CopyVouches(c.Copy) }

// knownCopy returns the commit's copy, for a load to join with the store's answer.
func (c *Commit) knownCopy() lookup.Known {
	b := c.Copy
	return lookup.KnownAs(&b, c.Writer.Copies)
}

// renewLater gives the session a new ID without the store. The copy has the new ID from now
// on, and the old session ends once the store answers.
func (c *Commit) renewLater(ctx context.Context, cause error) error {
	if !failure.IsAway(cause) || !c.vouchedByCopy() {
		return cause
	}
	if c.onlyLoads(c.Loaded) {
		if err := c.reload(ctx); err != nil {
			return err
		}
	} else if err := c.checkBase(); err != nil {
		return err
	}
	if err := c.rebaseOnJournal(); err != nil {
		return err
	}
	if !c.tombstone.Dead() {
		c.renew(ctx)
	}
	if state.DropsUnsettled(c.Supersedes) {
		return fmt.Errorf("%w: renewed too often without the store: %w", failure.ErrUnavailable, cause)
	}
	l := c.successor()
	l.Version = record.Absent
	l.MarkNeverStored()
	if err := c.keepNew(ctx, &l, cause); err != nil {
		return err
	}
	if err := c.transferTo(ctx, l.ID); err != nil {
		return err
	}
	c.Begun = true
	c.Loaded = l
	return nil
}

// rebaseOnJournal joins in what other requests of this process have written
// meanwhile and the store lacks too.
func (c *Commit) rebaseOnJournal() error {
	s := c.Writer.Shards.Of(c.ID)
	if g, ok := s.Tombstone(c.ID); ok {
		return c.rebase(lookup.Loaded{Copy: state.Copy{State: state.State{Death: g.Death}}})
	}
	if err := c.checkLogin(); err != nil {
		return err
	}
	return c.joinJournal()
}

// joinJournal is rebaseOnJournal for a commit that checks itself whether the session has
// ended.
func (c *Commit) joinJournal() error {
	b, ok := c.Writer.Shards.Copy(c.ID)
	if !ok {
		return nil
	}
	if b.State.Equal(c.State) {
		return nil
	}
	l := c.Loaded
	l.State = c.Writer.Reader.Settled(b.State, b.Saved, c.State)
	l.Saved = min(l.Saved, b.Saved)
	return c.rebase(l)
}

// transferTo gives the journal the tombstone of the session, which names the successor.
// If another writer has ended the session, the successor ends too.
func (c *Commit) transferTo(ctx context.Context, successor string) error {
	if err := c.Writer.Shards.Of(c.ID).AddTombstone(ctx, journal.Moved(c.ID, c.tombstone.Death, successor)); err != nil {
		return err
	}
	if g, ok := c.Writer.Shards.Of(successor).Tombstone(successor); ok {
		return c.rebase(lookup.Loaded{Copy: state.Copy{State: state.State{Death: g.Death}}})
	}
	return nil
}

// keepNew gives the state of a new ID to the journal, and makes sure that a copy can
// take what this commit has changed.
func (c *Commit) keepNew(ctx context.Context, l *lookup.Loaded, cause error) error {
	m := c.Writer
	if !failure.IsAway(cause) || !c.travels() {
		return cause
	}
	if err := c.checkFits(l.Copy); err != nil {
		return fmt.Errorf("%w: %w: %w", failure.ErrUnavailable, err, cause)
	}
	kept, ended := m.Shards.Of(l.ID).AddHint(ctx, l.Copy)
	if ended.Reason != 0 {
		return failure.ErrEnded
	}
	if !kept && !c.CanSend {
		return fmt.Errorf("%w: the journal is full: %w", failure.ErrUnavailable, cause)
	}
	c.standIn(l)
	c.wrote, c.Pending = true, true
	return nil
}

// checkBase returns why an Update cannot run on what the commit knows: this process may have
// forgotten what other requests have saved since the session was read. A Set does not depend
// on that.
func (c *Commit) checkBase() error {
	if c.Use != nil && state.Steps(c.Edits) && c.Writer.Reader.InUse.Lost(c.Use) {
		return fmt.Errorf("%w: what others have saved since the session was read was dropped, because the journal is full, and the store does not tell it", failure.ErrUnavailable)
	}
	if c.ForgottenSince.IsZero() || c.Writer.Clock.Now().Sub(c.ForgottenSince) < failover.Lately || !state.Steps(c.Edits) {
		return nil
	}
	if _, known := c.Writer.Shards.Of(c.ID).Copy(c.ID); known {
		return nil // the journal's copy has all that was saved before it
	}
	return fmt.Errorf("%w: the session was read too long ago for an Update, and the store does not tell what others have saved since", failure.ErrUnavailable)
}

// checkFits returns why the answer cannot take a copy with what this commit has changed.
// The copy leaves out values that the store has, if there is no room for them.
func (c *Commit) checkFits(b state.Copy) error {
	for _, e := range c.Edits {
		if e.Flags&state.ServerOnly != 0 && c.Changes.Sets(e.Name) {
			return fmt.Errorf("key %s is ServerOnly, and the store is away", e.Name)
		}
	}
	if !c.CanSend {
		return nil
	}
	most := math.MaxInt
	if c.Answer != nil {
		begins := b.ID != c.ID || c.Unsaved()
		most = c.Answer.Room(c.Writer.Storage.CookieEnd(&b.State), begins)
	}
	return c.Writer.CheckRoom(b, most)
}

// prepareRestore makes sure that l may be put into a store that lacks it. If another
// writer has ended the session, l is dead afterwards.
func (c *Commit) prepareRestore(ctx context.Context, l *lookup.Loaded) error {
	if l.Placement != lookup.Missing {
		return nil
	}
	if !c.Writer.Shards.AllowRestore() {
		return failure.ErrNotAsked
	}
	more, err := c.Writer.Shards.PrepareRestore(ctx, l.Copy, true)
	if errors.Is(err, failure.ErrEnded) {
		return c.endUnrestored(ctx, l)
	}
	if err == nil {
		l.State.Entries = state.JoinEntries(l.State.Entries, more)
		c.Writer.Restored.Add(1)
	}
	return err
}

// endUnrestored notes that l has ended, although the store has nothing of it. If the
// revocation logs have just said so, their tombstone counts: a tombstone by another writer
// would also end the session that a Renew has made of this one. Otherwise the session ends
// with its predecessor.
func (c *Commit) endUnrestored(ctx context.Context, l *lookup.Loaded) error {
	if t, known := c.Writer.Shards.Tombstone(c.ID); known && !t.IfStored {
		*l = lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{ID: c.ID, State: state.State{Death: t.Death}}}
		_ = c.Writer.Shards.Of(c.ID).AddTombstone(ctx, t.Missing())
		return failure.ErrEnded
	}
	if d, dead := c.Writer.Shards.LoginRevoked(l.State); dead {
		*l = lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{ID: c.ID, State: state.State{Death: d}}}
		return failure.ErrEnded
	}
	tombstone := state.State{Death: c.Writer.Clock.Death(state.Revoked)}
	t := journal.Stored(c.ID, tombstone.Death)
	if _, err := c.Writer.Shards.EndOne(ctx, &t, record.Any); err != nil {
		return err
	}
	*l = lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{ID: c.ID, State: tombstone}}
	return failure.ErrEnded
}

// repair saves what the store lacks of a session that the request did not change. A
// failure is not reported, because the session is as it was before.
func (c *Commit) repair(ctx context.Context) {
	before := *c
	if err := c.save(ctx); err != nil || c.Pending {
		if c.Phase != lookup.Dead {
			*c = before
		}
	}
}
