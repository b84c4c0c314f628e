package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/adoption"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/transport"
)

// Adopt moves the sessions of another library into this one, each when its
// visitor first asks for a session and has none of ours. The values are read
// once: from then on the old cookie leads to the new session, until that one
// ends, and to nothing afterwards. Neither a logout nor Revoke is undone by an
// old cookie that is still in a browser, or in the hands of a thief.
//
// The store keeps a marker for each old session: a record under a hash of the old
// token, which holds the new token sealed with the old one. A marker lives as long
// as the old session could. Requests and instances that meet the same old cookie at
// once create one marker, and so use one session. Where the store does not answer,
// it is unknown whether the old session was taken or ended, and the answer is
// ErrUnavailable. A store that loses its data loses the markers too, so set End, which
// ends the old session where it is stored.
//
// A visitor without the old cookie costs nothing. One with it costs a load
// until the browser has the new cookie. Routes that are ReadOnly adopt as well,
// and leave it to a later answer to send the cookie. (They only show a session
// that is Shared, see there.)
//
// Once the session is rotated, the old cookie leads to it for ten seconds, like any
// replaced token, and to nothing afterwards.
type Adopt struct {
	// Cookie is the name of the old library's cookie. The answers that send or
	// clear our token delete it, and Also: other cookies that belong to it.
	Cookie string
	Also   []string

	// Domain and Path are the attributes with which the old library set its cookies.
	// If they differ, a browser does not delete them. Path defaults to "/".
	Domain, Path string

	// Token returns the text that identifies an old session for as long as it lives. It
	// must be a secret, and one session must have one text: the marker is found by that
	// text, so a second spelling of a cookie would undo a logout. Where the old library
	// reads several texts as one (base64 that is not strict, numbers with anything
	// behind them), derive the token from the bytes that were decoded and
	// authenticated. Nil means the value of the cookie, for libraries that compare it
	// byte for byte. Token returns false where the request carries no such cookie, or a
	// forged one.
	Token func(r *http.Request) (token string, ok bool)

	// Read sets the values of the old session on s, which is new and empty. It returns the
	// latest time at which the old session can be used, whatever its own library does with
	// it; zero means that this is not known. It returns ErrNoSession where there is no
	// such session. Every other error means that it is unknown whether the old session
	// exists, and the visitor's request gets ErrUnavailable. r has the header and the
	// context of the request and nothing else of it. Read must not ask for the session of
	// that context.
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
	if slices.Contains(transport.Attributes(c).Names(), a.Cookie) {
		errs = append(errs, fmt.Errorf("session: Adopt reads the cookie %q, which is also ours; give Cookie.Name another", a.Cookie))
	}
	if a.Read == nil {
		errs = append(errs, errors.New("session: Adopt needs Read"))
	}
	return errors.Join(errs...)
}

// library returns the other library as package adoption sees it.
func (a *Adopt) library(m *Manager) *adoption.Library {
	l := &adoption.Library{
		Cookie: a.Cookie, Also: a.Also, Domain: a.Domain, Path: a.Path, Shared: a.Shared,
		Token: a.Token, End: a.End,
		Read:      func(r *http.Request) (state.Changes, time.Time, error) { return a.read(m, r) },
		Transport: &m.transport, Clock: m.clock, Shards: &m.shards, Storage: &m.storage, Reader: &m.reader, Writer: &m.writer,
	}
	if hook := m.hooks.Failed; hook != nil {
		l.Failed = func(ctx context.Context, marker string, err error) { hook(ctx, OperationAdopt, ID(marker), err) }
	}
	return l
}

// read runs Read and returns the values that it has set on a new session.
func (a *Adopt) read(m *Manager, r *http.Request) (state.Changes, time.Time, error) {
	s := m.newSession(r.Context(), &m.transport, r.Header, r.Host)
	s.loaded.Phase = lookup.Nobody
	until, err := a.Read(r, s)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case errors.Is(err, ErrNoSession):
		err = ErrNoSession
	case err != nil:
		err = fmt.Errorf("%w: adopt: %w", ErrUnavailable, err)
	case s.fault != nil:
		err = fmt.Errorf("session: adopt: %w", s.fault.err)
	}
	return s.changes, until, err
}

// adopt looks for an old session where the visitor has none of ours.
func (s *Session) adopt(ctx context.Context, fresh bool, l *lookup.Loaded) {
	var ended []state.Superseded // by the tombstone cookie
	if s.cookies != nil {
		ended = s.cookies.Known.Ended
	}
	o := s.m.library.Find(ctx, s.in)
	if o == nil {
		return
	}
	t, err := s.m.library.Take(ctx, o, ended, fresh, l)
	if err != nil {
		*l = lookup.Loaded{Phase: lookup.Unknown, Err: err}
		return
	}
	if p := s.cookies; p == nil {
		s.hold(ctx, t, l)
	} else {
		brought := p.Known // of another session
		p.Known = lookup.Known{Excused: brought.Excused, Keep: brought.Keep, Ended: ended}
		if s.hold(ctx, t, l); l.Phase != lookup.Live {
			p.Known = brought
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
		// No token of ours opened it, so it has no ID. create waits for the grace after
		// its death.
		*l = lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{State: l.State}}
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
		s.tokenAction = transport.Action{Kind: transport.Send, Token: t, End: s.m.storage.CookieEnd(&l.State)}
		adopted := ID(l.ID)
		s.adopted = &adopted
	}
}

// endAdoption ends the session to which the old cookie of a request leads, because the
// visitor logs out of the session l, or begins another one. It reports whether there
// was such a cookie.
func (s *Session) endAdoption(ctx context.Context, l *lookup.Loaded) (found bool, err error) {
	if s.m.library == nil {
		return false, nil
	}
	found, ended, err := s.m.library.Logout(ctx, s.in, l)
	if p := s.cookies; p != nil && err == nil {
		p.Ended = state.JoinSuperseded(p.Ended, ended)
	}
	return found, err
}

// dropOldCookiesLocked deletes the old library's cookies, if the request carried them
// and the answer sends or clears our token. s.mu is held.
func (s *Session) dropOldCookiesLocked(h http.Header) {
	if s.m.library == nil {
		return
	}
	if s.readOnly && s.tokenAction.Kind == transport.Send && s.adopted != nil && ID(s.tokenAction.Token.ID()) == *s.adopted {
		s.tokenAction = transport.Action{} // a later answer sends it
	}
	if s.tokenAction.Kind == transport.Send || s.tokenAction.Kind == transport.Clear {
		s.m.library.DropCookies(s.in, h)
	}
}
