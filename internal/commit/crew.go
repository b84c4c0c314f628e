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

// base is the session on which the commits of a crew make their changes, and then
// the session with these changes.
type base struct {
	lookup.Loaded
	changes state.Changes // of all members so far
	edited  bool          // a member has edits, whatever they come to
	later   bool          // the store does not answer; journal and copies take the changes
	whole   bool          // the changes are in the state already, under sent
	under   state.Dot     // of the save that the changes are made for
	sent    state.Dot     // of a save without an answer; zero: there is none
	dropped bool          // the journal had no room
	pending bool          // journal and copies took it, not the store
	wrote   bool
}

// lead saves the changes of all members in one compare-and-set. After a conflict it
// reads the session and tries again, until the budget ends.
func (c *Commit) lead(ctx context.Context, crew *groupcommit.Crew[base]) (base, error) {
	b, err := c.leadOn(ctx, crew)
	c.release(crew)
	return b, err
}

// leadOn is lead, and leaves what it held where a hook panics.
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
		version, late := b.Version, !c.Writer.Clock.Now().Before(end)
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
// crew before it, or else the store's record where the store must be asked, joined
// with the copies of all members.
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
	b = c.ontoJournal(b)
	mayAnswer := b.Away() && c.Writer.Clock.Now().Sub(b.AwaySince) >= askAgain
	if !b.State.Dead() && (len(c.Doubts) > 0 || mayAnswer) {
		l := c.reread(ctx, c.known(b))
		if l.Phase == lookup.Unknown {
			return b, l.Err
		}
		b = c.onto(b, l)
	}
	return b, nil
}

// takeOver returns what the crew's changes are made on where another member has led
// until now. Where that one has panicked, the save that it sent may be done.
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
	return lookup.Known{Copy: b.Copy, Found: c.Writer.Copies}
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

// doubt notes that a save of the commit's changes had no answer.
func (c *Commit) doubt(sent state.Dot) {
	if n := len(c.Doubts); n > 0 && c.Doubts[n-1].Dot() == sent {
		return
	}
	c.Doubts = append(c.Doubts[:len(c.Doubts):len(c.Doubts)], state.NewInDoubt(sent, c.Edits))
}

// saveOnce makes the crew's changes on b and tries once to save what they come to.
// It fails with failure.ErrConflict where another writer came first.
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

// send saves st, which the changes make of b. Where a hook panics before what became of
// the save is taken over, it is in doubt: for this commit, and for the members that it
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

// release notes that what became of a save is known.
func (c *Commit) release(crew *groupcommit.Crew[base]) {
	c.sending = state.Dot{}
	crew.Release()
}

// Interrupted is for a commit that a panic of a hook has ended: what it has sent is in
// doubt.
func (c *Commit) Interrupted() {
	if c.sending != (state.Dot{}) {
		c.doubt(c.sending)
	}
}

// mayAsk returns why the store cannot take b now. Where the store lacks the session,
// mayAsk makes sure first that it may be restored; b is dead afterwards where it may
// not.
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

// lookAfter finds out, within a budget of its own, what became of a save that had no
// answer. The save stands, or the previous version is still there and lookAfter sends the
// save again, or another writer has written. Where the store does not answer this
// either, the journal takes the state.
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
		// It has lost the session, and nobody has written over what it lacks: the save
		// keeps its dot, behind which others may have written by now.
	case err == nil, errors.Is(err, failure.ErrNotFound):
		return b, failure.ErrConflict
	case !failure.IsAway(cause):
		return b, cause
	}
	b.State = st
	b.whole = true
	return c.keepWhole(ctx, crew, b)
}

// vouches reports whether the session can live by what the crew knows alone.
func (c *Commit) vouches(b base) bool {
	return c.Writer.Copies && !c.Writer.StoreOnly() && c.Writer.Reader.CopyVouches(b.Copy)
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
// requests that the store lacks, or the tombstone.
func (c *Commit) ontoJournal(b base) base {
	if !c.Writer.Copies || b.State.Dead() {
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

// keep gives b to the journal and to the members' copies. Where the session has ended
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

// standIn notes that a copy stands in for the store. The time of the first missing
// answer stays, so that commits in close succession ask the store again a second
// later.
func (c *Commit) standIn(l *lookup.Loaded) {
	if !l.Away() {
		l.AwaySince = c.Writer.Clock.Now()
	}
	l.Source = lookup.FromBackup
	l.Lack()
}

// deadBase is what the commits of a session that has ended are made on.
func deadBase(id string, d state.Death) base {
	return base{Loaded: lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{ID: id, State: state.State{Death: d}}}}
}

// mayWriteLater returns an error that says why the commit cannot do without the store,
// or nil if it can.
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
