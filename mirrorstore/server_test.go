package mirrorstore_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// server is one of two stores, with what goes wrong with it. All instances see the same of it,
// but for single calls that get no answer.
type server struct {
	mu     sync.Mutex
	r      *rand.Rand
	store  *memstore.Store
	frozen chan struct{} // nil: it is not
	down   bool
	stray  int // calls of a hundred that go wrong, one way or another
	slow   time.Duration
}

func newServer(seed, n uint64) *server {
	return &server{store: memstore.New(nil), r: rand.New(rand.NewPCG(seed, n)), slow: 2 * time.Millisecond}
}

func (s *server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

var faults = []string{"stops", "restarts empty", "freezes", "is emptied", "is slow", "loses packets"}

// fail lets one of the faults last for a while.
func (s *server) fail(fault string, d time.Duration) {
	switch fault {
	case "stops":
		s.change(func() { s.down = true })
		time.Sleep(d)
		s.change(func() { s.down = false })
	case "restarts empty":
		s.change(func() { s.down, s.store = true, memstore.New(nil) })
		time.Sleep(d)
		s.change(func() { s.down = false })
	case "freezes":
		s.change(func() { s.frozen = make(chan struct{}) })
		time.Sleep(d)
		s.change(func() { close(s.frozen); s.frozen = nil })
	case "is emptied":
		s.change(func() { s.store = memstore.New(nil) })
	case "is slow":
		s.change(func() { s.slow = 120 * time.Millisecond })
		time.Sleep(d)
		s.change(func() { s.slow = 2 * time.Millisecond })
	case "loses packets":
		s.change(func() { s.stray = 20 })
		time.Sleep(d)
		s.change(func() { s.stray = 0 })
	}
}

// do makes a call as one instance does.
func (s *server) do(ctx context.Context, call func(*memstore.Store) error) error {
	s.mu.Lock()
	there, back := time.Duration(s.r.Int64N(int64(s.slow))), time.Duration(s.r.Int64N(int64(s.slow)))
	stray, kind := s.r.IntN(100) < s.stray, s.r.IntN(4)
	frozen := s.frozen
	s.mu.Unlock()
	wait := func(d time.Duration) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d):
			return nil
		}
	}
	if err := wait(there); err != nil {
		return err
	}
	if frozen != nil {
		select {
		case <-ctx.Done():
			// A frozen server may still do the request when it goes on.
			if kind == 0 {
				go func() {
					<-frozen
					_ = s.now(call)
				}()
			}
			return ctx.Err()
		case <-frozen:
		}
	}
	if stray && kind == 0 {
		return errDied // it was not sent
	}
	if stray && kind == 1 {
		<-ctx.Done()
		return ctx.Err()
	}
	err := s.now(call)
	if stray && kind == 2 {
		return errDied // the answer is lost
	}
	if stray && kind == 3 {
		<-ctx.Done()
		return ctx.Err()
	}
	if errWait := wait(back); errWait != nil {
		return errWait
	}
	return err
}

func (s *server) now(call func(*memstore.Store) error) error {
	s.mu.Lock()
	store, down := s.store, s.down
	s.mu.Unlock()
	if down {
		return errDied
	}
	return call(store)
}

func (s *server) Load(ctx context.Context, id session.ID) (session.Record, error) {
	var loaded atomic.Pointer[session.Record] // a call that is late may still run
	err := s.do(ctx, func(m *memstore.Store) error {
		r, err := m.Load(context.WithoutCancel(ctx), id)
		r.Expires = time.Time{} // as most stores do
		loaded.Store(&r)
		return err
	})
	if err != nil {
		return session.Record{}, err
	}
	return *loaded.Load(), nil
}

func (s *server) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	var saved atomic.Pointer[session.Version]
	err := s.do(ctx, func(m *memstore.Store) error {
		v, err := m.Save(context.WithoutCancel(ctx), id, r, over)
		saved.Store(&v)
		return err
	})
	if err != nil {
		return session.Absent, err
	}
	return *saved.Load(), nil
}
