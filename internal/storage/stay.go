package storage

import (
	"cmp"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

// Stay is how long sessions last that have no times of their own, and how long at most
// those that have.
type Stay struct {
	Idle, Refresh time.Duration
	Lifetime      time.Duration
	MaxLifetime   time.Duration // of a session with times of its own; not below Lifetime
	Persistent    bool          // the cookies outlast the browser
}

// stay returns how long a session lasts. Times that it does not give are 0. With another
// system's format the entry of that name is that system's.
func (s *Storage) stay(st *state.State) (state.Stay, bool) {
	if s.foreign() {
		return state.Stay{}, false
	}
	return st.Stay()
}

// IdleOf returns how long a session lives unused, but for RefreshOf.
func (s *Storage) IdleOf(st *state.State) time.Duration {
	stay, ok := s.stay(st)
	if !ok || stay.Idle == 0 {
		return s.Idle
	}
	return min(stay.Idle, s.MaxLifetime)
}

// refreshes is how many refreshes fit into the time that a session may be unused, where
// that is a short one of its own.
const refreshes = 10

// RefreshOf returns how long a use of a session may go unnoted: Refresh, or a tenth of
// the idle timeout where the session has a shorter one of its own.
func (s *Storage) RefreshOf(st *state.State) time.Duration {
	stay, ok := s.stay(st)
	if !ok || stay.Idle == 0 || stay.Idle >= s.Idle {
		return s.Refresh
	}
	return min(s.Refresh, stay.Idle/refreshes)
}

// EndOf returns when a session ends that is renewed at that time.
func (s *Storage) EndOf(st *state.State, renewed time.Time) time.Time {
	stay, _ := s.stay(st)
	lifetime := cmp.Or(stay.Lifetime, s.Lifetime)
	return renewed.Add(min(lifetime, s.MaxLifetime))
}

// CookieEnd returns until when the cookies of a session last; zero: until the browser
// closes.
func (s *Storage) CookieEnd(st *state.State) time.Time {
	persistent := s.Persistent
	if stay, ok := s.stay(st); ok {
		persistent = stay.Persistent
	}
	if !persistent {
		return time.Time{}
	}
	return time.UnixMilli(st.End)
}
