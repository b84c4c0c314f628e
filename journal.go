package session

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/session/internal/state"
)

// journal is what this process owes one shard of the store, and the ring: every
// tombstone that it made or saw there, for as long as a tombstone lives. It is
// in memory only. What a crash takes is still in the cookies and in the
// journals of other instances.
type journal struct {
	mu       sync.RWMutex // guards all below
	debts    map[ID]*list.Element
	oldDebts list.List // of *debt, the oldest first
	graves   map[ID]*list.Element
	ring     list.List // of *grave, the first to be forgotten first
	weak     list.List // of *grave that are weak, likewise
	unburied int       // graves that the store lacks
	again    int       // those of them that it had before it lost its memory
}

// debt is a state that the store lacks.
type debt struct {
	state.Copy
	version int // grows with each write to it
}

// grave is a tombstone.
type grave struct {
	id      ID
	death   state.Death
	until   int64 // Unix milliseconds; it may be forgotten then
	pending bool  // the store lacks it
	again   bool  // likewise, but it had it before it lost its memory

	// heir is the session that Renew or Rotate made of this one while it could
	// not be reached. Should another hand have ended this one, the heir ends too.
	heir   ID
	turned bool // by Rotate, which leaves alone what another rotation has led to

	gentle    bool // a tombstone that stands already stays as it is
	contested bool // more than one hand has ended it
	line      bool // what rotations have made of it ends too
	weak      bool // nobody has seen the session: a token was shown, and no more
	ifStored  bool // likewise, and where the store has nothing there is nothing to end
	tries     int  // that failed
}

// byAnother tells whether another hand than that of k has ended the session. A
// rotation is no hand: the session lives on.
func (g grave) byAnother(k state.Superseded) bool {
	return g.contested || g.death.Dot != k.Dot && g.death.Reason != state.Rotated
}

// owed reports whether the store was never told of it, as far as is known here.
func (g *grave) owed() bool { return g.pending && !g.again }

// nobodys reports whether it turned out that there was nothing to end.
func (g *grave) nobodys() bool { return g.death.Reason == 0 }

// What an element of the journal takes up, besides its values: measured, with
// the maps' and lists' share; a tombstone with the 96 bytes of a link on top.
const (
	debtSize  = 512
	graveSize = 416
)

// ledger is the size of all journals of a Manager together, and what became of
// what they held.
type ledger struct {
	size atomic.Int64
	tally
}

// tally counts what has left a journal for good.
type tally struct{ delivered, lost atomic.Uint64 }

// arrived notes that the shard has taken something from the journal.
func (s *shard) arrived() {
	s.tally.delivered.Add(1)
	s.m.ledger.delivered.Add(1)
}

// lose notes that something was dropped that the shard lacks.
func (s *shard) lose() {
	s.tally.lost.Add(1)
	s.m.ledger.lost.Add(1)
}

func (d *debt) size() int64 { return debtSize + int64(len(d.State.Entries)) }

// buried tells whether the session has ended, as far as this process knows.
func (j *journal) buried(id ID) (grave, bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if e := j.graves[id]; e != nil {
		return *e.Value.(*grave), true
	}
	return grave{}, false
}

// owed returns what the store lacks of a session.
func (j *journal) owed(id ID) (state.Copy, bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if e := j.debts[id]; e != nil {
		return e.Value.(*debt).Copy, true
	}
	return state.Copy{}, false
}

// owe keeps a state that the store lacks until it is delivered. It reports
// whether there was room.
func (s *shard) owe(ctx context.Context, b state.Copy) bool {
	if s.m.without&pendingStates != 0 {
		return true
	}
	j := &s.journal
	j.mu.Lock()
	if e := j.graves[ID(b.ID)]; e != nil {
		d := e.Value.(*grave).death
		j.mu.Unlock()
		if heir, _, ok := inheritance(b, d); ok {
			return s.m.shardOf(ID(heir.ID)).owe(ctx, heir)
		}
		return true // it has ended meanwhile, and what is dead is owed nothing
	}
	d := &debt{Copy: b}
	if e := j.debts[ID(b.ID)]; e != nil {
		d = e.Value.(*debt)
		s.m.ledger.size.Add(-d.size())
		d.Copy = d.Join(b)
		d.version++
		j.oldDebts.MoveToBack(e)
	} else {
		if j.debts == nil {
			j.debts = make(map[ID]*list.Element)
		}
		j.debts[ID(b.ID)] = j.oldDebts.PushBack(d)
	}
	s.m.ledger.size.Add(d.size())
	j.mu.Unlock()
	s.rouse()
	s.m.makeRoom(ctx)
	_, kept := j.owed(ID(b.ID))
	return kept
}

// bury enters a tombstone into the ring. pending says that the store lacks it.
// It fails where the journal holds nothing but pending tombstones and is full.
func (s *shard) bury(ctx context.Context, g grave) error {
	g.pending = g.pending && s.m.without&hints == 0
	g.again = g.again && g.pending
	if !g.pending && s.m.without&ring != 0 {
		return nil
	}
	if g.pending && s.m.ledger.size.Load()+graveSize > int64(s.m.backup.Journal) && !s.m.canMakeRoom() {
		return errJournalFull
	}
	j := &s.journal
	g.until = s.m.now().Add(s.m.tombstoneLife()).UnixMilli()
	j.mu.Lock()
	var ended []ID // whose values and right to live another hand has taken
	ends := false  // what rotations have made of it, which the store was not asked for
	if e := j.graves[g.id]; e != nil {
		old := *e.Value.(*grave)
		ends = g.pending && g.line && !old.line
		g, ended = g.onto(old)
		j.unbury(e)
		s.m.ledger.size.Add(-graveSize)
	}
	if j.graves == nil {
		j.graves = make(map[ID]*list.Element)
	}
	j.graves[g.id] = j.list(&g).PushBack(&g)
	s.m.ledger.size.Add(graveSize)
	if g.pending {
		j.unburied++
		s.breaker.Owe()
	}
	if g.again {
		j.again++
	}
	var owed state.Copy
	if e := j.debts[g.id]; e != nil {
		owed = e.Value.(*debt).Copy
		_, all, inherited := inheritance(owed, g.death)
		passedOn := inherited && all
		if g.death.Dot.Instance != s.m.instance && !passedOn {
			s.lose() // what this process ends itself it wants gone
		}
		s.forgive(e)
	}
	pending, copied := g.pending, g // the keeper has g from now on
	j.mu.Unlock()
	if heir, _, ok := inheritance(owed, copied.death); ok {
		s.m.shardOf(ID(heir.ID)).owe(ctx, heir)
	}
	if ends {
		_ = s.m.endNext(ctx, copied, state.Destroyed)
	}
	if pending {
		s.rouse()
	}
	for _, id := range ended {
		_ = s.m.shardOf(id).bury(ctx, grave{id: id, death: s.m.tombstone(state.Revoked).Death, pending: true})
	}
	s.m.makeRoom(ctx)
	return nil
}

// onto is g where old is known already. An heir ends too where another hand than
// its own has ended the session: it is returned. Of two rotations both heirs live.
func (g grave) onto(old grave) (joined grave, ended []ID) {
	if old.heir != "" && old.pending && g.death.Reason != state.Renewed {
		g.gentle = false // it is not known yet whether the heir may live
	}
	if old.death.Dot != g.death.Dot && !g.gentle && !old.gentle {
		g.contested = g.death.Reason != state.Rotated && old.death.Reason != state.Rotated
		if old.heir != "" && g.death.Reason != state.Rotated {
			ended, old.heir = append(ended, old.heir), ""
		}
		if g.heir != "" && old.death.Reason != state.Rotated {
			ended, g.heir = append(ended, g.heir), ""
		}
	}
	if g.gentle && !old.gentle {
		g.death = old.death
	} else if g.gentle == old.gentle {
		g.death = state.Join(state.State{Death: old.death}, state.State{Death: g.death}).Death
	}
	if g.heir == "" {
		g.heir, g.turned = old.heir, old.turned
	}
	g.again = (g.again || old.again) && !g.owed() && !old.owed()
	g.pending = g.pending || old.pending
	g.contested = g.contested || old.contested
	g.line = g.line || old.line
	g.gentle, g.weak = g.gentle && old.gentle, g.weak && old.weak
	g.ifStored = g.ifStored && old.ifStored
	return g, ended
}

// unbury takes a grave out of the lists. j.mu is held.
func (j *journal) unbury(e *list.Element) {
	g := e.Value.(*grave)
	j.list(g).Remove(e)
	delete(j.graves, g.id)
	j.settle(g)
}

// settle notes that the store does not lack g any more, or that g is dropped.
// j.mu is held.
func (j *journal) settle(g *grave) {
	if g.pending {
		j.unburied--
	}
	if g.again {
		j.again--
	}
	g.pending, g.again = false, false
}

func (j *journal) list(g *grave) *list.List {
	if g.weak {
		return &j.weak
	}
	return &j.ring
}

// known yields all graves. j.mu is held.
func (j *journal) known(yield func(*grave) bool) {
	for _, l := range []*list.List{&j.ring, &j.weak} {
		for e := l.Front(); e != nil; e = e.Next() {
			if !yield(e.Value.(*grave)) {
				return
			}
		}
	}
}

// forgive drops a debt. s.journal.mu is held.
func (s *shard) forgive(e *list.Element) {
	d := s.journal.oldDebts.Remove(e).(*debt)
	delete(s.journal.debts, ID(d.ID))
	s.m.ledger.size.Add(-d.size())
}

// expire forgets the graves whose time has come.
func (s *shard) expire() {
	j, now := &s.journal, s.m.now().UnixMilli()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range []*list.List{&j.ring, &j.weak} {
		for e := l.Front(); e != nil; {
			g, next := e.Value.(*grave), e.Next()
			if g.until > now {
				break
			}
			if !g.pending {
				j.unbury(e)
				s.m.ledger.size.Add(-graveSize)
			}
			e = next
		}
	}
}

// canMakeRoom tells whether there is anything but pending tombstones of
// sessions that somebody has seen.
func (m *Manager) canMakeRoom() bool {
	room := false
	m.shards.byName.Range(func(_, v any) bool {
		j := &v.(*shard).journal
		j.mu.RLock()
		defer j.mu.RUnlock()
		room = len(j.debts) > 0 || j.weak.Len() > 0 || j.unburied < len(j.graves)
		return !room
	})
	return room
}

var errJournalFull = fmt.Errorf("%w: the journal is full of tombstones that wait for the store", ErrUnavailable)

// makeRoom drops what goes first while the journals are too large: tombstones of
// sessions that nobody has seen; those that the store has, as far as they take
// up more than half; the oldest states, which the cookies still have; and then
// the other tombstones that the store has.
func (m *Manager) makeRoom(ctx context.Context) {
	for m.ledger.size.Load() > int64(m.backup.Journal) {
		delivered := 0
		m.shards.byName.Range(func(_, v any) bool {
			j := &v.(*shard).journal
			j.mu.RLock()
			defer j.mu.RUnlock()
			delivered += len(j.graves) - j.unburied
			return true
		})
		dropped := m.drop((*shard).dropWeak) ||
			2*delivered*graveSize > m.backup.Journal && m.drop((*shard).dropGrave) ||
			m.drop(func(s *shard) bool {
				id, ok := s.dropDebt()
				if ok && m.hooks.Overflow != nil {
					m.hooks.Overflow(ctx, id)
				}
				return ok
			}) || m.drop((*shard).dropGrave)
		if !dropped {
			return
		}
	}
}

// drop makes one shard drop something, and reports whether there was one.
func (m *Manager) drop(something func(*shard) bool) (dropped bool) {
	m.shards.byName.Range(func(_, v any) bool {
		dropped = something(v.(*shard))
		return !dropped
	})
	return dropped
}

func (s *shard) dropWeak() bool {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	e := s.journal.weak.Front()
	if e == nil {
		return false
	}
	if e.Value.(*grave).owed() {
		s.lose()
	}
	s.journal.unbury(e)
	s.m.ledger.size.Add(-graveSize)
	return true
}

func (s *shard) dropDebt() (ID, bool) {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	e := s.journal.oldDebts.Front()
	if e == nil {
		return "", false
	}
	id := e.Value.(*debt).ID
	s.forgive(e)
	s.lose()
	return ID(id), true
}

func (s *shard) dropGrave() bool {
	j := &s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	for e := j.ring.Front(); e != nil; e = e.Next() {
		if !e.Value.(*grave).pending {
			j.unbury(e)
			s.m.ledger.size.Add(-graveSize)
			return true
		}
	}
	return false
}

// rouse wakes the keeper.
func (s *shard) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
