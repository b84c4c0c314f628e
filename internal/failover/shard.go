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

// Shard is a part of the store that fails as one, as this process knows it: whether
// requests are sent to it, and what it lacks. It exists only where there is a
// backup.
type Shard struct {
	all         *Shards
	name        string
	breaker     *circuit.Breaker
	probes      probe.Shard
	overriding  sync.Mutex
	mode        atomic.Uint32   // the operator's, as the breaker has it; overriding guards writes
	wake        chan struct{}   // the shard lacks something
	failedSaves [2]atomic.Int32 // saves of each kind that failed in a row
	outage      outage          // guarded by health.mu
	catchingUp  atomic.Bool     // it is back, and lacks something still
}

// outage records when a shard went away, and what the hooks have been told since.
type outage struct {
	since           time.Time
	toldAt          time.Time // when Down or StillDown was called last
	delivered, lost uint64    // the journal's counts when it went away
}

// failures returns how many saves of a kind have failed in a row.
func (s *Shard) failures(w Work) *atomic.Int32 {
	if w == Putting {
		return &s.failedSaves[0]
	}
	return &s.failedSaves[1]
}

// applyOverride passes the operator's mode on to the breaker.
func (s *Shard) applyOverride(ctx context.Context) {
	if s.mode.Load() == uint32(s.all.Mode()) {
		return
	}
	s.overriding.Lock()
	mode := s.all.Mode()
	s.mode.Store(uint32(mode))
	change, news := s.breaker.Force(s.all.Clock.Now(), mode)
	s.overriding.Unlock()
	s.onChange(ctx, errForced)(change, news)
}

var errForced = errors.New("session: by order of the operator")

// signal wakes the shard's goroutine.
func (s *Shard) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// bypass returns a call that the breaker neither gates nor counts. The delivery loop
// uses it.
func (s *Shard) bypass(id string) Call {
	return Call{all: s.all, ID: id, shard: s, Budget: s.all.SaveTimeout}
}

// Quarantined reports whether the shard has lost its data so recently that "nothing"
// from it counts as no answer.
func (s *Shard) Quarantined() bool {
	return !s.all.Without.Lacks(mechanism.Quarantine) && s.breaker.Quarantined(s.all.Clock.Now())
}

// lostMemory notes that the shard has lost its data, and makes the tombstones of
// this process pending again. known reports whether this process saw what is lost.
// Otherwise the shard may be new, and the Forgot hook is not called.
func (s *Shard) lostMemory(ctx context.Context, known bool) {
	s.breaker.Forgot(s.all.Clock.Now())
	s.all.journal.Republish(s.name, !s.all.Without.Lacks(mechanism.Revocations), s.breaker.Owe)
	s.signal()
	if known && s.all.Hooks.Forgot != nil {
		s.all.Hooks.Forgot(ctx, s.name)
	}
}

// dropShard ends a shard that has no sessions any more, because the store's layout
// has changed. What it lacked goes to the shards that have these sessions now.
func (s *Shard) dropShard() {
	s.all.byName.CompareAndDelete(s.name, s)
	lacking := s.all.journal.Move(s.name, s.all.Store.Shard, func(shard string) { s.all.named(shard).breaker.Owe() })
	for _, shard := range lacking {
		s.all.named(shard).signal()
	}
	if s.breaker.State(s.all.Clock.Now()).State != circuit.Serving {
		s.all.health.mu.Lock()
		s.all.health.countLocked(-1)
		s.all.health.mu.Unlock()
	}
}

// onChange returns a function that calls the hooks for a change of the breaker's
// state, and does nothing without one.
func (s *Shard) onChange(ctx context.Context, err error) func(circuit.Change, bool) {
	return func(c circuit.Change, news bool) {
		h := &s.all.health
		switch {
		case !news:
		case c.From == circuit.Serving:
			h.mu.Lock()
			now := s.all.Clock.Now()
			n := s.all.journal.Stats(s.name)
			s.outage = outage{since: now, toldAt: now, delivered: n.Delivered, lost: n.Lost}
			h.countLocked(+1)
			h.mu.Unlock()
			s.catchingUp.Store(false)
			if err == nil {
				err = errors.New("session: " + c.Cause.String())
			}
			if s.all.Hooks.Down != nil {
				s.all.Hooks.Down(ctx, s.name, err)
			}
		case c.To == circuit.Serving:
			h.mu.Lock()
			o := s.outage
			h.countLocked(-1)
			h.mu.Unlock()
			up := s.outageUntilNow(o, nil)
			if s.all.Hooks.Up != nil {
				s.all.Hooks.Up(ctx, up)
			}
			if up.waiting() > 0 {
				s.catchingUp.Store(true)
				s.signal()
			}
		}
	}
}

// reportSettled calls the Settled hook once a shard that is back lacks nothing any
// more.
func (s *Shard) reportSettled(ctx context.Context) {
	if !s.catchingUp.Load() || s.breaker.State(s.all.Clock.Now()).State != circuit.Serving {
		return
	}
	s.all.health.mu.Lock()
	o := s.outage
	s.all.health.mu.Unlock()
	settled := s.outageUntilNow(o, nil)
	if settled.waiting() > 0 || !s.catchingUp.CompareAndSwap(true, false) || s.all.Hooks.Settled == nil {
		return
	}
	s.all.Hooks.Settled(ctx, settled)
}

// reportStillDown calls the StillDown hook if the shard is away and a reminder is
// due. err is the outcome of the last probe.
func (s *Shard) reportStillDown(ctx context.Context, err error) {
	b := s.breaker.State(s.all.Clock.Now())
	if b.State == circuit.Serving {
		return
	}
	h := &s.all.health
	h.mu.Lock()
	due := s.all.Clock.Now().Sub(s.outage.toldAt) >= reminder
	if due {
		s.outage.toldAt = s.all.Clock.Now()
	}
	o := s.outage
	h.mu.Unlock()
	if !due || s.all.Hooks.StillDown == nil {
		return
	}
	if err == nil {
		err = errors.New("session: " + b.String())
	}
	s.all.Hooks.StillDown(ctx, s.outageUntilNow(o, err))
}

// outageUntilNow returns o for the hooks, with what the journal has delivered and
// lost since it began.
func (s *Shard) outageUntilNow(o outage, err error) Outage {
	n := s.all.journal.Stats(s.name)
	return Outage{
		Shard: s.name, Since: o.since, Duration: s.all.Clock.Now().Sub(o.since), Err: err,
		States: n.States, Tombstones: n.Tombstones,
		Delivered: n.Delivered - o.delivered, Lost: n.Lost - o.lost,
		Backup: true,
	}
}

// Tombstone returns the tombstone of a session, if it has ended as far as this
// process knows.
func (s *Shard) Tombstone(id string) (journal.Tombstone, bool) { return s.all.journal.Tombstone(id) }

// Copy returns what this process knows of a session besides the store: what the shard
// lacks, and what it has taken lately.
func (s *Shard) Copy(id string) (state.Copy, bool) {
	held, ok := s.all.journal.Copy(id)
	return held.Copy, ok
}

// Breaker returns the shard's breaker.
func (s *Shard) Breaker() *circuit.Breaker { return s.breaker }
