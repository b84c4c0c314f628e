package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// graceAfterDeath is how long a write under the token of a session that its own
// client has renewed or destroyed is refused instead of beginning a new one: the
// answer that says so, after a login in another tab, may still be on its way.
// After Revoke no answer is on its way, and the client begins anew at once.
const graceAfterDeath = 30 * time.Second

// commit is one save of what a request has changed: apply, compare and set,
// and on conflict load, join and again, until the budget ends.
type commit struct {
	m *Manager
	loaded
	held    token.Token // that opens the session
	edits   []*state.Edit
	changes state.Changes // what the edits come to on the state
	doubts  []state.InDoubt
	asked   renewal // by the handler
	renewal renewal // that there is to make
	cookies bool    // one can still be sent
	fresh   bool    // RequireStore: never into the backup

	readOnly bool
	adopted  bool // it begins as what an old session was read from
	refusals int  // conflicts over what stood there before and after

	replaced  ID          // the session that ends when this commit begins one
	vouched   bool        // its client has brought a copy of it
	token     token.Token // of the session that this commit begins
	tombstone state.State // of the session that it ends
	copied    Version     // of the new one's record
	begun     bool        // the new one stands
	wrote     bool
	pending   bool // backup and journal took it, not the store

	arriving bool // a rotation was followed, and what it made is not read yet
	followed bool // and it was read: the visitor may not have its token
}

// idleLocked reports whether there is nothing to commit. s.mu is held.
func (s *Session) idleLocked() bool {
	unchanged := len(s.edits) == 0 && len(s.changes) == 0 && len(s.doubts) == 0
	return s.fault.err == nil && unchanged && s.renewal == keepID && !s.loaded.lacking()
}

// commit saves what is not saved yet. cookies tells whether one can still be
// sent. s.io is held.
func (s *Session) commit(ctx context.Context, cookies bool) (Durability, error) {
	c, fault := s.newCommit(ctx, cookies)
	if fault != nil {
		return 0, fault
	}
	var err error
	switch c.plan() {
	case nothingToSave:
		return Durable, nil
	case cannotSave:
		return 0, ErrTooLate
	case onlyMend:
		c.mend(ctx)
	case sameAsLoaded: // but edits that came to nothing are done
	case saveChanges:
		err = c.run(ctx)
	}
	s.apply(ctx, &c, err)
	return c.outcome(err)
}

// newCommit takes what there is to save. It returns the error of an earlier write,
// if there is one: then nothing is saved.
func (s *Session) newCommit(ctx context.Context, cookies bool) (c commit, fault error) {
	s.openReplaced(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	c = commit{
		m: s.m, loaded: s.loaded, held: s.held, edits: s.edits, changes: s.changes, doubts: s.doubts,
		asked: s.renewal, renewal: s.renewal, replaced: s.replaced, cookies: cookies, fresh: s.fresh,
		readOnly: s.readOnly, vouched: s.parcel.vouched(),
	}
	c.adopted = c.unsaved()
	fault = s.fault.err
	if !cookies && fault != nil {
		// It is answered once: there is no response left to replace.
		s.refused, s.fault = s.fault, refusal{}
	}
	if c.renewal == turnID && (c.phase != live || !cookies || over(s.ctx)) {
		c.renewal = keepID // there is no token to exchange, or nobody to give the new one to
	}
	return c, fault
}

// openReplaced reads the copies that the visitor brought, where Begin ends a session
// that it has not asked for: whether there is a copy says whether there was one.
func (s *Session) openReplaced(ctx context.Context) {
	s.mu.Lock()
	p := s.parcel
	unread := s.replaced != "" && p != nil && p.in == nil
	s.mu.Unlock()
	if unread {
		p.open(ctx, s)
	}
}

// plan is what a commit comes to, before the store is asked.
type plan uint8

const (
	saveChanges   plan = iota
	nothingToSave      // neither here nor in the store
	sameAsLoaded       // the edits come to what is there: they are done
	onlyMend           // likewise, and the store lacks something
	cannotSave         // what there is to save needs a cookie
)

// plan decides what there is to do.
func (c *commit) plan() plan {
	if c.changed() {
		if !c.cookies && c.needsCookie() {
			return cannotSave
		}
		return saveChanges
	}
	if c.phase != live {
		return nothingToSave
	}
	if c.unsaved() {
		if c.readOnly || !c.cookies {
			return nothingToSave // it is shown, and a later answer can send its token
		}
		return saveChanges
	}
	switch {
	case c.renewal != keepID && !c.cookies:
		return cannotSave
	case c.renewal != keepID:
		return saveChanges
	case c.lacking() && !c.readOnly && c.worthAsking():
		return onlyMend
	case len(c.edits) > 0:
		return sameAsLoaded
	}
	return nothingToSave
}

// changed reports whether there is something to save of the values.
func (c *commit) changed() bool {
	return len(c.doubts) > 0 || len(c.changes.Against(c.State)) > 0
}

// needsCookie reports whether the visitor must be given a token.
func (c *commit) needsCookie() bool { return c.begins() || c.renewal != keepID }

// begins reports whether the commit creates the session.
func (c *commit) begins() bool { return c.phase != live || c.unsaved() }

// apply makes what has become of the commit what the session stands on. s.io is
// held.
func (s *Session) apply(ctx context.Context, c *commit, err error) {
	tooLarge := errors.Is(err, ErrTooLarge) && !c.cookies // or no later change could be saved
	finished := err == nil || tooLarge
	if finished || c.begun {
		c.giveUpEdits()
	}
	s.mu.Lock()
	moved := s.applyLocked(c, err)
	s.mu.Unlock()
	if c.begun && c.adopted {
		s.endTaken(ctx)
	}
	if c.begun && c.renewal == newValues {
		_, _ = s.endAdoption(ctx, &c.loaded) // as well as it can: StartNew works without the store
	}
	if moved && c.phase == live && s.parcel != nil {
		s.parcel.dirty = true
	}
	if finished || moved {
		if err := s.settle(c.loaded); err != nil {
			_ = s.failed(err)
		}
	}
}

// giveUpEdits marks the edits that are saved, or that cannot be.
func (c *commit) giveUpEdits() {
	for _, e := range c.edits {
		e.Done = true
	}
	c.doubts = nil
}

// applyLocked takes over what the commit has done to the token, and what is in
// doubt. It reports whether the session is another one than before. s.mu is held.
func (s *Session) applyLocked(c *commit, err error) (moved bool) {
	s.doubts = c.doubts
	switch {
	case c.begun:
		s.held, s.token = c.token, c.token
		s.tokenEnd = c.State.End
		s.notice = sendToken
	case c.followed:
		s.pass(c.held, c.State.End)
	}
	renewed := err == nil && c.asked != keepID
	if renewed || c.begun {
		s.renewal, s.replaced = keepID, ""
	}
	if errors.Is(err, ErrEnded) && c.cookies {
		_ = s.fail(err) // what was changed is gone: do not answer as if it were not
	}
	moved = c.version != s.loaded.version || c.phase != s.loaded.phase || c.pending
	s.written = s.written || moved && c.phase == live
	return moved
}

// outcome is what the caller is told.
func (c *commit) outcome(err error) (Durability, error) {
	var again *againError
	switch {
	case errors.As(err, &again):
		return 0, again.err
	case err != nil:
		return 0, err
	case c.pending && !c.cookies:
		return Pending, ErrPending
	case c.pending:
		return Pending, nil
	}
	return Durable, nil
}

func (c *commit) run(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	if c.begins() {
		return c.create(ctx)
	}
	return c.followRotations(ctx)
}

// write saves the session under the ID that it has.
func (c *commit) write(ctx context.Context) (err error) {
	turn, err := c.m.commits.Enter(c.m.turns.After(ctx, time.Now(), 2*c.m.options.SaveTimeout), ID(c.ID))
	if err != nil {
		// The store may be well: this write waited for others of its session.
		return fmt.Errorf("%w: waiting for other requests of session %s: %w", ErrUnavailable, c.ID, err)
	}
	defer turn.Leave()
	defer func() {
		if turned := (*turnedError)(nil); errors.As(err, &turned) {
			turn.Pass(loaded{phase: dead, Copy: state.Copy{State: state.State{Death: turned.death}}})
		}
	}()
	end := c.m.attempts()
	last, passed := turn.Last()
	if err := c.catchUp(ctx, last, passed); err != nil {
		return err
	}
	c.refusals = 0
	for attempt := 1; ; attempt++ {
		if c.renewal == keepID {
			err = c.update(ctx)
		} else {
			err = c.move(ctx)
		}
		if c.wrote {
			turn.Pass(c.last())
		}
		if c.begun || !errors.Is(err, ErrConflict) {
			return err // what has begun is begun once
		}
		if c.m.hooks.Conflict != nil {
			c.m.hooks.Conflict(ctx, ID(c.ID), attempt)
		}
		if err := c.afterConflict(ctx, end); err != nil {
			return err
		}
	}
}

// catchUp takes in what happened before this commit had its turn: what the commit
// before it has passed on, or else what the store has where it must be asked.
func (c *commit) catchUp(ctx context.Context, last loaded, passed bool) error {
	var err error
	switch {
	case c.arriving && (!passed || len(c.doubts) > 0):
		err = c.arrive(ctx)
	case passed:
		c.yield(last)
		err = c.meet(last)
	}
	if err != nil {
		return err
	}
	mayAnswer := c.away() && c.worthAsking()
	if len(c.doubts) > 0 || mayAnswer {
		return c.reload(ctx)
	}
	return nil
}

// afterConflict takes in what another writer has written. It fails where that
// takes longer than until end, and where nobody else can have written.
//
// Without an answer at the end it is the store that fails, and not the others
// who are faster.
func (c *commit) afterConflict(ctx context.Context, end time.Time) error {
	version, late := c.version, !c.m.now().Before(end)
	err := c.reload(ctx)
	if err != nil {
		if late {
			c.m.failed(ctx, OperationSave, ID(c.ID), err)
		}
		return err
	}
	if c.away() {
		return nil
	}
	if c.version == version {
		c.refusals++
	}
	switch {
	case c.refusals > 1: // once may be a cache's mistake
		return c.m.refused(ctx, ID(c.ID), version)
	case late:
		err = fmt.Errorf("%w: too many concurrent writes of session %s", ErrUnavailable, c.ID)
		c.m.failed(ctx, OperationSave, ID(c.ID), err)
	}
	return err
}

// last is what the next commit of the same session goes on from.
func (c *commit) last() loaded {
	if c.tombstone.Dead() {
		return loaded{phase: dead, Copy: state.Copy{State: c.tombstone}}
	}
	return c.loaded
}

// create begins a session. Should it fail half-way, what it left behind is out
// of reach: nobody was given its token.
func (c *commit) create(ctx context.Context) error {
	if c.phase == dead && c.renewal == keepID && c.State.Death.Reason != state.Revoked {
		// A death far ahead is of another clock, or this one was set back.
		if age := c.m.now().Sub(c.State.Death.Time()); age < graceAfterDeath && age > -state.MaxAhead {
			return ErrEnded
		}
	}
	t, st := c.m.carrier.NewToken(ctx), c.m.begin()
	if c.unsaved() {
		t, st = c.held, c.State
	}
	st = st.Write(c.changes.Against(st), c.m.stamp(st))
	l := loaded{
		phase: live, source: FromStore,
		Copy: state.Copy{ID: t.ID(), State: st, Confirmed: st.Created, Saved: st.Entries.Latest()},
	}
	v, err := c.m.save(ctx, ID(l.ID), st, Absent)
	if errors.Is(err, ErrConflict) {
		err = c.m.refused(ctx, ID(l.ID), Absent)
	}
	if l.version = v; err != nil {
		l.neverStored()
		l.Saved = 0
		if err = c.entrust(ctx, &l, err); err != nil {
			return err
		}
	}
	c.token, c.begun = t, true
	if c.replaced != "" {
		// Nobody has asked the store for it: it may be a made-up token's.
		g := &journal.Tombstone{ID: string(c.replaced), Death: c.m.tombstone(state.Renewed).Death, IfLive: true, Unverified: !c.vouched, IfStored: !c.vouched}
		_, l.Supersedes, err = c.m.endLine(ctx, g, Any)
	}
	// The old session may have ended without an answer: see move.
	c.loaded = l
	return err
}

// update tries once to write the session where it is.
func (c *commit) update(ctx context.Context) error {
	changes := c.changes.Against(c.State)
	if len(changes) == 0 && len(c.doubts) == 0 && !c.lacking() {
		return nil // what another one wrote is what this one wanted
	}
	if c.away() {
		return c.degrade(ctx, false, errAway)
	}
	if err := c.admit(ctx); err != nil {
		return c.degrade(ctx, false, err)
	}
	// A doubt is saved over even without a change: should its save come late,
	// it finds another version.
	dot, sent := c.m.stamp(c.State), c.m.now()
	st := c.State.Write(changes, dot).Seen(sent)
	v, err := c.m.save(ctx, ID(c.ID), st, c.version)
	switch {
	case err == nil:
		c.State = st
		c.Supersedes = state.MarkDurable(c.Supersedes)
		c.confirm(v, sent, dot.Clock)
		c.wrote = true
	case isAway(err):
		// It may have happened: in the backup it keeps its dot, so that to write
		// it again does no harm.
		l := c.loaded
		if l.State = st; c.backed() && c.entrust(ctx, &l, err) == nil {
			c.loaded = l
			return nil
		}
		c.doubts = append(c.doubts[:len(c.doubts):len(c.doubts)], state.NewInDoubt(dot, c.edits))
	}
	return err
}

// move tries once to bring the session to a new ID: it makes the new record
// first and ends the old one over the version that was copied, so that no
// write to the old one gets lost. A record whose token was not handed out
// needs no cleaning up.
func (c *commit) move(ctx context.Context) error {
	if !c.tombstone.Dead() {
		if c.renewal == turnID {
			c.token, c.tombstone = c.m.rotate(c.held)
		} else {
			c.token, c.tombstone = c.m.carrier.NewToken(ctx), c.m.tombstone(state.Renewed)
		}
	}
	if c.away() {
		return c.moveLater(ctx, errAway)
	}
	if err := c.admit(ctx); err != nil {
		return c.moveLater(ctx, err)
	}
	l, sent := c.renewed(), c.m.now()
	copied, err := c.m.save(ctx, ID(l.ID), l.State, c.copied)
	if errors.Is(err, ErrConflict) {
		err = fmt.Errorf("renew: %w", c.m.refused(ctx, ID(l.ID), c.copied))
	}
	if err != nil {
		return c.moveLater(ctx, err)
	}
	c.copied = copied
	_, err = c.m.save(ctx, ID(c.ID), c.tombstone, c.version)
	if c.renewal == turnID && errors.Is(err, ErrUnavailable) {
		err = c.lookAgain(ctx, err)
	}
	switch {
	case err == nil:
		c.m.remember(ctx, ID(c.ID), c.tombstone.Death)
		l.Supersedes[len(l.Supersedes)-1].Durable = true
	case !isAway(err):
		return err
	case c.backed():
		err = c.bequeath(ctx, ID(l.ID))
		if c.pending = err == nil; errors.Is(err, ErrEnded) {
			return err
		}
	case c.renewal == turnID:
		err = nil // all that there is to save is saved: decision 39
	}
	// Without an answer the old session may have ended, and the new one may be
	// all that the visitor has: the token goes out with the error. Decision 13.
	l.confirm(copied, sent, l.State.Entries.Latest())
	c.loaded = l
	c.begun, c.wrote = true, err == nil
	return err
}

// renewed is the session under its new ID.
func (c *commit) renewed() loaded {
	l, now := c.loaded, c.m.begin()
	l.ID = c.token.ID()
	l.State = l.State.Write(c.changes.Against(l.State), c.m.stamp(l.State))
	if c.renewal == turnID {
		l.State.Rotated, l.State.LastSeen = now.LastSeen, now.LastSeen
	} else {
		l.State.Authenticated, l.State.LastSeen = now.Authenticated, now.LastSeen
		l.State.End, l.State.Rotated = now.End, 0
	}
	l.Supersedes = state.AddSuperseded(l.Supersedes, state.Superseded{ID: c.ID, Dot: c.tombstone.Death.Dot, Heir: true, NeverStored: l.NeverStored})
	return l
}

// reload takes in what another writer has written. A session that is gone has
// ended, unless its backup vouches: that the store still had it when the
// request began says nothing, as a tombstone may have come and gone meanwhile.
func (c *commit) reload(ctx context.Context) error {
	l := c.m.fetch(ctx, ID(c.ID), c.witness(), true)
	switch l.phase {
	case unknown:
		return l.err
	case nobody:
		l = loaded{phase: dead, Copy: state.Copy{State: c.m.tombstone(state.Revoked)}}
	}
	c.yield(l)
	return c.meet(l)
}

// meet joins another copy in and makes the changes again on top.
func (c *commit) meet(l loaded) error {
	if l.State.Dead() {
		if next, ok := c.m.follow(c.held, l.State.Death); ok {
			return &turnedError{next, l.State.Death}
		}
		c.loaded = loaded{phase: dead, Copy: state.Copy{ID: c.ID, State: l.State}, version: l.version}
		return ErrEnded
	}
	if c.arriving {
		c.arriving, c.followed = false, true
		c.source = l.source
	}
	unknown := state.Resolve(c.doubts, l.State)
	c.edits = state.Unsaved(c.edits)
	lacked, born := c.lacking(), c.Born
	c.Copy = c.Join(l.Copy)
	c.Saved = l.Saved // l was told last what the store has
	c.Born = born     // what another request began without the store may have been there since
	c.version = l.version
	c.awaySince = l.awaySince
	c.placement = l.placement
	if lacked && !c.State.Equal(l.State) {
		c.lack()
	}
	if unknown != "" {
		return &againError{unknownUpdate(unknown)}
	}
	changes, failed, err := state.Replay(c.State, c.edits)
	if err != nil {
		failed.Done = true // as if its Update had failed at once
		return &againError{lostValue(err)}
	}
	c.changes = changes
	return nil
}

// unknownUpdate is the error of an Update of which nobody knows whether it was
// saved.
func unknownUpdate(key string) error {
	return fmt.Errorf("%w: whether an Update of key %s was saved is not known", ErrUnavailable, key)
}

// lostValue is the error of an Update that could not run again, because its
// value was withheld from the copy that is left.
func lostValue(err error) error {
	if errors.Is(err, state.ErrWithheld) {
		return ErrLost
	}
	return err
}

// againError is an Update that failed when it was to run again.
type againError struct{ err error }

func (e *againError) Error() string { return e.err.Error() }

// sameValue tells whether a value that could not be read stands as it stood.
func sameValue(name string, a, b state.State) bool {
	x, okX := a.Entries.Find(name)
	y, okY := b.Entries.Find(name)
	return okX && okY && x.Flags == y.Flags && bytes.Equal(x.Value, y.Value)
}

// settle makes l what the session stands on. Edits that are not saved yet run
// again on it. One that fails is dropped, and its error returned. s.io is held.
func (s *Session) settle(l loaded) (failure error) {
	for {
		s.mu.Lock()
		if name := state.Resolve(s.doubts, l.State); name != "" {
			failure = errors.Join(failure, unknownUpdate(name))
		}
		edits := state.Unsaved(s.edits)
		if l.phase != live {
			edits = nil
		}
		seq := s.seq
		s.mu.Unlock()

		changes, failed, err := state.Replay(l.State, edits)
		if err != nil {
			failed.Done = true
			failure = errors.Join(failure, lostValue(err))
			continue
		}
		s.mu.Lock()
		if s.seq == seq {
			maps.DeleteFunc(s.broken, func(name string, _ *ValueError) bool { return !sameValue(name, s.loaded.State, l.State) })
			s.loaded = l
			s.edits, s.changes = edits, changes
			s.seq++
			s.mu.Unlock()
			return failure
		}
		s.mu.Unlock()
	}
}
