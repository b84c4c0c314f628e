package session

import (
	"context"
	"time"

	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// load loads the session, if no earlier call of the request has.
func (s *Session) load(ctx context.Context) error {
	s.mu.Lock()
	phase, err := s.loaded.Phase, s.loaded.Err
	s.mu.Unlock()
	if phase != lookup.Unasked {
		return err
	}
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	phase, err = s.loaded.Phase, s.loaded.Err
	fresh := s.fresh
	s.mu.Unlock()
	if phase != lookup.Unasked {
		return err
	}
	var l lookup.Loaded
	s.find(ctx, fresh, &l)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded = l
	return l.Err
}

// find looks for a session of this library, and then for an old one. s.io is held.
func (s *Session) find(ctx context.Context, fresh bool, l *lookup.Loaded) {
	s.ask(ctx, fresh, l)
	for n := 1; l.Phase != lookup.Live && s.askTwin(ctx, n, fresh, l); n++ {
	}
	if l.Phase == lookup.Nobody && s.m.library != nil {
		s.adopt(ctx, fresh, l)
	}
}

// askTwin asks for the session of the request's n-th further token, where those before
// it open none. It reports whether there is such a token. s.io is held.
func (s *Session) askTwin(ctx context.Context, n int, fresh bool, l *lookup.Loaded) bool {
	t, ok := s.transport.ReceiveTwin(s.in, n)
	if !ok {
		return false
	}
	known, back := s.cookies.Turn(t)
	twin := s.m.reader.Fetch(ctx, t.ID(), known, fresh)
	if !l.YieldsTo(&twin, known.Found) {
		back()
		return true
	}
	*l = twin
	s.hold(ctx, t, l)
	return true
}

// lockLoaded loads the session, if no earlier call has, and locks s.mu.
func (s *Session) lockLoaded() {
	s.mu.Lock()
	if s.loaded.Phase != lookup.Unasked {
		return
	}
	s.mu.Unlock()
	_ = s.load(s.ctx) // the error stays with the session
	s.mu.Lock()
}

// ask reads the cookies, and asks the store. s.io is held.
func (s *Session) ask(ctx context.Context, fresh bool, l *lookup.Loaded) {
	if s.m.backup != nil {
		s.askBoth(ctx, fresh, l)
		return
	}
	t, ok := s.transport.Receive(s.in)
	if !ok {
		l.Phase = lookup.Nobody
		return
	}
	s.m.reader.FetchAlone(ctx, t.ID(), fresh, l)
	s.hold(ctx, t, l)
}

// askBoth is ask where a visitor may have brought a copy.
func (s *Session) askBoth(ctx context.Context, fresh bool, l *lookup.Loaded) {
	m, p := s.m, s.cookies
	if p == nil {
		if t, ok := s.transport.Receive(s.in); ok {
			m.reader.FetchInto(ctx, t.ID(), lookup.Known{}, fresh, l)
			s.hold(ctx, t, l)
		} else {
			l.Phase = lookup.Nobody
		}
		return
	}
	s.openCookies(ctx)
	if !p.HasToken {
		l.Phase = lookup.Nobody
		return
	}
	s.mu.Lock()
	renewable := !s.readOnly && !s.sealed
	s.mu.Unlock()
	m.reader.FetchInto(ctx, p.Token.ID(), p.Known, fresh || renewable && p.WornOut(), l)
	s.hold(ctx, p.Token, l)
}

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

// arrive follows rotations from the tombstone in l to the session that lives now, whose
// token the answer is to send. s.io is held.
func (s *Session) arrive(ctx context.Context, t token.Token, l *lookup.Loaded) token.Token {
	var brought lookup.Known
	p := s.cookies
	reopen := func(string) lookup.Known { return lookup.Known{} }
	if p != nil {
		brought = p.Known
		reopen = func(id string) lookup.Known { return p.Reopen(id, brought) }
	}
	held, known, arrived := s.m.reader.Arrive(ctx, t, l, brought, reopen)
	if !arrived {
		return held
	}
	if p != nil {
		p.Known = known
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokenAction.Pass(held, s.m.storage.CookieEnd(&l.State))
	return held
}

// read notes that the request's knowledge of a session is not older than a time. This
// process keeps what it learns of the session from then on until the request is over.
// s.io is held.
func (s *Session) read(id string, at time.Time) {
	p := s.cookies
	if p == nil {
		return
	}
	s.mu.Lock()
	visits := s.visits
	s.mu.Unlock()
	p.Read(id, at, visits)
}

// openCookies opens the copies that the request carries. s.io is held.
func (s *Session) openCookies(ctx context.Context) {
	s.mu.Lock()
	visits, sealed := s.visits, s.sealed
	s.mu.Unlock()
	s.cookies.Open(ctx, s.in, visits, !sealed)
}

// Reload reads the session from the store again, past all caches, and repeats the unsaved
// changes on it. An Update that fails then is dropped, and its error returned. After a logout,
// after a Renew by another request, or when the session has expired, Reload returns ErrNoSession,
// and unsaved changes are dropped. With an error that wraps ErrUnavailable all stays as it was.
// Like a request that asks for the session, Reload counts as use, except under ReadOnly.
func (s *Session) Reload(ctx context.Context) error {
	s.lockLoaded()
	s.mu.Unlock()
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	l, held := s.loaded, s.held
	readOnly := s.readOnly
	s.mu.Unlock()
	if l.Phase == lookup.Nobody || l.Phase == lookup.Dead {
		return ErrNoSession
	}
	began := s.m.now()
	l = s.loadAgain(ctx, l, held)
	switch l.Phase {
	case lookup.Unknown:
		return l.Err // what was loaded before still stands
	case lookup.Live:
		mayPutOff := !readOnly && !l.Away() && l.Placement != lookup.Missing && !s.m.resaves()
		if mayPutOff && s.m.reader.Due(l) {
			l = s.m.reader.PutOff(ctx, l) // not in the background: the next Save needs the version
		}
		s.read(l.ID, began)
		return s.settle(l)
	default: // it has ended
	}
	s.mu.Lock()
	if len(state.Unsaved(s.edits)) > 0 && !s.sealed {
		_ = s.failLocked(ErrEnded) // the changes are dropped, so the answer must be an error
	}
	s.mu.Unlock()
	_ = s.settle(l) // nothing is left that could fail
	return ErrNoSession
}

// loadAgain asks the store, past all caches, for the session that was loaded as l.
// s.io is held.
func (s *Session) loadAgain(ctx context.Context, l lookup.Loaded, held token.Token) lookup.Loaded {
	if s.m.library != nil && (l.Phase == lookup.Unknown || l.Unsaved()) {
		l = lookup.Loaded{}
		s.find(ctx, true, &l) // the session may be an old one, whose marker is not read or which is not saved here
		return l
	}
	before := l.Copy
	w := lookup.KnownAs(&before, l.Phase == lookup.Live && s.transport.Header == "")
	l = s.m.reader.Fetch(ctx, l.ID, w, true)
	s.hold(ctx, held, &l)
	return l
}
