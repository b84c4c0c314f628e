package failover

import (
	"sync"
	"time"
)

// heardWithin is how long after a restore this process has heard of every end of the
// session that came before it, and how long a state waits for news of its session.
const heardWithin = 10 * time.Second

// putBack remembers for 10 to 20 seconds which sessions this process has put into a store
// that lacked them. The limit of restores bounds how many these are.
type putBack struct {
	mu    sync.Mutex // guards all below
	young map[string]struct{}
	old   map[string]struct{}
	since time.Time // when young began
}

// note notes that a session is put back.
func (p *putBack) note(id string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ageLocked(now)
	if p.young == nil {
		p.young = make(map[string]struct{})
	}
	p.young[id] = struct{}{}
}

// lately reports whether a session was put back in the last heardWithin.
func (p *putBack) lately(id string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ageLocked(now)
	_, young := p.young[id]
	_, old := p.old[id]
	return young || old
}

func (p *putBack) ageLocked(now time.Time) {
	age := now.Sub(p.since)
	if age >= 0 && age < heardWithin {
		return
	}
	p.old = p.young
	if age >= 2*heardWithin || age < 0 {
		p.old = nil
	}
	p.young = nil
	p.since = now
}
