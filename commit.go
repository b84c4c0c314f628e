package session

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"time"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/transport"
)

// idleLocked reports whether there is nothing to commit. s.mu is held.
func (s *Session) idleLocked() bool {
	unchanged := len(s.edits) == 0 && len(s.changes) == 0 && len(s.doubts) == 0
	return s.fault == nil && unchanged && s.renewal == commit.KeepID && !s.loaded.Lacking()
}

// commit saves what is not saved yet. cookies reports whether a cookie can still be
// sent. s.io is held.
func (s *Session) commit(ctx context.Context, cookies bool) (Durability, error) {
	began := s.m.now()
	c, fault := s.newCommit(ctx, cookies)
	if fault != nil {
		return 0, fault
	}
	busy, err := c.Prepare()
	switch {
	case err != nil:
		return 0, err
	case !busy:
		return Durable, nil
	}
	place, err := s.m.devices.Reserve(ctx, c.Copy, c.Replaced, c.Changes)
	if err != nil {
		return 0, err
	}
	before := c.Copy
	d, err := s.run(ctx, c, began)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m.devices.Moved(before, s.loaded.Copy, place)
	return d, err
}

// run saves the changes of c. A commit without changes, such as that of a read in
// an outage, does not come here and stays on the stack. s.io is held.
func (s *Session) run(ctx context.Context, c commit.Commit, began time.Time) (Durability, error) {
	finished := false
	defer func() {
		if !finished {
			s.interrupted(&c)
		}
	}()
	err := c.Run(ctx)
	finished = true
	s.apply(ctx, &c, began, err)
	d, err := c.Outcome(err)
	return Durability(d), err
}

// interrupted takes over what is in doubt of a commit that a hook's panic has ended.
func (s *Session) interrupted(c *commit.Commit) {
	c.Interrupted()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doubts = c.Doubts
}

// newCommit returns a commit of everything that is not saved yet. It returns the
// error of an earlier write, if there is one; the caller must not save anything then.
func (s *Session) newCommit(ctx context.Context, cookies bool) (c commit.Commit, fault error) {
	s.openReplaced(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	c = commit.Commit{
		Writer: &s.m.writer, Loaded: s.loaded, Held: s.held, Edits: s.edits, Changes: s.changes, Doubts: s.doubts,
		Asked: s.renewal, Renewal: s.renewal, Replaced: string(s.replaced), CanSend: cookies, Fresh: s.fresh || s.cookies == nil,
		ReadOnly: s.readOnly, Vouched: s.cookies.Vouched(), Withheld: s.transport.Withholds(s.in, s.host),
		Answer: (*answerRoom)(s),
	}
	c.Adopted = c.Unsaved()
	if s.cookies != nil {
		c.ForgottenSince = s.cookies.Use.ForgottenSince()
		c.Use = &s.cookies.Use
	}
	fault = s.fault.reason()
	if !cookies && fault != nil {
		// The error is answered once: no response is left to replace.
		s.refused, s.fault = s.fault, nil
	}
	if c.Renewal == commit.RotateID {
		canRotate := c.Phase == lookup.Live && cookies && !failure.RequestOver(s.ctx)
		if !canRotate {
			c.Renewal = commit.KeepID // there is no token to exchange, or no answer to send the new one with
		}
	}
	return c, fault
}

// openReplaced reads the copies that the visitor brought, where StartNew ends a
// session that the request has not loaded: a copy shows that there was one.
func (s *Session) openReplaced(ctx context.Context) {
	s.mu.Lock()
	p := s.cookies
	unread := s.replaced != "" && p != nil && !p.Opened()
	s.mu.Unlock()
	if unread {
		s.openCookies(ctx)
	}
}

// apply updates the session with the result of a commit. began is when the commit
// began. s.io is held.
func (s *Session) apply(ctx context.Context, c *commit.Commit, began time.Time, err error) {
	tooLarge := errors.Is(err, ErrTooLarge) && !c.CanSend // or no later change could be saved
	finished := err == nil || tooLarge
	if finished || c.Begun {
		c.GiveUpEdits()
	}
	s.mu.Lock()
	before := s.loaded.Copy
	moved := s.applyLocked(c, err)
	s.mu.Unlock()
	s.m.logins.Tell(ctx, c, before)
	if c.Begun && c.Adopted {
		s.m.library.EndOld(ctx, s.in)
	}
	if c.Begun && c.Renewal == commit.NewValues {
		_, _ = s.endAdoption(ctx, &c.Loaded) // a failure is not reported: StartNew works without the store
	}
	if moved && c.Phase == lookup.Live && s.cookies != nil {
		s.cookies.Dirty = true
	}
	if finished || moved {
		s.read(c.ID, began)
		if err := s.settle(c.Loaded); err != nil {
			_ = s.failed(err)
		}
	}
}

// applyLocked takes over what the commit has done to the token, and what is in
// doubt. It reports whether the session is a different one now. s.mu is held.
func (s *Session) applyLocked(c *commit.Commit, err error) (moved bool) {
	s.doubts = c.Doubts
	switch {
	case c.Begun:
		s.held = c.Token
		s.tokenAction = transport.Action{Kind: transport.Send, Token: c.Token, End: s.m.storage.CookieEnd(&c.State)}
	case c.Followed:
		s.held = c.Held
		s.tokenAction.Pass(c.Held, s.m.storage.CookieEnd(&c.State))
	}
	renewed := err == nil && c.Asked != commit.KeepID
	if renewed || c.Begun {
		s.renewal, s.replaced = commit.KeepID, ""
	}
	if errors.Is(err, ErrEnded) && c.CanSend {
		_ = s.failLocked(err) // the changes are lost, so the answer must be an error
	}
	moved = c.Version != s.loaded.Version || c.Phase != s.loaded.Phase || c.Pending
	s.written = s.written || moved && c.Phase == lookup.Live
	return moved
}

// sameValue reports whether a value that could not be read is the same in both
// states.
func sameValue(name string, a, b state.State) bool {
	x, okX := a.Entries.Find(name)
	y, okY := b.Entries.Find(name)
	return okX && okY && x.Flags == y.Flags && bytes.Equal(x.Value, y.Value)
}

// settle makes l the state of the session. Edits that are not saved yet run again on
// it. An edit that fails is dropped, and its error returned. s.io is held.
func (s *Session) settle(l lookup.Loaded) (failure error) {
	for {
		s.mu.Lock()
		if name := state.Resolve(s.doubts, l.State); name != "" {
			failure = errors.Join(failure, commit.UnknownUpdate(name))
		}
		edits := state.Unsaved(s.edits)
		if l.Phase != lookup.Live {
			edits = nil
		}
		seq := s.seq
		s.mu.Unlock()

		changes, failed, err := state.Replay(l.State, edits)
		if err != nil {
			failed.Done = true
			failure = errors.Join(failure, commit.LostValue(err))
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
