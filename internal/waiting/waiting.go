// Package waiting wakes the goroutines that wait for news of a session: streams that
// end with it.
package waiting

import (
	"sync"
	"sync/atomic"
)

// Set is the waiters of all sessions. The zero Set is ready. Any number of goroutines
// may use it. It holds memory only for waiters.
type Set struct {
	size atomic.Int64 // of waiters, so that Wake takes no lock where nobody waits

	mu      sync.Mutex
	waiters map[string]map[*Waiter]struct{} // by session
}

// Waiter waits for news of one session.
type Waiter struct {
	News chan struct{} // receives where there may be news; several before it is read are one

	id string
}

// Enter returns a Waiter for news of a session. It gets no news of what became known
// before Enter, so its owner checks once before it waits. The owner calls Leave in the
// end.
func (s *Set) Enter(id string) *Waiter {
	w := &Waiter{News: make(chan struct{}, 1), id: id}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiters == nil {
		s.waiters = make(map[string]map[*Waiter]struct{})
	}
	if s.waiters[id] == nil {
		s.waiters[id] = make(map[*Waiter]struct{})
	}
	s.waiters[id][w] = struct{}{}
	s.size.Add(1)
	return w
}

// Leave ends the waiting.
func (s *Set) Leave(w *Waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiters[w.id], w)
	if len(s.waiters[w.id]) == 0 {
		delete(s.waiters, w.id)
	}
	s.size.Add(-1)
}

// Wake tells the waiters of a session that there may be news. The caller makes the
// news known before the call: a Waiter that enters meanwhile finds it when it
// checks.
func (s *Set) Wake(id string) {
	if s.size.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.waiters[id] {
		w.wake()
	}
}

// WakeAll is Wake for each session.
func (s *Set) WakeAll() {
	if s.size.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, all := range s.waiters {
		for w := range all {
			w.wake()
		}
	}
}

func (w *Waiter) wake() {
	select {
	case w.News <- struct{}{}:
	default: // it has not looked yet at what came before
	}
}

// Len returns how many waiters there are.
func (s *Set) Len() int { return int(s.size.Load()) }
