package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/marker"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// Adopt moves the sessions of another library into this one, each when its
// visitor first asks for a session and has none of ours. The values are read
// once: from then on the old cookie leads to the new session, until that one
// ends, and to nothing afterwards. Neither a logout nor Revoke is undone by an
// old cookie that is still in a browser, or in the hands of a thief.
//
// What the store keeps for it is a marker: a record under a hash of the old
// token, which holds the new token sealed with the old one. It lives as long as
// the old session could. Requests and instances that meet the same old cookie at
// once create one marker, and so use one session. Where the store does not answer,
// it is unknown whether the old session was taken or ended, and the answer is
// ErrUnavailable. A store that loses its data loses the markers too, so set End: an
// old session that it has ended cannot come back.
//
// A visitor without the old cookie costs nothing. One with it costs a load
// until the browser has the new cookie. Routes that are ReadOnly adopt as well,
// and leave it to a later answer to send the cookie. (What is Shared they only
// show, see there.)
//
// Once the session is rotated, the old cookie leads to it for the grace that the
// tokens before have, see Session.Rotate, and to nothing afterwards.
type Adopt struct {
	// Cookie is the name of the old library's cookie. The answers that send or
	// clear our token delete it, and Also: other cookies that belong to it.
	Cookie string
	Also   []string

	// Domain and Path are those that the old library set its cookies with, or
	// they cannot be deleted. Path defaults to "/".
	Domain, Path string

	// Token returns what tells an old session from every other for as long as
	// it lives; it must be a secret. It must also be one text for one session: a
	// marker knows no other, so that a second spelling of a cookie would undo a
	// logout. Where the old library reads several texts as one (base64 that is not
	// strict, numbers with anything behind them), derive the token from what was
	// decoded and authenticated. Nil is the value of the cookie, for libraries that
	// compare it byte for byte. It returns false where the request carries none, or
	// a forged one.
	Token func(r *http.Request) (token string, ok bool)

	// Read sets the values of the old session on s, which is new and empty, and
	// returns until when the old one can be used at the latest, whatever its own
	// library does with it; zero is not known. It returns ErrNoSession where
	// there is no such session. Every other error means that it is not known,
	// and the visitor's request gets ErrUnavailable. r has the header and the
	// context of the request and nothing else of it. Read must not ask for the
	// session of that context.
	Read func(r *http.Request, s *Session) (until time.Time, err error)

	// End, if not nil, ends the old session where it is stored, once ours has
	// taken its place or the visitor has logged out. Hooks.Failed gets its error.
	// Without End the old library still has the session, as you need while both
	// run side by side, or while you may have to go back.
	End func(r *http.Request) error

	// Shared says that several visitors may have the same token, because the
	// old cookie holds nothing but values (cookie-session of Node). Each then
	// gets a session of its own, and a logout ends the old cookie for all.
	// Revoke does not. The session is saved when an answer sends its token: until
	// then it is FromNowhere. Routes that are ReadOnly show the values and save
	// nothing, and there its ID is another one in each request.
	Shared bool
}

// complete reports every mistake.
func (a *Adopt) complete(c Cookie) error {
	var errs []error
	if a.Cookie == "" {
		errs = append(errs, errors.New("session: Adopt needs the name of the old Cookie"))
	}
	if a.Cookie == c.Name {
		errs = append(errs, fmt.Errorf("session: Adopt reads the cookie %q, which is also ours; give Cookie.Name another", a.Cookie))
	}
	if a.Read == nil {
		errs = append(errs, errors.New("session: Adopt needs Read"))
	}
	return errors.Join(errs...)
}

// adopt looks for an old session where the visitor has none of ours.
func (s *Session) adopt(ctx context.Context, fresh bool, l *lookup.Loaded) {
	var ended []state.Superseded // by the tombstone cookie
	if s.cookies != nil {
		ended = s.cookies.known.Ended
	}
	o := s.m.oldSession(ctx, s.in)
	if o == nil {
		return
	}
	t, err := s.m.take(ctx, o, ended, fresh, l)
	if err != nil {
		*l = lookup.Loaded{Phase: lookup.Unknown, Err: err}
		return
	}
	if p := s.cookies; p == nil {
		s.hold(ctx, t, l)
	} else {
		brought := p.known // of another session
		p.known = lookup.Known{Excused: brought.Excused, Keep: brought.Keep, Ended: ended}
		if s.hold(ctx, t, l); l.Phase != lookup.Live {
			p.known = brought
		}
	}
	switch l.Phase {
	case lookup.Live:
		if !l.Unsaved() {
			s.sendAdopted(l)
		}
	case lookup.Unknown:
		*l = lookup.Loaded{Phase: lookup.Unknown, Err: l.Err}
	case lookup.Dead:
		*l = lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{State: l.State}} // create has a grace for those; no token of ours opened it
	default:
		*l = lookup.Loaded{Phase: lookup.Nobody}
	}
}

// sendAdopted has the answer send the token of a session that was adopted.
func (s *Session) sendAdopted(l *lookup.Loaded) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.held
	if !s.readOnly && !s.sealed {
		s.token, s.tokenEnd = t, l.State.End
		s.tokenAction = sendToken
		s.adopted = ID(l.ID)
	}
}

// take finds the session that an old one has become, or makes it.
func (m *Manager) take(ctx context.Context, o *oldSession, ended []state.Superseded, fresh bool, l *lookup.Loaded) (token.Token, error) {
	marker, err := m.readMarker(ctx, o, fresh)
	switch {
	case err == nil:
		return m.followMarker(ctx, o, marker, ended, fresh, l)
	case !errors.Is(err, ErrNotFound):
		return token.Token{}, err
	}
	st, until, err := m.readOld(ctx, o)
	if errors.Is(err, ErrNoSession) {
		// Another request may have taken it since, and ended it there.
		if marker, err = m.readMarker(ctx, o, true); err == nil {
			return m.followMarker(ctx, o, marker, ended, true, l)
		}
		return token.Token{}, without(err, ErrNotFound)
	}
	if err != nil {
		return token.Token{}, err
	}
	t, sent := m.transport.NewToken(ctx), m.now()
	if o.Shared {
		// No marker leads to it. Therefore only the commit of an answer that can send
		// its token saves it.
		*l = lookup.Loaded{
			Phase: lookup.Live, Copy: state.Copy{ID: t.ID(), State: st, Confirmed: sent.UnixMilli()}, Source: lookup.FromNowhere, Placement: lookup.Behind,
		}
		return t, nil
	}
	// The session is saved before its marker. A crash in between leaves a session
	// whose token was never sent, and the old one is read again. In the other
	// order the crash would log the visitor out.
	over, err := m.storage.Save(context.WithoutCancel(ctx), t.ID(), st, Absent)
	if err != nil {
		return token.Token{}, adoptError(err)
	}
	err = m.markUntil(ctx, o, until, o.key.Seal(t.Reveal()))
	switch {
	case errors.Is(err, ErrConflict):
		// Another request came first, and the token of this session is never sent.
		_, _ = m.storage.Save(context.WithoutCancel(ctx), t.ID(), state.State{Death: m.clock.Death(state.Renewed)}, over)
		if marker, err = m.readMarker(ctx, o, true); err != nil {
			return token.Token{}, adoptError(err)
		}
		return m.followMarker(ctx, o, marker, ended, true, l)
	case err != nil:
		return token.Token{}, adoptError(err) // the marker may arrive yet, and leads to this session then
	}
	*l = lookup.Loaded{
		Phase: lookup.Live, Version: over, Source: lookup.FromStore,
		Copy: state.Copy{ID: t.ID(), State: st, Confirmed: sent.UnixMilli(), Saved: st.Entries.Latest()},
	}
	m.endOld(ctx, o)
	return t, nil
}

// followMarker loads the session whose token a marker holds. A session that is not
// there has ended.
func (m *Manager) followMarker(ctx context.Context, o *oldSession, marker state.State, ended []state.Superseded, fresh bool, l *lookup.Loaded) (token.Token, error) {
	t, ok := o.open(&m.transport, marker)
	if !ok {
		*l = o.ended(marker)
		return token.Token{}, nil
	}
	*l = m.reader.Fetch(ctx, t.ID(), lookup.Known{Ended: ended}, fresh)
	if l.Phase == lookup.Unknown {
		return token.Token{}, l.Err
	}
	return t, nil
}

// readOld returns the old session as one of ours.
func (m *Manager) readOld(ctx context.Context, o *oldSession) (state.State, time.Time, error) {
	b := m.newSession(ctx, o.r.Header)
	b.loaded.Phase = lookup.Nobody
	until, err := o.Read(o.r, b)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case errors.Is(err, ErrNoSession):
		return state.State{}, until, ErrNoSession
	case err != nil:
		return state.State{}, until, fmt.Errorf("%w: adopt: %w", ErrUnavailable, err)
	case b.fault.err != nil:
		return state.State{}, until, fmt.Errorf("session: adopt: %w", b.fault.err)
	case len(b.changes) == 0, !until.IsZero() && !m.now().Before(until):
		return state.State{}, until, ErrNoSession // and nothing is made of nothing
	}
	st := m.writer.Begin()
	changes := b.changes.With(state.Change{Name: marker.Entry, Flags: state.Present, Value: marker.Quote(string(o.marker))})
	return st.Write(changes.Against(st), m.clock.Dot(st)), until, nil
}

// endOld has the old library end its session.
func (m *Manager) endOld(ctx context.Context, o *oldSession) {
	if o.End == nil {
		return
	}
	if err := o.End(o.r); err != nil && m.hooks.Failed != nil {
		m.hooks.Failed(ctx, OperationAdopt, o.marker, err)
	}
}

// endTaken has the old library end the session that this one was read from.
func (s *Session) endTaken(ctx context.Context) {
	if o := s.m.oldSession(ctx, s.in); o != nil {
		s.m.endOld(ctx, o)
	}
}

// endAdoption ends what the old cookie of a request leads to, because the
// visitor logs out of the session l, or begins another one. It reports whether
// there was such a cookie.
func (s *Session) endAdoption(ctx context.Context, l *lookup.Loaded) (found bool, err error) {
	if s.m.options.Adopt == nil {
		return false, nil
	}
	m, o := s.m, s.m.oldSession(ctx, s.in)
	e, known := l.State.Entries.Find(marker.Entry)
	known = known && l.Phase == lookup.Live
	if o == nil {
		if known && m.options.Adopt.Shared {
			m.endShared(ctx, e)
		}
		return false, nil
	}
	if known && !o.Shared && string(e.Value) == string(marker.Quote(string(o.marker))) {
		return true, nil // the marker stands, and it leads to l
	}
	record, done, err := m.endUnadopted(ctx, o)
	if done || err != nil {
		return true, err
	}
	t, ok := o.open(&m.transport, record)
	if !ok || t.ID() == l.ID {
		return true, nil
	}
	line, err := m.endAdopted(ctx, t.ID())
	if p := s.cookies; p != nil && err == nil {
		p.ended = state.JoinSuperseded(p.ended, line)
	}
	return true, err
}

// endUnadopted ends an old session that no request has adopted. Where one has, it
// returns the marker, and done is false.
func (m *Manager) endUnadopted(ctx context.Context, o *oldSession) (record state.State, done bool, err error) {
	record, err = m.readMarker(ctx, o, true)
	if err == nil {
		return record, false, nil
	}
	if !errors.Is(err, ErrNotFound) {
		return record, false, adoptError(err)
	}
	_, until, err := m.readOld(ctx, o)
	gone := errors.Is(err, ErrNoSession)
	switch {
	case gone && o.End == nil:
		return record, true, nil // there is no session to end
	case errors.Is(err, ErrUnavailable):
		return record, false, err
	case !gone:
		err = m.markUntil(ctx, o, until, []byte(marker.Ended))
		if err == nil {
			m.endOld(ctx, o)
			return record, true, nil
		}
		if !errors.Is(err, ErrConflict) {
			return record, false, adoptError(err)
		}
	}
	record, err = m.readMarker(ctx, o, true) // another request was faster
	if gone && errors.Is(err, ErrNotFound) {
		return record, true, nil
	}
	if err != nil {
		return record, false, adoptError(err)
	}
	return record, false, nil
}

// endAdopted ends the session that an old one has become, and what rotations have
// made of it, and returns all that it ended.
func (m *Manager) endAdopted(ctx context.Context, id string) (ended []state.Superseded, err error) {
	l := m.reader.Fetch(ctx, id, lookup.Known{}, true)
	t := journal.Stored(id, m.clock.Death(state.Destroyed))
	t.IfLive = true
	switch l.Phase {
	case lookup.Unknown:
		return nil, l.Err
	case lookup.Nobody:
		return nil, nil
	case lookup.Dead:
		t.Death = l.State.Death // as it was, and a rotation leads on from there
	default: // it lives
	}
	_, ended, err = m.shards.End(context.WithoutCancel(ctx), &t, Any)
	return ended, err
}

// endShared ends, for all who have it, the old cookie from which a session was read.
// This visitor's browser drops the cookie in any case, so a store that refuses the
// marker does not fail the logout.
func (m *Manager) endShared(ctx context.Context, e state.Entry) {
	id, ok := marker.IDIn(e.Value)
	if !ok {
		return
	}
	_ = m.markUntil(ctx, &oldSession{marker: ID(id)}, time.Time{}, []byte(marker.Ended)) // Hooks.Failed gets a failure
}

// dropOldCookies deletes the old library's cookies, if the request carried them
// and the answer says something of ours. s.mu is held.
func (s *Session) dropOldCookies(h http.Header) {
	a := s.m.options.Adopt
	if a == nil {
		return
	}
	if s.readOnly && s.tokenAction == sendToken && ID(s.token.ID()) == s.adopted {
		s.tokenAction = nothing // a later answer sends it
	}
	if s.tokenAction != sendToken && s.tokenAction != clearToken || !a.carried(s.in) {
		return
	}
	path := a.Path
	if path == "" {
		path = "/"
	}
	for _, name := range append([]string{a.Cookie}, a.Also...) {
		c := http.Cookie{Name: name, Domain: a.Domain, Path: path, MaxAge: -1, HttpOnly: true}
		if line := c.String(); !slices.Contains(h["Set-Cookie"], line) { // by the same answer, which is put together again
			h.Add("Set-Cookie", line)
		}
	}
}

// without returns err, or nil where err wraps the error nothing.
func without(err, nothing error) error {
	if errors.Is(err, nothing) {
		return nil
	}
	return err
}

// adoptError wraps a failure after which it is unknown how far an adoption got, so
// that the answer does not say that there is no session.
func adoptError(err error) error {
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrTooLarge) {
		return err
	}
	return fmt.Errorf("%w: adopt: %w", ErrUnavailable, err)
}
