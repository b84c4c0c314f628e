package session

import (
	"context"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

// loaded is what is known of a session.
type loaded struct {
	phase phase
	state.Copy
	version Version
	err     error // why it is unknown

	source    Source
	placement placement
	awaySince time.Time // when the store did not answer, so that a copy did; zero where it did
}

// placement is how much of the state the store has, as far as it is known.
type placement uint8

const (
	complete placement = iota // all of it
	behind                    // not all of it: the commit repairs the record
	missing                   // none of it: the commit creates the record
)

// away reports whether the store did not answer, so that a copy stands in for it.
func (l *loaded) away() bool { return !l.awaySince.IsZero() }

// lacking reports whether the store lacks some of the state, or all of it.
func (l *loaded) lacking() bool { return l.placement != complete }

// lack notes that the store lacks something.
func (l *loaded) lack() { l.placement = max(l.placement, behind) }

// neverStored notes that the store lacks the session and never had it.
func (l *loaded) neverStored() {
	l.placement = missing
	l.Born, l.NeverStored = true, true
}

// confirm notes that the store took the state in a save that was sent then, with
// all entries up to that clock.
func (l *loaded) confirm(v Version, sent time.Time, saved uint64) {
	l.version = v
	l.placement = complete
	l.Confirmed, l.Saved = sent.UnixMilli(), saved
	l.Born, l.NeverStored = false, false
}

// inStore reports whether the store has all of the state.
func (l *loaded) inStore() bool {
	return !l.away() && !l.lacking() && !l.NeverStored && l.State.Entries.Latest() <= l.Saved
}

type phase uint8

const (
	unasked phase = iota
	nobody        // the visitor has no session; the version is of one that has expired
	live
	dead
	unknown // neither store nor backup can tell
)

// load asks if nobody has yet. What it finds stays for the request.
func (s *Session) load(ctx context.Context) error {
	s.mu.Lock()
	phase, err := s.loaded.phase, s.loaded.err
	s.mu.Unlock()
	if phase != unasked {
		return err
	}
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	phase, err, fresh := s.loaded.phase, s.loaded.err, s.fresh
	s.mu.Unlock()
	if phase != unasked {
		return err
	}
	var l loaded
	s.find(ctx, fresh, &l)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded = l
	return l.err
}

// find asks for a session of ours, and then for an old one. s.io is held.
func (s *Session) find(ctx context.Context, fresh bool, l *loaded) {
	s.ask(ctx, fresh, l)
	if l.phase == nobody && s.m.options.Adopt != nil {
		s.adopt(ctx, fresh, l)
	}
}

// lockLoaded locks s.mu on a session that has been asked for.
func (s *Session) lockLoaded() {
	s.mu.Lock()
	if s.loaded.phase != unasked {
		return
	}
	s.mu.Unlock()
	_ = s.load(s.ctx) // the error stays with the session
	s.mu.Lock()
}

// ask reads the cookies, and asks the store. s.io is held.
func (s *Session) ask(ctx context.Context, fresh bool, l *loaded) {
	if s.m.backup != nil {
		s.askBoth(ctx, fresh, l)
		return
	}
	t, ok := s.m.carrier.Receive(s.in)
	if !ok {
		l.phase = nobody
		return
	}
	s.m.fetchAlone(ctx, ID(t.ID()), fresh, l)
	s.hold(ctx, t, l)
}

// askBoth is ask for a visitor who may have brought a backup.
func (s *Session) askBoth(ctx context.Context, fresh bool, l *loaded) {
	m, p := s.m, s.parcel
	if p == nil {
		if t, ok := m.carrier.Receive(s.in); ok {
			*l = m.fetch(ctx, ID(t.ID()), witness{}, fresh)
			s.hold(ctx, t, l)
		} else {
			l.phase = nobody
		}
		return
	}
	p.open(ctx, s)
	if !p.in.ok {
		l.phase = nobody
		return
	}
	s.mu.Lock()
	renewable := !s.readOnly && !s.sealed
	s.mu.Unlock()
	*l = m.fetch(ctx, ID(p.in.token.ID()), p.witness, fresh || renewable && m.wornOut(p.witness))
	s.hold(ctx, p.in.token, l)
}
