package session

import (
	"context"

	"github.com/holdfast-go/session/internal/lookup"
)

// load asks if nobody has yet. What it finds stays for the request.
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
	phase, err, fresh := s.loaded.Phase, s.loaded.Err, s.fresh
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

// find asks for a session of ours, and then for an old one. s.io is held.
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
	t, ok := s.m.carrier.Receive(s.in)
	if !ok {
		l.Phase = lookup.Nobody
		return
	}
	s.m.reader.FetchAlone(ctx, t.ID(), fresh, l)
	s.hold(ctx, t, l)
}

// askBoth is ask for a visitor who may have brought a backup.
func (s *Session) askBoth(ctx context.Context, fresh bool, l *lookup.Loaded) {
	m, p := s.m, s.parcel
	if p == nil {
		if t, ok := m.carrier.Receive(s.in); ok {
			*l = m.reader.Fetch(ctx, t.ID(), lookup.Witness{}, fresh)
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
	*l = m.reader.Fetch(ctx, p.in.token.ID(), p.witness, fresh || renewable && m.wornOut(p.witness))
	s.hold(ctx, p.in.token, l)
}
