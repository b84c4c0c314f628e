package session

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// Format is how another system writes tokens and sessions, so that its programs
// and yours share them. Package node/express makes the one that there is; New
// refuses a Format that is not of this module.
type Format interface {
	String() string // the name of the other system, such as "express-session"
}

// A foreign record lives as long as the store says, since the other program puts
// its expiry off without writing it. Where it has none any more the session has
// ended: the other program leaves no tombstones.

func (m *Manager) foreign() bool { return m.carrier.Format != nil }

// resaves reports whether the format wants each session saved once in each
// request that has it, before the answer.
func (m *Manager) resaves() bool {
	f, ok := m.carrier.Format.(foreign.Resaver)
	return ok && f.Resaves()
}

// resave saves the session as it was read, unless this request has saved it
// already. Like every refresh it undoes nothing, and nothing is lost where it
// fails. s.io is held.
func (s *Session) resave(ctx context.Context, l loaded) loaded {
	s.mu.Lock()
	saved := s.written
	s.mu.Unlock()
	if !saved && s.m.due(l) {
		l = s.m.putOff(ctx, l)
		_ = s.settle(l) // an edit that fails now was refused by the commit before
	}
	return l
}

// encode returns what is to be stored of st, and until when.
func (m *Manager) encode(ctx context.Context, st state.State) ([]byte, time.Time, error) {
	if !m.foreign() {
		return st.Encode(), m.expires(st), nil
	}
	data, expires, err := m.carrier.Format.Encode(ctx, st, m.now())
	switch {
	case err != nil:
		return nil, expires, fmt.Errorf("session: %w", err)
	case st.Dead(), expires.IsZero():
		expires = m.expires(st)
	}
	return data, expires, nil
}

func (m *Manager) decode(data []byte) (state.State, error) {
	if !m.foreign() {
		return state.Decode(data)
	}
	now := m.now()
	st, err := m.carrier.Format.Decode(data, now)
	if err != nil || st.Dead() {
		return st, err
	}
	known := func(t int64, otherwise time.Time) int64 {
		if t == 0 {
			return otherwise.UnixMilli()
		}
		return t
	}
	st.Created, st.Authenticated = known(st.Created, now), known(st.Authenticated, now)
	st.LastSeen, st.End = known(st.LastSeen, now), known(st.End, now.Add(century))
	return st, st.Entries.Check()
}

// settled returns what an older copy still has to say beside a record that was
// just read from the store. saved is up to where the store had the copy's
// entries. What a Go program wrote is kept: where it is missing now, the other
// program has saved what it had read before. Of what that one wrote itself, the
// dots have no instance, and a record says less than ours:
//
//   - of two values with one dot the record's is the newer;
//   - it leaves nothing where it removes a value that we have not saved since;
//   - it may have removed everything, our dots too, and then it meant to.
func (m *Manager) settled(old state.State, saved uint64, record state.State) state.State {
	if !m.foreign() || old.Dead() || record.Dead() {
		return old
	}
	cleared := record.Bare && saved > record.Entries.Latest()
	kept := make(state.Entries, 0, len(old.Entries))
	rest := record.Entries
	for l := old.Entries; len(l) > 0; {
		e, more, _ := l.Cut()
		l = more
		name := string(e.Name)
		rest = rest.From(name)
		now, _, ok := rest.Cut()
		ok = ok && string(now.Name) == name
		switch {
		case ok && now.Dot == e.Dot && now.Flags.Kind() != state.Withheld:
		case !ok && e.Dot.Instance == 0:
		case cleared && e.Dot.Clock <= saved:
		default:
			kept = append(kept, e.Raw...)
		}
	}
	old.Entries, old.Origin = kept, nil
	return old
}

// yield makes room for what the store has now.
func (c *commit) yield(l loaded) {
	if l.phase == live && l.source == FromStore {
		c.State = c.m.settled(c.State, c.Saved, l.State)
	}
}

// tell puts into an answer's header what a format wants the visitor to know
// about the token. s.mu is held.
func (s *Session) tell(h http.Header) {
	t, why := s.token, foreign.Begun
	switch s.notice {
	case nothing:
		return
	case clearToken:
		t, why = token.Token{}, foreign.Ended
	case repeatToken:
		why = foreign.Seen
		if s.written {
			why = foreign.Changed
		}
	}
	c := &s.m.carrier
	if header := c.Format.SetCookie(s.ctx, t.Reveal(), s.loaded.State, why, s.m.now()); header != "" {
		name, _, _ := strings.Cut(header, "=")
		s.takeBack(h, func(other string) bool { return other == name })
		h.Add("Set-Cookie", header)
		headers.NoCache(h, "Set-Cookie")
	}
}

// repeat lets the format send the token again, which the visitor has.
func (s *Session) repeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.m.carrier.Receive(s.in); ok && s.notice == nothing && s.loaded.phase == live && ID(t.ID()) == ID(s.loaded.ID) {
		s.token, s.notice = t, repeatToken
	}
}
