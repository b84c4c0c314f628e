package session

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

// Stay is how long a visitor stays logged in. The zero Stay is for as long as the Options
// say, until the browser closes.
type Stay struct {
	// Persistent keeps the session's cookies when the browser closes, as Cookie.Persistent
	// does, which has no effect on the session then.
	Persistent bool

	// Lifetime ends the session this long after the login; zero is Options.Lifetime. It
	// is at most Options.MaxLifetime.
	Lifetime time.Duration

	// Idle ends the session when its visitor has not used it for this long; zero is
	// Options.Idle. A value above the Lifetime counts as the Lifetime. The session may
	// outlive Idle by Options.Refresh, or by a tenth of Idle where that is shorter.
	Idle time.Duration
}

// Remember makes the session last as long as how says, instead of as the Options say: the
// "remember me" of a login page, or the contrary on a terminal that many people use. Call
// it at the login, beside SetUser, in either order:
//
//	s.SetUser("ann")
//	s.Remember(session.Stay{Persistent: true, Lifetime: 30 * 24 * time.Hour, Idle: 14 * 24 * time.Hour})
//
// It renews the session as Renew does. From then on the session keeps these times, under
// each new ID, and in its copies: each Renew restarts the same Lifetime, until Remember says
// something else, or SetUser logs in a user that was not the session's before. Only a
// renewal changes it, so no stale copy makes a session last longer than its login did.
//
// Like Renew, Remember that fails makes the commit answer its error, and Err returns it: for
// a time that is negative, shorter than a second, or a Lifetime above Options.MaxLifetime;
// ErrTooLate once the response header is written; ErrReadOnly; an error that wraps
// errors.ErrUnsupported with an Options.Format, whose records have no place for it; and
// that of a session that is not known.
func (s *Session) Remember(how Stay) {
	if s.m.foreign() {
		_ = s.failed(errNoStay)
		return
	}
	if err := s.m.storage.CheckStay(how.Lifetime, how.Idle); err != nil {
		_ = s.failed(err)
		return
	}
	if s.renew() == nil {
		s.set(s.m.stay(how))
	}
}

var errNoStay = fmt.Errorf("session: Remember: the records of Options.Format have no place for how long a session lasts: %w", errors.ErrUnsupported)

// stay returns the change that makes a session last as long as how says. The times of the
// options need no entry.
func (m *Manager) stay(how Stay) state.Change {
	how.Idle = min(how.Idle, cmp.Or(how.Lifetime, m.storage.Lifetime))
	if how == (Stay{Persistent: m.storage.Persistent}) {
		return state.NoStay()
	}
	return m.logins.Stay(state.Stay(how))
}

// forgetStay makes a session whose login is another user's last as the options say, but
// where Remember has said more in this request.
func (s *Session) forgetStay() {
	s.mu.Lock()
	said := s.changes.Sets(state.StayEntry)
	s.mu.Unlock()
	if !said {
		s.set(state.NoStay())
	}
}
