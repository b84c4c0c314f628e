package session

import (
	"context"

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
	if l.Phase == lookup.Nobody && s.m.options.Adopt != nil {
		s.adopt(ctx, fresh, l)
	}
}

// lockLoaded locks s.mu on a session that has been asked for.
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
	t, ok := s.m.transport.Receive(s.in)
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
		if t, ok := m.transport.Receive(s.in); ok {
			*l = m.reader.Fetch(ctx, t.ID(), lookup.Known{}, fresh)
			s.hold(ctx, t, l)
		} else {
			l.Phase = lookup.Nobody
		}
		return
	}
	p.open(ctx, s)
	if !p.in.ok {
		l.Phase = lookup.Nobody
		return
	}
	s.mu.Lock()
	renewable := !s.readOnly && !s.sealed
	s.mu.Unlock()
	*l = m.reader.Fetch(ctx, p.in.token.ID(), p.known, fresh || renewable && m.wornOut(p.known))
	s.hold(ctx, p.in.token, l)
}

// Reload asks the store for what others have written since, past all caches;
// unsaved changes are made again on top; an Update that fails there is dropped,
// and its error returned. After a logout, after a Renew by another request, or
// when the session has expired, it returns ErrNoSession, and unsaved changes
// are dropped. Like a request that asks for the session it counts as use.
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
		if !readOnly && !l.Away() && l.Placement != lookup.Missing && !s.m.resaves() && s.m.reader.Due(l) {
			l = s.m.reader.PutOff(ctx, l) // here and now: the version is the next Save's
		}
		s.read(l.ID, began)
		return s.settle(l)
	default: // it has ended
	}
	s.mu.Lock()
	if len(state.Unsaved(s.edits)) > 0 && !s.sealed {
		_ = s.fail(ErrEnded) // do not answer as if what is dropped here were saved
	}
	s.mu.Unlock()
	_ = s.settle(l) // nothing is left that could fail
	return ErrNoSession
}

// loadAgain asks the store, past all caches, for the session that was loaded as l.
// s.io is held.
func (s *Session) loadAgain(ctx context.Context, l lookup.Loaded, held token.Token) lookup.Loaded {
	if s.m.options.Adopt != nil && (l.Phase == lookup.Unknown || l.Unsaved()) {
		l = lookup.Loaded{}
		s.find(ctx, true, &l) // it may be an old session whose marker is not read, or that is not saved here
		return l
	}
	w := lookup.Known{Copy: l.Copy, Found: l.Phase == lookup.Live && s.m.transport.Header == ""}
	l = s.m.reader.Fetch(ctx, l.ID, w, true)
	s.hold(ctx, held, &l)
	return l
}
