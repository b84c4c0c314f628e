package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/lookup"
)

// condition is what a wrapper asks of a request.
type condition uint8

const (
	readOnly condition = 1 << iota
	sessionRequired
	storeRequired
)

// Handler makes the session available to next, and to all that it calls with
// the request's context. A request that never asks for its session costs one
// allocation and no store command.
//
// The session is saved before the first byte of the response leaves, even if
// the visitor has gone. If that fails, Options.Error answers instead of next.
// After the header, what next changed is saved when it returns, but can no
// longer begin a session. A panic drops what is not saved.
//
// Where next returns without an answer and middleware further out writes one
// through the writer that next had, as echo's error handler does, what was
// changed in between is saved before that first byte. All else that is changed
// after next has returned is saved when the request is over; Hooks.Dropped reports
// changes that cannot be saved then.
//
// Handler, ReadOnly, Require and RequireStore may be nested in any order, and each works
// alone. Under a Handler of the same Manager they only add their condition.
func (m *Manager) Handler(next http.Handler) http.Handler { return m.wrap(next, 0) }

// ReadOnly is Handler for routes that only read: every write is ErrReadOnly, the session's
// expiry is not put off, and the answer sets no cookie, unless an outer handler has changed the
// session before. Such changes are still saved, but from then on the outer handler cannot write
// either. ReadOnly lets visitors without a session in; combine it with Require to turn them
// away.
func (m *Manager) ReadOnly(next http.Handler) http.Handler { return m.wrap(next, readOnly) }

// Require is Handler for routes that need a session: without one Options.Error answers
// ErrNoSession, 403 by default, and next does not run. A write never begins a session
// there, except after Destroy: what a logout sets afterwards, such as a message for the
// next page, begins a new session.
func (m *Manager) Require(next http.Handler) http.Handler { return m.wrap(next, sessionRequired) }

// RequireStore is Handler for routes that must not act on a copy of the session: it is read
// from the store itself, past all caches, before next runs, or Options.Error answers
// ErrUnavailable. With a Backup it does so too for a session whose store takes no saves, since
// that may lack that the session has ended. RequireStore lets visitors without a session in, as
// ReadOnly does.
func (m *Manager) RequireStore(next http.Handler) http.Handler { return m.wrap(next, storeRequired) }

// HandlerFunc is Handler for a function.
func (m *Manager) HandlerFunc(next func(http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return m.wrap(http.HandlerFunc(next), 0)
}

// ReadOnlyFunc is ReadOnly for a function.
func (m *Manager) ReadOnlyFunc(next func(http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return m.wrap(http.HandlerFunc(next), readOnly)
}

// RequireFunc is Require for a function. Around another wrapper's function it
// adds its condition: sessions.RequireFunc(sessions.ReadOnlyFunc(show)).
func (m *Manager) RequireFunc(next func(http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return m.wrap(http.HandlerFunc(next), sessionRequired)
}

// RequireStoreFunc is RequireStore for a function.
func (m *Manager) RequireStoreFunc(next func(http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return m.wrap(http.HandlerFunc(next), storeRequired)
}

func (m *Manager) wrap(next http.Handler, c condition) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		nested := ctx.Value(exchangeKey{}) != nil
		var x *exchange
		if nested {
			x, _ = ctx.Value(m).(*exchange)
		}
		if links := m.transport.Links; x == nil && links != nil {
			links.Serve(w, r, func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, c, next, nested) })
			return
		}
		if x == nil {
			m.serve(w, r, c, next, nested)
			return
		}
		if x.admit(w, r, c) {
			next.ServeHTTP(w, r)
		}
	}
}

// admit adds conditions to the request. Where one does not hold it answers.
func (x *exchange) admit(w http.ResponseWriter, r *http.Request, c condition) bool {
	if err := x.session().impose(r.Context(), c); err != nil {
		x.answer(w, r, err)
		return false
	}
	return true
}

func (s *Session) impose(ctx context.Context, c condition) error {
	s.mu.Lock()
	cached := s.loaded.Phase != lookup.Unasked && !s.fresh
	s.readOnly = s.readOnly || c&readOnly != 0
	s.required = s.required || c&sessionRequired != 0
	s.fresh = s.fresh || c&storeRequired != 0
	s.mu.Unlock()
	if c&(sessionRequired|storeRequired) == 0 {
		return nil
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	if c&storeRequired != 0 {
		if err := s.askStore(ctx, cached); err != nil {
			return err
		}
	}
	if c&sessionRequired != 0 && s.name() == "" {
		return ErrNoSession
	}
	return nil
}

// askStore makes sure that what is loaded is the store's answer. cached says that
// it was loaded before RequireStore asked for that.
func (s *Session) askStore(ctx context.Context, cached bool) error {
	if _, caches := s.m.store.(FreshLoader); cached && caches && s.name() != "" {
		if err := s.Reload(ctx); err != nil && !errors.Is(err, ErrNoSession) {
			return err
		}
	}
	if s.Source() == FromBackup {
		return fmt.Errorf("%w: the session is from its backup", ErrUnavailable)
	}
	if id := s.name(); id != "" && !s.m.shards.Writable(string(id)) {
		return fmt.Errorf("%w: the store takes no saves, and may lack that the session has ended", ErrUnavailable)
	}
	return nil
}

// From returns the session of the request that ctx belongs to, under the
// innermost Manager. It panics if the route is not wrapped, or ctx is not the
// request's. Some frameworks have a context of their own that is
// a context.Context too and does not know what the request's holds: with gin
// pass c.Request.Context(), not c. Handled tells without a panic.
//
// The first call asks the store. If it does not answer, the error wraps
// ErrUnavailable; it is unknown then whether the visitor has a session. The
// session is never nil: reading it returns the error, and writing it makes the
// commit answer the error, so that a handler may ignore it.
func From(ctx context.Context) (*Session, error) {
	s := mustExchange(ctx, exchangeKey{}).session()
	return s, s.load(ctx)
}

// From is session.From for the requests of this Manager, where several nest.
func (m *Manager) From(ctx context.Context) (*Session, error) {
	s := mustExchange(ctx, m).session()
	return s, s.load(ctx)
}

// StartNew returns a new session in place of the visitor's, under the innermost
// Manager; the visitor's ends when the new one is saved. StartNew does not ask
// the store, and so it works where From returns ErrUnavailable: at a login, for
// example. It fails with ErrReadOnly on a route that is wrapped in ReadOnly, and
// with ErrTooLate once the response header is written. It panics where From does.
func StartNew(ctx context.Context) (*Session, error) {
	s := mustExchange(ctx, exchangeKey{}).session()
	return s, s.startNew()
}

// StartNew is session.StartNew for the requests of this Manager, where several
// nest.
func (m *Manager) StartNew(ctx context.Context) (*Session, error) {
	s := mustExchange(ctx, m).session()
	return s, s.startNew()
}

func (s *Session) startNew() error {
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.readOnly:
		return s.failLocked(ErrReadOnly)
	case s.sealed:
		return s.failLocked(ErrTooLate)
	}
	old := s.replaced
	if s.loaded.Phase == lookup.Live || s.loaded.Phase == lookup.Unknown {
		old = ID(s.loaded.ID)
	} else if t, ok := s.transport.Receive(s.in); ok && s.loaded.Phase == lookup.Unasked {
		old = ID(t.ID())
	}
	s.forgetLocked()
	s.loaded = lookup.Loaded{Phase: lookup.Nobody}
	s.renewal, s.replaced = commit.NewValues, old
	return nil
}

// Loaded returns the session if some code has asked for it already, and never asks
// the store. It is for middleware such as a request log.
func Loaded(ctx context.Context) (*Session, bool) {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, false
	}
	s := x.known()
	if s == nil {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded.Phase == lookup.Unasked {
		return nil, false
	}
	return s, true
}

// Error answers a request whose session failed, by Options.Error, and drops
// what the handler changed and did not save. Called by Options.Error itself it
// gives the default answer. It panics where the request is not wrapped.
func Error(w http.ResponseWriter, r *http.Request, err error) {
	x := mustExchange(r.Context(), exchangeKey{})
	x.session().discard()
	x.answer(w, r, err)
}

// Handled reports whether ctx is of a request that comes through Handler, ReadOnly,
// Require or RequireStore, so that From has a session to return. It is for helpers that
// also run on routes without sessions, and never asks the store.
func Handled(ctx context.Context) bool {
	_, ok := ctx.Value(exchangeKey{}).(*exchange)
	return ok
}

func mustExchange(ctx context.Context, key any) *exchange {
	x, ok := ctx.Value(key).(*exchange)
	if !ok {
		panic(fmt.Sprintf("session: this context (%T) is not of a request that comes through Handler, ReadOnly, Require or RequireStore of the Manager; "+
			"pass the context of the request itself, r.Context(): in gin c.Request.Context(), in echo c.Request().Context()", ctx))
	}
	return x
}

// Load returns the session of a request that did not come through net/http,
// from the header that the request has. It asks nothing: the first use of the
// session asks the store, and Err returns why that failed. Commit must follow.
// Cookie.Secure is called with a request that has this header and this context alone, and not
// where the header has the token of a Secure cookie.
func (m *Manager) Load(ctx context.Context, in http.Header) *Session {
	host := in.Get("Host")
	return m.newSession(ctx, m.transport.OfHeader(ctx, in, host), in, host)
}

// Commit saves a session of Load, and adds to out the header fields of the answer. On error,
// send them too. Later changes are saved by Save, or after a second; Hooks.Dropped reports those
// that cannot be saved then.
func (m *Manager) Commit(ctx context.Context, s *Session, out http.Header) error {
	if s.m != m {
		panic("session: Commit of a session of another Manager")
	}
	err := s.finish(ctx, out, true)
	s.buildHeader(out)
	s.headerBuilt()
	s.releaseSlot()
	s.mu.Lock()
	s.answered = true
	s.mu.Unlock()
	if err != nil {
		s.discard() // the caller answers that it is not saved
	}
	s.handOff()
	return err
}

// StripCookies takes the token and the sealed copies off a request that is handed on to
// another server, as in Rewrite of an httputil.ReverseProxy: StripCookies(p.Out). A
// server that gets the token can act as the visitor. The session of r goes on as it is.
func (m *Manager) StripCookies(r *http.Request) {
	if x, ok := r.Context().Value(m).(*exchange); ok {
		x.session() // has the header of before
	}
	r.Header = m.transport.Strip(r.Header)
}
