package failover

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/probe"
	"github.com/holdfast-go/session/internal/state"
)

// shard is a part of the store that fails as one, seen from here: whether it is
// asked, and what it is owed. It exists only where there is a backup.
type Shard struct {
	all      *Shards
	name     string
	breaker  *circuit.Breaker
	journal  *journal.Journal
	probes   probe.Shard
	obeying  sync.Mutex
	mode     atomic.Uint32   // the operator's, as the breaker has it; written with obeying held
	wake     chan struct{}   // something is owed
	unsaved  [2]atomic.Int32 // saves of each kind that failed in a row
	outage   outage          // guarded by health.mu
	settling atomic.Bool     // it is back, and lacks something still
}

// outage is when a shard went away, and what is told of it.
type outage struct {
	since           time.Time
	told            time.Time // that it is away, or still is
	delivered, lost uint64    // by then
}

// failures is how many saves of a kind have failed in a row.
func (s *Shard) failures(w Work) *atomic.Int32 {
	if w == Putting {
		return &s.unsaved[0]
	}
	return &s.unsaved[1]
}

// obey passes the operator's mode on to the breaker.
func (s *Shard) obey(ctx context.Context) {
	if s.mode.Load() == uint32(s.all.Mode()) {
		return
	}
	s.obeying.Lock()
	mode := s.all.Mode()
	s.mode.Store(uint32(mode))
	change, news := s.breaker.Force(s.all.Clock.Now(), mode)
	s.obeying.Unlock()
	s.tell(ctx, errForced)(change, news)
}

var errForced = errors.New("session: by order of the operator")

// rouse wakes the keeper.
func (s *Shard) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// anyway is a call that is not asked for: of the journal, whose deliveries say
// nothing about the shard that its breaker does not know.
func (s *Shard) anyway(id string) Call {
	return Call{all: s.all, ID: id, shard: s, Budget: s.all.SaveTimeout}
}

// Quarantined tells whether the shard has just lost its memory: that it has
// nothing is then no answer.
func (s *Shard) Quarantined() bool {
	return !s.all.Without.Lacks(mechanism.Quarantine) && s.breaker.Quarantined(s.all.Clock.Now())
}

// forgot says that the shard has lost its memory: all tombstones that are known
// here are published again. known tells whether it had one, as far as this
// process saw. One that is not known is disbelieved all the same, but may be
// new: that alarms nobody.
func (s *Shard) forgot(ctx context.Context, known bool) {
	s.breaker.Forgot(s.all.Clock.Now())
	s.journal.Republish(!s.all.Without.Lacks(mechanism.Ring), s.breaker.Owe)
	s.rouse()
	if known && s.all.Hooks.Forgot != nil {
		s.all.Hooks.Forgot(ctx, s.name)
	}
}

// retire is for a shard that has no sessions any more, because the store's
// layout has changed: what it was owed belongs to others now.
func (s *Shard) retire(ctx context.Context) {
	s.all.byName.CompareAndDelete(s.name, s)
	graves, debts := s.journal.Drain()
	for _, g := range graves {
		_ = s.all.Of(g.ID).Bury(ctx, g) // it was in the journal: there is room
	}
	for _, b := range debts {
		s.all.Of(b.ID).Owe(ctx, b)
	}
	if s.breaker.State(s.all.Clock.Now()).State != circuit.Serving {
		s.all.health.mu.Lock()
		s.all.health.count(-1)
		s.all.health.mu.Unlock()
	}
}

// tell returns what tells the hooks of a change, if it is one.
func (s *Shard) tell(ctx context.Context, err error) func(circuit.Change, bool) {
	return func(c circuit.Change, news bool) {
		h := &s.all.health
		switch {
		case !news:
		case c.From == circuit.Serving:
			h.mu.Lock()
			now := s.all.Clock.Now()
			n := s.journal.Stats()
			s.outage = outage{now, now, n.Delivered, n.Lost}
			h.count(+1)
			h.mu.Unlock()
			s.settling.Store(false)
			if err == nil {
				err = errors.New("session: " + c.Cause.String())
			}
			if s.all.Hooks.Down != nil {
				s.all.Hooks.Down(ctx, s.name, err)
			}
		case c.To == circuit.Serving:
			h.mu.Lock()
			o := s.outage
			h.count(-1)
			h.mu.Unlock()
			up := s.report(o, nil)
			if s.all.Hooks.Up != nil {
				s.all.Hooks.Up(ctx, up)
			}
			if up.Waiting() > 0 {
				s.settling.Store(true)
				s.rouse()
			}
		}
	}
}

// settle tells the hooks that a shard which is back lacks nothing any more.
func (s *Shard) settle(ctx context.Context) {
	if !s.settling.Load() || s.breaker.State(s.all.Clock.Now()).State != circuit.Serving {
		return
	}
	s.all.health.mu.Lock()
	o := s.outage
	s.all.health.mu.Unlock()
	settled := s.report(o, nil)
	if settled.Waiting() > 0 || !s.settling.CompareAndSwap(true, false) || s.all.Hooks.Settled == nil {
		return
	}
	s.all.Hooks.Settled(ctx, settled)
}

// remind tells the hooks of an outage that lasts. err is what came of the last
// probe.
func (s *Shard) remind(ctx context.Context, err error) {
	b := s.breaker.State(s.all.Clock.Now())
	if b.State == circuit.Serving {
		return
	}
	h := &s.all.health
	h.mu.Lock()
	due := s.all.Clock.Now().Sub(s.outage.told) >= reminder
	if due {
		s.outage.told = s.all.Clock.Now()
	}
	o := s.outage
	h.mu.Unlock()
	if !due || s.all.Hooks.StillDown == nil {
		return
	}
	if err == nil {
		err = errors.New("session: " + b.String())
	}
	s.all.Hooks.StillDown(ctx, s.report(o, err))
}

// report is an outage with what became of the journal since it began.
func (s *Shard) report(o outage, err error) Outage {
	n := s.journal.Stats()
	return Outage{
		Shard: s.name, Since: o.since, Duration: s.all.Clock.Now().Sub(o.since), Err: err,
		States: n.States, Tombstones: n.Tombstones,
		Delivered: n.Delivered - o.delivered, Lost: n.Lost - o.lost,
		Backup: true,
	}
}

// Tombstone returns the tombstone of a session, if it has ended as far as this
// process knows.
func (s *Shard) Tombstone(id string) (journal.Tombstone, bool) { return s.journal.Tombstone(id) }

// Copy returns what the shard lacks of a session.
func (s *Shard) Copy(id string) (state.Copy, bool) { return s.journal.Copy(id) }

// Breaker returns the shard's breaker.
func (s *Shard) Breaker() *circuit.Breaker { return s.breaker }
