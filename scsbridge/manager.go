package scsbridge

import (
	"context"
	"net/http"

	"github.com/holdfast-go/session"
)

// Options say how a SessionManager works. The zero value of each is its default.
type Options struct {
	// Key returns options for the key under which a value is kept, such as session.Rank
	// or session.ServerOnly. It must return the same for the same key. Nil means none.
	Key func(key string) []session.KeyOption
}

// SessionManager has the methods of scs.SessionManager, for the requests of one
// Manager. Any number of goroutines may use it, also for one request.
//
// All its methods panic where ctx is not of a request that comes through LoadAndSave
// or Handler of that Manager. Methods without an error as result make the answer an
// error where it is unknown what the session holds, or where it must not be written:
// 503 where the store does not answer.
type SessionManager struct {
	sessions *session.Manager
	options  Options
}

// New returns a SessionManager on m. Nil Options are the defaults.
func New(m *session.Manager, o *Options) *SessionManager {
	s := &SessionManager{sessions: m}
	if o != nil {
		s.options = *o
	}
	return s
}

// Manager returns the Manager that New was given, for handlers that use session.Key, and
// for tests: where those of scs call Load for a context with a session, there is
// sessiontest.NewVisitor(t, s.Manager()).Context().
func (s *SessionManager) Manager() *session.Manager { return s.sessions }

// LoadAndSave is Handler of the Manager: the session is loaded when a handler first
// asks for it, and saved before the first byte of the response leaves.
func (s *SessionManager) LoadAndSave(next http.Handler) http.Handler {
	return s.sessions.Handler(next)
}

// RenewToken gives the session a new token when it is saved, and restarts its
// lifetime. Call it at each login. It returns the error that will be the answer, if
// there is one by now. A visitor without a session gets one, and a token, when the
// first value is put.
func (s *SessionManager) RenewToken(ctx context.Context) error {
	v, _ := s.sessions.From(ctx)
	v.Renew()
	return v.Err()
}

// Destroy ends the session, as session.Session.Destroy does, which also reports whether the
// logout has reached the store: with a backup a session can be destroyed while the store is
// away. Values that are put afterwards begin a new one.
func (s *SessionManager) Destroy(ctx context.Context) error {
	v, _ := s.sessions.From(ctx)
	_, err := v.Destroy(ctx)
	return err
}
