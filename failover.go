package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/probe"
)

// shard is a part of the store that fails as one, seen from here: whether it is
// asked, and what it is owed. It exists only where there is a backup.
type shard struct {
	m        *Manager
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
func (s *shard) failures(w work) *atomic.Int32 {
	if w == putting {
		return &s.unsaved[0]
	}
	return &s.unsaved[1]
}

// shards are those that were met so far. Each has a goroutine, its keeper.
type shards struct {
	byName sync.Map // string -> *shard
	mu     sync.Mutex
	closed bool
	close  context.CancelFunc
	ctx    context.Context // of the keepers
	wg     sync.WaitGroup
}

// shardOf returns the shard that has id.
func (m *Manager) shardOf(id ID) *shard { return m.shardNamed(m.shard(id)) }

func (m *Manager) shardNamed(name string) *shard {
	if s, ok := m.shards.byName.Load(name); ok {
		return s.(*shard)
	}
	m.shards.mu.Lock()
	defer m.shards.mu.Unlock()
	if s, ok := m.shards.byName.Load(name); ok {
		return s.(*shard)
	}
	s := &shard{m: m, name: name, breaker: circuit.New(m.now()), journal: journal.New(&m.ledger), wake: make(chan struct{}, 1)}
	s.probes = probe.Shard{Store: probeStore{m}, Name: name, Instance: m.instance, Now: m.now, Budget: m.options.SaveTimeout}
	m.shards.byName.Store(name, s)
	if !m.shards.closed {
		m.shards.wg.Go(func() { s.keep(m.shards.ctx) })
	}
	return s
}

// call is one operation on the store.
type call struct {
	m      *Manager
	id     ID
	shard  *shard // nil where there is no backup
	ticket circuit.Ticket
	budget time.Duration
}

// call asks for permission to ask the store. vouched tells whether the visitor
// can do without it.
func (m *Manager) call(ctx context.Context, id ID, vouched bool, budget time.Duration) (call, error) {
	c := call{m: m, id: id, budget: budget}
	if m.backup == nil {
		return c, nil
	}
	c.shard = m.shardOf(id)
	c.shard.obey(ctx)
	c.ticket = c.shard.breaker.Allow(m.now(), vouched)
	if c.ticket.Answer == circuit.No {
		return c, errAway
	}
	return c, nil
}

// obey passes the operator's mode on to the breaker.
func (s *shard) obey(ctx context.Context) {
	if s.mode.Load() == uint32(s.m.override().Mode) {
		return
	}
	s.obeying.Lock()
	mode := s.m.override().Mode
	s.mode.Store(uint32(mode))
	change, news := s.breaker.Force(s.m.now(), circuit.Mode(mode))
	s.obeying.Unlock()
	s.tell(ctx, errForced)(change, news)
}

var errForced = errors.New("session: by order of the operator")

// answered notes that the store did what it was asked, or said why not: then w
// is noWork.
func (c call) answered(ctx context.Context, w work) {
	if c.shard == nil {
		c.m.answered(ctx, w, c.id)
		return
	}
	if w == putting || w == swapping {
		c.shard.failures(w).Store(0)
	}
	c.shard.tell(ctx, nil)(c.shard.breaker.Report(c.ticket, c.m.now(), c.budget, circuit.Answered))
}

// failed notes that it did not. A visitor who left is no failure.
func (c call) failed(ctx context.Context, w work, err error) {
	if c.shard == nil {
		c.m.away(ctx, w, c.id, err)
		return
	}
	s := c.shard
	s.tell(ctx, err)(s.breaker.Report(c.ticket, c.m.now(), c.budget, circuit.Failed))
	if w != loading && c.ticket.Answer != circuit.No {
		s.unable(ctx, w, err)
	}
}

// savesFailed is how many saves of a kind fail in a row until a shard is away.
const savesFailed = 5

// unable notes that a save failed, or a compare-and-set that had to succeed. A
// shard that loads may be unable to save, as a replica or a full one is, or to
// do one kind of save: it goes away then.
func (s *shard) unable(ctx context.Context, w work, err error) {
	if s.failures(w).Add(1) == savesFailed {
		s.tell(ctx, err)(s.breaker.Trip(s.m.now(), circuit.SavesFailed))
	}
}

// refused notes that the store answered a save with a conflict where nobody else
// can have written: under an ID that nobody knows yet, or over the version that
// stood there before and after. It returns an error that says so.
func (m *Manager) refused(ctx context.Context, id ID, over Version) error {
	err := fmt.Errorf("%w: the store refuses a save over what stands there", ErrUnavailable)
	m.failed(ctx, OperationSave, id, err)
	if m.backup == nil {
		m.away(ctx, workOf(over), id, err)
	} else {
		m.shardOf(id).unable(ctx, workOf(over), err)
	}
	return err
}

// tell returns what tells the hooks of a change, if it is one.
func (s *shard) tell(ctx context.Context, err error) func(circuit.Change, bool) {
	return func(c circuit.Change, news bool) {
		h := &s.m.health
		switch {
		case !news:
		case c.From == circuit.Serving:
			h.mu.Lock()
			now := s.m.now()
			n := s.journal.Stats()
			s.outage = outage{now, now, n.Delivered, n.Lost}
			h.count(+1)
			h.mu.Unlock()
			s.settling.Store(false)
			if err == nil {
				err = errors.New("session: " + c.Cause.String())
			}
			if s.m.hooks.Down != nil {
				s.m.hooks.Down(ctx, s.name, err)
			}
		case c.To == circuit.Serving:
			h.mu.Lock()
			o := s.outage
			h.count(-1)
			h.mu.Unlock()
			up := s.report(o, nil)
			if s.m.hooks.Up != nil {
				s.m.hooks.Up(ctx, up)
			}
			if up.waiting() > 0 {
				s.settling.Store(true)
				s.rouse()
			}
		}
	}
}

// settle tells the hooks that a shard which is back lacks nothing any more.
func (s *shard) settle(ctx context.Context) {
	if !s.settling.Load() || s.breaker.State(s.m.now()).State != circuit.Serving {
		return
	}
	s.m.health.mu.Lock()
	o := s.outage
	s.m.health.mu.Unlock()
	settled := s.report(o, nil)
	if settled.waiting() > 0 || !s.settling.CompareAndSwap(true, false) || s.m.hooks.Settled == nil {
		return
	}
	s.m.hooks.Settled(ctx, settled)
}

// remind tells the hooks of an outage that lasts. err is what came of the last
// probe.
func (s *shard) remind(ctx context.Context, err error) {
	b := s.breaker.State(s.m.now())
	if b.State == circuit.Serving {
		return
	}
	h := &s.m.health
	h.mu.Lock()
	due := s.m.now().Sub(s.outage.told) >= reminder
	if due {
		s.outage.told = s.m.now()
	}
	o := s.outage
	h.mu.Unlock()
	if !due || s.m.hooks.StillDown == nil {
		return
	}
	if err == nil {
		err = errors.New("session: " + b.String())
	}
	s.m.hooks.StillDown(ctx, s.report(o, err))
}

// report is an outage with what became of the journal since it began.
func (s *shard) report(o outage, err error) Outage {
	n := s.journal.Stats()
	return Outage{
		Shard: s.name, Since: o.since, Duration: s.m.now().Sub(o.since), Err: err,
		States: n.States, Tombstones: n.Tombstones,
		Delivered: n.Delivered - o.delivered, Lost: n.Lost - o.lost,
		backup: true,
	}
}
