package failover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/members"
	"github.com/holdfast-go/session/internal/probe"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
)

// Shard is a part of the store that fails as one, as this process knows it: whether
// requests are sent to it, and what it lacks. It exists only with a backup.
type Shard struct {
	all         *Shards
	name        string
	breaker     *circuit.Breaker // breaker of loads, and of all calls if none is answered
	saves       *circuit.Breaker // breaker of saves, which a shard may refuse although it answers loads
	tookSaves   atomic.Int64     // when a probe last saved in all ways, in Unix milliseconds
	probes      probe.Shard
	overriding  sync.Mutex
	mode        atomic.Uint32   // the operator's mode in the breakers; written with overriding held
	wake        chan struct{}   // the shard lacks something
	failedSaves [2]atomic.Int32 // saves of each kind that failed in a row
	outage      outage          // guarded by health.mu
	catchingUp  atomic.Bool     // it is back, and lacks something still
	again       again           // what it has lost of the revocation set
	forgotAt    atomic.Int64    // when the Forgot hook was called last, in Unix milliseconds
	members     *membership
	evictions   evictions
	dropped     atomic.Bool // the store has no such shard any more
}

// outage is when a shard went away, or began to refuse saves, and what the hooks were
// told of it.
type outage struct {
	state           State
	since           time.Time
	toldAt          time.Time // when Down or StillDown was called last
	delivered, lost uint64    // the journal's counts when it went away
}

// join returns this process as a member of the shard. It does not ask the store yet.
func (s *Shard) join() *membership {
	a := s.all
	silent := a.Without.Lacks(mechanism.Logs) || a.Without.Lacks(mechanism.Revocations)
	set := heardSet{journal: a.journal, telling: &a.telling, silent: silent}
	noUsers := a.Without.Lacks(mechanism.UserLogs)
	set.has = func(x revoked.Tombstone) bool {
		if noUsers && x.Class == revoked.Users {
			return false
		}
		own := x.From == revoked.Own && a.tellsAll()
		everywhere := x.Class == revoked.Users && !a.Without.Lacks(mechanism.EveryShard)
		return own || everywhere || a.Store.Shard(x.Record()) == s.name
	}
	set.tellOthers = func(x revoked.Tombstone) { s.tellOthersLater(journal.Heard(x)) }
	m := &membership{silent: silent, began: a.Clock.Now()}
	m.read.passed, m.looked.passed = make(chan struct{}), make(chan struct{})
	set.enter = func(g journal.Tombstone) {
		m.graces.hear(g, a.Clock.Now(), s.enterHeard)
		a.wake(g.ID)
	}
	var layout func() uint64
	if len(a.Store.Shards()) > 0 {
		layout = a.layout.own.Load
	}
	m.Shard = members.New(members.Config{
		Store: memberStore{a.Store, s.name}, Set: set,
		ID: s.recordID, Layout: layout,
		Numbers: &a.numbers, Instance: a.Clock.Instance, Now: a.Clock.Now,
		Budget: exchangeSaves * a.SaveTimeout, Life: a.TombstoneLife, UserLife: a.userLife(),
	})
	m.log = ownLog{members: m.Shard, silent: silent, noUsers: noUsers, saves: a.SaveTimeout, turn: make(chan struct{}, 1)}
	return m
}

// enterHeard enters a tombstone from another process's log. If this process has put the
// session back lately, the store had lost the tombstone before this process heard of it, and
// the tombstone is written into the store again: the revocation sets may forget the end
// before a request meets the record.
func (s *Shard) enterHeard(g journal.Tombstone) {
	if s.all.putBack.lately(g.ID, s.all.Clock.Now()) {
		g = g.Missing()
	}
	_ = s.all.Of(g.ID).AddTombstone(s.all.ctx, g)
}

// exchangeSaves is how many saves an exchange with the other members may take, together
// with as many loads.
const exchangeSaves = 5

// status returns what is known of the shard.
func (s *Shard) status(now time.Time) ShardStats {
	st := statusOf(s.name, s.breaker.State(now), s.saves.State(now))
	st.Heard = s.members.Heard()
	st.Told = s.members.log.toldAll()
	st.Members = s.members.Size()
	st.Evictions = s.evictions.total.Load()
	return st
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
	if s.mode.Load() == uint32(s.all.Mode(s.name)) {
		return
	}
	s.overriding.Lock()
	mode := s.all.Mode(s.name)
	s.mode.Store(uint32(mode))
	now := s.all.Clock.Now()
	_, saves := s.saves.Force(now, mode)
	change, news := s.breaker.Force(now, mode)
	s.overriding.Unlock()
	s.onChange(ctx, errForced)(change, news || saves)
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
	return Call{all: s.all, ID: id, shard: s, Budget: s.all.SaveTimeout, Patient: true}
}

// Quarantined reports whether the shard has lost its data so recently that "nothing"
// from it counts as no answer.
func (s *Shard) Quarantined() bool {
	return !s.all.Without.Lacks(mechanism.Quarantine) && s.breaker.Quarantined(s.all.Clock.Now())
}

// lostMemory notes that the shard has lost its data, and begins to write the tombstones again
// that the shard had. known reports whether this process saw the data before. Otherwise the
// shard may be new, and the Forgot hook is not called.
func (s *Shard) lostMemory(ctx context.Context, known bool) {
	s.breaker.Forgot(s.all.Clock.Now())
	s.all.journal.LostData(s.name)
	s.tellPendingUsers()
	if !s.all.Foreign && !s.all.Without.Lacks(mechanism.Revocations) {
		s.again.begin(s.all.journal)
	}
	s.signal()
	if !known || s.all.Hooks.Forgot == nil {
		return
	}
	now := s.all.Clock.Now().UnixMilli()
	if before := s.forgotAt.Swap(now); now-before >= oneLoss.Milliseconds() {
		s.all.Hooks.Forgot(ctx, s.name)
	}
}

// oneLoss is how long after a loss further signs count as the same loss: each instance
// writes its log again then, which the others notice.
const oneLoss = 5 * time.Second

// dropShard ends a shard that has no sessions any more, because the store's layout
// has changed. The copies and tombstones that it lacked go to the shards that have
// these sessions now.
func (s *Shard) dropShard(ctx context.Context) {
	s.all.byName.CompareAndDelete(s.name, s)
	s.dropped.Store(true)
	s.handOver()
	limited, cancel := context.WithTimeout(ctx, s.all.SaveTimeout)
	_ = s.members.Drop(limited) // its members find out by themselves
	cancel()
	s.members.firstRead() // there are no logs to wait for
	untold := s.members.log.leave()
	moved := func(id string) bool { return s.all.Store.Shard(id) != s.name } // else no shard has it
	for _, x := range untold {
		if moved(x.Record()) {
			s.all.lackLog(s, x)
		}
	}
	for _, g := range s.members.graces.leave() {
		if moved(g.ID) {
			s.all.Of(g.ID).members.graces.hear(g, s.all.Clock.Now(), s.enterHeard)
		}
	}
	if lost, _ := s.again.owes(); lost > 0 {
		s.all.forShards(func(o *Shard) {
			o.again.begin(s.all.journal)
			o.signal()
		})
	}
	s.all.health.mu.Lock()
	if s.outage.state != Serving {
		s.all.health.countLocked(-1)
	}
	s.all.health.mu.Unlock()
}

// handOver moves the journal's entries for a dropped shard to the shards that have its
// sessions now. A caller that may have got the shard before it was dropped, and adds to the
// journal, calls handOver afterwards.
func (s *Shard) handOver() {
	if !s.dropped.Load() {
		return
	}
	lacking := s.all.journal.Move(s.name, s.all.Store.Shard, func(shard string) { s.all.named(shard).breaker.Owe() })
	for _, shard := range lacking {
		s.all.named(shard).signal()
	}
}

// onChange returns a function that notes a breaker's change, if there is one, and calls
// the hooks. err is the cause of the change.
func (s *Shard) onChange(ctx context.Context, err error) func(circuit.Change, bool) {
	return func(_ circuit.Change, news bool) {
		if !news {
			return
		}
		h := &s.all.health
		h.mu.Lock()
		now := s.all.Clock.Now()
		before, status := s.outage, s.status(now)
		s.outage.state = status.State
		switch {
		case before.state == Serving && status.State != Serving:
			n := s.all.journal.Stats(s.name)
			s.outage = outage{state: status.State, since: now, toldAt: now, delivered: n.Delivered, lost: n.Lost}
			h.countLocked(+1)
		case before.state != Serving && status.State == Serving:
			h.countLocked(-1)
		case status.State == Away && before.state == ReadsOnly:
			s.outage.toldAt = time.Time{} // the next probe reports that it has become worse
		}
		h.mu.Unlock()
		switch {
		case before.state == Serving && status.State != Serving:
			s.reportDown(ctx, status, err)
		case before.state != Serving && status.State == Serving:
			s.reportUp(ctx, before)
		}
	}
}

// reportDown tells the hooks that a shard is away, or takes no saves.
func (s *Shard) reportDown(ctx context.Context, status ShardStats, err error) {
	s.catchingUp.Store(false)
	if s.all.Hooks.Down != nil {
		s.all.Hooks.Down(ctx, s.name, status.explain(err))
	}
}

// reportUp tells the hooks that a shard serves again, after an outage.
func (s *Shard) reportUp(ctx context.Context, o outage) {
	up := s.outageUntilNow(o, nil)
	if s.all.Hooks.Up != nil {
		s.all.Hooks.Up(ctx, up)
	}
	if up.waiting() > 0 {
		s.catchingUp.Store(true)
		s.signal()
	}
}

// reportSettled calls the Settled hook once a shard that is back lacks nothing any
// more.
func (s *Shard) reportSettled(ctx context.Context) {
	if !s.catchingUp.Load() || s.status(s.all.Clock.Now()).State != Serving {
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
	status := s.status(s.all.Clock.Now())
	if status.State == Serving {
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
	s.all.Hooks.StillDown(ctx, s.outageUntilNow(o, status.explain(err)))
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

// Tombstone returns the tombstone of a session, if this process knows that it has ended.
func (s *Shard) Tombstone(id string) (journal.Tombstone, bool) { return s.all.journal.Tombstone(id) }

// Copy returns what this process knows of a session besides the store: what the shard
// lacks, and what it has taken lately.
func (s *Shard) Copy(id string) (state.Copy, bool) {
	held, ok := s.all.journal.Copy(id)
	return held.Copy, ok
}

// Breaker returns the shard's breaker of loads.
func (s *Shard) Breaker() *circuit.Breaker { return s.breaker }

// recordID returns the ID of a record of the library's own in the shard: see
// recordid.Numbered. It fails if the store has no such shard any more.
func (s *Shard) recordID(base string) (string, error) {
	shards := s.all.Store.Shards()
	switch {
	case len(shards) == 0:
		return idIn(s.all.Store, s.name, base)
	case !slices.Contains(shards, s.name):
		return "", fmt.Errorf("session: the store has no shard %s", s.name)
	}
	return recordid.Numbered(base, 0), nil
}
