package commit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/audit"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// errWithheld is the error of a write that would implicitly begin a session, without Renew or
// StartNew: its cookie would take the place of the one that was held back.
var errWithheld = fmt.Errorf("%w: another site has made this request, and the browser held the session's cookie back", failure.ErrNoSession)

// create begins a session. A record that it leaves behind when it fails half-way is
// unreachable, because its token was never sent.
func (c *Commit) create(ctx context.Context) error {
	if c.Phase == lookup.Dead && c.Renewal == KeepID && c.State.Death.Reason != state.Revoked {
		// A death far in the future is of another clock, or this clock was set back.
		if age := c.Writer.Clock.Now().Sub(c.State.Death.Time()); age < graceAfterDeath && age > -state.MaxAhead {
			return failure.ErrEnded
		}
	}
	if c.Withheld && c.Phase == lookup.Nobody && c.Renewal == KeepID {
		return errWithheld
	}
	t, st := c.Writer.NewToken(ctx), c.Writer.Begin()
	if c.Unsaved() {
		t, st = c.Held, c.State
	}
	st = st.Write(c.Changes.Against(st), c.Writer.Clock.Dot(st))
	if c.Changes.Sets(state.StayEntry) {
		st.End = c.Writer.Storage.EndOf(&st, c.Writer.Clock.Now()).UnixMilli()
	}
	l := lookup.Loaded{
		Phase: lookup.Live, Source: lookup.FromStore,
		Copy: state.Copy{ID: t.ID(), State: st, Confirmed: st.Created, Saved: st.Entries.Latest()},
	}
	v, err := c.Writer.Storage.Save(ctx, l.ID, st, record.Absent)
	if errors.Is(err, failure.ErrConflict) {
		err = c.Writer.Shards.Refused(ctx, l.ID, record.Absent)
	}
	if l.Version = v; err != nil {
		l.MarkNeverStored()
		l.Saved = 0
		if err = c.keepNew(ctx, &l, err); err != nil {
			return err
		}
	}
	c.begun(t, l.Copy)
	if c.Replaced != "" {
		l.Supersedes, err = c.endReplaced(ctx, &st)
	}
	// The new session exists even if err says that the store did not answer the save of the
	// old one's tombstone: see move.
	c.Loaded = l
	return err
}

// begun notes that the session exists. One that was adopted has the login of the old session from
// its first state on, so that no change of it lists the session.
func (c *Commit) begun(t token.Token, session state.Copy) {
	c.Token, c.Begun = t, true
	if listed := c.Writer.Reader.OnRefresh; c.Adopted && listed != nil {
		listed(state.Copy{}, session)
	}
}

// endReplaced ends the session in whose place this commit has begun st. If that knows no user, the
// audit log is told of the end of a session that does: nothing else would name its user.
func (c *Commit) endReplaced(ctx context.Context, st *state.State) ([]state.Superseded, error) {
	// The store was not asked for it: the client may have made its token up.
	t := journal.IfLive(c.Replaced, c.Writer.Clock.Death(state.Renewed))
	t.Unverified, t.IfStored = !c.Vouched, !c.Vouched
	var before lookup.Loaded
	r := c.Writer.Reader
	if _, known := st.Login(); !known && r.Audit != nil && r.Audit.Ended != nil {
		before = r.GoesOn(ctx, r.Fetch(ctx, c.Replaced, lookup.Known{}, true))
	}
	d, line, err := c.Writer.End(ctx, &t, record.Any)
	if _, known := before.State.Login(); known && err == nil {
		r.Ended(ctx, c.Replaced, before, line, audit.Visitor, d)
	}
	return line, err
}

// move tries once to give the session a new ID. It creates the new record first and
// ends the old one over the version that it copied, so that no write to the old one
// is lost. A new record whose token was never sent needs no cleanup.
func (c *Commit) move(ctx context.Context) error {
	if !c.tombstone.Dead() {
		if c.Renewal == RotateID {
			c.Token, c.tombstone = c.Writer.rotate(c.Held)
		} else {
			c.renew(ctx)
		}
	}
	if c.leadsByStore() {
		if err := c.reload(ctx); err != nil {
			return err
		}
	}
	if err := c.checkEnded(); err != nil {
		return err
	}
	if c.Away() {
		return c.moveLater(ctx, failure.ErrNotAsked)
	}
	if err := c.joinJournal(); err != nil {
		return err // what waits there goes with the old session
	}
	if err := c.prepareRestore(ctx, &c.Loaded); err != nil {
		return c.moveLater(ctx, err)
	}
	l, sent := c.successor(), c.Writer.Clock.Now()
	copied, err := c.Writer.Storage.Save(ctx, l.ID, l.State, c.copied)
	if err != nil {
		return c.notCopied(ctx, l.ID, err)
	}
	c.copied = copied
	err = c.saveTombstone(ctx)
	switch {
	case err == nil:
		c.Writer.Shards.Wrote(ctx, c.ID, c.tombstone.Death)
		l.Supersedes[len(l.Supersedes)-1].Durable = true
	case !failure.IsAway(err):
		return err
	case c.vouchedByCopy():
		err = c.transferTo(ctx, l.ID)
		if c.Pending = err == nil; errors.Is(err, failure.ErrEnded) {
			return err
		}
	case c.Renewal == RotateID:
		err = nil // every change is saved: decision 39
	}
	// Without an answer the old session may have ended, and the visitor may have
	// only the new one. The answer sends its token beside the error: decision 13.
	l.Confirm(copied, sent, l.State.Entries.Latest())
	c.Writer.remember(l.Copy)
	c.Loaded = l
	c.Begun, c.wrote = true, err == nil
	return err
}

// notCopied decides what follows if the store did not take the new record.
func (c *Commit) notCopied(ctx context.Context, id string, err error) error {
	switch {
	case !errors.Is(err, failure.ErrConflict):
		return c.moveLater(ctx, err)
	case c.copied != record.Absent:
		// Only this commit writes under the new ID, so the store has lost the record of the
		// attempt before. It may have lost the session too: the next attempt reads it first.
		c.copied = record.Absent
		return err
	}
	return c.moveLater(ctx, fmt.Errorf("renew: %w", c.Writer.Shards.Refused(ctx, id, record.Absent)))
}

// renew gives the session its new token, and the tombstone which names the session of
// that token.
func (c *Commit) renew(ctx context.Context) {
	c.Token = c.Writer.NewToken(ctx)
	c.tombstone = state.State{Death: c.Writer.Clock.Death(state.Renewed).Follow(c.Token.ID())}
}

// saveTombstone ends the session that move has given a new ID. If the store does not answer,
// this process may know that another request ended or moved the session first; then the new
// token is never sent.
func (c *Commit) saveTombstone(ctx context.Context) error {
	_, err := c.Writer.Storage.Save(ctx, c.ID, c.tombstone, c.Version)
	if c.Renewal == RotateID && errors.Is(err, failure.ErrUnavailable) {
		err = c.lookAgain(ctx, err)
	}
	if failure.IsAway(err) {
		if ended := c.checkEnded(); ended != nil {
			return ended
		}
	}
	return err
}

// checkEnded fails if this process knows that another writer has ended or rotated the session, or
// that its login was revoked: the store may not have that yet.
func (c *Commit) checkEnded() error {
	t, known := c.Writer.Shards.Tombstone(c.ID)
	if !known || t.IfStored || t.Death.Dot == c.tombstone.Death.Dot {
		return c.checkLogin()
	}
	return c.rebase(lookup.Loaded{Copy: state.Copy{State: state.State{Death: t.Death}}})
}

// checkLogin fails if the login to the session was revoked, unless this commit is another
// login.
func (c *Commit) checkLogin() error {
	d, dead := c.Writer.Shards.LoginRevoked(c.State)
	if !dead || c.Changes.Sets(state.LoginEntry) {
		return nil
	}
	return c.rebase(lookup.Loaded{Copy: state.Copy{State: state.State{Death: d}}})
}

// successor returns the session under its new ID, and notes which one that replaces.
func (c *Commit) successor() lookup.Loaded {
	l, now := c.Loaded, c.Writer.Begin()
	c.Previous = c.ID
	l.ID = c.Token.ID()
	l.State = l.State.Write(c.Changes.Against(l.State), c.Writer.Clock.Dot(l.State))
	if c.Renewal == RotateID {
		l.State.Rotated, l.State.LastSeen = now.LastSeen, now.LastSeen
	} else {
		l.State.Authenticated, l.State.LastSeen = now.Authenticated, now.LastSeen
		l.State.End = c.Writer.Storage.EndOf(&l.State, time.UnixMilli(now.Authenticated)).UnixMilli()
		l.State.Rotated = 0
	}
	l.Supersedes = state.AddSuperseded(l.Supersedes, state.Superseded{ID: c.ID, Dot: c.tombstone.Death.Dot, Predecessor: true, NeverStored: l.NeverStored})
	return l
}
