// Package storage loads and saves sessions: it reads and writes states as records of
// the store, within the time that a request has. It sends nothing to a shard that
// package failover counts as away, and reports the outcome of each operation to that
// package. A record that it cannot decode is an answer of the store, and for the visitor
// none: neither a session nor no session, and no copy takes its place.
//
// Where to look: load.go and save.go load and save; times.go has the timeouts and their
// defaults; stay.go says how long a session lasts and, by its Refresh, how long a use of it may
// go unnoted; storage.go encodes states, and says when the store may forget them.
package storage

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/deadline"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/flight"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/stamp"
	"github.com/holdfast-go/session/internal/state"
)

// Storage is the sessions of one store. Its exported fields are set before the
// first call; from then on any number of goroutines may use it.
type Storage struct {
	Store  record.Store
	Shards *failover.Shards
	Format foreign.Format // nil: the library's own
	Clock  *stamp.Clock

	ReadTimeout, SaveTimeout time.Duration
	Stay
	TombstoneLife time.Duration
	UserLife      time.Duration // of the revocation of a user
	Without       mechanism.Set

	// Counts since the process began: sessions asked for, sessions written, and saves
	// that failed because another writer came first.
	Loads, Saves, Conflicts atomic.Uint64

	reading, waiting, saving deadline.SharedTimer
	delivering               deadline.Patient // of a Call that is Patient
	flights                  flight.Group[string, loadAnswer]
}

// Century bounds lifetimes, so that a time.Duration can be added to a date.
const Century = state.MaxStay

// foreign reports whether other programs write the records too. A foreign record
// lives as long as the store says, since the other program puts its expiry off
// without writing it. Where it has none any more the session has ended: the other
// program leaves no tombstones.
func (s *Storage) foreign() bool { return s.Format != nil }

// Encode returns the record's data for st, and its expiry.
func (s *Storage) Encode(ctx context.Context, st state.State) ([]byte, time.Time, error) {
	if !s.foreign() {
		return st.Encode(), s.Expires(st), nil
	}
	data, expires, err := s.Format.Encode(ctx, st, s.Clock.Now())
	switch {
	case err != nil:
		return nil, expires, fmt.Errorf("session: %w", err)
	case st.Dead(), expires.IsZero():
		expires = s.Expires(st)
	}
	return data, expires, nil
}

// decode returns the state in a record's bytes. A session that was last seen in the
// future was seen by a process whose clock was ahead and may be right by now: that
// counts as a Refresh ago, so that the expiry, which the store counts from the real time
// of that save, is put off again.
func (s *Storage) decode(data []byte, now time.Time) (state.State, error) {
	if s.foreign() {
		return s.decodeForeign(data, now)
	}
	st, err := state.Decode(data)
	if err == nil && st.LastSeen > now.Add(min(state.MaxAhead, s.Refresh)).UnixMilli() {
		st.LastSeen = now.Add(-s.RefreshOf(&st)).UnixMilli()
	}
	return st, err
}

// decodeForeign is decode for a record that another program may have written.
func (s *Storage) decodeForeign(data []byte, now time.Time) (state.State, error) {
	st, err := s.Format.Decode(data, now)
	if err != nil || st.Dead() {
		return st, err
	}
	known := func(t int64, otherwise time.Time) int64 {
		if t == 0 {
			return otherwise.UnixMilli()
		}
		return t
	}
	st.Created = known(st.Created, now)
	st.Authenticated = known(st.Authenticated, now)
	st.LastSeen = known(st.LastSeen, now)
	st.End = known(st.End, now.Add(Century))
	return st, st.Entries.Check()
}

// Expires returns when the store may forget st. A live session may be Refresh
// late, because its lastSeen is put off only once in a while.
func (s *Storage) Expires(st state.State) time.Time {
	if st.Dead() {
		return s.Clock.Now().Add(s.TombstoneLife)
	}
	idle, end := time.UnixMilli(st.LastSeen).Add(s.IdleOf(&st)+s.RefreshOf(&st)), time.UnixMilli(st.End)
	if idle.Before(end) {
		return idle
	}
	return end
}

// Expired reports whether a live state has expired by this process's clock.
func (s *Storage) Expired(st state.State, now time.Time) bool {
	return !st.Dead() && !now.Before(s.Expires(st))
}

// EndsUnused returns when a session ends if no further request uses it, but for RefreshOf.
func (s *Storage) EndsUnused(st state.State) time.Time {
	idle, end := time.UnixMilli(st.LastSeen).Add(s.IdleOf(&st)), time.UnixMilli(st.End)
	if idle.Before(end) {
		return idle
	}
	return end
}
