// Package inuse records which sessions the requests of this process use now, and when
// each request read its session. The process keeps what it has learned of a session
// since then until that request is over: if the store stops answering, the request's
// changes are made on that newer state, and not on the one that it read.
package inuse

import (
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/record"
)

// Sessions are the sessions in use. The zero Sessions is ready. Any number of goroutines
// may use it. It holds memory only for sessions in use, and allocates none for a Use.
type Sessions struct {
	mu       sync.Mutex // guards all below, and each Use that is entered
	sessions map[string]*Use
}

// Use is a session's use by one request. Its owner calls the methods that take it one at
// a time. The zero Use is of no session.
type Use struct {
	id   string    // empty: it is not entered
	read time.Time // what the request knows is not older
	lost bool      // something that became known since then was forgotten, for lack of room

	first      bool           // it stands in the map, and the others of its session behind it
	newest     record.Version // of the first: what a request of the process was told last
	prev, next *Use
}

// Enter notes that a request uses a session from now on, and that what it knows of the
// session is not older than a time: the one before it asked. A Use that is entered
// already, also of another session, is moved.
func (s *Sessions) Enter(u *Use, id string, read time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.read, u.lost = read, false
	if u.id == id {
		return
	}
	s.leaveLocked(u)
	u.id = id
	first := s.sessions[id]
	if first == nil {
		if s.sessions == nil {
			s.sessions = make(map[string]*Use)
		}
		u.first = true
		s.sessions[id] = u
		return
	}
	u.prev, u.next = first, first.next
	if first.next != nil {
		first.next.prev = u
	}
	first.next = u
}

// Leave notes that the request is over.
func (s *Sessions) Leave(u *Use) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaveLocked(u)
}

func (s *Sessions) leaveLocked(u *Use) {
	if u.id == "" {
		return
	}
	if u.next != nil {
		u.next.prev = u.prev
	}
	switch {
	case !u.first:
		u.prev.next = u.next
	case u.next == nil:
		delete(s.sessions, u.id)
	default:
		u.next.first, u.next.newest = true, u.newest
		s.sessions[u.id] = u.next
	}
	*u = Use{read: u.read, lost: u.lost}
}

// Read is Enter for a request whose end is not reported.
func (u *Use) Read(at time.Time) { u.read, u.lost = at, false }

// ForgottenSince returns when the request read what it knows, where nothing is kept
// known for it since; else zero.
func (u *Use) ForgottenSince() time.Time {
	if u.id != "" {
		return time.Time{}
	}
	return u.read
}

// Needs reports whether a request uses a session that may have read it before something
// became known at a time.
func (s *Sessions) Needs(id string, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for u := s.sessions[id]; u != nil; u = u.next {
		if !u.read.After(at) {
			return true
		}
	}
	return false
}

// Forget notes that there was no room to keep what became known of a session at a time,
// although requests may need it.
func (s *Sessions) Forget(id string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for u := s.sessions[id]; u != nil; u = u.next {
		u.lost = u.lost || !u.read.After(at)
	}
}

// Lost reports whether something was forgotten that the request of a Use may need.
func (s *Sessions) Lost(u *Use) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return u.lost
}

// News notes that the store has answered a request of the process with a version of a
// session's record. It reports whether other requests use the session that may know an
// older version.
func (s *Sessions) News(id string, v record.Version) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.sessions[id]
	if first == nil || first.newest == v {
		return false
	}
	news := first.next != nil || first.newest != record.Absent
	first.newest = v
	return news
}

// Len is the number of sessions in use.
func (s *Sessions) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}
