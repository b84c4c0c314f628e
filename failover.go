package session

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
)

// shard is a part of the store that fails as one, seen from here: whether it is
// asked, and what it is owed. It exists only where there is a backup.
type shard struct {
	m       *Manager
	name    string
	breaker *circuit.Breaker
	journal journal
	canary  canary
	obeying sync.Mutex
	mode    atomic.Uint32 // the operator's, as the breaker has it; written with obeying held
	wake    chan struct{} // something is owed
	unsaved atomic.Int32  // saves that failed in a row
	left    time.Time     // when it went away; guarded by health.mu
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
	s := &shard{m: m, name: name, breaker: circuit.New(m.now()), wake: make(chan struct{}, 1)}
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

// answered notes that the store did what it was asked, or said why not.
func (c call) answered(ctx context.Context, w work) {
	if c.shard == nil {
		c.m.answered(ctx, w, c.id)
		return
	}
	if w == saving {
		c.shard.unsaved.Store(0)
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
	// A store that loads may be unable to save, as a replica or a full one is.
	if w == saving && c.ticket.Answer != circuit.No && s.unsaved.Add(1) == savesFailed {
		s.tell(ctx, err)(s.breaker.Trip(c.m.now(), circuit.SavesFailed))
	}
}

// savesFailed is how many saves in a row fail until a shard is away.
const savesFailed = 5

// tell returns what tells the hooks of a change, if it is one.
func (s *shard) tell(ctx context.Context, err error) func(circuit.Change, bool) {
	return func(c circuit.Change, news bool) {
		h := &s.m.health
		switch {
		case !news:
		case c.From == circuit.Serving:
			h.mu.Lock()
			s.left = s.m.now()
			h.count(+1)
			h.mu.Unlock()
			if err == nil {
				err = errors.New("session: " + c.Cause.String())
			}
			if s.m.hooks.Down != nil {
				s.m.hooks.Down(ctx, s.name, err)
			}
		case c.To == circuit.Serving:
			h.mu.Lock()
			after := s.m.now().Sub(s.left)
			h.count(-1)
			h.mu.Unlock()
			if s.m.hooks.Up != nil {
				s.m.hooks.Up(ctx, s.name, after)
			}
		}
	}
}
