// Package running knows what runs in the background: at most so many at once,
// at most one of a name, and nothing new after Close, which waits for the rest.
package running

import (
	"context"
	"sync"
)

// Set is what runs now. The zero Set is empty; any number of goroutines may use
// it.
type Set struct {
	wg     sync.WaitGroup
	mu     sync.Mutex // guards all below
	closed bool
	names  map[string]struct{}
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
	s.wg.Add(1)
	return true
}

// Done ends what Start has allowed.
func (s *Set) Done(name string) {
	s.mu.Lock()
	delete(s.names, name)
	s.mu.Unlock()
	s.wg.Done()
}

// Hold makes Close wait until done is called. It has no name and no bound. After
// Close it does nothing.
func (s *Set) Hold() (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return func() {}
	}
	s.wg.Add(1)
	return s.wg.Done
}

// Close lets nothing more start, and waits for what runs until ctx ends. Its
// error is that of ctx.
func (s *Set) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	idle := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
