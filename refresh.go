package session

import (
	"context"
	"sync"
	"time"
)

// maxRefreshes bounds what runs in the background. Beyond it a refresh is
// left to the session's next request.
const maxRefreshes = 256

// refreshes are the expiry refreshes that run in the background.
type refreshes struct {
	wg      sync.WaitGroup
	mu      sync.Mutex // guards all below
	closed  bool
	running map[ID]struct{}
}

// refresh puts the expiry of a session off, if it is due: it saves the state
// with a later lastSeen over the version just read. If anybody wrote the
// session meanwhile, a logout above all, that stands and this does not happen.
func (m *Manager) refresh(ctx context.Context, l loaded) {
	if m.due(l) {
		go m.putOff(ctx, l)
	}
}

// due tells whether it is time for a refresh, and nobody else is at it. If so,
// putOff must follow.
func (m *Manager) due(l loaded) bool {
	return m.now().Sub(time.UnixMilli(l.state.LastSeen)) >= m.options.Refresh && m.refreshes.start(l.id)
}

// putOff saves a refresh, and returns what stands then.
func (m *Manager) putOff(ctx context.Context, l loaded) loaded {
	defer m.refreshes.done(l.id)
	ctx = context.WithoutCancel(ctx)
	c, err := m.call(ctx, l.id, true, m.options.SaveTimeout)
	if err != nil {
		return l
	}
	sent := m.now()
	st := l.state.Seen(sent)
	if v, err := m.put(ctx, c, "refresh", st, l.version); err == nil {
		m.health.refreshes.Add(1)
		l.state, l.version, l.confirmed = st, v, sent.UnixMilli()
	}
	return l
}

// start reports whether a refresh of id may run now. If so, done ends it.
func (r *refreshes) start(id ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.running[id]; ok || r.closed || len(r.running) >= maxRefreshes {
		return false
	}
	if r.running == nil {
		r.running = make(map[ID]struct{})
	}
	r.running[id] = struct{}{}
	r.wg.Add(1)
	return true
}

func (r *refreshes) done(id ID) {
	r.mu.Lock()
	delete(r.running, id)
	r.mu.Unlock()
	r.wg.Done()
}

// hold has close wait until done is called.
func (r *refreshes) hold() (done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return func() {}
	}
	r.wg.Add(1)
	return r.wg.Done
}

func (r *refreshes) close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	idle := make(chan struct{})
	go func() {
		r.wg.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
