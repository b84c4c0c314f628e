package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// Rotation exchanges an ageing token for a new one. No rights are gained, so
// requests that are under way with the old token need not fail: the new token
// can be made from the old one and the tombstone, by any instance. Decision 38.

// Rotate gives the session a new token and ID when it is saved, and changes
// nothing else: for middleware that exchanges a token which Issued says is old,
// so that a token that was stolen is of use for a while only. Where a visitor
// gains rights, call Renew instead.
//
// Requests that still carry the old token go on for ten seconds, on any
// instance, and their answers carry the new one; of requests that rotate at the
// same time one does, and the others answer with its token. After that the old
// token shows nothing, though Destroy with it still ends the session.
//
// A rotation can always wait. Rotate does nothing where the store does not answer,
// where the request ends before the save, so that no answer can carry the new
// token, or where there is no session. Where the store answers the save of the new
// session and then stops answering, the new token is sent without an error, because
// every change is saved under it. It is unknown then whether the old token still
// opens the session as it was before; with a Backup it ends when the store is back,
// without one at the latest when it is idle or its Lifetime ends.
//
// The commit answers ErrTooLate once the response header is written, ErrReadOnly,
// and an error that wraps errors.ErrUnsupported with an Options.Format, whose
// tokens cannot be exchanged in this way; Err tells.
func (s *Session) Rotate() {
	s.lockLoaded()
	defer s.mu.Unlock()
	switch {
	case s.readOnly:
		_ = s.fail(ErrReadOnly)
		return
	case s.m.foreign():
		_ = s.fail(errNoRotation)
		return
	case s.loaded.Phase == lookup.Unknown:
		return // and the handler answers whatever it can; Err tells
	case s.sealed:
		_ = s.fail(ErrTooLate)
		return
	case s.loaded.Phase != lookup.Live:
		return
	}
	s.renewal = max(s.renewal, commit.RotateID)
	s.watch()
}

var errNoRotation = fmt.Errorf("session: Rotate: tokens of Options.Format cannot be made from one another, use Renew: %w", errors.ErrUnsupported)

// hold remembers the token that opens the loaded session. Where it was rotated
// lately, l becomes the session under the new token. s.io is held.
func (s *Session) hold(ctx context.Context, t token.Token, l *lookup.Loaded) {
	if l.Phase == lookup.Dead && l.State.Death.Reason == state.Rotated {
		t = s.arrive(ctx, t, l)
	}
	s.mu.Lock()
	s.held = t
	s.mu.Unlock()
}

// arrive follows rotations from the tombstone in l. Only the store knows whether the
// session still lives where they lead.
func (s *Session) arrive(ctx context.Context, t token.Token, l *lookup.Loaded) token.Token {
	m, p := s.m, s.cookies
	held, id := t, l.ID
	var brought, w lookup.Known
	if p != nil {
		brought = p.known
	}
	kills := brought.Supersedes
	for hops := 0; l.Phase == lookup.Dead; hops++ {
		next, ok := m.reader.Follow(t, l.State.Death)
		if !ok {
			return t
		}
		if hops == lookup.MaxRotations {
			*l = lookup.Loaded{Phase: lookup.Unknown, Copy: state.Copy{ID: id}, Err: lookup.ErrTooManyRotations}
			return held
		}
		if w = (lookup.Known{}); p != nil {
			w = m.reopen(p.in, ID(next.ID()), brought)
		}
		at := m.reader.Fetch(ctx, next.ID(), w, true)
		switch {
		case at.Phase == lookup.Nobody:
			return t
		case at.Phase == lookup.Live && (at.Source != lookup.FromStore || at.Away()):
			at = lookup.Loaded{Phase: lookup.Unknown, Err: failure.ErrNotAsked}
		}
		if at.Phase == lookup.Unknown {
			// A later load begins again at the token that the client has.
			*l = lookup.Loaded{Phase: lookup.Unknown, Copy: state.Copy{ID: id}, Err: at.Err}
			return held
		}
		kills = state.AddSuperseded(kills, m.reader.RotatedFrom(l.ID, l.State.Death))
		t, *l = next, at
	}
	if l.Phase != lookup.Live {
		return t
	}
	l.Supersedes = state.JoinSuperseded(kills, l.Supersedes)
	if p != nil {
		p.known = w
	}
	if brought.Found { // by a cookie of before the rotation, which may know more
		joined := state.Join(l.State, brought.State.Values())
		if !joined.Equal(l.State) {
			l.State = joined
			l.Saved = min(l.Saved, brought.Saved)
			l.Lack()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass(t, l.State.End)
	return t
}

// reopen returns what a request brought for the session that rotations lead to.
// Cookies of other sessions were reported already.
func (m *Manager) reopen(in *requestCookies, id ID, brought lookup.Known) lookup.Known {
	w := lookup.Known{Excused: brought.Excused, Keep: brought.Keep, Ended: brought.Ended}
	if in == nil {
		return w
	}
	opened := m.copies.Open(&in.RequestCookies, string(id))
	for b := range opened.Copies {
		w.Add(b, m.now())
	}
	return w
}

// passNewestLocked follows what became of a token that another request has made since
// it was looked up: the answer of a slow request must not undo a login, or bring back a
// token that was rotated again. s.mu is held.
func (s *Session) passNewestLocked() {
	newest, live := s.m.reader.Newest(s.token)
	if s.token = newest; !live {
		s.tokenAction = nothing
	}
}

// pass makes the answer send a token that another request has made. s.mu is held.
func (s *Session) pass(t token.Token, end int64) {
	s.token, s.tokenEnd = t, end
	if s.tokenAction != sendToken {
		s.tokenAction = passToken
	}
}
