package session

import (
	"context"
	"net/http"
	"strings"

	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/token"
)

// foreign reports whether another system writes the sessions too.
func (m *Manager) foreign() bool { return m.transport.Format != nil }

// resaves reports whether the format wants each session saved once in each
// request that has it, before the answer.
func (m *Manager) resaves() bool {
	f, ok := m.transport.Format.(foreign.Resaver)
	return ok && f.Resaves()
}

// resave saves the session as it was read, unless this request has saved it
// already. Like every refresh it undoes nothing, and nothing is lost where it
// fails. s.io is held.
func (s *Session) resave(ctx context.Context, l lookup.Loaded) lookup.Loaded {
	s.mu.Lock()
	saved := s.written
	s.mu.Unlock()
	if !saved && s.m.reader.Due(l) {
		l = s.m.reader.PutOff(ctx, l)
		_ = s.settle(l) // an edit that fails now was refused by the commit before
	}
	return l
}

// setForeignCookie puts the cookie of a foreign format into an answer's header. s.mu
// is held.
func (s *Session) setForeignCookie(h http.Header) {
	t, why := s.token, foreign.Begun
	switch s.tokenAction {
	case nothing:
		return
	case clearToken:
		t, why = token.Token{}, foreign.Ended
	case repeatToken:
		why = foreign.Seen
		if s.written {
			why = foreign.Changed
		}
	default: // the token is new
	}
	c := &s.m.transport
	if header := c.Format.SetCookie(s.ctx, t.Reveal(), s.loaded.State, why, s.m.now()); header != "" {
		name, _, _ := strings.Cut(header, "=")
		s.removeLines(h, func(other string) bool { return other == name })
		h.Add("Set-Cookie", header)
		headers.NoCache(h, "Set-Cookie")
	}
}

// repeatForeignCookie lets the format send the token again, which the visitor has.
func (s *Session) repeatForeignCookie() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.m.transport.Receive(s.in); ok && s.tokenAction == nothing && s.loaded.Phase == lookup.Live && ID(t.ID()) == ID(s.loaded.ID) {
		s.token, s.tokenAction = t, repeatToken
	}
}
