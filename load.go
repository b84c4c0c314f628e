package session

import (
	"context"
	"errors"
)

// loaded is what is known of a session.
type loaded struct {
	phase   phase
	id      ID
	state   state
	version Version
	err     error // why it is unknown
}

type phase uint8

const (
	unasked phase = iota
	nobody        // the visitor has no session
	live
	dead
	unknown // the store did not answer
)

// load asks the store if nobody has yet. What it finds stays for the request.
func (s *Session) load(ctx context.Context) error {
	s.mu.Lock()
	phase, err := s.phase, s.err
	s.mu.Unlock()
	if phase != unasked {
		return err
	}
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	l, fresh := s.loaded, s.fresh
	s.mu.Unlock()
	if l.phase != unasked {
		return l.err
	}
	if t, ok := s.m.carrier.receive(s.in); ok {
		l = s.m.fetch(ctx, t.id(), fresh)
	} else {
		l = loaded{phase: nobody}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded = l
	return l.err
}

// fetch asks the store, and tells what its answer means.
func (m *Manager) fetch(ctx context.Context, id ID, fresh bool) loaded {
	st, v, err := m.load(ctx, id, fresh)
	switch {
	case errors.Is(err, ErrNotFound):
		return loaded{phase: nobody}
	case err != nil:
		return loaded{phase: unknown, id: id, err: err}
	case st.dead():
		return loaded{phase: dead, id: id, state: st, version: v}
	}
	return loaded{phase: live, id: id, state: st, version: v}
}
