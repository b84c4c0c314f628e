package main

import (
	"context"
	"errors"
	"sync"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// memory is a store inside the process that can be stopped as if it were one of
// its own.
type memory struct {
	mu      sync.Mutex
	store   *memstore.Store
	is      condition
	changed chan struct{} // closed when that changes
}

func newMemory() *memory {
	return &memory{store: memstore.New(nil), is: running, changed: make(chan struct{})}
}

var errDead = errors.New("shop: the store was killed")

// Load implements session.Store.
func (m *memory) Load(ctx context.Context, id session.ID) (session.Record, error) {
	s, err := m.ask(ctx)
	if err != nil {
		return session.Record{}, err
	}
	return s.Load(ctx, id)
}

// Save implements session.Store.
func (m *memory) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	s, err := m.ask(ctx)
	if err != nil {
		return session.Absent, err
	}
	return s.Save(ctx, id, r, over)
}

// ask waits while the store is frozen.
func (m *memory) ask(ctx context.Context) (*memstore.Store, error) {
	for {
		m.mu.Lock()
		s, is := m.store, m.is
		changed := m.changed
		m.mu.Unlock()
		switch is {
		case running:
			return s, nil
		case dead:
			return nil, errDead
		case frozen: // waits
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

func (m *memory) become(is condition, unless ...condition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range append(unless, is) {
		if m.is == c {
			return
		}
	}
	if is == dead {
		m.store = memstore.New(nil)
	}
	m.is = is
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *memory) kill() error    { m.become(dead); return nil }
func (m *memory) freeze() error  { m.become(frozen, dead); return nil }
func (m *memory) back() error    { m.become(running); return nil }
func (m *memory) restart() error { m.become(dead); m.become(running); return nil }
func (m *memory) close()         {}

func (m *memory) condition() condition {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.is
}
