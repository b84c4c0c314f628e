// Package running counts the work in the background. It bounds how many pieces run
// at once, runs at most one piece of a name, and starts none after Close, which
// waits for those that run.
package running

import (
	"context"
	"sync"
)

// Set is what runs now. The zero Set is empty; any number of goroutines may use
// it.
type Set struct {
	mu      sync.Mutex // guards all below
	closed  bool
	running int // with and without a name
	names   map[string]struct{}
	idle    chan struct{} // Close waits for it; nil: no caller waits
}

// Start reports whether name may run now: not while it runs, not beside most
// others, and not after Close. If so, Done must follow.
func (s *Set) Start(name string, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.names[name]; ok || s.closed || len(s.names) >= most {
		return false
	}
	if s.names == nil {
		s.names = make(map[string]struct{})
	}
	s.names[name] = struct{}{}
	s.running++
	return true
}

// Done ends what Start has allowed.
func (s *Set) Done(name string) {
	s.mu.Lock()
	delete(s.names, name)
	s.mu.Unlock()
	s.done()
}

// Hold makes Close wait until done is called. It has no name and no bound. After
// Close it does nothing.
func (s *Set) Hold() (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return func() {}
	}
	s.running++
	return s.done
}

// done notes that something has ended, and tells every Close that waits for the
// last.
func (s *Set) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	if s.running == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// Close waits for the pieces that run, until ctx ends, and returns the error of ctx
// then. No further piece starts.
func (s *Set) Close(ctx context.Context) error {
	idle := s.close()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close returns what is closed when nothing runs any more, and nil if nothing
// does now.
func (s *Set) close() (idle <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.running == 0 {
		return nil
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	return s.idle
}
